//! Signing in at a terminal: codes that are pasted, whatever their length, and a login that is given up.

use cred_helper::demo::server::Server;

use crate::home::{Home, fetch, lasting_server};
use crate::support::programs::missing;
use crate::terminal::Terminal;

/// As long as a paste may be.
const LENGTH: usize = 6000;

/// A terminal at which a login waits for a paste, and the redirect that its server sends.
fn waiting(more: &str) -> Option<(Server, Home, Terminal, String)> {
    if missing(&["tmux"]) {
        return None;
    }
    let server = lasting_server();
    let mut home = Home::with_vault();
    // A browser that does nothing: the person uses another one.
    home.set("BROWSER", "true");
    let terminal = Terminal::start(&home, 100, 30);
    terminal.begin(&format!("cred-helper login {} --client-id {} {more}", server.issuer(), server.client_id()));
    let screen = terminal.wait_for("left): ");
    let url = screen.lines().find(|line| line.trim_start().starts_with("http")).expect("an address is shown");
    let answer = fetch(url.trim());
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    Some((server, home, terminal, location))
}

#[test]
fn six_thousand_characters_arrive_plain_and_bracketed() {
    for bracketed in [false, true] {
        let Some((server, home, terminal, location)) = waiting("--paste") else { return };
        let filled = format!("{location}&more=");
        let text = format!("{filled}{}", "x".repeat(LENGTH - filled.len()));
        terminal.paste(&text, bracketed);
        terminal.wait_for("6000 characters");
        terminal.keep(if bracketed { "paste-bracketed" } else { "paste-plain" });
        terminal.key("Enter");
        let (screen, code) = terminal.end();
        assert_eq!(code, 0, "{screen}");
        assert!(screen.contains("Signed in to") && !screen.contains("xxxx"), "{screen}");
        assert!(!screen.contains("left)"), "the prompt is gone:\n{screen}");
        terminal.keep("paste-done");
        assert!(server.is_live(&home.token()));
    }
}

#[test]
fn one_character_too_many_is_said_and_can_be_mended() {
    let Some((_server, _home, terminal, location)) = waiting("--paste") else { return };
    terminal.paste(&"x".repeat(LENGTH + 1), true);
    terminal.key("Enter");
    terminal.wait_for("more than 6000 characters");
    terminal.keep("paste-too-long");
    terminal.key("C-u");
    terminal.paste(&location, true);
    terminal.wait_for(&format!("{} characters", location.len()));
    terminal.key("Enter");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn a_wrong_paste_is_explained_and_a_right_one_still_counts() {
    let Some((_server, _home, terminal, location)) = waiting("--paste") else { return };
    let state = location.split("state=").nth(1).unwrap().split('&').next().unwrap();
    terminal.paste(&location.replace(state, "somebody-elses"), true);
    terminal.key("Enter");
    // What is typed before the prompt is back the terminal itself shows.
    let asked_again = |screen: &str| screen.split("another login").nth(1).is_some_and(|rest| rest.contains("left)"));
    terminal.wait_until("a refusal, and the prompt again", asked_again);
    terminal.type_in("hello");
    terminal.key("Enter");
    let screen = terminal.wait_until("a second refusal", |screen| screen.matches("Try again").count() == 2);
    assert!(!screen.contains("somebody-elses") && !screen.contains("hello"), "nothing is echoed:\n{screen}");
    terminal.keep("paste-refused");
    terminal.paste(&location, false);
    terminal.key("Enter");
    let (screen, code) = terminal.end();
    assert_eq!(code, 0, "{screen}");
}

#[test]
fn the_redirect_wins_while_the_prompt_is_open() {
    let Some((server, home, terminal, location)) = waiting("") else { return };
    terminal.type_in("half a code");
    let page = fetch(&location);
    assert!(page.contains("You’re signed in"), "{page}");
    let (screen, code) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("left)"), "the prompt is gone:\n{screen}");
    terminal.keep("redirect-won");
    assert!(server.is_live(&home.token()));
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let Some((_server, home, terminal, location)) = waiting("") else { return };
    terminal.type_in("half a code");
    terminal.wait_for("9 characters");
    let (screen, code) = terminal.interrupt();
    assert_eq!(code, 130, "{screen}");
    terminal.keep("ctrl-c");
    let (screen, _) = terminal.ended("stty -a");
    for mode in ["echo", "icanon", "isig", "icrnl", "opost"] {
        assert!(screen.split_whitespace().any(|word| word == mode), "{mode}:\n{screen}");
    }
    assert_eq!(home.json(&["status", "--json"])["accounts"], serde_json::json!([]));
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0);
    let redirect = url::Url::parse(&location).unwrap();
    let door = crate::support::http::try_request("GET", &redirect, &[], "");
    assert!(door.is_err(), "nobody waits for the redirect any more: {door:?}");
    let (screen, code) = terminal.ended("cred-helper status");
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Nobody is signed in"), "{screen}");
}

#[test]
fn ctrl_c_while_only_the_redirect_is_waited_for_leaves_the_terminal_as_it_was() {
    if missing(&["tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = Home::with_vault();
    let terminal = Terminal::start(&home, 100, 30);
    terminal.begin(&format!("cred-helper login {} --client-id {} --device", server.issuer(), server.client_id()));
    terminal.wait_for("left)");
    let (screen, code) = terminal.interrupt();
    assert_eq!(code, 130, "{screen}");
    terminal.keep("device-ctrl-c");
    assert_eq!(home.json(&["status", "--json"])["accounts"], serde_json::json!([]));
}
