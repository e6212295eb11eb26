//! `file`: a token where programs read one that ask nobody.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use cred_helper::demo::server::Server;

use super::home::{Home, lasting_server, server};

/// The command, which is ended with the test.
struct Served(Child);

impl Served {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        Self(home.start(&[&["file"], arguments].concat()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is there once it is something else than `old`: the file is watched, not asked again and again.
fn next(path: &Path, old: &str) -> String {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, path.parent().unwrap(), WatchFlags::MOVED_TO).unwrap();
    loop {
        if let Ok(text) = std::fs::read_to_string(path)
            && text != old
        {
            return text;
        }
        let mut ready = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
        let limit = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_ne!(rustix::event::poll(&mut ready, Some(&limit)).unwrap(), 0, "nothing came");
        rustix::io::read(&watch, &mut [0_u8; 4096]).unwrap();
    }
}

fn place(home: &Home) -> (PathBuf, String) {
    let path = home.make_private("tokens").join("token");
    let text = path.display().to_string();
    (path, text)
}

fn home(server: &Server) -> (Home, PathBuf, String) {
    let home = Home::signed_in(server);
    let (path, text) = place(&home);
    (home, path, text)
}

#[test]
fn a_file_is_replaced_whenever_there_is_a_new_token() {
    let server = lasting_server();
    let (home, path, text) = home(&server);
    let _served = Served::start(&home, &["--write", &text]);
    let first = next(&path, "");
    assert_eq!(first, home.token());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    home.ok(&["refresh"]);
    let second = next(&path, &first);
    assert_eq!(second, home.token());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_token_that_ends_soon_is_replaced_in_time() {
    let server = server(Duration::from_secs(4));
    let (home, path, text) = home(&server);
    let _served = Served::start(&home, &["--write", &text]);
    let mut last = String::new();
    for _ in 0..3 {
        last = next(&path, &last);
        assert!(server.issued_tokens().contains(&last));
    }
}

#[test]
fn an_id_token_can_be_kept_and_each_reader_of_a_fifo_gets_one() {
    let server = lasting_server();
    let (home, path, text) = home(&server);
    let id = home.ok(&["get-token", "--token-type", "id"]);
    {
        let _served = Served::start(&home, &["--token-type", "id", "--write", &text]);
        assert_eq!(next(&path, ""), id);
    }
    let (fifo, text) = (path.with_file_name("fifo"), path.with_file_name("fifo").display().to_string());
    let _served = Served::start(&home, &["--fifo", &text]);
    // It is moved to its place: from then on it can be opened.
    wait_for(&fifo);
    let read = || {
        let mut read = String::new();
        std::fs::File::open(&fifo).unwrap().read_to_string(&mut read).unwrap();
        read
    };
    let first = read();
    assert_eq!((first.as_str(), read()), (home.token().as_str(), first.clone()));
    home.ok(&["refresh"]);
    assert_eq!(read(), home.token());
    assert_eq!(fifo.symlink_metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

fn wait_for(path: &Path) {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, path.parent().unwrap(), WatchFlags::MOVED_TO).unwrap();
    while !path.exists() {
        rustix::io::read(&watch, &mut [0_u8; 4096]).unwrap();
    }
}

#[test]
fn what_cannot_be_is_said_at_once_and_nothing_of_anybodys_is_replaced() {
    let server = lasting_server();
    let (home, path, text) = home(&server);
    let ended = home.run(&["file", "nobody", "--write", &text]);
    assert_eq!((ended.code, ended.stderr.lines().count(), path.exists()), (10, 1, false), "{}", ended.stderr);
    std::fs::create_dir(&path).unwrap();
    let ended = home.run(&["file", "--write", &text]);
    assert!(ended.code == 1 && ended.stderr.contains("left alone"), "{}", ended.stderr);
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    let ended = home.run(&["file", "--fifo", &text]);
    assert!(ended.code == 1 && ended.stderr.contains("left alone"), "{}", ended.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert_eq!(home.run(&["file"]).code, 2);
    assert_eq!(home.run(&["file", "--write", "a", "--fifo", "b"]).code, 2);
    let nowhere = home.run(&["file", "--write", "/no/such/place"]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("cannot be written"), "{}", nowhere.stderr);
}
