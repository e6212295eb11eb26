//! `allow`, `rate_limit` and `confirm`: who may have an account's tokens. The person is a stand-in for pinentry that writes
//! down what it is sent and answers as the test says.

use std::path::PathBuf;
use std::process::Command;

use cred_helper::Client;
use cred_helper::demo::server::Server;
use cred_helper::ipc::client::CallError;
use cred_helper::ipc::message::ErrorKind;
use cred_helper::ipc::message::token::GetToken;

use super::asker::Asker;
use super::audit::entries;
use super::home::{Home, ended, lasting_server};
use super::tokens::account_of;

/// A home with a login, and an agent that has read this configuration.
fn home_with(server: &Server, toml: impl FnOnce(&Home) -> String) -> Home {
    let home = Home::signed_in(server);
    let toml = toml(&home);
    home.configure(&toml);
    home.ok(&["agent", "stop"]);
    home
}

const NOT_ALLOWED: i32 = 32;
const NOT_CONFIRMED: i32 = 33;
const RATE_LIMITED: i32 = 34;

#[test]
fn only_listed_programs_get_a_token_and_the_others_are_told_the_line_that_is_missing() {
    let server = lasting_server();
    let home = home_with(&server, |home| {
        std::os::unix::fs::symlink(home.path().join("bin/linked-1.2"), home.path().join("linked")).unwrap();
        format!("[accounts.\"*\"]\nallow = [\"{0}/bin/fetcher\", \"{0}/linked\"]\n", home.path().display())
    });
    let (fetcher, linked) = (Asker::new(&home, "fetcher"), Asker::new(&home, "linked-1.2"));
    let mailer = Asker::new(&home, "mailer");
    assert!(server.is_live(&fetcher.ok(&home, &["get-token"])));
    assert!(server.is_live(&linked.ok(&home, &["get-token"])));
    let ended = mailer.run(&home, &["get-token"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (NOT_ALLOWED, ""), "{}", ended.stderr);
    for part in [&format!("add \"{}\" to `allow`", mailer.path().display()), "[accounts.\"*\"]", "config.toml"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(home.run(&["get-token"]).code, NOT_ALLOWED, "this test isn't listed either");
    let denied = entries(&home, &["--program", "mailer"]);
    assert_eq!((denied[0]["outcome"].as_str(), denied[0]["error"].as_str()), (Some("denied"), Some("not_allowed")));
    assert_eq!(denied[0]["account"], account_of(&home, &server).as_str());
    home.ok(&["refresh"]);
}

#[test]
fn an_unknown_program_matches_no_rule() {
    let server = lasting_server();
    let home =
        home_with(&server, |home| format!("[accounts.\"*\"]\nallow = [\"{}/bin/fetcher\"]\n", home.path().display()));
    let fetcher = Asker::new(&home, "fetcher");
    fetcher.ok(&home, &["get-token"]);
    let denied = fetcher.run_replaced(&home, &["get-token"]);
    assert_eq!(denied.code, NOT_ALLOWED, "{denied:?}");
    assert!(denied.stderr.contains("a program that calls itself fetcher"), "{}", denied.stderr);
}

#[test]
fn a_mistake_in_the_file_does_not_switch_its_rules_off() {
    let server = lasting_server();
    let home = home_with(&server, |_| "[accounts.\"*\"]\nalow = []\n".to_owned());
    let ended = home.run(&["get-token"]);
    assert_eq!(ended.code, 19, "{ended:?}");
    assert!(ended.stderr.contains("config.toml:2: unknown key `alow`"), "{}", ended.stderr);
    home.configure("http_timeout = 'soon'\n");
    home.ok(&["agent", "stop"]);
    home.token();
}

#[test]
fn rules_for_an_account_that_is_not_there_are_found_by_the_doctor() {
    let server = lasting_server();
    let home = home_with(&server, |_| "[accounts.elsewhere]\nallow = []\n".to_owned());
    home.token();
    assert!(home.ok(&["doctor"]).contains("[accounts.\"elsewhere\"] is for no account there is"));
}

#[test]
fn a_loop_gone_wild_is_stopped_and_told_when_to_come_back() {
    let server = lasting_server();
    let home = home_with(&server, |_| "[accounts.\"*\"]\nrate_limit = \"3/h\"\n".to_owned());
    home.ok(&["agent", "start"]);
    let socket: PathBuf = home.json(&["agent", "status", "--json"])["socket"].as_str().map(PathBuf::from).unwrap();
    let mut client = Client::connect(&socket).unwrap();
    for _ in 0..3 {
        client.call(&GetToken::default()).unwrap();
    }
    let Err(CallError::Agent(error)) = client.call(&GetToken::default()) else { panic!("a fourth one") };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let wait = error.data.retry_at.unwrap().0 - i64::try_from(now).unwrap();
    assert!(error.kind() == ErrorKind::RateLimited && (3000..=3602).contains(&wait), "{error:?}");
    assert_eq!(home.run(&["get-token"]).code, RATE_LIMITED, "it is the program that counts, not its process");
    Asker::new(&home, "fetcher").ok(&home, &["get-token"]);
}

#[test]
fn a_loop_that_refreshes_is_stopped_before_it_gets_to_the_server() {
    let server = lasting_server();
    let list = "allow = []\nrate_limit = \"3/h\"\n";
    let home = home_with(&server, |_| format!("[accounts.\"*\"]\n{list}"));
    // What hands nothing out is under no other rule.
    (0..3).for_each(|_| drop(home.ok(&["refresh"])));
    let ended = home.run(&["refresh"]);
    assert_eq!(ended.code, RATE_LIMITED, "{}", ended.stderr);
    assert!(ended.stderr.contains("`rate_limit`") && ended.stderr.contains("again in"), "{}", ended.stderr);
    assert_eq!(server.count_grant("refresh_token"), 3);
    Asker::new(&home, "fetcher").ok(&home, &["refresh"]);
    let refused = entries(&home, &[]).into_iter().find(|entry| entry["error"] == "rate_limited").unwrap();
    assert_eq!((refused["method"].as_str(), refused["outcome"].as_str()), (Some("token.refresh"), Some("denied")));
}

/// A stand-in for pinentry.
pub(crate) struct Person {
    directory: PathBuf,
}

impl Person {
    /// One who answers with this shell command.
    pub(crate) fn new(home: &Home, answer: &str) -> Self {
        let directory = home.path().join("person");
        std::fs::create_dir(&directory).unwrap();
        let fifo = Command::new("mkfifo").arg(directory.join("answer")).arg(directory.join("asked")).status().unwrap();
        assert!(fifo.success());
        let script = format!(
            "#!/bin/sh\ncd '{}' || exit 1\nmkdir open || echo overlap >>sent\ntrap 'rmdir open' EXIT\necho 'OK hello'\n\
             while read -r line; do\nprintf '%s\\n' \"$line\" >>sent\ncase $line in\nCONFIRM) {answer} ;;\n\
             'OPTION no-grab') echo 'ERR 83886254 unknown option' ;;\n*) echo '# a comment'; echo OK ;;\nesac\ndone\n",
            directory.display()
        );
        std::fs::write(directory.join("script"), script).unwrap();
        // Not by us, so that no other thread's child holds it open when it is started.
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(directory.join("script")).arg(directory.join("pinentry"));
        assert!(install.status().unwrap().success());
        Self { directory }
    }

    pub(crate) fn pinentry(&self) -> String {
        format!("pinentry = \"{}/pinentry\"\n", self.directory.display())
    }

    /// What it was sent, one command each.
    fn sent(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.join("sent")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn times_asked(&self) -> usize {
        self.sent().iter().filter(|line| *line == "CONFIRM").count()
    }

    /// Waits until it is asked, with `WAITS`.
    fn wait_until_asked(&self) {
        assert_eq!(std::fs::read_to_string(self.directory.join("asked")).unwrap(), "asked\n");
    }

    fn says(&self, line: &str) {
        std::fs::write(self.directory.join("answer"), format!("{line}\n")).unwrap();
    }
}

const WAITS: &str = "echo asked >asked; read -r said <answer; echo \"$said\"";
pub(crate) const YES: &str = "echo OK";
const NO: &str = "echo 'ERR 83886179 Operation cancelled <Pinentry>'";

fn asked(home: &Home, server: &Server, answer: &str, more: &str) -> Person {
    let person = Person::new(home, answer);
    home.configure(&format!(
        "{}[accounts.\"{}\"]\nconfirm = true\n{more}",
        person.pinentry(),
        account_of(home, server)
    ));
    home.ok(&["agent", "stop"]);
    person
}

#[test]
fn a_person_is_asked_once_for_each_program() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let person = asked(&home, &server, YES, "");
    let (fetcher, mailer) = (Asker::new(&home, "fetcher"), Asker::new(&home, "mailer"));
    for _ in 0..3 {
        assert!(server.is_live(&fetcher.ok(&home, &["get-token"])));
    }
    let sent = person.sent();
    let text = sent.iter().find(|line| line.starts_with("SETDESC")).unwrap();
    for part in [fetcher.path().to_str().unwrap(), &account_of(&home, &server), "(process ", "60 minutes"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(person.times_asked(), 1);
    mailer.ok(&home, &["get-token"]);
    assert_eq!(person.times_asked(), 2, "another program");
    home.ok(&["lock"]);
    home.ok(&["unlock"]);
    mailer.ok(&home, &["get-token"]);
    assert_eq!(person.times_asked(), 3, "what was locked is confirmed anew");
    home.ok(&["refresh"]);
    assert_eq!(person.times_asked(), 3, "a refresh hands nothing out");
}

#[test]
fn a_no_is_an_error_of_its_own_and_holds_for_a_while() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let person = asked(&home, &server, NO, "");
    for _ in 0..3 {
        let ended = home.run(&["get-token"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (NOT_CONFIRMED, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("the answer was no"), "{}", ended.stderr);
    }
    assert_eq!(person.times_asked(), 1);
    let denied = entries(&home, &[]).into_iter().rfind(|entry| entry["method"] == "token.get").unwrap();
    assert_eq!((denied["outcome"].as_str(), denied["error"].as_str()), (Some("denied"), Some("not_confirmed")));
}

#[test]
fn listed_programs_are_not_asked_about_and_a_yes_for_no_time_is_for_once() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let list = format!("allow = [\"{}/bin/fetcher\"]\nconfirm_for = \"0s\"\n", home.path().display());
    let person = asked(&home, &server, YES, &list);
    Asker::new(&home, "fetcher").ok(&home, &["get-token"]);
    assert_eq!(person.times_asked(), 0);
    home.token();
    home.token();
    assert_eq!(person.times_asked(), 2);
}

#[test]
fn who_asks_at_once_shares_a_question_and_there_is_one_dialog_at_a_time() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let person = asked(&home, &server, WAITS, "");
    let fetcher = Asker::new(&home, "fetcher");
    let own: Vec<_> = (0..8).map(|_| home.start(&["get-token"])).collect();
    person.wait_until_asked();
    let other = fetcher.command(&home, &["get-token"]).spawn().unwrap();
    // All of them wait, and the command that looks is one more.
    while home.json(&["agent", "status", "--json"])["connections"].as_u64().unwrap() < 10 {}
    assert_eq!(person.times_asked(), 1);
    person.says("OK");
    person.wait_until_asked();
    person.says("ERR 83886194 not confirmed");
    for child in own {
        assert_eq!(ended(child.wait_with_output().unwrap()).code, 0);
    }
    assert_eq!(ended(other.wait_with_output().unwrap()).code, NOT_CONFIRMED);
    assert_eq!(person.times_asked(), 2);
    assert!(!person.sent().contains(&"overlap".to_owned()));
}

#[test]
fn who_gets_no_answer_is_told_so_in_time() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let person = asked(&home, &server, WAITS, "");
    let asking = home.start(&["get-token", "--timeout", "4s"]);
    person.wait_until_asked();
    let ended = ended(asking.wait_with_output().unwrap());
    assert_eq!(ended.code, NOT_CONFIRMED, "{ended:?}");
    assert!(ended.stderr.contains("nobody has answered in time"), "{}", ended.stderr);
    let limit = person.sent().into_iter().find(|line| line.starts_with("SETTIMEOUT ")).unwrap();
    assert!(["SETTIMEOUT 1", "SETTIMEOUT 2", "SETTIMEOUT 3"].contains(&limit.as_str()), "{limit}");
}

#[test]
fn a_dialog_closes_when_the_last_caller_has_left() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let person = asked(&home, &server, WAITS, "");
    let mut asking = home.start(&["get-token"]);
    person.wait_until_asked();
    asking.kill().unwrap();
    asking.wait().unwrap();
    // The dialog was killed with its question, and the next one is a new one.
    std::fs::remove_dir(person.directory.join("open")).unwrap();
    let again = home.start(&["get-token"]);
    person.wait_until_asked();
    person.says("OK");
    assert_eq!(ended(again.wait_with_output().unwrap()).code, 0);
    let left = entries(&home, &[]).into_iter().filter(|entry| entry["outcome"] == "left").count();
    assert_eq!(left, 1);
}

