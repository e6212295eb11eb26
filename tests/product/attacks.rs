//! The agent's socket under attack by programs of its own user: whatever they send, hold or forget, the agent lives, its memory
//! stays bounded and everybody else is served.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use super::home::{Home, ended, lasting_server};

/// A test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the agent may grow by, whatever is done to it: what it holds for all, and room for thousands of connections.
const BOUND: u64 = 96 * 1024;

fn socket(home: &Home) -> PathBuf {
    home.path().join("run/cred-helper/agent.sock")
}

fn connect(home: &Home) -> UnixStream {
    let stream = UnixStream::connect(socket(home)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn resident(home: &Home) -> u64 {
    home.json(&["agent", "status", "--json"])["memory"]["rss_kib"].as_u64().unwrap()
}

/// Sends what is taken without waiting.
fn push(mut stream: &UnixStream, bytes: &[u8]) {
    stream.set_nonblocking(true).unwrap();
    let mut left = bytes;
    while let Ok(length @ 1..) = stream.write(left) {
        left = &left[length..];
    }
    stream.set_nonblocking(false).unwrap();
}

fn request(method: &str, more: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\"{more}}}\n")
}

/// As many descriptors as this process may have.
fn many_descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.maximum.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap())
}

/// Starts the home's agent with few descriptors.
fn start_with_descriptors(home: &Home, count: usize) {
    home.ok(&["agent", "stop"]);
    let start = home.command(&["status"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {count}; exec \"$0\" status")]).arg(start.get_program()).env_clear();
    limited.envs(start.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let ended = ended(limited.output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_program_that_forgets_its_connections_locks_nobody_out() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    start_with_descriptors(&home, 64);
    let mut subscriber = connect(&home);
    subscriber.write_all(request("events.subscribe", "").as_bytes()).unwrap();
    let mut answer = [0; 1024];
    assert!(subscriber.read(&mut answer).unwrap() > 0);
    let forgotten: Vec<_> = (0..300).map(|_| connect(&home)).collect();
    // Those that were quiet the longest had to go; nobody else notices, not even a refresh, which takes files and a server.
    assert_eq!((&forgotten[0]).read(&mut [0; 1]).unwrap(), 0);
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
    assert!(subscriber.read(&mut answer).unwrap() > 0, "somebody who waits for something is no quiet one");
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert!(log.matches("could not be accepted").count() <= 1, "{log}");
}

#[test]
fn when_everybody_waits_for_something_the_next_one_is_told_so() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    start_with_descriptors(&home, 64);
    let token = home.token();
    let waiting: Vec<_> = (0..80)
        .map(|_| {
            let stream = connect(&home);
            push(&stream, request("events.subscribe", "").as_bytes());
            stream
        })
        .collect();
    let told = waiting.iter().filter(|stream| {
        let mut answer = [0; 1024];
        let mut stream = *stream;
        stream.read(&mut answer).is_ok_and(|length| String::from_utf8_lossy(&answer[..length]).contains("no room"))
    });
    assert!(told.count() >= 40, "there are 32 places");
    drop(waiting);
    assert_eq!(home.token(), token);
}

#[test]
fn a_crowd_of_large_holders_is_cut_off_and_the_others_are_served() {
    let (server, limit) = (lasting_server(), many_descriptors());
    let home = Home::signed_in(&server);
    let (token, before) = (home.token(), resident(&home));
    let half = format!("{{\"jsonrpc\":\"{}", "x".repeat(200_000));
    let lsp = format!("Content-Length: 250000\r\n\r\n{}", "x".repeat(200_000));
    let http = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 250000\r\n\r\n{}", "x".repeat(200_000));
    let objects = request("agent.status", &format!(",\"params\":{{\"x\":[{}0]}}", "{\"\":0},".repeat(30_000)));
    let long_id = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"agent.status\",\"id\":\"{}\"}}\n", "x".repeat(250_000));
    let never_read = request("provider.list", "").repeat(5000);
    for attack in [&half, &lsp, &http, &objects.repeat(2), &long_id.repeat(2), &never_read] {
        let crowd: Vec<_> = (0..200.min(limit / 4)).map(|_| connect(&home)).collect();
        for round in attack.as_bytes().chunks(220 * 1024).take(2) {
            crowd.iter().for_each(|stream| push(stream, round));
            assert_eq!(home.token(), token);
        }
        let shown = attack.chars().take(70).collect::<String>();
        let now = resident(&home);
        assert!(now < before + BOUND, "{shown}: from {before} to {now} KiB");
    }
    assert!(resident(&home) < before + BOUND / 2);
}

