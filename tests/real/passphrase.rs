//! Passphrases at a terminal: made at the first login or by hand, asked for, mistyped, given up.

use crate::home::{Home, browse, lasting_server};
use crate::support::programs::missing;
use crate::terminal::Terminal;

const PASSPHRASE: &str = "correct horse";

fn terminal(home: &Home) -> Option<Terminal> {
    (!missing(&["tmux"])).then(|| Terminal::start(home, 100, 30))
}

/// Types a passphrase where it is asked for, and nothing of it is seen.
#[track_caller]
fn answer(terminal: &Terminal, prompt: &str, passphrase: &str) {
    terminal.wait_until(prompt, |screen| screen.trim_end().ends_with(prompt.trim_end()));
    terminal.type_in(passphrase);
    terminal.key("Enter");
}

#[test]
fn a_passphrase_is_asked_twice_and_opens_the_vault_after_a_lock() {
    let home = Home::new();
    let Some(terminal) = terminal(&home) else { return };
    terminal.begin("cred-helper vault slot add passphrase");
    answer(&terminal, "New vault passphrase: ", PASSPHRASE);
    answer(&terminal, "Once more: ", "something else");
    terminal.wait_for("The two differ");
    answer(&terminal, "New vault passphrase: ", PASSPHRASE);
    answer(&terminal, "Once more: ", PASSPHRASE);
    let (screen, code) = terminal.end();
    terminal.keep("slot-add");
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Added key slot") && !screen.contains(PASSPHRASE), "{screen}");

    assert_eq!(terminal.ended("cred-helper lock").1, 0);
    terminal.keep("lock");
    let (screen, code) = terminal.ended("cred-helper get-token");
    assert_eq!(code, 14, "{screen}");
    assert!(screen.contains("cred-helper unlock"), "{screen}");

    terminal.begin("cred-helper unlock");
    answer(&terminal, "Vault passphrase: ", "wrong");
    let (screen, code) = terminal.end();
    terminal.keep("unlock-wrong");
    assert_eq!(code, 24, "{screen}");
    assert!(screen.contains("passphrase is wrong"), "{screen}");

    // The next try counts after a second: whoever is quicker is told how long.
    let mut code = 24;
    while code == 24 {
        terminal.begin("cred-helper unlock");
        answer(&terminal, "Vault passphrase: ", PASSPHRASE);
        code = terminal.end().1;
    }
    terminal.keep("unlock");
    assert_eq!(code, 0);
}

#[test]
fn the_first_login_asks_where_the_key_is_to_rest() {
    let server = lasting_server();
    let home = Home::new();
    let Some(terminal) = terminal(&home) else { return };
    terminal.begin(&format!("cred-helper login {} --client-id {} --no-browser", server.issuer(), server.client_id()));
    terminal.wait_for("[1-3]: ");
    terminal.keep("first-login");
    terminal.run("7");
    terminal.wait_for("none of them");
    terminal.run("passphrase");
    answer(&terminal, "New vault passphrase: ", PASSPHRASE);
    answer(&terminal, "Once more: ", PASSPHRASE);
    let screen = terminal.wait_for("left)");
    let url = screen.lines().find(|line| line.starts_with("http")).expect("the address has a line of its own");
    browse(url);
    let (screen, code) = terminal.end();
    terminal.keep("first-login-done");
    assert_eq!(code, 0, "{screen}");
    assert_eq!(home.json(&["vault", "status", "--json"])["slots"][0]["kind"], "passphrase");

    // After a restart it is asked for once, at whichever command needs a person anyway.
    home.ok(&["agent", "stop"]);
    assert_eq!(home.run(&["get-token"]).code, 14);
    terminal.begin("cred-helper unlock");
    answer(&terminal, "Vault passphrase: ", PASSPHRASE);
    assert_eq!(terminal.end().1, 0);
    assert!(server.is_live(&home.token()));
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let server = lasting_server();
    let home = Home::new();
    let ended = home.run(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    assert_eq!(ended.code, 15, "{}", ended.stderr);
    assert!(ended.stderr.contains("cred-helper vault slot add"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty() && server.log().is_empty(), "nothing was begun");
}

#[test]
fn ctrl_c_at_a_passphrase_gives_the_echo_back() {
    let home = Home::new();
    let Some(terminal) = terminal(&home) else { return };
    terminal.begin("cred-helper vault slot add passphrase");
    terminal.wait_for("New vault passphrase: ");
    terminal.type_in("half");
    let (screen, code) = terminal.interrupt();
    terminal.keep("passphrase-ctrl-c");
    assert_eq!(code, 130, "{screen}");
    let (screen, _) = terminal.ended("stty -a");
    assert!(screen.split_whitespace().any(|word| word == "echo"), "{screen}");
    assert_eq!(home.json(&["vault", "status", "--json"])["state"], "absent");
}
