//! The agent's socket from outside: real connections, well-behaved and hostile.
#![cfg(all(unix, feature = "agent"))]

mod ipc {
    mod deadlines;
    pub(crate) mod echo;
    mod web;
}

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use cred_helper::Client;
use cred_helper::ipc::client::CallError;
use cred_helper::ipc::message::ErrorKind;
use cred_helper::ipc::message::agent::Hello;
use cred_helper::ipc::message::login::{CancelLogin, StartLogin};
use cred_helper::ipc::message::token::GetToken;
use ipc::echo::Agent;

fn lines(stream: &UnixStream) -> impl Iterator<Item = serde_json::Value> {
    let reader = BufReader::new(stream.try_clone().expect("cloned"));
    reader.lines().map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
}

fn request(id: u32, method: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{\"n\":{id}}}}}\n")
}

fn send(agent: &Agent, sent: &str) -> UnixStream {
    let mut stream = agent.connect();
    stream.write_all(sent.as_bytes()).expect("written");
    stream
}

/// Sends, closes the sending half, reads to the end.
fn exchange(agent: &Agent, sent: &str) -> String {
    let mut stream = send(agent, sent);
    stream.shutdown(Shutdown::Write).expect("half closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end");
    answer
}

#[test]
fn the_client_gets_its_token() {
    let agent = Agent::start();
    let mut client = Client::connect(&agent.socket).expect("connects");
    let token = client.call(&GetToken { account: Some("demo".into()), ..GetToken::default() }).expect("a token");
    assert_eq!(&*token.token.expose(), "token-of-demo");
    let error = client.call(&Hello::default()).expect_err("the echo service knows no hello");
    assert!(matches!(error, CallError::Agent(error) if error.kind() == ErrorKind::MethodNotFound));
}

#[test]
fn pipelined_requests_run_at_once_and_are_answered_as_they_finish() {
    let agent = Agent::start();
    let all = request(1, "test.wait") + &request(2, "test.echo") + &request(3, "test.release");
    let stream = send(&agent, &all);
    let ids: Vec<_> = lines(&stream).take(3).map(|answer| answer["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids, [2, 3, 1]);
}

#[test]
fn more_requests_than_may_be_under_way_are_all_answered() {
    let agent = Agent::start();
    let stream = agent.connect();
    let mut writer = stream.try_clone().expect("cloned");
    let sender = thread::spawn(move || {
        for id in 0..2000 {
            writer.write_all(request(id, "test.echo").as_bytes()).expect("written");
        }
    });
    let mut ids: Vec<_> = lines(&stream).take(2000).map(|answer| answer["id"].as_u64().expect("an id")).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..2000));
    sender.join().expect("sent");
}

#[test]
fn a_caller_that_hangs_up_takes_its_call_with_it() {
    let agent = Agent::start();
    for half_closed_first in [false, true] {
        for head in ["", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 75\r\n\r\n"] {
            let body = format!("{:<74}\n", request(1, "test.forever").trim_end());
            let stream = send(&agent, &format!("{head}{body}"));
            agent.started();
            if half_closed_first {
                stream.shutdown(Shutdown::Write).expect("half closed");
            }
            drop(stream);
            agent.dropped();
        }
    }
}

#[test]
fn a_half_closed_caller_gets_its_answers() {
    let agent = Agent::start();
    let http = "GET /v1/token/demo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned();
    let unended = request(7, "test.slow").trim_end().to_owned();
    for (sent, expected) in [(request(7, "test.slow"), "\"id\":7"), (unended, "\"id\":7"), (http, "token-of-demo")] {
        let answer = exchange(&agent, &sent);
        assert!(answer.contains(expected), "{sent}: {answer}");
    }
}

#[test]
fn all_three_framings_answer_on_the_same_socket() {
    let agent = Agent::start();
    let body = request(5, "test.echo").trim_end().to_owned();
    let length = body.len();
    let expected = "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"n\":5}}";
    let cases = [
        (format!("{body}\n"), format!("{expected}\n")),
        (
            format!("Content-Length: {length}\r\n\r\n{body}"),
            format!("Content-Length: {}\r\n\r\n{expected}", expected.len()),
        ),
        (
            format!("POST /rpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"),
            format!("\r\n\r\n{expected}\n"),
        ),
    ];
    for (sent, expected) in cases {
        let answer = exchange(&agent, &sent);
        assert!(answer.ends_with(&expected), "{sent:?}: {answer:?}");
    }
}

