//! Those who attack a socket, and a process that only takes what they send: this program once more, in those parts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

const CROWD: usize = 200;

/// What programs do to a socket, each on connections of its own.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    threads: usize,
    /// One round.
    round: fn(&Path, &mut Vec<UnixStream>),
}

const fn attack(name: &'static str, threads: usize, round: fn(&Path, &mut Vec<UnixStream>)) -> Attack {
    Attack { name, threads, round }
}

pub(crate) const ATTACKS: &[Attack] = &[
    attack("10,000 idle connections", 1, idle),
    attack("200 slow writers, a byte at a time", 1, slow),
    attack("200 half requests of 200 KB, begun anew when cut off", 1, half),
    attack("200 pipelining readers that never read", 1, unread),
    attack("an endless line", 1, endless),
    attack("bytes of every kind", 1, noise),
    attack("connections opened and closed by eight at once", 8, churn),
];

/// Starts one of the parts; it has begun when this returns.
pub(crate) fn begin(part: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.args(part).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut begun = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut begun).unwrap();
    assert_eq!(begun, "begun\n", "{part:?}");
    child
}

/// Plays the part that the arguments name, if they do: until it is killed.
pub(crate) fn play(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["sink", socket] => sink(Path::new(socket)),
        ["attack", name, socket] => {
            let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
            many_descriptors();
            play_attack(attack, Path::new(socket));
        }
        _ => {}
    }
}

fn play_attack(attack: &Attack, socket: &Path) {
    let begun = Barrier::new(attack.threads + 1);
    std::thread::scope(|scope| {
        for _ in 0..attack.threads {
            scope.spawn(|| {
                let mut held = Vec::new();
                (attack.round)(socket, &mut held);
                begun.wait();
                loop {
                    (attack.round)(socket, &mut held);
                }
            });
        }
        begun.wait();
        println!("begun");
    });
}

/// Accepts, reads and forgets.
fn sink(socket: &Path) {
    many_descriptors();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let listener = tokio::net::UnixListener::bind(socket).unwrap();
        println!("begun");
        loop {
            // Out of descriptors, until those who have gone were noticed.
            let Ok((caller, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            tokio::spawn(async move {
                let mut taken = [0; 4096];
                loop {
                    if caller.readable().await.is_err() {
                        return;
                    }
                    match caller.try_read(&mut taken) {
                        Ok(1..) => tokio::task::yield_now().await,
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        _ => return,
                    }
                }
            });
        }
    });
}

fn many_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
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
