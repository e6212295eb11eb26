//! The question to the person, by the real pinentry at a terminal: shown where the caller is, answered with a key.

use crate::home::{Home, lasting_server};
use crate::support::programs::missing;
use crate::terminal::Terminal;

/// A home whose account wants a person's yes, and a terminal in it.
fn terminal(name: &str) -> Option<(Home, Terminal)> {
    if missing(&["tmux", "pinentry-curses"]) {
        return None;
    }
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.configure("pinentry = \"/usr/bin/pinentry-curses\"\n[accounts.\"*\"]\nconfirm = true\n");
    home.ok(&["agent", "stop"]);
    let terminal = Terminal::start(&home, 100, 30);
    terminal.begin("cred-helper get-token | wc -l");
    let screen = terminal.wait_for("Deny");
    terminal.keep(name);
    for part in ["asks for an access token", "tmux", "Allow", "process"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    Some((home, terminal))
}

#[test]
fn a_person_who_agrees_at_the_terminal_lets_the_program_have_it() {
    let Some((home, terminal)) = terminal("pinentry-allow") else { return };
    terminal.key("Enter");
    terminal.wait_until("a token", |screen| screen.lines().any(|line| line.trim() == "1"));
    // The terminal is as it was, and the yes still holds.
    let (screen, code) = terminal.ended("cred-helper get-token >/dev/null");
    assert_eq!(code, 0, "{screen}");
    assert!(home.ok(&["log"]).contains("tmux"));
}

#[test]
fn a_person_who_refuses_is_believed() {
    let Some((_home, terminal)) = terminal("pinentry-deny") else { return };
    terminal.key("Tab");
    terminal.key("Enter");
    terminal.wait_for("the answer was no");
    let (screen, code) = terminal.ended("cred-helper get-token");
    assert_eq!(code, 33, "{screen}");
}
