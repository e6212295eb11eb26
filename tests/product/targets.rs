//! `[targets]` and `--target`: a URL finds the account that a rule or its provider names for it, and nothing else finds any.

use cred_helper::Client;
use cred_helper::demo::server::Server;
use cred_helper::ipc::client::CallError;
use cred_helper::ipc::message::ErrorKind;
use cred_helper::ipc::message::token::{ForTarget, GetToken, ProjectAccount, RejectOutcome, RejectToken};

use super::home::{Ended, Home, lasting_server};

const UNKNOWN_TARGET: i32 = 35;
const AMBIGUOUS: i32 = 12;
const LOGIN_REQUIRED: i32 = 10;
const MISCONFIGURED: i32 = 19;

/// A home with accounts of these labels at `forge`, whose own host is forge.example, and an agent with these rules.
pub(crate) fn home_with(server: &Server, labels: &[&str], rules: &str) -> Home {
    let home = Home::with_vault();
    configure(&home, server, rules);
    for label in labels {
        let ended = home.log_in_with(&["login", "forge", "--account", label, "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    home
}

fn configure(home: &Home, server: &Server, rules: &str) {
    home.configure(&format!(
        "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\nvariables.oauth_token = ['FORGE_TOKEN']\n\
         targets = [{{ url = 'https://forge.example', username = 'of-the-forge' }}, {{ url = 'https://code.example' }}]\n{rules}",
        server.issuer(),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
}

fn asked(home: &Home, url: &str) -> Ended {
    home.run(&["get-token", "--target", url])
}

fn account(home: &Home, url: &str) -> String {
    home.json(&["get-token", "--format", "json", "--target", url])["account"].as_str().unwrap().to_owned()
}

#[track_caller]
fn nothing(home: &Home, url: &str) {
    let ended = asked(home, url);
    assert_eq!((ended.code, ended.stdout.as_str()), (UNKNOWN_TARGET, ""), "{url}: {}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_rule_says_who_answers_and_without_one_nobody_does() {
    let server = lasting_server();
    let rules = "[targets]\n'https://git.example' = 'forge/work'\n'https://git.example/me' = 'forge/me'\n\
                 'https://git.example/none' = false\n'https://gone.example' = 'forge/gone'\n";
    let mut home = home_with(&server, &["work", "me"], rules);
    home.ok(&["account", "default", "forge/me"]);
    assert_eq!(account(&home, "https://GIT.example:443/team/x.git"), "forge/work");
    assert_eq!(account(&home, "https://git.example/me/x.git"), "forge/me");
    for url in [
        "https://elsewhere.example",
        "https://git.example.evil.example",
        "https://git.example:8443",
        "https://git.example/none/x",
        "git.example",
        "https:",
    ] {
        nothing(&home, url);
    }
    // What a project or a variable says is not for hosts.
    std::fs::write(home.path().join(".cred-helper.toml"), "account = 'forge/me'\n").unwrap();
    home.set("FORGE_TOKEN", "of-the-environment");
    nothing(&home, "https://elsewhere.example");
    assert!(server.is_live(asked(&home, "https://git.example").stdout.trim()));
    let gone = asked(&home, "https://gone.example");
    assert_eq!((gone.code, gone.stdout.as_str()), (LOGIN_REQUIRED, ""), "{}", gone.stderr);
    let said = home.run(&["doctor"]).stdout;
    assert!(said.contains("[targets] names forge/gone"), "{said}");
    assert_eq!(home.run(&["get-token", "forge/me", "--target", "https://git.example"]).code, 2);
}

#[test]
fn a_providers_own_host_is_answered_for_by_its_only_account() {
    let server = lasting_server();
    let home = home_with(&server, &["work"], "");
    assert_eq!(account(&home, "https://forge.example/x.git"), "forge/work");
    nothing(&home, "https://sub.forge.example");
    nothing(&home, "https://github.com");
    home.ok(&["account", "rename", "forge/work", "forge/renamed"]);
    assert_eq!(account(&home, "https://forge.example/x.git"), "forge/renamed");
    home.ok(&["logout", "forge/renamed"]);
    nothing(&home, "https://forge.example/x.git");
    home.log_in_with(&["login", "forge", "--account", "work", "--no-browser"]);
    assert_eq!(account(&home, "https://forge.example/x.git"), "forge/work");
    let ended = home.log_in_with(&["login", "forge", "--account", "me", "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = asked(&home, "https://forge.example/x.git");
    assert_eq!((ended.code, ended.stdout.as_str()), (AMBIGUOUS, ""), "{}", ended.stderr);
    for part in ["forge/me, forge/work", "config.toml", "[targets]: \"https://forge.example\" = \"forge/me\""] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    configure(&home, &server, "[targets]\n\"https://forge.example\" = \"forge/me\"\n");
    assert_eq!(account(&home, "https://forge.example/x.git"), "forge/me");
}

#[test]
fn while_the_vault_is_locked_only_hosts_that_may_be_ours_are_told_so() {
    let server = lasting_server();
    let home = home_with(&server, &["work"], "[targets]\n'https://git.example' = 'forge/work'\n");
    home.ok(&["lock"]);
    for url in ["https://git.example", "https://forge.example/x", "https://github.com"] {
        assert_eq!(asked(&home, url).code, 14, "{url}");
    }
    nothing(&home, "https://elsewhere.example");
}

#[test]
fn a_mistake_in_the_file_is_said_and_not_taken_for_nothing_here() {
    let server = lasting_server();
    let home = home_with(&server, &["work"], "");
    configure(&home, &server, "[targets]\n'git.example' = 'forge/work'\n");
    let ended = asked(&home, "https://git.example");
    assert_eq!((ended.code, ended.stdout.as_str()), (MISCONFIGURED, ""));
    assert!(ended.stderr.contains("a target is a URL with a host"), "{}", ended.stderr);
}

#[test]
fn the_answer_says_how_the_token_is_shown_and_known_again() {
    let server = lasting_server();
    let rules = "[targets]\n'https://forge.example/ruled' = 'forge'\n'https://git.example' = 'forge'\n\
                 'https://git.example/x' = { account = 'forge', username = 'of-the-rule' }\n\
                 'https://whole.example:8443' = 'forge'\n";
    let home = home_with(&server, &["work"], rules);
    home.ok(&["agent", "start"]);
    let mut client = Client::connect(&home.path().join("run/cred-helper/agent.sock")).unwrap();
    let target = Some("https://forge.example".to_owned());
    let get = GetToken { target: target.clone(), ..GetToken::default() };
    let first = client.call(&get).unwrap();
    let ForTarget { username, origin, fingerprint, cached, exact } = first.for_target.unwrap();
    assert_eq!((username.as_deref(), cached, exact), (Some("of-the-forge"), true, false));
    // Another rule is for a part of this host; all of the other one is its provider's own.
    assert_eq!(origin, None);
    let whole = GetToken { target: Some("https://code.example:443/x".to_owned()), ..GetToken::default() };
    let origin = client.call(&whole).unwrap().for_target.unwrap().origin;
    assert_eq!(origin.as_deref(), Some("https://code.example"));
    let whole = GetToken { target: Some("https://whole.example:8443/x".to_owned()), ..GetToken::default() };
    let origin = client.call(&whole).unwrap().for_target.unwrap().origin;
    assert_eq!(origin.as_deref(), Some("https://whole.example:8443"));
    for (url, user) in [
        ("https://forge.example/ruled/x", Some("of-the-forge")),
        ("https://git.example", None),
        ("https://git.example/x", Some("of-the-rule")),
    ] {
        let get = GetToken { target: Some(url.to_owned()), ..GetToken::default() };
        assert_eq!(client.call(&get).unwrap().for_target.unwrap().username.as_deref(), user, "{url}");
    }
    let reject = RejectToken { fingerprint: Some(fingerprint.clone()), ..RejectToken::default() };
    assert_eq!(client.call(&reject).unwrap().outcome, RejectOutcome::Refreshed);
    assert_eq!(client.call(&reject).unwrap().outcome, RejectOutcome::AlreadyReplaced);
    let second = client.call(&get).unwrap();
    assert!(!second.token.matches(&first.token) && second.for_target.unwrap().fingerprint != fingerprint);
    let stranger = RejectToken { fingerprint: Some("0".repeat(64)), ..RejectToken::default() };
    assert_eq!(client.call(&stranger).unwrap().outcome, RejectOutcome::UnknownToken);

    let refused = |error: CallError| error.into_error().kind();
    for wrong in ["", "0", &"é".repeat(32)] {
        let reject = RejectToken { fingerprint: Some(wrong.to_owned()), ..RejectToken::default() };
        assert_eq!(client.call(&reject).map_err(refused).unwrap_err(), ErrorKind::InvalidParams);
    }
    assert_eq!(client.call(&RejectToken::default()).map_err(refused).unwrap_err(), ErrorKind::InvalidParams);
    let project = Some(ProjectAccount { file: "/p/.cred-helper.toml".into(), account: "forge".into() });
    for both in [GetToken { account: Some("forge".into()), ..get.clone() }, GetToken { project, ..get.clone() }] {
        assert_eq!(client.call(&both).map_err(refused).unwrap_err(), ErrorKind::InvalidParams);
    }
}

#[cfg(unix)]
#[test]
fn who_answers_for_a_url_can_be_asked_without_a_token() {
    let server = lasting_server();
    let mut home =
        home_with(&server, &["me"], "[targets]\n'https://git.example' = 'forge/me'\n'https://no.example' = false\n");
    for url in ["https://git.example/team/x.git", "https://forge.example"] {
        assert_eq!(home.json(&["account", "show", "--json", "--target", url])["account"], "forge/me", "{url}");
    }
    for url in ["https://no.example", "https://other.example", "nothing"] {
        assert_eq!(home.run(&["account", "show", "--target", url]).code, UNKNOWN_TARGET, "{url}");
    }
    assert_eq!(home.run(&["account", "show", "forge/me", "--target", "https://git.example"]).code, 2);
    assert_eq!(server.count_grant("refresh_token"), 0);
    // Doctor asks it for every tool that is set up. Links land beside the program as the PATH has it.
    let bin = home.make_private("bin");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("cred-helper")).unwrap();
    home.set("PATH", bin.to_str().unwrap());
    home.ok(&["setup", "claude", "--account", "forge/me", "--yes"]);
    home.ok(&["setup", "pnpm", "--host", "git.example", "--yes"]);
    let bazel = home.run(&["setup", "bazel", "--host", "other.example", "--yes"]);
    assert!(bazel.code == 0 && bazel.stderr.contains("warning: no account answers there"), "{bazel:?}");
    home.ok(&["setup", "goauth", "--yes"]);
    // A known provider's own host that nobody is signed in at.
    let git = home.run(&["setup", "git", "--host", "github.com", "--yes"]);
    let nobody = "nobody is signed in at github, to which https://github.com belongs: run `cred-helper login github`";
    assert!(git.code == 0 && git.stderr.contains(nobody), "{git:?}");
    assert!(asked(&home, "https://github.com/x").stderr.contains(nobody));
    let doctor = home.run(&["doctor"]);
    let line =
        |tool: &str| doctor.stdout.lines().find(|line| line.contains(tool)).unwrap_or_else(|| panic!("{doctor:?}"));
    assert!(line("claude").contains("asks us, and forge/me answers"), "{doctor:?}");
    assert!(line("pnpm git.example").contains("asks us, and forge/me answers"), "{doctor:?}");
    let said = "no account answers there: `cred-helper setup bazel --host other.example --account NAME`";
    assert!(doctor.code == 1 && line("bazel").ends_with(said), "{doctor:?}");
    assert!(line("git github.com").ends_with(nobody) && line("goauth").ends_with("asks us"), "{doctor:?}");
    assert_eq!(doctor.stdout.matches(" configuration ").count(), 1, "{doctor:?}");
    // Go is given nothing but what rules say.
    configure(&home, &server, "");
    let doctor = home.run(&["doctor"]);
    let said = "no rule says who answers: `cred-helper setup goauth --host HOST --account NAME`";
    assert!(doctor.stdout.lines().any(|line| line.starts_with("! goauth") && line.ends_with(said)), "{doctor:?}");
}
