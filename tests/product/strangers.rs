//! Who may talk to the agent, by the system's word alone: every mode is loosened first, as if somebody had.

use std::fs::{Permissions, set_permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cred_helper::Client;
use cred_helper::ipc::ConnectError;
use cred_helper::ipc::message::token::GetToken;
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;

use super::home::{Home, browse, ended, first_line, lasting_server};

const OWNER: u32 = 61_011;
const STRANGER: u32 = 61_012;
const GET: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"token.get\"}\n";
const HTTP: &[u8] = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can be two other users");
    }
    root
}

/// What the agent answers to a thread of this user; to the end if it closes.
fn asked_as(user: u32, socket: &Path, question: &'static [u8]) -> String {
    let socket = socket.to_owned();
    let thread = std::thread::spawn(move || {
        let user = Uid::from_raw(user);
        set_thread_res_uid(user, user, user).unwrap();
        let mut stream = UnixStream::connect(socket).unwrap();
        let _ = stream.write_all(question);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    });
    thread.join().unwrap()
}

/// Its owner's agent, by its programs' copies, which others can read.
fn command(stage: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(stage.join("cred-helper"));
    command.args(arguments).env_clear().env("HOME", stage.join("home")).env("XDG_RUNTIME_DIR", stage.join("run"));
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).uid(OWNER).gid(OWNER);
    command
}

#[test]
fn with_every_mode_loosened_owner_and_root_are_served_and_nobody_else() {
    if !is_root() {
        return;
    }
    let server = lasting_server();
    let stage = tempfile::tempdir().unwrap();
    set_permissions(stage.path(), Permissions::from_mode(0o755)).unwrap();
    for program in [env!("CARGO_BIN_EXE_cred-helper"), env!("CARGO_BIN_EXE_cred-helper-agent")] {
        crate::programs::copy(program.as_ref(), &stage.path().join(program.rsplit('/').next().unwrap()));
    }
    for directory in ["home", "run"] {
        let directory = stage.path().join(directory);
        std::fs::create_dir(&directory).unwrap();
        set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&directory, Some(OWNER), Some(OWNER)).unwrap();
    }
    let run = |arguments: &[&str]| ended(command(stage.path(), arguments).output().unwrap());
    assert_eq!(run(&["vault", "slot", "add", "machine", "--accept-weaker"]).code, 0);
    let (issuer, client) = (server.issuer(), server.client_id());
    let mut login = command(stage.path(), &["login", &issuer, "--client-id", &client, "--no-browser"]).spawn().unwrap();
    browse(&first_line(&mut login));
    assert_eq!(ended(login.wait_with_output().unwrap()).code, 0);
    let token = run(&["get-token"]).stdout.trim_end().to_owned();

    let directory = stage.path().join("run/cred-helper");
    let socket = directory.join("agent.sock");
    for path in [&stage.path().join("run"), &directory, &socket] {
        set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    for user in [0, OWNER] {
        assert!(asked_as(user, &socket, GET).contains(&token), "user {user}");
    }
    for question in
        [GET, HTTP, b"Content-Length: 46\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"token.get\"}\n", b""]
    {
        for user in [STRANGER, 65534] {
            let answer = asked_as(user, &socket, question);
            assert!(answer.contains("\"refused\"") && answer.contains(&format!("not user {user}")), "{answer}");
            assert!(!answer.contains(&token) && answer.lines().count() == 1, "{answer}");
        }
    }
    assert_eq!(run(&["agent", "stop"]).code, 0);
    // It doesn't start where others may write; with its own directory back it does.
    set_permissions(stage.path().join("run"), Permissions::from_mode(0o700)).unwrap();
    let refused = run(&["agent", "start"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("open to other users (mode 0777): chmod 700 it"),
        "{refused:?}"
    );
    set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(run(&["agent", "start"]).code, 0);
    assert_eq!(run(&["agent", "stop"]).code, 0);
}

#[test]
fn another_users_runtime_directory_is_left_alone() {
    if !is_root() {
        return;
    }
    let mut home = Home::new();
    // As `su` leaves it: root's home, and the runtime directory of who called it.
    let theirs = home.make_private("theirs");
    std::os::unix::fs::chown(&theirs, Some(STRANGER), Some(STRANGER)).unwrap();
    home.set("XDG_RUNTIME_DIR", theirs.to_str().unwrap());
    home.ok(&["agent", "start"]);
    home.ok(&["agent", "status", "--no-start"]);
    assert_eq!(std::fs::read_dir(&theirs).unwrap().count(), 0, "nothing of ours is in the other's way");
    let said = home.run(&["doctor"]).stdout;
    let why = format!("{} belongs to user {STRANGER}", theirs.display());
    assert!(said.contains("XDG_RUNTIME_DIR is passed over") && said.contains(&why), "{said}");
    home.ok(&["agent", "stop"]);
    std::os::unix::fs::chown(&theirs, Some(0), Some(0)).unwrap();
    set_permissions(&theirs, Permissions::from_mode(0o770)).unwrap();
    let said = home.run(&["doctor"]).stdout;
    assert!(said.contains("is open to other users (mode 0770): chmod 700 it"), "{said}");
    set_permissions(&theirs, Permissions::from_mode(0o700)).unwrap();
    assert!(!home.run(&["doctor"]).stdout.contains("passed over"));
}

/// Another user who listens, and what that user was sent.
struct Squatter {
    heard: std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
}

impl Squatter {
    /// Listens there until this process ends. The system tells who listens by who called listen(2).
    fn listens(socket: &Path) -> Self {
        let (socket, heard) = (socket.to_owned(), std::sync::Arc::default());
        let ears = std::sync::Arc::clone(&heard);
        let (ready, listening) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let user = Uid::from_raw(STRANGER);
            set_thread_res_uid(user, user, user).unwrap();
            let listener = UnixListener::bind(socket).unwrap();
            ready.send(()).unwrap();
            for mut stream in listener.incoming().flatten() {
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all);
                let ears: &std::sync::Mutex<Vec<Vec<u8>>> = &ears;
                ears.lock().unwrap().push(all);
            }
        });
        listening.recv().unwrap();
        Self { heard }
    }

    /// How often it was called.
    fn calls(&self) -> usize {
        let heard = self.heard.lock().unwrap();
        assert!(heard.iter().all(Vec::is_empty), "it was sent something");
        heard.len()
    }
}

