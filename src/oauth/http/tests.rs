//! The HTTP client against servers that are rude, silent, endless or gone.

use super::*;
use crate::oauth::canned::{Canned, answer};

#[tokio::test]
async fn we_say_who_we_are_and_keep_no_connection() {
    let server = Canned::start(|_| answer(200, "{}")).await;
    let http = Http::new(HttpOptions::default()).expect("made");
    let body = Body { content_type: "text/plain", bytes: Zeroizing::new(b"x".to_vec()) };
    let request = Request { url: server.url("/t"), body: Some(body), ..Request::default() };
    assert_eq!(http.send(request).await.expect("answer").status, 200);
    let seen = server.seen().pop().expect("one request");
    assert_eq!(seen.header("user-agent"), format!("cred-helper/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!((seen.header("connection"), seen.header("accept")), ("close", "application/json"));
}

#[tokio::test]
async fn what_was_certainly_not_sent_is_told_from_what_may_have_arrived() {
    let http = Http::new(HttpOptions::default()).expect("made");
    let get = |url: String| http.send(Request { url, timeout: Some(Duration::from_secs(5)), ..Request::default() });
    // A port that was ours a moment ago and that nobody listens on.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = free.local_addr().expect("address").port();
    drop(free);
    assert!(matches!(get(format!("http://127.0.0.1:{port}/")).await, Err(HttpError::NotSent(_))));
    assert!(matches!(get("http://a.example/".to_owned()).await, Err(HttpError::Refused(_))));

    // A server that takes the request and hangs up; then one that speaks no TLS.
    let (url, tls) = (rude_server(b"").await, rude_server(b"HTTP/1.1 400 no\r\n\r\n").await);
    assert!(matches!(get(url).await, Err(HttpError::AnswerLost(_))));
    let handshake = get(tls.replace("http:", "https:")).await;
    assert!(matches!(handshake, Err(HttpError::NotSent(_) | HttpError::Refused(_))), "{handshake:?}");
    let cut = rude_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"acc").await;
    assert!(matches!(get(cut).await, Err(HttpError::AnswerLost(_))));
}

#[tokio::test]
async fn an_answer_that_never_comes_or_never_ends_is_lost() {
    let http = Http::new(HttpOptions::default()).expect("made");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}/", silent.local_addr().expect("address"));
    let waiting = http.send(Request { url, timeout: Some(Duration::from_millis(50)), ..Request::default() }).await;
    assert!(matches!(waiting, Err(HttpError::AnswerLost(_))), "{waiting:?}");

    let server = Canned::start(|_| answer(200, &"x".repeat(MAX_BODY + 1))).await;
    let long = http.send(Request { url: server.url("/"), ..Request::default() }).await;
    assert!(matches!(long, Err(HttpError::AnswerLost(_))), "{long:?}");
}

/// So many milliseconds for the whole.
fn silent_for(url: String, whole: u64, repeatable: bool) -> Request {
    Request { url, timeout: Some(Duration::from_millis(whole)), repeatable, ..Request::default() }
}

#[tokio::test]
async fn what_may_be_sent_again_is_given_up_when_no_answer_has_begun_in_a_quarter_of_the_time() {
    let http = Http::new(HttpOptions::default()).expect("made");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = || format!("http://{}/", silent.local_addr().expect("address"));
    // In seconds, which is what its message says.
    for (repeatable, seconds) in [(true, 1), (false, 4)] {
        let lost = http.send(silent_for(url(), 4000, repeatable)).await;
        let within = format!("within {seconds} seconds");
        assert!(matches!(&lost, Err(HttpError::AnswerLost(why)) if why.ends_with(&within)), "{lost:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_keeps_silent_is_asked_whether_it_is_there() {
    let http = Http::new(HttpOptions::default()).expect("made");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = silent.local_addr().expect("address");
    let sending = tokio::spawn(async move { http.send(silent_for(format!("http://{address}/"), 20_000, false)).await });
    let (mut stream, peer) = silent.accept().await.expect("asked");
    tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await.expect("a request");
    // proc_pid_net(5): both ends (others' connections have used the same port), and the timer that runs and in how many
    // hundredths of a second it ends; 02 is the one that keeps it alive. What was sent is acknowledged first, which takes a
    // moment.
    let ends = [peer, address].map(|end| format!("0100007F:{:04X}", end.port()));
    let end = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let table = std::fs::read_to_string("/proc/self/net/tcp").expect("a table");
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let timer = fields.filter(|fields| fields[1..3] == ends).map(|fields| fields[5].to_owned()).next();
        if let Some(left) = timer.as_deref().and_then(|timer| timer.strip_prefix("02:")) {
            assert!(u64::from_str_radix(left, 16).is_ok_and(|left| left <= 500), "{timer:?}");
            break;
        }
        assert!(std::time::Instant::now() < end, "{timer:?}");
        tokio::task::yield_now().await;
    }
    sending.abort();
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let server = Canned::start(|seen| match seen.path.as_str() {
        "/from" => answer(302, "").with("location", "/to"),
        _ => answer(200, "followed"),
    })
    .await;
    let http = Http::new(HttpOptions::default()).expect("made");
    let answer = http.send(Request { url: server.url("/from"), ..Request::default() }).await.expect("answer");
    assert_eq!((answer.status, server.seen().len()), (302, 1));
}

#[test]
fn a_ca_file_without_certificates_is_named() {
    let file = tempfile::NamedTempFile::new().expect("file");
    let options = HttpOptions { ca_file: Some(file.path().to_owned()), ..HttpOptions::default() };
    let error = Http::new(options).expect_err("empty").to_string();
    assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
}

/// Reads one request's first bytes, writes `bytes` and hangs up.
async fn rude_server(bytes: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(bytes).await;
    });
    url
}
