//! What a person sees at a terminal: the device flow, the overview, the live overview.

use crate::home::{Home, lasting_server};
use crate::support::programs::missing;
use crate::terminal::Terminal;

#[test]
fn a_device_login_shows_address_code_and_a_picture_of_both() {
    if missing(&["tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = Home::with_vault();
    let terminal = Terminal::start(&home, 100, 40);
    terminal.begin(&format!("cred-helper login {} --client-id {} --device", server.issuer(), server.client_id()));
    let screen = terminal.wait_for("left)");
    terminal.keep("device");
    assert!(screen.lines().filter(|line| line.contains('█') && line.contains('▀')).count() > 8, "{screen}");
    let code = screen.split_whitespace().find(|word| server.approve_device(word));
    assert!(code.is_some(), "the user code is on the screen:\n{screen}");
    let (screen, exit) = terminal.end();
    assert_eq!(exit, 0, "{screen}");
    assert!(screen.contains("Signed in to") && !screen.contains("left)"), "{screen}");
    terminal.keep("device-done");
}

#[test]
fn a_low_terminal_gets_no_picture_but_the_code() {
    if missing(&["tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = Home::with_vault();
    let terminal = Terminal::start(&home, 60, 16);
    terminal.begin(&format!("cred-helper login {} --client-id {} --device", server.issuer(), server.client_id()));
    let screen = terminal.wait_for("left)");
    terminal.keep("device-low");
    assert!(!screen.contains('█'), "{screen}");
    assert!(screen.split_whitespace().any(|word| server.approve_device(word)), "{screen}");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn the_overview_is_a_table_and_the_live_one_follows_changes_and_leaves_on_q() {
    if missing(&["tmux"]) {
        return;
    }
    let (server, other) = (lasting_server(), lasting_server());
    let home = Home::signed_in(&server);
    home.log_in(&other, &["--account", "work"]);
    let terminal = Terminal::start(&home, 100, 30);
    let (screen, code) = terminal.ended("cred-helper status");
    assert_eq!(code, 0, "{screen}");
    let lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
    let column = |name: &str| lines[0].find(name).unwrap_or_else(|| panic!("{name}:\n{screen}"));
    for line in &lines[1..3] {
        assert!(line[column("STATE")..].starts_with("signed in"), "{screen}");
        assert!(line[column("WHO")..].starts_with("ada@example.com"), "{screen}");
    }
    terminal.keep("status");
    for (name, command) in [
        ("account", "cred-helper account show"),
        ("vault", "cred-helper vault status"),
        ("agent", "cred-helper agent status"),
        ("providers", "cred-helper provider list"),
        ("provider", "cred-helper provider show anthropic"),
        ("doctor", "cred-helper doctor"),
        ("help", "cred-helper"),
    ] {
        terminal.ended(command);
        terminal.keep(&format!("show-{name}"));
    }

    terminal.begin("cred-helper status --watch");
    terminal.wait_for("q leaves");
    terminal.keep("watch");
    home.ok(&["logout", "--all"]);
    terminal.wait_for("Nobody is signed in");
    terminal.keep("watch-empty");
    terminal.key("q");
    let (screen, code) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("q leaves"), "the shell's own screen is back:\n{screen}");
    let (screen, _) = terminal.ended("stty -a");
    assert!(screen.split_whitespace().any(|word| word == "echo"), "{screen}");
}
