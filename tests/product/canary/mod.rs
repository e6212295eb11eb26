//! No secret where none is the answer: every command, every error, the log at its highest level, every file, and the
//! arguments and environment of the agent, searched for every token that the server ever issued and for what opened vault
//! and server.

mod commands;
mod door;
mod registries;
mod settings;
mod wire;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Options, RedirectBehaviour, RegisteredClient, Server};
use cred_helper::token::ClientAuthentication;

use self::commands::{COMMANDS, ELSEWHERE};
use super::home::{Ended, Home, browse, ended, first_line};
use super::memory::needles::Needles;
use super::rules::{Person, YES};
use super::tokens::{account_of, wait_for_expiry};
use super::vaults::with_passphrase;

const PASSPHRASE: &str = "canary passphrase, right and long";
const WRONG_PASSPHRASE: &str = "canary passphrase, wrong and long";
const CLIENT_SECRET: &str = "canary-client-secret-of-the-app";
const API_KEY: &str = "canary-api-key-of-the-account";
const PROXY_PASSWORD: &str = "canary-password-of-the-proxy";
/// What a panic on purpose says.
const PANIC: &str = "what a panic on purpose quotes";

/// Whatever was printed or written, and where.
#[derive(Default)]
struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    fn keep(&mut self, place: &str, text: impl Into<Vec<u8>>) {
        self.0.push((place.to_owned(), text.into()));
    }

    fn keep_both(&mut self, command: &str, ended: Ended) {
        self.keep(&format!("standard output of {command}"), ended.stdout);
        self.keep(&format!("standard error of {command}"), ended.stderr);
    }

    /// Every file below a directory.
    fn keep_files(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                self.keep_files(&path);
            } else if entry.file_type().unwrap().is_file() {
                self.keep(&path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }

    fn check(&self, server: &Server) {
        let tokens = server.issued_tokens();
        assert!(tokens.len() > 8);
        self.check_for(&tokens);
    }

    fn check_for(&self, tokens: &[String]) {
        let mut needles = Needles::new();
        tokens.iter().enumerate().for_each(|(n, token)| needles.add(&format!("token {n}"), token.as_bytes()));
        for secret in [PASSPHRASE, WRONG_PASSPHRASE, CLIENT_SECRET, API_KEY, PROXY_PASSWORD, PANIC] {
            needles.add(secret, secret.as_bytes());
        }
        let found = |(place, text): &(String, Vec<u8>)| {
            let found = needles.find(text).into_iter();
            found.map(|found| format!("{place}: {} at {}", found.what, found.at)).collect::<Vec<_>>()
        };
        let found: Vec<_> = self.0.iter().flat_map(found).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// Whether texts of another test hold no token.
pub(crate) fn assert_no_token(said: &[String], tokens: &[String]) {
    let said = said.iter().enumerate().map(|(n, text)| (format!("text {n}"), text.clone().into_bytes()));
    Said(said.collect()).check_for(tokens);
}

fn server_with_secret() -> Server {
    let app = RegisteredClient::confidential("app", CLIENT_SECRET, ClientAuthentication::Basic);
    let clients = vec![RegisteredClient::public("demo-native"), app];
    let access_token_lifetime = Duration::from_secs(1);
    Server::start(Options { clients, access_token_lifetime, ..Options::default() }).unwrap()
}

#[test]
fn secrets_are_nowhere_but_where_they_are_the_answer() {
    let (server, mut home, mut said) = (server_with_secret(), Home::new().with_faults(), Said::default());
    home.set("CRED_HELPER_LOG", "trace");
    // What a person is asked is written down in the home, too.
    let person = Person::new(&home, YES);
    home.configure(&format!(
        "{}[accounts.'*']\nconfirm = true\nconfirm_for = '0s'\n[http]\nenabled = true\n[systemd]\nenabled = true\n\
         [network]\nproxy = 'http://ada:{PROXY_PASSWORD}@127.0.0.1:1'\n[providers.maker]\n\
         authorization_endpoint = '{}'\ntoken_endpoint = '{}'\nclient.id = 'demo-native'\nkey = {{ url = '{}', pointer = '/key' }}\n",
        person.pinentry(),
        server.url("/authorize"),
        server.url("/token"),
        server.url("/key")
    ));
    said.keep_both("slot add", with_passphrase(&home, &["vault", "slot", "add", "passphrase"], PASSPHRASE));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    said.keep("login", home.log_in(&server, &[]));
    let account = account_of(&home, &server);
    let first = home.token();
    wait_for_expiry(&home);
    home.token();
    log_in_with_secret(&home, &server, &mut said);
    keys(&home, &account, &mut said);
    a_login_that_ends_in_a_key(&home, &server, &mut said);
    servers_that_fail(&home, &server, &account, &mut said);
    COMMANDS.iter().for_each(|command| said.keep_both(&command.join(" "), home.run(command)));
    for arguments in [&["get-token", "--scope", "not-granted"][..], &["account", "default", &account]] {
        said.keep_both(&arguments.join(" "), home.run(arguments));
    }
    tokens_in_the_wrong_place(&home, &first, &mut said);
    other_programs_logins(&home, &first, &mut said);
    wire::misuse(&home, &first, &mut said);
    registries::misuse(&home, &first, &mut said);
    settings::with_secrets(&mut home, &first, &mut said);
    let opens_the_door = door::misuse(&home, &first, &mut said);
    server.set_redirect(RedirectBehaviour::Error("server_error".into(), format!("about {first}")));
    let refused = home.log_in_with(&["login", &server.issuer(), "--client-id", "demo-native", "--no-browser"]);
    said.keep("standard error of a refused login", refused.stderr);
    let far = home.run(&["login", "https://id.example", "--client-id", "x", "--no-browser"]);
    assert!(far.stderr.contains("http://127.0.0.1:1 could not be reached"), "{}", far.stderr);
    said.keep_both("a login through a proxy", far);
    a_panic(&home, &mut said);
    lock_and_unlock(&home, &mut said);
    let pid = home.agent_pid();
    for file in ["cmdline", "environ"] {
        said.keep(file, std::fs::read(format!("/proc/{pid}/{file}")).unwrap());
    }
    said.keep_both("logout", home.run(&["logout", "--all"]));
    assert!(person.times_asked() > 3);
    home.ok(&["agent", "stop"]);
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log was at full verbosity");
    assert!(log.contains("internal error at src/fault"), "the panic was told");
    // Its place is the configuration alone.
    home.configure("");
    said.keep_files(home.path());
    said.check(&server);
    said.check_for(&[opens_the_door]);
}

fn log_in_with_secret(home: &Home, server: &Server, said: &mut Said) {
    let issuer = server.issuer();
    let arguments =
        ["login", &issuer, "--account", "app", "--client-id", "app", "--client-secret-stdin", "--no-browser"];
    let mut login = home.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(login.stdin.take().unwrap(), "{CLIENT_SECRET}").unwrap();
    said.keep("a page", browse(&first_line(&mut login)));
    said.keep_both("login with a secret", ended(login.wait_with_output().unwrap()));
}

/// Files with tokens, good and bad, and what is given away: the token is the answer, and standard error has none of it.
fn other_programs_logins(home: &Home, token: &str, said: &mut Said) {
    let file = home.path().join("tool.json");
    let path = file.display().to_string();
    for text in [
        format!(r#"{{"access_token":"{token}","refresh_token":"{token}","expires_at":"{token}"}}"#),
        format!(r#"{{"{token}":{{"access":"{token} "}},"x":{{"access":"{token}"}}}}"#),
        format!(r#"{{"access_token":"{token}"#),
        format!(r#"{{"access_token":"{token}","refresh_token":"{token}","scope":"a b"}}"#),
    ] {
        std::fs::write(&file, text).unwrap();
        for more in [&["--dry-run"][..], &["--json"], &["--own"]] {
            let arguments = [&["import", "github/tool", "--from", &path][..], more].concat();
            said.keep_both(&arguments.join(" "), home.run(&arguments));
        }
    }
    said.keep_both("status with an import", home.run(&["status", "--json"]));
    std::fs::remove_file(&file).unwrap();
    for arguments in [&["export"][..], &["export", "github/tool", "--force-refresh-token"]] {
        said.keep(&format!("standard error of {arguments:?}"), home.run(arguments).stderr);
    }
}

/// Each answer that names the error its own way.
fn servers_that_fail(home: &Home, server: &Server, account: &str, said: &mut Said) {
    for behaviour in [
        Behaviour::Html,
        Behaviour::TruncatedJson,
        Behaviour::InvalidGrant,
        Behaviour::Status(503, Some("1".into())),
        Behaviour::ResetConnection,
    ] {
        server.set_behaviour(behaviour, 1);
        said.keep_both("refresh", home.run(&["refresh", account]));
    }
    server.behave();
}

/// A token where a name, a word or a code belongs comes back in no error.
fn tokens_in_the_wrong_place(home: &Home, token: &str, said: &mut Said) {
    said.keep_both("reject", home.run_with(&["reject"], token));
    said.keep_both("reject nobody", home.run_with(&["reject", "nobody"], token));
    let leaves = leaves(home, &[]);
    let named = leaves.iter().map(|leaf| leaf.split(' ').chain([token]).collect::<Vec<_>>());
    // `man` takes a directory, whose name it prints.
    let elsewhere = |leaf: &str| leaf == "man" || ELSEWHERE.contains(&leaf);
    let mut wrong: Vec<_> = named.filter(|words| !elsewhere(&words[..words.len() - 1].join(" "))).collect();
    wrong.extend([vec![token], vec!["get-token", "--scope", token], vec!["get-token", "--audience", token]]);
    wrong.extend([vec!["get-token", "--format", token], vec!["login", "p", "--account", token, "--no-browser"]]);
    wrong.extend([vec!["__complete", "login", token], vec!["__complete", "get-token", "--format", token]]);
    wrong.extend([vec!["import", token], vec!["import", "github", "--from", token], vec!["export", token]]);
    wrong.extend([vec!["log", "--account", token], vec!["log", "--program", token], vec!["log", "--since", token]]);
    wrong.extend([vec!["helper", "keyring", token], vec!["helper", "keyring", "get", token, token]]);
    wrong.extend([vec!["helper", "keyring", "get", "https://x", "--mode", token], vec!["helper", "pnpm", token]]);
    wrong.extend([vec!["helper", "aws", token], vec!["helper", "aws", "--role-arn", token]]);
    wrong.extend([vec!["helper", "google", "--account", token], vec!["helper", "google", "--url", token]]);
    wrong.extend([vec!["helper", "pnpm", "--url", token], vec!["helper", "pnpm", "--account", token]]);
    for arguments in wrong {
        let mut ended = home.run(&arguments);
        if arguments[0] == "get-token" && ended.code == 0 {
            // A token for an odd audience is an answer.
            ended.stdout.clear();
        }
        if ended.code == 2 {
            // What the parser of arguments refuses it may repeat to the person who has just typed it.
            ended.stderr.clear();
        }
        said.keep_both(&arguments.join(" ").replace(token, "<TOKEN>"), ended);
    }
}

fn a_panic(home: &Home, said: &mut Said) {
    home.arm("answer.write 1 panic");
    said.keep_both("a command whose answer died", home.run(&["status"]));
    home.disarm();
}

/// A key that is stored, handed out, refused and left out of everything else.
fn keys(home: &Home, account: &str, said: &mut Said) {
    for (arguments, input) in [
        (&["api-key", "set", account][..], API_KEY),
        (&["api-key", "set", account, "--expires", "30d", "--json"], API_KEY),
        (&["api-key", "set", "nobody"], API_KEY),
        (&["api-key", "set", account], &format!("{API_KEY} {API_KEY}")),
        (&["api-key", "set", account, API_KEY], API_KEY),
        (&["api-key", "set", API_KEY], API_KEY),
        (&["reject"], API_KEY),
        (&["reject", account], API_KEY),
    ] {
        said.keep_both(&arguments.join(" ").replace(API_KEY, "<KEY>"), home.run_with(arguments, input));
    }
    said.keep_both("status with a refused key", home.run(&["status", "--json"]));
    said.keep_both("account show with a key", home.run(&["account", "show", account]));
}

/// The key is the answer of `get-token` alone; the login's own token goes as it came.
fn a_login_that_ends_in_a_key(home: &Home, server: &Server, said: &mut Said) {
    for more in [&[][..], &["--json"]] {
        let ended = home.log_in_with(&[&["login", "maker", "--no-browser"], more].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        said.keep_both("a login that ends in a key", ended);
    }
    let answer = home.run(&["get-token", "maker"]);
    assert!(answer.stdout.starts_with("key_") && server.issued_tokens().contains(&answer.stdout.trim_end().to_owned()));
    said.keep("standard error of get-token for a key", answer.stderr);
    said.keep_both("account show of a key", home.run(&["account", "show", "maker", "--json"]));
}

fn lock_and_unlock(home: &Home, said: &mut Said) {
    said.keep_both("lock", home.run(&["lock"]));
    said.keep_both("get-token of a locked vault", home.run(&["get-token"]));
    said.keep_both("unlock", with_passphrase(home, &["unlock"], WRONG_PASSPHRASE));
    said.keep_both("unlock too soon", with_passphrase(home, &["unlock"], PASSPHRASE));
    said.keep_both("unlock by the machine", home.run(&["unlock"]));
}

/// What a service manager's journal gets.
#[test]
fn an_agent_in_the_foreground_says_no_secret() {
    let (server, mut home, mut said) = (server_with_secret(), Home::new(), Said::default());
    home.set("CRED_HELPER_LOG", "trace");
    let mut agent = home.command(&["agent", "run"]).spawn().unwrap();
    let mut words = BufReader::new(agent.stderr.take().unwrap());
    let mut journal = String::new();
    while !journal.contains("started version") {
        assert_ne!(words.read_line(&mut journal).unwrap(), 0, "{journal}");
    }
    let journal = std::thread::spawn(move || words.read_to_string(&mut journal).map(|_| journal));
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    for _ in 0..3 {
        home.ok(&["refresh"]);
        home.token();
    }
    let account = account_of(&home, &server);
    servers_that_fail(&home, &server, &account, &mut said);
    home.ok(&["logout", "--all"]);
    home.ok(&["agent", "stop"]);
    assert!(agent.wait().unwrap().success());
    let journal = journal.join().unwrap().unwrap();
    assert!(journal.contains("DEBUG"), "{journal}");
    said.keep("the journal", journal);
    said.check(&server);
}

/// A new command is one line here.
#[test]
fn every_command_is_searched() {
    let searched: BTreeSet<&str> = COMMANDS
        .iter()
        .flat_map(|command| (1..4).map(|n| command.get(..n)))
        .flatten()
        .map(|words| words.join(" ").leak() as &str)
        .collect();
    let home = Home::new();
    let left: Vec<_> = leaves(&home, &[])
        .into_iter()
        .filter(|leaf| !searched.contains(leaf.as_str()) && !ELSEWHERE.contains(&leaf.as_str()))
        .collect();
    assert!(left.is_empty(), "put them into COMMANDS: {left:?}");
}

/// Every command without commands of its own, as the help tells them.
fn leaves(home: &Home, command: &[&str]) -> Vec<String> {
    let help = home.ok(&[command, &["--help"]].concat());
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return vec![command.join(" ")] };
    let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").flat_map(|name| leaves(home, &[command, &[name]].concat())).collect()
}