#[test]
fn ten_thousand_idle_connections_cost_nobody_anything() {
    let (server, limit) = (lasting_server(), many_descriptors());
    let home = Home::signed_in(&server);
    let (token, before) = (home.token(), resident(&home));
    let count = 10_000.min(limit / 2);
    if count < 10_000 {
        eprintln!("tried with {count} connections: this process may have {limit} descriptors");
    }
    let idle: Vec<_> = (0..count).map(|_| connect(&home)).collect();
    assert_eq!(home.token(), token);
    // Every one of them is good for a question; the last first, and then all are in.
    for mut stream in idle.iter().rev().step_by(500) {
        stream.write_all(request("token.get", "").as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).unwrap();
        assert!(String::from_utf8_lossy(&answer[..length]).contains(&token));
    }
    let status = home.json(&["agent", "status", "--json"]);
    assert!(status["connections"].as_u64().unwrap() >= count as u64, "{status}");
    assert!(resident(&home) < before + BOUND);
}

#[test]
fn bytes_of_every_kind_get_no_token_and_stop_nothing() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    let mut random = Vec::new();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..20_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        random.extend(seed.to_le_bytes());
    }
    let get = request("token.get", "");
    let wide: Vec<u8> = get.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut cases = vec![
        wide,
        [b"\xef\xbb\xbf", get.as_bytes()].concat(),
        get.trim_end().replace(' ', "").into_bytes().into_iter().flat_map(|byte| [byte, 0]).collect(),
        format!("[{}]", get.trim_end()).into_bytes(),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"token.get\",\"params\":{}", "[".repeat(200_000))
            .into_bytes(),
        format!("Content-Length: {}\r\nContent-Length: 1\r\n\r\n{get}", get.len()).into_bytes(),
        format!("Content-Length: -1\r\n\r\n{get}").into_bytes(),
        format!("Content-Length: 18446744073709551617\r\n\r\n{get}").into_bytes(),
    ];
    // As they are, and behind the first bytes of each protocol.
    for chunk in random.chunks(8000) {
        for before in ["", "{", "{\"jsonrpc\":\"2.0\",\"id\":", "Content-Length: ", "GET /", "POST / HTTP/1.1\r\n"] {
            cases.push([before.as_bytes(), chunk].concat());
        }
    }
    for bytes in cases {
        let stream = connect(&home);
        push(&stream, &bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = (&stream).read(&mut chunk) {
            answer.extend_from_slice(&chunk[..length]);
        }
        let answer = String::from_utf8(answer).expect("what is answered is text");
        assert!(!answer.contains(&token), "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
    }
    assert_eq!(home.token(), token);
}

#[test]
fn whoever_hangs_up_in_the_middle_of_an_answer_leaves_nothing_behind() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let (token, before) = (home.token(), resident(&home));
    for length in 0..200 {
        let mut stream = connect(&home);
        stream.write_all(request("provider.list", "").repeat(20).as_bytes()).unwrap();
        let mut part = vec![0; length];
        stream.read_exact(&mut part).unwrap();
    }
    assert_eq!(home.token(), token);
    // Those are gone; this question has a connection of its own.
    assert_eq!(home.json(&["agent", "status", "--json"])["connections"], 1);
    assert!(resident(&home) < before + BOUND / 2);
}
