//! rclone as it is installed, against a WebDAV share that takes our tokens: its `bearer_token_command` is `get-token`.

use std::process::Command;
use std::sync::Arc;

use cred_helper::demo::server::Server;

use crate::clocks::FakeClock;
use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::programs::missing;
use crate::support::site::{Judge, Response, Shown, Site};

/// A share with one file.
pub(crate) fn share(server: &Arc<Server>) -> Site {
    let live = Arc::clone(server);
    let judge = Judge::of(Shown::Bearer, move |token| live.is_live(token));
    Site::start(judge, |request| match (request.method.as_str(), request.path.as_str()) {
        ("PROPFIND", "/") => listing(&[DIRECTORY, FILE]),
        ("PROPFIND", "/file.txt") => listing(&[FILE]),
        ("GET", "/file.txt") => Response::new(200, "text/plain", "what is in the file"),
        _ => Response::empty(404),
    })
}

const DIRECTORY: &str = "<D:response><D:href>/</D:href><D:propstat><D:status>HTTP/1.1 200 OK</D:status><D:prop>\
    <D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat></D:response>";
const FILE: &str = "<D:response><D:href>/file.txt</D:href><D:propstat><D:status>HTTP/1.1 200 OK</D:status><D:prop>\
    <D:resourcetype/><D:getcontentlength>18</D:getcontentlength></D:prop></D:propstat></D:response>";

fn listing(responses: &[&str]) -> Response {
    let xml = format!("<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">{}</D:multistatus>", responses.concat());
    Response::new(207, "application/xml", xml)
}

fn rclone(home: &Home, share: &Site, arguments: &[&str]) -> Ended {
    let asks = format!("{} get-token --asks-again-when-refused", env!("CARGO_BIN_EXE_cred-helper"));
    let mut command = Command::new("rclone");
    command.env_clear().current_dir(home.path());
    command.envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("RCLONE_CONFIG_SHARE_TYPE", "webdav").env("RCLONE_CONFIG_SHARE_URL", share.url("/"));
    command.env("RCLONE_CONFIG_SHARE_BEARER_TOKEN_COMMAND", asks).env("PATH", std::env::var_os("PATH").unwrap());
    ended(command.args(["--config", "", "--retries", "1"]).args(arguments).output().unwrap())
}

#[test]
fn rclone_lists_and_reads_a_share_with_our_token() {
    if missing(&["rclone"]) {
        return;
    }
    let server = Arc::new(lasting_server());
    let (home, share) = (Home::signed_in(&server), share(&server));
    let listed = rclone(&home, &share, &["lsf", "share:"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "file.txt\n"), "{}", listed.stderr);
    let read = rclone(&home, &share, &["cat", "share:file.txt"]);
    assert_eq!(read.stdout, "what is in the file", "{}", read.stderr);
    let seen = share.seen();
    assert!(!seen.is_empty() && seen.iter().all(|shown| *shown == "live"), "{seen:?}");
    assert_eq!(server.count_grant("refresh_token"), 0);
}

#[test]
fn a_token_that_the_share_refuses_is_renewed_while_rclone_runs() {
    if missing(&["rclone"]) {
        return;
    }
    let server = Arc::new(lasting_server());
    let (home, share) = (Home::with_vault(), share(&server));
    home.ok(&["agent", "stop"]);
    let Some(clock) = FakeClock::new(&home) else { return };
    let _agent = clock.start_with(&home, &[]);
    home.log_in(&server, &[]);
    clock.set(120);
    server.expire_access_tokens();
    let listed = rclone(&home, &share, &["lsf", "share:"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "file.txt\n"), "{} {:?}", listed.stderr, share.seen());
    let seen = share.seen();
    assert_eq!((seen.first(), seen.last()), (Some(&"refused"), Some(&"live")), "{seen:?}");
    assert_eq!(server.count_grant("refresh_token"), 1, "{seen:?}");
    let log = home.ok(&["log", "--program", "rclone", "--json"]);
    assert!(log.contains("a guess: the program asked again"), "{log}");
}

/// No login, and one line that says so; rclone doesn't go on asking.
#[test]
fn rclone_is_told_in_one_line_what_to_do_without_a_login() {
    if missing(&["rclone"]) {
        return;
    }
    let server = Arc::new(lasting_server());
    let (home, share) = (Home::with_vault(), share(&server));
    let ended = rclone(&home, &share, &["lsf", "share:"]);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("run `cred-helper login PROVIDER`"), "{}", ended.stderr);
    assert_eq!(share.seen(), Vec::<&str>::new());
}
