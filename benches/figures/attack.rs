//! What one caller notices while others attack the agent's socket: the time of one question on a connection of its own, that
//! 99 of 100 don't exceed, quiet and under each attack; and what the agent holds before, meanwhile and afterwards.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cred_helper::Client;
use cred_helper::ipc::message::token::GetToken;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::home::{Home, lasting_server};
use super::{milliseconds, socket};

const QUESTIONS: usize = 2000;
/// Fewer questions do where they take long.
const ENOUGH: Duration = Duration::from_secs(15);
/// No question takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
const CROWD: usize = 200;

/// One round of an attack on its connections.
type Attack = fn(&Path, &mut Vec<UnixStream>);

const ATTACKS: &[(&str, Attack)] = &[
    ("10,000 idle connections", idle),
    ("200 slow writers, a byte at a time", slow),
    ("200 half requests of 200 KB, begun anew when cut off", half),
    ("200 pipelining readers that never read", unread),
    ("an endless line", endless),
    ("bytes of every kind", noise),
    ("connections opened and closed", churn),
];

pub(crate) fn measure() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let socket = socket(&home);
    for (name, attack) in ATTACKS {
        let before = resident(&home);
        let (quiet, _) = percentile_99(&socket);
        let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let ((meanwhile, unanswered), during) = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !over.load(Ordering::Acquire) {
                    attack(&socket, &mut held);
                    begun.store(true, Ordering::Release);
                }
            });
            while !begun.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            let measured = (percentile_99(&socket), resident(&home));
            over.store(true, Ordering::Release);
            measured
        });
        println!(
            "attack: {name}: 99 of 100 answered within {:.2} ms, quiet {:.2} ms, ratio {:.1}, {unanswered} without an answer; RSS {before} KiB before, {during} \
             meanwhile, {} afterwards",
            milliseconds(meanwhile),
            milliseconds(quiet),
            meanwhile.as_secs_f64() / quiet.as_secs_f64(),
            resident(&home)
        );
    }
}

fn resident(home: &Home) -> u64 {
    home.json(&["agent", "status", "--json"])["memory"]["rss_kib"].as_u64().unwrap()
}

/// What 99 of 100 questions don't exceed, and how many had no answer.
fn percentile_99(socket: &Path) -> (Duration, usize) {
    let one = || {
        let began = Instant::now();
        let mut client = Client::connect(socket).ok()?;
        client.set_deadline(PATIENCE);
        client.call(&GetToken::default()).ok()?;
        Some(began.elapsed())
    };
    let began = Instant::now();
    let mut asked = Vec::new();
    while asked.len() < QUESTIONS && (asked.len() < 100 || began.elapsed() < ENOUGH) && began.elapsed() < PATIENCE {
        asked.push(one());
    }
    let mut times: Vec<_> = asked.iter().copied().flatten().collect();
    times.sort();
    (times.get(times.len() * 99 / 100).copied().unwrap_or(PATIENCE), asked.len() - times.len())
}

fn crowd(socket: &Path, held: &mut Vec<UnixStream>, count: usize) {
    while held.len() < count {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_nonblocking(true).unwrap();
        held.push(stream);
    }
}

/// What is taken of it without waiting; a connection that was cut off is replaced by a new one.
fn send(socket: &Path, stream: &mut UnixStream, bytes: &[u8]) {
    let mut left = bytes;
    while !left.is_empty() {
        match stream.write(left) {
            Ok(length) => left = &left[length..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => {
                *stream = UnixStream::connect(socket).unwrap();
                stream.set_nonblocking(true).unwrap();
                return;
            }
        }
    }
}

fn idle(socket: &Path, held: &mut Vec<UnixStream>) {
    crowd(socket, held, 10_000);
    std::thread::sleep(Duration::from_millis(1));
}

fn slow(socket: &Path, held: &mut Vec<UnixStream>) {
    crowd(socket, held, CROWD);
    for stream in held {
        send(socket, stream, b"{");
        std::thread::sleep(Duration::from_micros(50));
    }
}

fn half(socket: &Path, held: &mut Vec<UnixStream>) {
    crowd(socket, held, CROWD);
    let half = vec![b'{'; 50_000];
    held.iter_mut().for_each(|stream| send(socket, stream, &half));
}

fn unread(socket: &Path, held: &mut Vec<UnixStream>) {
    crowd(socket, held, CROWD);
    let asked = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"account.list\"}\n".repeat(64);
    held.iter_mut().for_each(|stream| send(socket, stream, asked.as_bytes()));
    std::thread::sleep(Duration::from_millis(1));
}

fn endless(socket: &Path, held: &mut Vec<UnixStream>) {
    crowd(socket, held, 1);
    send(socket, &mut held[0], &[b'{'; 64 * 1024]);
}

fn noise(socket: &Path, held: &mut Vec<UnixStream>) {
    held.clear();
    crowd(socket, held, 8);
    let all: Vec<u8> = (0..=255).collect();
    for (at, stream) in held.iter_mut().enumerate() {
        let before: &[u8] = [&b"{"[..], b"Content-Length: 9", b"GET / HTTP/1.1\r\n", b""][at % 4];
        send(socket, stream, &[before, &all.repeat(16)].concat());
    }
}

fn churn(socket: &Path, held: &mut Vec<UnixStream>) {
    held.clear();
    crowd(socket, held, 16);
}
