//! Choosing at a terminal: the providers of `login`, the accounts of `logout`.

use cred_helper::demo::server::Server;

use crate::home::{Home, lasting_server};
use crate::support::programs::missing;
use crate::terminal::Terminal;

/// A home with thirty providers of its own, of which the last one answers.
fn home_with_thirty(server: &Server) -> Home {
    let home = Home::with_vault();
    let own = |name: &str, issuer: &str| {
        format!(
            "[providers.{name}]\ntitle = 'Title of {name}'\nissuer = '{issuer}'\nclient.id = '{}'\n\
             scopes = ['openid', 'offline_access', 'profile', 'email']\n",
            server.client_id()
        )
    };
    let silent: String = (0..29).map(|n| own(&format!("silent-{n:02}"), "http://127.0.0.1:9")).collect();
    home.configure(&format!("{silent}{}", own("zeta", &server.issuer())));
    home.ok(&["agent", "stop"]);
    home
}

/// Signs in with a code on another device, once the picker is gone.
fn finish_login(terminal: &Terminal, server: &Server) {
    let screen = terminal.wait_for("left)");
    assert!(screen.split_whitespace().any(|word| server.approve_device(word)), "{screen}");
    let (screen, code) = terminal.end();
    assert_eq!(code, 0, "{screen}");
}

/// The line that is marked.
fn marked(screen: &str) -> &str {
    screen.lines().find(|line| line.starts_with("> ")).unwrap_or_else(|| panic!("nothing is marked:\n{screen}"))
}

