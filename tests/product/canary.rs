//! No token where none is the answer: every command at the highest verbosity, every error, the log, the arguments and the
//! environment of every process, searched for every token that the server ever issued.

use std::path::Path;
use std::time::Duration;

use cred_helper::demo::server::{Behaviour, RedirectBehaviour};

use super::home::{Ended, Home, server};
use super::rules::{Person, YES};
use super::tokens::wait_for_expiry;

#[test]
fn tokens_are_nowhere_but_where_they_are_the_answer() {
    let server = server(Duration::from_secs(1));
    let mut home = Home::new();
    home.set("CRED_HELPER_LOG", "trace");
    // What a person is asked is written down in the home, too.
    let person = Person::new(&home, YES);
    home.configure(&format!("{}[accounts.'*']\nconfirm = true\nconfirm_for = '0s'\n", person.pinentry()));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    let mut said = Vec::new();
    said.push(home.log_in(&server, &[]));
    let account = super::tokens::account_of(&home, &server);
    let first = home.token();
    wait_for_expiry(&home);
    home.token();
    let (pid, environ) = (home.agent_pid(), "environ");
    for behaviour in [
        Behaviour::Html,
        Behaviour::TruncatedJson,
        Behaviour::InvalidGrant,
        Behaviour::Status(503, Some("1".into())),
        Behaviour::ResetConnection,
    ] {
        server.set_behaviour(behaviour, 1);
        keep(&mut said, home.run(&["refresh", &account]));
    }
    server.behave();
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["account", "list"],
        &["account", "show", "--json"],
        &["vault", "status", "--json"],
        &["vault", "slot", "list"],
        &["provider", "list", "--json"],
        &["agent", "status", "--json"],
        &["doctor", "--json"],
        &["config", "path"],
        &["config", "check"],
        &["provider", "show", "anthropic"],
        &["completions", "bash"],
        &["man"],
        &["vault", "adopt"],
        &["vault", "slot", "remove", "nothing"],
        &["account", "trust"],
        &["lock"],
        &["get-token"],
        &["unlock"],
        &["get-token", "nobody"],
        &["get-token", "--format", "netrc"],
        &["get-token", "--scope", "not-granted"],
        &["refresh"],
        &["account", "default", &account],
        &["account", "rename", &account, "renamed"],
        &["log"],
        &["log", "--json"],
    ] {
        keep(&mut said, home.run(arguments));
    }
    keep(&mut said, home.run_with(&["reject"], &first));
    keep(&mut said, home.run_with(&["reject", "nobody"], &first));
    // A token where a name belongs: it comes back in no error.
    for arguments in [&["get-token", &first][..], &["login", &first], &["account", "show", &first]] {
        keep(&mut said, home.run(arguments));
    }
    server.set_redirect(RedirectBehaviour::Error("server_error".into(), format!("about {first}")));
    let refused = home.log_in_with(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    said.push(refused.stderr);
    for file in ["cmdline", environ] {
        said.push(String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap()).into_owned());
    }
    keep(&mut said, home.run(&["logout", "--all"]));
    assert!(person.times_asked() > 3);
    home.ok(&["agent", "stop"]);
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log was at full verbosity");
    said.push(log);
    read_all(home.path(), &mut said);

    let tokens = server.issued_tokens();
    assert!(tokens.len() > 8);
    for (n, text) in said.iter().enumerate() {
        for token in &tokens {
            // Sixteen bytes are enough to know a token by, wherever in it they stand.
            for fragment in token.as_bytes().windows(16).step_by(4) {
                let fragment = std::str::from_utf8(fragment).unwrap();
                assert!(!text.contains(fragment), "token fragment in text {n}: {}", text.replace(fragment, "<HERE>"));
            }
        }
    }
}

fn keep(said: &mut Vec<String>, ended: Ended) {
    said.push(ended.stdout);
    said.push(ended.stderr);
}

/// Every file that was written: sealed, so no token is in it in clear.
fn read_all(directory: &Path, said: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            read_all(&entry.path(), said);
        } else if entry.file_type().unwrap().is_file() {
            said.push(String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned());
        }
    }
}
