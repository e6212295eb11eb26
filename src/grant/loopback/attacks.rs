//! Strangers on this machine who want the code, or to keep it from arriving: by number, by being first, by speaking something
//! else. None of them ends the login, and the browser's redirect comes through.

use std::io::{Read as _, Write as _};
use std::net::TcpStream as Stream;

use super::tests::{STATE, get, listen, serving_while, talk};
use super::*;

fn redirect(authority: &str) -> String {
    get(authority, &format!("/callback?code=abc&state={STATE}"))
}

fn is_the_code(arrived: &Arrived) -> bool {
    matches!(&arrived.redirected.outcome, Outcome::Code(code) if &*code.expose() == "abc")
}

fn connect(port: u16) -> Stream {
    Stream::connect(("127.0.0.1", port)).expect("connects")
}

#[tokio::test]
async fn a_crowd_that_comes_right_behind_the_browser_does_not_push_it_out() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    // All of them wait in the system's queue, which holds about so many, when the listener first looks: the browser has said
    // everything already, and is the oldest.
    let mut browser = connect(port);
    browser.write_all(redirect(&authority).as_bytes()).expect("written");
    let crowd: Vec<_> = (0..100).map(|_| connect(port)).collect();
    let arrived =
        tokio::time::timeout(Duration::from_secs(30), serving.redirect()).await.expect("the redirect arrives");
    assert!(is_the_code(&arrived));
    drop(crowd);
}

#[tokio::test]
async fn thousands_of_connections_are_served_in_little_room_and_the_browser_comes_through() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    // Wine's sockets get slower with their number.
    for wave in 0..if cfg!(windows) { 1 } else { 10 } {
        let crowd = async {
            let mut crowd = Vec::new();
            for number in 0..300 {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
                let words: &[u8] = [&b"GET /callback?code=x&state=y"[..], b"", b"\x16\x03\x01", b"\r\n"][number % 4];
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, words).await;
                crowd.push(stream);
            }
            crowd
        };
        let crowd = serving_while(&mut serving, crowd).await;
        assert!(serving.open.len() <= MAX_CONNECTIONS, "wave {wave}");
        drop(crowd);
    }
    let (_, arrived) = tokio::join!(talk(port, redirect(&authority)), async {
        let mut arrived = serving.redirect().await;
        arrived.page.take().expect("a code's page").finish(Err("seen".into()));
        arrived
    });
    assert!(is_the_code(&arrived));
}

#[tokio::test]
async fn other_protocols_and_garbage_end_nothing() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    let right = redirect(&authority);
    let cases = [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".repeat(20) + "\r\n\r\n",
        "\0".repeat(10_000),
        "\u{5}\u{1}\0".to_owned(),
        "SSH-2.0-x\r\n".to_owned(),
        // What follows on the same connection is nobody's request, right as it may be.
        format!("{}{right}", get(&authority, "/callback?code=x&state=wrong")),
        format!("POST /callback HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 3\r\n\r\nabc{right}"),
        format!("GET /callback HTTP/1.1\r\nHost: {authority}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{right}"),
        get(&authority, "/callback?error=access_denied&state=wrong"),
        get(&authority, &format!("/callback?error=access_denied&state={STATE}&state=wrong")),
        get(&authority, &format!("/callback?code=abc&state={STATE}%00")),
        get(&authority, &format!("/callback?code=abc&State={STATE}")),
        get(&authority, &format!("/callback#code=abc&state={STATE}")),
        get(&format!("127.1:{port}"), &format!("/callback?code=abc&state={STATE}")),
        get(&format!("rebound.example:{port}"), &format!("/callback?code=abc&state={STATE}")),
        get(&authority, &format!("/./callback?code=abc&state={STATE}")),
        get(&authority, &format!("//callback?code=abc&state={STATE}")),
    ];
    for bytes in cases {
        let shown = bytes.chars().take(60).collect::<String>();
        // Some only end when their sender does.
        let half_closed = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, bytes.as_bytes()).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            let mut answer = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        let answer = serving_while(&mut serving, half_closed).await;
        assert!(!answer.contains("signed in") && !answer.contains("abc"), "{shown:?}\n{answer}");
    }
    let mut browser = connect(port);
    browser.write_all(right.as_bytes()).expect("written");
    assert!(is_the_code(&serving.redirect().await));
}

/// RFC 8252 section 8.1: without PKCE a program that takes the port takes the code; with it, the code alone.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stranger_cannot_listen_where_the_redirect_is_awaited() {
    use rustix::net::{AddressFamily, SocketType, bind, listen as begin, socket, sockopt};
    let wish = |family, address: std::net::SocketAddr| {
        let stranger = socket(family, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_reuseaddr(&stranger, true).expect("set");
        sockopt::set_socket_reuseport(&stranger, true).expect("set");
        bind(&stranger, &address).map(|()| stranger)
    };
    let everywhere = |port| {
        [(AddressFamily::INET, ([0, 0, 0, 0], port).into()), (AddressFamily::INET, ([127, 0, 0, 1], port).into())]
    };
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    for (family, address) in everywhere(port) {
        let listens = wish(family, address).is_ok_and(|stranger| begin(&stranger, 1).is_ok());
        assert!(!listens, "{address}");
    }
    let mut browser = connect(port);
    browser.write_all(redirect(&authority).as_bytes()).expect("written");
    assert!(is_the_code(&serving.redirect().await));
    drop(serving);
    // One who was first, and waits: either the port is passed over, or it is never theirs to listen on.
    for (family, address) in everywhere(0) {
        let first = wish(family, address).expect("a port");
        let port = std::net::TcpListener::from(first.try_clone().expect("cloned")).local_addr().expect("bound").port();
        let asked = Redirect { ports: vec![port], ..Redirect::default() };
        if let Ok(_ours) = Loopback::bind(&asked, None).await {
            assert!(begin(&first, 1).is_err(), "{address}");
        }
    }
}

#[tokio::test]
async fn whoever_reads_nothing_holds_up_nobody() {
    let (mut serving, authority, port) = listen("127.0.0.1").await;
    let mut deaf = Vec::new();
    let knock = async {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
            let wrong = get(&authority, "/callback?code=x&state=wrong");
            tokio::io::AsyncWriteExt::write_all(&mut stream, wrong.as_bytes()).await.expect("written");
            deaf.push(stream);
        }
    };
    serving_while(&mut serving, knock).await;
    let mut browser = connect(port);
    browser.write_all(redirect(&authority).as_bytes()).expect("written");
    let mut arrived = serving.redirect().await;
    arrived.page.take().expect("a code's page").finish(Err("the end".into()));
    drop(serving);
    tokio::task::yield_now().await;
    browser.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let page = tokio::task::spawn_blocking(move || {
        let mut page = Vec::new();
        let _ = browser.read_to_end(&mut page);
        String::from_utf8_lossy(&page).into_owned()
    });
    assert!(page.await.expect("read").contains("the end"));
}
