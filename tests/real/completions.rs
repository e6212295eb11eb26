//! Names that shells complete: the scripts in each shell that there is, asked as a person asks.

use std::process::{Command, Stdio};

use cred_helper::demo::server::Server;

use crate::home::{Home, lasting_server};
use crate::support::programs::missing;
use crate::terminal::Terminal;

/// A home with the accounts `work` and `work/second`, and each shell's script in a file.
fn home_with_scripts(server: &Server) -> Home {
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.work]\nissuer = '{}'\nclient.id = '{}'\nscopes = ['openid', 'offline_access']\n",
        server.issuer(),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    for account in ["work", "work/second"] {
        let ended = home.log_in_with(&["login", account, "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    for shell in ["bash", "zsh", "fish"] {
        std::fs::write(home.path().join(shell), home.ok(&["completions", shell])).unwrap();
    }
    home
}

/// A shell in that home, `cred-helper` in its PATH, and what it says.
fn said(home: &Home, shell: &str, arguments: &[&str]) -> Vec<String> {
    let ours = home.command(&[]);
    let programs = std::path::Path::new(ours.get_program()).parent().unwrap().display().to_string();
    let mut command = Command::new(shell);
    command.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap())).current_dir(home.path());
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What bash has for a line, as its own completion asks the function that the script registered.
fn in_bash(home: &Home, words: &[&str]) -> Vec<String> {
    let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source ./bash; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         registered=$(complete -p cred-helper); [[ $registered =~ -F\\ ([^ ]+) ]]\n\
         ${{BASH_REMATCH[1]}} cred-helper \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line.join(" ")
    );
    said(home, "bash", &["--norc", "-c", &script])
}

#[test]
fn bash_offers_the_names_that_fit() {
    if missing(&["bash"]) {
        return;
    }
    let server = lasting_server();
    let home = home_with_scripts(&server);
    assert_eq!(in_bash(&home, &["cred-helper", "get-token", ""]), ["work", "work/second"]);
    assert_eq!(in_bash(&home, &["cred-helper", "exec", "work", "work/s"]), ["work/second"]);
    let login = in_bash(&home, &["cred-helper", "login", ""]);
    assert!(["anthropic", "gitlab", "work/second"].iter().all(|name| login.contains(&(*name).to_owned())), "{login:?}");
    assert_eq!(in_bash(&home, &["cred-helper", "provider", "show", "anthropic-w"]), ["anthropic-wif"]);
    assert!(in_bash(&home, &["cred-helper", "get-token", "--min"]).contains(&"--min-validity".to_owned()));
    assert!(in_bash(&home, &["cred-helper", "get-t"]).contains(&"get-token".to_owned()));
    assert_eq!(in_bash(&home, &["cred-helper", "get-token", "--format", "xo"]), ["xoauth2"]);
}

#[test]
fn fish_offers_the_names_that_fit() {
    if missing(&["fish"]) {
        return;
    }
    let server = lasting_server();
    let home = home_with_scripts(&server);
    let offered = |line: &str| {
        let lines = said(&home, "fish", &["--no-config", "-c", &format!("source ./fish; complete -C '{line}'")]);
        lines.into_iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("cred-helper get-token "), ["work", "work/second"]);
    assert_eq!(offered("cred-helper logout work/"), ["work/second"]);
    assert_eq!(offered("cred-helper provider show anthropic-w"), ["anthropic-wif"]);
    assert!(offered("cred-helper get-t").contains(&"get-token".to_owned()));
    assert!(offered("cred-helper get-token --min").iter().any(|option| option.starts_with("--min-validity")));
}

#[test]
fn zsh_offers_the_names_that_fit() {
    if missing(&["zsh", "tmux"]) {
        return;
    }
    let server = lasting_server();
    let home = home_with_scripts(&server);
    let terminal = Terminal::start(&home, 100, 24);
    terminal.run("exec env PS1='ready> ' zsh -f");
    terminal.wait_until("zsh", |screen| screen.trim_end().ends_with("ready>"));
    terminal.run("autoload -U compinit; compinit -D -u; source ./zsh; clear");
    terminal.wait_until("the script", |screen| screen.trim_end() == "ready>");
    for (typed, expected) in [
        ("cred-helper get-token w", "cred-helper get-token work"),
        ("cred-helper exec work work/", "cred-helper exec work work/second"),
        ("cred-helper provider show anthropic-w", "cred-helper provider show anthropic-wif"),
        ("cred-helper get-t", "cred-helper get-token"),
        ("cred-helper get-token --min", "cred-helper get-token --min-validity="),
    ] {
        terminal.type_in(typed);
        terminal.key("Tab");
        terminal.wait_for(&format!("ready> {expected}"));
        // Nothing of what is typed next is flushed, as an interrupt might do.
        terminal.key("C-u");
        terminal.key("C-l");
        terminal.wait_until("an empty line", |screen| screen.trim_end() == "ready>");
    }
}

#[test]
fn a_key_press_starts_no_agent_and_opens_no_vault() {
    let server = lasting_server();
    let home = home_with_scripts(&server);
    let names = home.run(&["__complete", "get-token"]);
    assert_eq!((names.code, names.stdout.as_str(), names.stderr.as_str()), (0, "work\nwork/second\n", ""));
    home.ok(&["lock"]);
    let locked = home.run(&["__complete", "get-token"]);
    assert_eq!((locked.code, locked.stdout.as_str(), locked.stderr.as_str()), (0, "", ""));
    home.ok(&["agent", "stop"]);
    let stopped = home.run(&["__complete", "login"]);
    assert_eq!((stopped.code, stopped.stdout.as_str(), stopped.stderr.as_str()), (0, "", ""));
    assert_eq!(home.run(&["agent", "status", "--no-start"]).code, 18, "none was started");
}