#[test]
fn a_name_made_for_mischief_sends_no_command_of_its_own() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let person = asked(&home, &server, NO, "");
    let hostile = Asker::new(&home, "a\nSETOK No\nCONFIRM\r%0ACONFIRM\x1b[2J\u{202e}");
    assert_eq!(hostile.run(&home, &["get-token"]).code, NOT_CONFIRMED);
    let sent = person.sent();
    assert_eq!(person.times_asked(), 1, "{sent:?}");
    let text = sent.iter().find(|line| line.starts_with("SETDESC")).unwrap();
    assert!(text.contains("a\\u{a}SETOK No\\u{a}CONFIRM\\u{d}%250ACONFIRM\\u{1b}[2J\\u{202e}"), "{text}");
}

#[test]
fn where_nobody_can_be_asked_the_answer_is_no_and_says_what_to_install() {
    let server = lasting_server();
    let home =
        home_with(&server, |_| "pinentry = \"/nonexistent/pinentry\"\n[accounts.\"*\"]\nconfirm = true\n".to_owned());
    let ended = home.run(&["get-token"]);
    assert_eq!(ended.code, NOT_CONFIRMED);
    assert!(ended.stderr.contains("/nonexistent/pinentry"), "{}", ended.stderr);
    let checks = home.json(&["doctor", "--json"]);
    let has = |text: &str| {
        checks["checks"].as_array().unwrap().iter().any(|check| check["message"].as_str().unwrap().contains(text))
    };
    assert!(has("/nonexistent/pinentry"), "{checks}");
}
