//! What clients do with the streams of a helper: they keep them open, or leave early.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::home::{Ended, Home, ended};

/// Nobody waits so long for a program that answers.
const HUNG: Duration = Duration::from_secs(60);

/// What a helper answers while its client keeps open what it reads.
#[track_caller]
fn answered_meanwhile(home: &Home, arguments: &[&str], request: &str) -> Ended {
    let mut child = home.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut open = child.stdin.take().unwrap();
    open.write_all(request.as_bytes()).unwrap();
    let (told, answer) = mpsc::channel();
    thread::spawn(move || told.send(child.wait_with_output().unwrap()));
    let answer = answer.recv_timeout(HUNG).unwrap_or_else(|_| panic!("{arguments:?} waits for more"));
    drop(open);
    ended(answer)
}

#[test]
fn a_client_that_has_said_all_need_not_hang_up() {
    let home = Home::with_vault();
    let place = "protocol=https\nhost=git.example\n";
    let typed = format!("{place}username=ada\npassword=p-ada\n\n");
    assert_eq!(answered_meanwhile(&home, &["helper", "git", "store"], &typed).code, 0);
    let told = answered_meanwhile(&home, &["helper", "git", "get"], &format!("{place}\nhost=other.example\n"));
    assert!(told.stdout.contains("password=p-ada\n"), "{told:?}");
    let told = answered_meanwhile(&home, &["helper", "git", "get"], "protocol=https\r\nhost=git.example\r\n\r\n");
    assert!(told.stdout.contains("password=p-ada\n"), "{told:?}");
    for operation in ["erase", "a-later-one"] {
        let told = answered_meanwhile(&home, &["helper", "git", operation], &format!("{place}\n"));
        assert_eq!((told.code, told.stdout.as_str()), (0, ""), "{told:?}");
    }
    // Docker's own helpers read nothing here, and a person who looks types nothing.
    let told = answered_meanwhile(&home, &["helper", "docker", "list"], "");
    assert_eq!((told.code, told.stdout.as_str()), (0, "{}\n"), "{told:?}");
}
