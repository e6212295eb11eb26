//! `api-key set` at a terminal: nothing of a key is seen, nothing typed is no key, and Ctrl-C leaves everything as it was.

use crate::home::Home;
use crate::support::programs::missing;
use crate::terminal::Terminal;

const KEY: &str = "sk-typed-at-a-terminal";
const PROMPT: &str = "API key of deepseek: ";

/// Waits for the question; how often it is on the screen.
#[track_caller]
fn wait_for_question(terminal: &Terminal, times: usize) {
    terminal.wait_until(PROMPT, |screen| {
        screen.trim_end().ends_with(PROMPT.trim_end()) && screen.matches(PROMPT.trim_end()).count() == times
    });
}

/// A terminal where the key is asked for.
fn asked(home: &Home) -> Terminal {
    let terminal = Terminal::start(home, 100, 24);
    terminal.run("stty -a > before");
    terminal.begin("cred-helper api-key set deepseek");
    wait_for_question(&terminal, 1);
    terminal
}

/// Nothing of the prompt stays behind.
#[track_caller]
fn is_as_before(terminal: &Terminal) {
    let (screen, same) = terminal.ended("stty -a | cmp - before");
    assert_eq!(same, 0, "{screen}");
}

#[test]
fn a_key_is_asked_for_without_an_echo_and_once_more_if_nothing_was_typed() {
    if missing(&["tmux"]) {
        return;
    }
    let home = Home::with_vault();
    let terminal = asked(&home);
    terminal.key("Enter");
    terminal.wait_for("Nothing was typed");
    wait_for_question(&terminal, 2);
    terminal.type_in("   ");
    terminal.key("Enter");
    wait_for_question(&terminal, 3);
    terminal.type_in(KEY);
    terminal.key("Enter");
    let (screen, code) = terminal.end();
    terminal.keep("api-key-set");
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("The API key of deepseek is stored"), "{screen}");
    assert!(!screen.contains("sk-") && !screen.contains('*'), "{screen}");
    assert_eq!(home.ok(&["get-token", "deepseek"]), KEY);
    is_as_before(&terminal);
}

#[test]
fn ctrl_c_at_the_question_keeps_no_key_and_leaves_the_terminal_as_it_was() {
    if missing(&["tmux"]) {
        return;
    }
    let home = Home::with_vault();
    let terminal = asked(&home);
    terminal.type_in(KEY);
    let (screen, code) = terminal.interrupt();
    assert_eq!(code, 130, "{screen}");
    assert!(!screen.contains("sk-"), "{screen}");
    assert_eq!(home.run(&["get-token", "deepseek"]).code, 10);
    is_as_before(&terminal);
}