#[test]
fn http_streams_notifications_before_the_answer() {
    let agent = Agent::start();
    let body = request(1, "login.start");
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\naccept: application/x-ndjson\r\nconnection: close";
    let stream = send(&agent, &format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    let mut received = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    let before: Vec<_> = received.by_ref().take_while(|line| !line.contains("login.progress")).collect();
    assert!(before.iter().all(|line| !line.contains("\"id\"")), "{before:?}");
    let mut other = Client::connect(&agent.socket).expect("connects");
    other.call(&CancelLogin { login: "1".into() }).expect("cancelled");
    assert!(received.any(|line| line.contains("\"id\":1,\"error\"")));
}

#[test]
fn http_refuses_web_pages_and_unknown_addresses() {
    let agent = Agent::start();
    let cases = [
        ("GET /v1/status HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\n\r\n", "403"),
        ("GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "405"),
        ("GET /v1/token/%zz HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300000\r\n\r\n", "413"),
    ];
    for (sent, status) in cases {
        let mut stream = send(&agent, sent);
        if status == "413" {
            let _ = stream.write_all(&vec![b'x'; 300_000]);
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("answered");
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes(), "{sent}");
    }
}

#[test]
fn a_second_request_goes_out_while_the_login_waits() {
    let agent = Agent::start();
    let mut client = Client::connect(&agent.socket).expect("connects");
    let writer = client.try_clone_writer().expect("a writer");
    let mut canceller = None;
    let outcome = client.call_with(&StartLogin { provider: "p".into(), ..StartLogin::default() }, &mut |method, _| {
        assert_eq!(method, "login.progress");
        let mut writer = writer.clone();
        canceller = Some(thread::spawn(move || writer.call(&CancelLogin { login: "1".into() })));
    });
    assert!(matches!(outcome, Err(CallError::Agent(error)) if error.kind() == ErrorKind::Cancelled));
    canceller.expect("notified").join().expect("no panic").expect("cancelled");
}

#[test]
fn a_deadline_ends_a_call_that_takes_too_long() {
    let agent = Agent::start();
    let mut client = Client::connect(&agent.socket).expect("connects");
    client.set_deadline(Duration::from_millis(50));
    let error = client.call(&StartLogin { provider: "p".into(), ..StartLogin::default() }).expect_err("too long");
    assert!(matches!(error, CallError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut));
}

#[test]
fn hostile_bytes_end_in_an_error_and_a_close_and_are_not_sent_back() {
    let agent = Agent::start();
    let canary = "canary-5d41402abc4b2a76";
    let cases: [(&str, Vec<u8>); 8] = [
        ("no newline", [b"{\"", &vec![b'a'; 64 * 1024 * 1024][..]].concat()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01".to_vec()),
        ("words", format!("hello {canary}\n").into_bytes()),
        ("every byte", (0..=255).rev().collect()),
        ("zeros", vec![0; 10_000]),
        ("headers without end", [b"Content-Type: ", &vec![b'x'; 70_000][..]].concat()),
        ("a length too long", b"Content-Length: 999999999\r\n\r\n{}".to_vec()),
        ("a length that is none", format!("Content-Length: {canary}\r\n\r\n").into_bytes()),
    ];
    for (name, bytes) in cases {
        let stream = agent.connect();
        let mut writer = stream.try_clone().expect("cloned");
        // It may be cut off in the middle.
        let sender = thread::spawn(move || writer.write_all(&bytes).is_ok());
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        // A reset after the answer is a close too.
        while let Ok(length @ 1..) = (&stream).read(&mut chunk) {
            answer.extend_from_slice(&chunk[..length]);
        }
        sender.join().expect("no panic");
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.contains("-32600"), "{name}: {answer:?}");
        assert!(!answer.contains(canary), "{name}");
    }
    assert!(agent.works());
}

#[test]
fn errors_within_a_connection_leave_it_open() {
    let agent = Agent::start();
    let no_id = "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}";
    let stream = send(&agent, &format!("{{not json}}\n[]\n{no_id}\n\n{}", request(9, "test.echo")));
    let codes: Vec<_> = lines(&stream).take(3).map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [Some(-32700), Some(-32600), None]);
}

#[test]
fn a_call_that_panics_is_answered() {
    let agent = Agent::start();
    let answer = lines(&send(&agent, &request(4, "test.panic"))).next().expect("answered");
    assert_eq!((answer["id"].as_u64(), answer["error"]["code"].as_i64()), (Some(4), Some(-32603)));
}

#[test]
fn a_thousand_idle_connections_and_half_requests_cost_others_nothing() {
    let _ = cred_helper::agent::harden::harden();
    let agent = Agent::start();
    let idle: Vec<_> = (0..1000).map(|_| agent.connect()).collect();
    for mut stream in idle.iter().step_by(2) {
        stream.write_all(b"{\"jsonrpc\":").expect("written");
    }
    assert!(agent.works());
    assert!(agent.connections.count() >= 1000);
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off() {
    let agent = Agent::start();
    let _stream = send(&agent, &request(1, "test.flood"));
    // The service floods until its notifier says that the connection is gone.
    agent.dropped();
    assert!(agent.works());
}

#[test]
fn stopping_answers_what_is_under_way_and_removes_the_socket() {
    let mut agent = Agent::start();
    let other = agent.connect();
    let stream = send(&agent, &request(1, "test.wait"));
    agent.started();
    agent.stop();
    // A silent connection is closed at once; the other one once the service has its answer.
    assert_eq!((&other).read(&mut [0; 1]).expect("closed"), 0);
    agent.release();
    assert_eq!(lines(&stream).count(), 1);
    agent.join();
    assert!(!agent.socket.exists());
}