/// There is no moment between a look and a connection: who answers is asked of the connection itself. So it doesn't matter when
/// another puts a socket, or a whole directory, in the place of ours.
#[test]
fn whoever_swaps_the_socket_under_our_feet_is_sent_nothing() {
    if !is_root() {
        return;
    }
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let token = home.token();
    let directory = home.path().join("run/cred-helper");
    let squat = home.path().join("run/squat");
    std::fs::create_dir(&squat).unwrap();
    for path in [home.path(), &home.path().join("run"), &directory, &squat] {
        set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let (ours, theirs) = (directory.join("agent.sock"), directory.join("theirs.sock"));
    for (ours, theirs, listens) in [(&ours, &theirs, &theirs), (&directory, &squat, &squat.join("agent.sock"))] {
        let squatter = Squatter::listens(listens);
        let done = std::sync::atomic::AtomicBool::new(false);
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let socket = directory.join("agent.sock");
        let swap = || {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(rustix::fs::CWD, ours, rustix::fs::CWD, theirs, exchange).unwrap();
        };
        let (served, refused) = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(relaxed) {
                    swap();
                    std::thread::yield_now();
                }
            });
            let counted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| asked(&home, &socket, &token)));
            done.store(true, relaxed);
            counted.unwrap()
        });
        eprintln!("while {} was swapped: {served} connections to ours, {refused} to another's", ours.display());
        assert!(squatter.calls() > 0);
        let peer = rustix::net::sockopt::socket_peercred(UnixStream::connect(&socket).unwrap()).unwrap();
        if peer.uid.as_raw() == STRANGER {
            swap();
        }
        home.ok(&["get-token"]);
    }
}

/// Asks until both have happened often enough: how often it was answered, and how often nothing was asked because another
/// listened. Some are asked by the program.
fn asked(home: &Home, socket: &Path, token: &str) -> (usize, usize) {
    const OFTEN: usize = 100;
    let end = Instant::now() + Duration::from_secs(60);
    let (mut served, mut refused) = (0, 0);
    while served < OFTEN || refused < OFTEN {
        assert!(Instant::now() < end, "{served} and {refused} in a minute");
        if (served + refused) % 100 == 0 {
            let ended = home.run(&["get-token"]);
            let refusal = ended.stderr.contains("nothing was sent") && ended.stdout.is_empty();
            assert!(ended.stdout.trim_end() == token || refusal, "{ended:?}");
        }
        match Client::connect(socket) {
            Ok(mut client) => {
                client.set_deadline(Duration::from_secs(20));
                assert_eq!(&*client.call(&GetToken::default()).unwrap().token.expose(), token);
                served += 1;
            }
            Err(ConnectError::Refused(why)) => {
                assert!(why.contains(&format!("user {STRANGER} listens there")), "{why}");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    (served, refused)
}