#[test]
fn login_offers_every_provider_and_takes_the_one_that_is_typed_or_pointed_at() {
    if missing(&["tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = home_with_thirty(&server);
    let terminal = Terminal::start(&home, 80, 24);
    terminal.begin("cred-helper login --device");
    let screen = terminal.wait_for("Sign in to which provider?");
    terminal.keep("picker");
    assert!(screen.contains("1-21 of ") && screen.contains("Escape leaves"), "{screen}");
    let first = marked(&screen).to_owned();
    terminal.key("Down");
    terminal.wait_until("the next one", |screen| marked(screen) != first);
    terminal.key("Up");
    terminal.wait_until("the first one", |screen| marked(screen) == first);
    terminal.key("Up");
    let screen = terminal.wait_until("the last one", |screen| marked(screen).contains("zeta"));
    assert!(screen.lines().count() <= 24 && screen.contains("Sign in to which provider?"), "{screen}");
    terminal.type_in("silent-07");
    terminal.wait_until("one of thirty", |screen| marked(screen).contains("silent-07"));
    terminal.key("C-u");
    terminal.type_in("zet");
    terminal.wait_until("what was typed", |screen| marked(screen).contains("zeta") && !screen.contains("silent"));
    terminal.key("Enter");
    finish_login(&terminal, &server);

    terminal.begin("cred-helper login --device");
    terminal.wait_for("Sign in to which provider?");
    terminal.type_in("zeta");
    let screen = terminal.wait_until("its state", |screen| marked(screen).contains("signed in as ada@example.com"));
    assert!(marked(&screen).contains(" left"), "{screen}");
    terminal.keep("picker-signed-in");
    terminal.key("Enter");
    finish_login(&terminal, &server);
}

#[test]
fn escape_and_ctrl_c_leave_the_terminal_as_it_was() {
    if missing(&["tmux"]) {
        return;
    }
    let home = Home::with_vault();
    let terminal = Terminal::start(&home, 80, 24);
    terminal.run("stty -a > before");
    for (key, code) in [("Escape", 21), ("C-c", 130)] {
        terminal.begin("cred-helper login");
        terminal.wait_for("Sign in to which provider?");
        terminal.key(key);
        let (screen, exit) = terminal.end();
        assert_eq!(exit, code, "{key}:\n{screen}");
        assert!(!screen.contains("which provider?"), "the shell's own screen is back:\n{screen}");
        let (screen, same) = terminal.ended("stty -a | cmp - before");
        assert_eq!(same, 0, "{key}:\n{screen}");
    }
    assert_eq!(terminal.ended("cred-helper login < /dev/null").1, 2, "without a terminal nobody is asked");
}

#[test]
fn a_narrow_terminal_without_colours_shows_names_and_states() {
    if missing(&["tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = home_with_thirty(&server);
    let terminal = Terminal::start(&home, 32, 9);
    terminal.begin("NO_COLOR=1 cred-helper login");
    let screen = terminal.wait_for("anthropic");
    terminal.keep("picker-narrow");
    assert!(screen.lines().count() <= 9 && !screen.contains("Title of"), "{screen}");
    assert!(!terminal.coloured().contains("\x1b["), "{:?}", terminal.coloured());
    terminal.key("Escape");
    assert_eq!(terminal.end().1, 21);
}

#[test]
fn every_provider_says_where_it_stands() {
    if missing(&["tmux"]) {
        return;
    }
    let home = Home::with_vault();
    let terminal = Terminal::start(&home, 100, 24);
    terminal.begin("cred-helper login");
    let screen = terminal.wait_for("openrouter");
    terminal.keep("picker-first-time");
    for (name, state) in [
        ("anthropic ", "not signed in"),
        ("anthropic-wif ", "not signed in"),
        ("deepseek ", "API key only"),
        ("github ", "needs a client of your own"),
        ("openrouter ", "not signed in"),
    ] {
        let line = screen
            .lines()
            .find(|line| line.get(2..).is_some_and(|line| line.starts_with(name)))
            .unwrap_or_else(|| panic!("{name}:\n{screen}"));
        assert!(line.ends_with(state), "{name}:\n{screen}");
    }
    terminal.key("Escape");
    assert_eq!(terminal.end().1, 21);
}

#[test]
fn logout_offers_the_accounts() {
    if missing(&["tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.log_in(&server, &["--account", "work"]);
    let terminal = Terminal::start(&home, 100, 24);
    terminal.begin("cred-helper logout");
    let screen = terminal.wait_for("Sign out of which account?");
    assert_eq!(screen.matches("signed in as ada@example.com").count(), 2, "{screen}");
    terminal.key("Down");
    terminal.wait_until("the second", |screen| marked(screen).contains("/work"));
    terminal.key("Enter");
    let (screen, code) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    let left = home.json(&["status", "--json"]);
    let left: Vec<_> = left["accounts"].as_array().unwrap().iter().map(|account| account["account"].clone()).collect();
    assert!(left.len() == 1 && !left[0].as_str().unwrap().contains('/'), "{left:?}");
    terminal.begin("cred-helper logout");
    terminal.wait_for("Sign out of which account?");
    terminal.key("Enter");
    assert_eq!(terminal.end().1, 0);
    let (screen, code) = terminal.ended("cred-helper logout");
    assert!(code == 0 || screen.contains("obody"), "nothing to choose from is said:\n{screen}");
}

#[test]
fn a_command_run_with_a_token_has_the_terminal_and_its_job_control() {
    if missing(&["tmux"]) {
        return;
    }
    let home = Home::signed_in(&lasting_server());
    let account = home.json(&["status", "--json"])["accounts"][0]["account"].as_str().unwrap().to_owned();
    let exec = format!("cred-helper exec --env TOKEN={account} --");
    let terminal = Terminal::start(&home, 100, 24);
    terminal.begin(&format!(
        "{exec} sh -c 'test -t 0 && test -t 1 && trap \"echo h''eard; exit 5\" INT && echo re''ady; read x'"
    ));
    terminal.wait_for("ready");
    terminal.key("C-c");
    let (screen, code) = terminal.end();
    assert!(code == 5 && screen.contains("heard"), "the command's own handler:\n{screen}");

    // What it says is told from the terminal's echo by its capitals.
    terminal.run(&format!("clear; set -m; {exec} tr a-z A-Z"));
    terminal.type_in("once");
    terminal.key("Enter");
    terminal.wait_for("ONCE");
    terminal.key("C-z");
    terminal.wait_until("it is stopped", |screen| screen.contains("Stopped"));
    terminal.run("fg");
    terminal.type_in("again");
    terminal.key("Enter");
    terminal.wait_for("AGAIN");
    terminal.key("C-d");
    assert_eq!(terminal.ended("true").1, 0);
}
