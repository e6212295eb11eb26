//! The server's time limits, with tokio's clock at a stand: nobody waits for real, and what would wait for ever would end the
//! test at once.
//!
//! The server runs in the test's own runtime; time goes on only when everybody there waits, to the next time limit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cred_helper::ipc::server::{Listener, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::echo::Echo;

const LIMIT: Duration = Duration::from_secs(30);

/// Runs a caller against a server, on one clock that starts at a stand.
fn with_server<F: Future<Output = ()>>(caller: impl FnOnce(std::path::PathBuf) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("run/agent.sock");
        let listener = Listener::bind(&socket).expect("binds");
        let (echo, ..) = Echo::new();
        tokio::select! {
            () = serve(listener, Arc::new(echo), std::future::pending::<()>()) => panic!("the server ended"),
            () = caller(socket) => {}
        }
    });
}

async fn send(socket: &std::path::Path, bytes: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.expect("connects");
    stream.write_all(bytes).await.expect("written");
    stream
}

/// Until the server closes: what it sent, and after how long.
async fn end_of(stream: &mut UnixStream) -> (String, Duration) {
    let began = Instant::now();
    let mut answer = Vec::new();
    // A reset is a close, too.
    let _ = stream.read_to_end(&mut answer).await;
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[test]
fn a_message_once_begun_has_thirty_seconds() {
    let cases = [
        ("a line", "{\"jsonrpc\":"),
        ("blanks", " "),
        ("half a word", "Conte"),
        ("a header", "Content-Length: 10"),
        ("half a body", "Content-Length: 10\r\n\r\n{\"a\""),
        ("an HTTP head", "POST / HTTP/1.1\r\nhost: loc"),
        ("an HTTP body", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{"),
        ("an HTTP chunk", "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"),
    ];
    with_server(async |socket| {
        for (name, begun) in cases {
            let mut stream = send(&socket, begun.as_bytes()).await;
            let (_, took) = end_of(&mut stream).await;
            assert!(took >= LIMIT && took < LIMIT * 3, "{name}: {took:?}");
        }
    });
}

#[test]
fn a_byte_now_and_then_gains_no_time() {
    with_server(async |socket| {
        for begun in ["{", "Content-Length: 90000\r\n\r\n", "POST / HTTP/1.1\r\nhost: localhost\r\nx:"] {
            let mut stream = send(&socket, begun.as_bytes()).await;
            let began = Instant::now();
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(began.elapsed() < LIMIT * 2, "{begun} is still taken");
            }
            assert!(began.elapsed() >= LIMIT, "{begun}: {:?}", began.elapsed());
        }
    });
}

#[test]
fn a_connection_on_which_nothing_is_said_may_stay() {
    with_server(async |socket| {
        let mut silent = send(&socket, b"").await;
        let mut between = send(&socket, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"test.echo\"}\n").await;
        let mut answer = [0; 1024];
        assert!(between.read(&mut answer).await.expect("answered") > 0);
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        for stream in [&mut silent, &mut between] {
            stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"test.echo\"}\n").await.expect("written");
            assert!(stream.read(&mut answer).await.expect("answered") > 0);
        }
    });
}

#[test]
fn whoever_takes_nothing_for_thirty_seconds_is_cut_off() {
    let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"test.large\"}";
    let http = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{line}", line.len());
    let flood = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"test.forever\"}".to_owned();
    with_server(async |socket| {
        for sent in [format!("{line}\n").repeat(10), http.repeat(10), format!("{line}\n{flood}\n{line}\n").repeat(2)] {
            let mut stream = send(&socket, sent.as_bytes()).await;
            tokio::time::sleep(LIMIT * 3).await;
            // What fits into the socket is all that comes; then the end.
            let (answer, took) = end_of(&mut stream).await;
            assert!(answer.len() < 1_000_000 && took < Duration::from_secs(1), "{} bytes, {took:?}", answer.len());
        }
    });
}
