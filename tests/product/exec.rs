//! `exec`: a command with tokens in its environment, and nothing of us left in its way.

use cred_helper::demo::server::Server;

use super::home::{Ended, Home, lasting_server, server};

const EXEC: &[&str] = &["exec", "work", "--"];

/// A home with a login at a provider whose programs read two variables for a token and one for a key.
fn home_with_variables(server: &Server) -> Home {
    let home = Home::with_vault();
    home.configure(&format!(
        "[providers.work]\ntitle = 'Work'\nissuer = '{}'\nscopes = ['openid', 'offline_access']\nclient.id = '{}'\n\
         [providers.work.variables]\noauth_token = ['WORK_TOKEN', 'WORK_OLD']\napi_key = ['WORK_KEY']\n\
         expires_at = ['WORK_END']\nrefresh_token = ['WORK_REFRESH']\n",
        server.issuer(),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    let ended = home.log_in_with(&["login", "work", "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    home
}

fn sh(home: &Home, arguments: &[&str], script: &str) -> Ended {
    home.run(&[arguments, &["sh", "-c", script]].concat())
}

#[test]
fn the_command_gets_the_token_and_no_other_credential_of_the_provider() {
    let server = lasting_server();
    let mut home = home_with_variables(&server);
    let token = home.ok(&["get-token", "work"]);
    // The end of another token would have the command throw away the one that it gets.
    for name in ["WORK_KEY", "WORK_END", "WORK_REFRESH"] {
        home.set(name, "1");
    }
    home.set("UNTOUCHED", "as it was");
    let ended = sh(&home, EXEC, "echo \"$WORK_TOKEN|$WORK_OLD|$WORK_KEY|$WORK_END|$WORK_REFRESH|$UNTOUCHED\"");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(ended.stdout, format!("{token}|||||as it was\n"));
    assert!(server.is_live(&token));
}

/// One order for `get-token` and for `exec`.
#[test]
fn the_callers_own_variables_answer_where_get_token_takes_them() {
    let server = lasting_server();
    let mut home = home_with_variables(&server);
    let script = "echo \"$WORK_TOKEN|$WORK_OLD|$WORK_KEY\"";
    home.set("WORK_OLD", "old-token");
    home.set("WORK_KEY", "own-key");
    let outranked = sh(&home, EXEC, script);
    assert_eq!((outranked.code, outranked.stdout.as_str()), (0, "old-token||\n"), "{}", outranked.stderr);
    assert_eq!(outranked.stderr.matches("WORK_OLD is set and outranks the login").count(), 1, "{}", outranked.stderr);
    home.unset("WORK_OLD");
    let token = home.ok(&["get-token", "work"]);
    assert_eq!(sh(&home, EXEC, script).stdout, format!("{token}||\n"));
    home.ok(&["logout", "work"]);
    let instead = sh(&home, EXEC, script);
    assert_eq!((instead.code, instead.stdout.as_str(), instead.stderr.as_str()), (0, "||own-key\n", ""));
    let renamed = sh(&home, &["exec", "--env", "OTHER=work", "--"], "echo \"$OTHER|$WORK_KEY\"");
    assert_eq!((renamed.code, renamed.stdout.as_str()), (0, "own-key|own-key\n"), "{}", renamed.stderr);
    home.unset("WORK_KEY");
    let nothing = sh(&home, EXEC, "echo ran");
    assert_eq!((nothing.code, nothing.stdout.as_str()), (10, ""), "{}", nothing.stderr);
}

#[test]
fn several_accounts_have_a_variable_each() {
    let server = lasting_server();
    let home = home_with_variables(&server);
    assert_eq!(home.log_in_with(&["login", "work/second", "--no-browser"]).code, 0);
    let both = home.run(&["exec", "work", "work/second", "--", "true"]);
    assert_eq!(both.code, 2, "{}", both.stderr);
    assert!(both.stderr.contains("--env NAME=work/second"), "{}", both.stderr);
    let arguments = ["exec", "work", "--env", "SECOND=work/second", "--"];
    let ended = sh(&home, &arguments, "echo \"$WORK_TOKEN $SECOND\"");
    let expected = format!("{} {}\n", home.ok(&["get-token", "work"]), home.ok(&["get-token", "work/second"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, expected.as_str()), "{}", ended.stderr);
    let unclear = sh(&home, &["exec", "--"], "echo ran");
    assert_eq!((unclear.code, unclear.stdout.as_str()), (12, ""), "{}", unclear.stderr);
    let nameless = lasting_server();
    home.log_in(&nameless, &[]);
    let account = super::tokens::account_of(&home, &nameless);
    let ended = sh(&home, &["exec", &account, "--"], "echo ran");
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("names no variable"), "{}", ended.stderr);
}

#[test]
fn the_exit_status_is_the_commands_and_errors_before_it_are_ours() {
    let server = lasting_server();
    let home = home_with_variables(&server);
    assert_eq!(sh(&home, EXEC, "exit 77").code, 77);
    let missing = home.run(&[EXEC, &["no-such-command"]].concat());
    assert_eq!(
        (missing.code, missing.stderr.as_str()),
        (127, "cred-helper: no-such-command: there is no such command\n")
    );
    std::fs::write(home.path().join("data"), "not a program").unwrap();
    assert_eq!(home.run(&[EXEC, &["./data"]].concat()).code, 126);
    let nobody = sh(&home, &["exec", "nobody", "--"], "echo ran");
    assert_eq!((nobody.code, nobody.stdout.as_str()), (10, ""), "{}", nobody.stderr);
    assert_eq!(home.run(&["exec", "work"]).code, 2, "no command");
    assert_eq!(home.run(&["exec", "--env", "1=work", "--", "true"]).code, 2, "no name of a variable");
}

#[test]
fn the_streams_are_the_commands_own() {
    let server = lasting_server();
    let home = home_with_variables(&server);
    let ended = home.run_with(&[EXEC, &["sh", "-c", "cat; echo aside >&2"]].concat(), "a\0b\nno line end");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "a\0b\nno line end", "aside\n"));
}

#[test]
fn a_short_token_is_said_once_and_not_where_quiet_is_asked_for() {
    let server = server(std::time::Duration::from_secs(120));
    let home = home_with_variables(&server);
    let said = sh(&home, EXEC, "echo ran");
    assert_eq!((said.code, said.stdout.as_str()), (0, "ran\n"), "{}", said.stderr);
    assert_eq!(said.stderr.matches("nothing renews it").count(), 1, "{}", said.stderr);
    let quiet = sh(&home, &["exec", "--quiet", "work", "--"], "echo ran");
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
}

/// The process that was started is the command: nobody stands between it and a signal, and it has no child of ours.
#[cfg(target_os = "linux")]
#[test]
fn the_command_takes_our_place_and_gets_every_signal_itself() {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;
    let server = lasting_server();
    let home = home_with_variables(&server);
    home.ok(&["agent", "stop"]);
    let script = "trap 'echo heard; exit 3' USR1; echo $$; while :; do read line || exit 9; done";
    let arguments = [EXEC, &["sh", "-c", script]].concat();
    let mut child = home.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    let pid: u32 = super::home::first_line(&mut child).parse().unwrap();
    assert_eq!(pid, child.id());
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert_eq!(children, "", "the agent that it started is nobody's child");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let beyond = open.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap() > 2);
    assert_eq!(beyond.filter(|entry| is_ours(entry.as_ref().unwrap())).count(), 0, "no connection is left open");
    let target = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(target, rustix::process::Signal::USR1).unwrap();
    drop(child.stdin.take());
    assert_eq!(super::home::ended(child.wait_with_output().unwrap()).code, 3);

    let child = home.command(&[EXEC, &["sh", "-c", "kill -TERM $$"]].concat()).output().unwrap();
    assert_eq!(child.status.signal(), Some(15), "a shell sees the signal, not a code");
}

#[cfg(target_os = "linux")]
fn is_ours(entry: &std::fs::DirEntry) -> bool {
    std::fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
}
