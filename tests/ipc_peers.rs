//! Who may speak to whom: real second users, unsafe directories, squatters. Those that need another user need root to make one
//! (user 65534) and say so when they are skipped.
#![cfg(all(unix, feature = "agent"))]
#![expect(clippy::print_stdout, reason = "says what was skipped, and tells its parent where it stands")]

mod ipc {
    #[expect(dead_code, reason = "the other tests use the rest")]
    pub(crate) mod echo;
}
#[path = "support/programs.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "the other tests use the rest")]
mod programs;

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use cred_helper::Client;
use cred_helper::ipc::ConnectError;
use cred_helper::ipc::server::Listener;
use ipc::echo::Agent;

/// An unprivileged user who owns nothing here.
const STRANGER: u32 = 65534;
/// Which part the test binary plays when it is run again as the stranger.
const ROLE: &str = "TEST_STRANGER_SOCKET";

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: only root can make a second user");
    }
    root
}

/// Runs one (ignored) test of this binary as the stranger.
fn as_stranger(test: &str, socket: &Path) -> Command {
    // Where the stranger can read it.
    let copy = socket.parent().expect("a directory").join("test-binary");
    programs::copy(&std::env::current_exe().expect("this binary"), &copy);
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("set");
    let mut command = Command::new(copy);
    command.args(["--ignored", "--exact", test, "--nocapture"]).env(ROLE, socket).current_dir("/");
    command.uid(STRANGER).gid(STRANGER).stdin(Stdio::null());
    command
}

fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

#[test]
fn another_user_is_told_so_and_not_served() {
    if !is_root() {
        return;
    }
    let agent = Agent::start();
    // As if somebody had loosened all the modes: the peer check has to hold alone.
    let run = agent.socket.parent().expect("a directory");
    open_to_all(run.parent().expect("a directory"), 0o755);
    open_to_all(run, 0o755);
    open_to_all(&agent.socket, 0o666);
    let output = as_stranger("a_stranger_connects", &agent.socket).output().expect("ran");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(agent.works());
}

#[test]
#[ignore = "played by another user"]
fn a_stranger_connects() {
    let Some(socket) = std::env::var_os(ROLE) else { return };
    let mut stream = UnixStream::connect(socket).expect("connects");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end");
    assert!(answer.contains("\"refused\"") && answer.contains("not user 65534"), "{answer}");
}

#[test]
fn a_squatter_gets_nothing_from_the_client() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    open_to_all(directory.path(), 0o777);
    let socket = directory.path().join("agent.sock");
    let mut squatter = as_stranger("a_squatter_listens", &socket);
    let mut squatter = squatter.stdout(Stdio::piped()).spawn().expect("runs");
    let mut output = squatter.stdout.take().expect("piped");
    // It says so when it listens.
    let mut said = String::new();
    while !said.contains("listening") {
        let mut byte = [0; 1];
        output.read_exact(&mut byte).expect("the squatter lives");
        said.push(char::from(byte[0]));
    }
    // The client is root here: another user's socket is no more trusted for that.
    let refusal = Client::connect(&socket).expect_err("refused");
    assert!(matches!(&refusal, ConnectError::Refused(why) if why.contains("user 65534")), "{refusal}");
    assert!(squatter.wait().expect("ended").success(), "it received something");
}

#[test]
#[ignore = "played by another user"]
fn a_squatter_listens() {
    let Some(socket) = std::env::var_os(ROLE) else { return };
    let listener = UnixListener::bind(socket).expect("binds");
    println!("listening");
    let (mut stream, _) = listener.accept().expect("accepts");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("reads");
    assert!(received.is_empty());
}

#[tokio::test]
async fn an_unsafe_directory_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("open")).expect("made");
    open_to_all(&at("open"), 0o750);
    fs::create_dir(at("real")).expect("made");
    open_to_all(&at("real"), 0o700);
    symlink(at("real"), at("link")).expect("linked");
    fs::write(at("real/file.sock"), "precious").expect("written");
    fs::write(at("file"), "").expect("written");
    let long = "x".repeat(120);
    let cases = [
        ("open/agent.sock", "open to other users (mode 0750)"),
        ("link/agent.sock", "is a link"),
        ("real/file.sock", "is no socket"),
        ("file/agent.sock", "file"),
        (&long, "the system allows"),
    ];
    for (name, reason) in cases {
        let error = Listener::bind(&at(name)).expect_err("refused").to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    assert_eq!(fs::read(at("real/file.sock")).expect("still there"), b"precious");
    if is_root() {
        fs::create_dir(at("theirs")).expect("made");
        open_to_all(&at("theirs"), 0o700);
        std::os::unix::fs::chown(at("theirs"), Some(STRANGER), None).expect("given away");
        let error = Listener::bind(&at("theirs/agent.sock")).expect_err("refused").to_string();
        assert!(error.contains("belongs to user 65534"), "{error}");
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("run/agent.sock");
    fs::create_dir(directory.path().join("run")).expect("made");
    open_to_all(&directory.path().join("run"), 0o700);
    drop(UnixListener::bind(&socket).expect("left behind"));
    let first = Listener::bind(&socket).expect("replaces the stale file");
    let error = Listener::bind(&socket).expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let mode = fs::metadata(&socket).expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // A successor's file stays when the first one goes.
    fs::remove_file(&socket).expect("removed");
    let second = Listener::bind(&socket).expect("binds anew");
    drop(first);
    assert!(socket.exists());
    drop(second);
    assert!(!socket.exists());
}

#[test]
fn nobody_there_is_told_from_not_allowed() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("agent.sock");
    assert!(matches!(Client::connect(&missing), Err(ConnectError::NotRunning)));
    drop(UnixListener::bind(&missing).expect("left behind"));
    assert!(matches!(Client::connect(&missing), Err(ConnectError::NotRunning)));
    let long = directory.path().join("x".repeat(120));
    assert!(matches!(Client::connect(&long), Err(ConnectError::Refused(why)) if why.contains("the system allows")));
}
