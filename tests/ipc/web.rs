//! HTTP on the agent's socket among senders who mean no good: a web page behind a program that passes a port on, a proxy that
//! reads a head differently, heads without measure.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::echo::Agent;

/// Everything that is answered to it, or as much as came before a reset.
fn answers(agent: &Agent, sent: &[u8]) -> String {
    let stream = agent.connect();
    let writer = stream.try_clone().expect("cloned");
    let sent = sent.to_vec();
    let sender = std::thread::spawn(move || {
        let _ = (&writer).write_all(&sent);
        let _ = writer.shutdown(Shutdown::Write);
    });
    let answer = drain(&stream);
    sender.join().expect("no panic");
    answer
}

fn drain(mut stream: &UnixStream) -> String {
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(answer).expect("text")
}

#[test]
fn a_web_page_gets_nothing_whatever_name_it_made_for_this_machine() {
    let agent = Agent::start();
    let heads = [
        "GET /v1/token/demo HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /v1/token/demo HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
        "GET /v1/token/demo HTTP/1.1\r\nHost: 192.168.1.7:8080\r\n\r\n",
        "GET /v1/token/demo HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET /v1/token/demo HTTP/1.1\r\n\r\n",
        "GET /v1/token/demo HTTP/1.0\r\n\r\n",
        "GET http://evil.example/v1/token/demo HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v1/token/demo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
        "GET /v1/token/demo HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Type: text/plain\r\nContent-Length: 66\r\n\r\n\
         {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"token.get\",\"params\":{\"a\":\"demo\"}}",
    ];
    for head in heads {
        let answer = answers(&agent, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.0 403"), "{head}\n{answer}");
        assert!(!answer.contains("token-of") && !answer.to_lowercase().contains("access-control"), "{head}\n{answer}");
    }
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1:3000", "[::1]"] {
        let head = format!("GET /v1/token/demo HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert!(answers(&agent, head.as_bytes()).contains("token-of-demo"), "{host}");
    }
}

#[test]
fn a_head_that_can_be_read_two_ways_is_no_request() {
    let agent = Agent::start();
    let hidden = "GET /v1/token/demo HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let ambiguous = [
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("Content-Length: +0\r\n\r\n{hidden}"),
        format!("Content-Length: -1\r\n\r\n{hidden}"),
        format!("Content-Length: 99999999999999999999\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\n\r\n-1\r\n{hidden}"),
        format!("X: a\r\n b: folded\r\n\r\n{hidden}"),
    ];
    for head in ambiguous {
        let answer = answers(&agent, format!("POST / HTTP/1.1\r\nHost: localhost\r\n{head}").as_bytes());
        assert!(!answer.contains("token-of-demo"), "{head}\n{answer}");
    }
    assert!(agent.works());
}

#[test]
fn heads_and_bodies_without_measure_end_in_an_error() {
    let agent = Agent::start();
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\n";
    let cases = [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(1000)),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1024 * 1024)),
        format!("{post}Content-Length: 300000\r\n\r\n{}", "x".repeat(300_000)),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n{}", "1\r\nx\r\n".repeat(300_000)),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n1;{}", "e".repeat(1024 * 1024)),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for sent in cases {
        let shown = &sent[..sent.len().min(60)];
        let answer = answers(&agent, sent.as_bytes());
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.contains("-32600"),
            "{shown}\n{answer}"
        );
    }
    assert!(agent.works());
}

/// Nothing of an answer stays behind in buffers, and nothing that a proxy put behind a request is one.
#[test]
fn a_connection_ends_with_its_first_answer() {
    let agent = Agent::start();
    let one = "GET /v1/token/demo HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = agent.connect();
    stream.write_all(one.as_bytes()).expect("written");
    let answer = drain(&stream);
    assert!(answer.contains("token-of-demo") && answer.to_lowercase().contains("connection: close"), "{answer}");
    let answer = answers(&agent, one.repeat(500).as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
}
