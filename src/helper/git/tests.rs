//! What git 2.39, 2.47, 2.53, git-lfs, send-email and libgit2 send, and what they are told.

use serde_json::json;

use super::super::play::{Played, call};
use super::super::{Failure, named_by};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::password::StoreOutcome;
use crate::ipc::message::token::RejectOutcome;

const WEB: &str = "protocol=https\nhost=git.example:8443\n";
const NEW: &str = "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example:8443\n";
const BEARER: &str = "wwwauth[]=Bearer realm=\"stub\", error=\"invalid_token\"\n";
const BASIC: &str = "wwwauth[]=Basic realm=\"stub\"\n";

fn git(arguments: &[&str], input: &str, agent: &mut Played) -> Result<String, Failure> {
    call(named_by("git-credential-cred-helper").expect("the protocol"), arguments, input.as_bytes(), agent)
}

/// What an agent that answers with this over the usual is asked, and what git is told.
fn get(input: &str, answer: serde_json::Value) -> (Vec<String>, String) {
    let mut agent = Played { answer: Some(answer), ..Played::default() };
    let output = git(&["get"], input, &mut agent).expect("an answer");
    (agent.heard, output)
}

const AS_BEARER: &str =
    "capability[]=authtype\nauthtype=Bearer\ncredential=the-token\nephemeral=1\npassword_expiry_utc=1790000000\n";

fn as_basic(user: &str) -> String {
    format!("username={user}\npassword=the-token\npassword_expiry_utc=1790000000\n")
}

/// To a git that keeps what a helper says of itself.
fn marked(user: &str) -> String {
    format!("capability[]=state\n{}state[]=cred-helper:given\n", as_basic(user))
}

#[test]
fn a_token_is_shown_as_bearer_where_git_can_and_as_a_password_elsewhere() {
    let bearer = || AS_BEARER.to_owned();
    let with_user = json!({ "for_target": { "username": "of-the-rule", "fingerprint": "f1" } });
    for (input, answer, told) in [
        (NEW.to_owned() + BEARER, json!({}), bearer()),
        (NEW.to_owned(), json!({}), bearer()),
        (NEW.to_owned() + BASIC + BEARER, json!({}), bearer()),
        (NEW.to_owned() + BASIC, json!({}), marked("oauth2")),
        (NEW.to_owned() + BASIC + "wwwauth[]=\n" + BEARER, json!({}), bearer()),
        (NEW.to_owned() + "capability[]=\n", json!({}), as_basic("oauth2")),
        (NEW.to_owned() + BEARER, with_user.clone(), marked("of-the-rule")),
        (NEW.to_owned() + "username=ada\n" + BEARER, json!({}), bearer()),
        (NEW.to_owned() + "username=ada\n" + BASIC, with_user.clone(), marked("ada")),
        // Git 2.39, and libgit2: no capabilities, no WWW-Authenticate.
        (WEB.to_owned(), json!({}), as_basic("oauth2")),
        (WEB.to_owned() + "username=ada\n", json!({}), as_basic("ada")),
        // git send-email and imap-send; another user than the request's would be another mailbox.
        ("protocol=smtp\nhost=mail.example:587\nusername=me\n".to_owned(), with_user, as_basic("me")),
        (NEW.replace("https", "imaps"), json!({}), marked("oauth2")),
        (NEW.to_owned(), json!({ "expires_at": null }), bearer().replace("password_expiry_utc=1790000000\n", "")),
    ] {
        assert_eq!(get(&input, answer).1, told, "{input}");
    }
}

#[test]
fn a_token_that_was_there_is_given_once_more_after_a_refusal() {
    let cached = json!({ "for_target": { "fingerprint": "f1", "cached": true } });
    let again = "state[]=cred-helper:token=f1\ncontinue=1\n";
    let state = |told: &str| told.replacen("authtype\n", "authtype\ncapability[]=state\n", 1) + again;
    let (heard, told) = get(&(NEW.to_owned() + BEARER), cached.clone());
    assert_eq!((told, heard), (state(AS_BEARER), vec!["get https://git.example:8443".to_owned()]));
    let (_, told) = get(&(NEW.to_owned() + BASIC), cached.clone());
    assert_eq!(told, format!("capability[]=state\n{}{again}", as_basic("oauth2")));

    let back = NEW.to_owned() + "state[]=another:try=1\nstate[]=cred-helper:token=f1\n" + BEARER;
    let (heard, told) = get(&back, cached.clone());
    assert_eq!((told.as_str(), heard[0].as_str()), (AS_BEARER, "reject by fingerprint f1"));
    assert!(heard[1].starts_with("get "));

    for (input, answer) in [
        (WEB.to_owned(), cached.clone()),
        (NEW.replace("capability[]=state\n", ""), cached.clone()),
        (NEW.to_owned(), json!({ "for_target": { "fingerprint": "f1", "cached": true }, "method": "api_key" })),
        (NEW.to_owned(), json!({})),
        (NEW.replace("https", "smtp"), cached),
    ] {
        assert!(!get(&input, answer).1.contains("continue"), "{input}");
    }
}

#[test]
fn the_url_is_what_git_took_apart_and_no_part_begins_another() {
    for (input, url) in [
        ("protocol=https\nhost=git.example\npath=team/x.git\n\nhost=other\n", Some("https://git.example/team/x.git")),
        ("protocol=https\r\nhost=git.example\r\nusername=ada\r\n", Some("https://ada@git.example")),
        ("protocol=https\nhost=[::1]:8443\n", Some("https://[::1]:8443")),
        ("protocol=https\nhost=bücher.example\n", Some("https://bücher.example")),
        (
            "protocol=https\nhost=h\nusername=a@b/c:d\npath=/e?f#g%2e\\ \n",
            Some("https://a%40b%2Fc%3Ad@h//e%3Ff%23g%252e%5C%20"),
        ),
        ("protocol=http\n", None),
        ("host=git.example\n", None),
        ("protocol=https\nhost=\n", None),
        ("protocol=https\nhost=evil.example/@git.example\n", None),
        ("protocol=https\nhost=ada@git.example\n", None),
        ("protocol=https\nhost=git.example?\n", None),
        ("protocol=https\nhost=git.example#\n", None),
        ("protocol=https\nhost=git%2eexample\n", None),
        ("protocol=https\nhost=git.example\\x\n", None),
        ("protocol=https://evil.example/\nhost=git.example\n", None),
        ("", None),
    ] {
        let mut agent = Played::default();
        let told = git(&["get"], input, &mut agent).expect(input);
        assert_eq!(agent.heard, url.map(|url| format!("get {url}")).into_iter().collect::<Vec<_>>(), "{input}");
        assert_eq!(told.is_empty(), url.is_none(), "{input}");
    }
}

#[test]
fn where_no_account_answers_nothing_is_said_and_other_errors_are() {
    let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..Played::default() };
    assert_eq!(git(&["get"], NEW, &mut agent).expect("nothing here"), "");
    for kind in [ErrorKind::LoginRequired, ErrorKind::VaultLocked, ErrorKind::AmbiguousAccount] {
        let mut agent = Played { error: Some(kind), ..Played::default() };
        match git(&["get"], NEW, &mut agent) {
            Err(Failure::Agent(error)) => assert_eq!(error.kind(), kind),
            other => panic!("{kind:?}: {other:?}"),
        }
    }
    let answer = Some(json!({ "token": "a\nquit=1" }));
    assert!(git(&["get"], NEW, &mut Played { answer, ..Played::default() }).is_err(), "one line is one line");
}

#[test]
fn what_git_erases_is_reported_and_somebody_elses_is_no_trouble() {
    let erased = |more: &str, agent: &mut Played| git(&["erase"], &format!("{NEW}{more}"), agent);
    let table = [
        (RejectOutcome::Refreshed, Some("tell forge: the server refused its token, which has been renewed; try again")),
        (
            RejectOutcome::AlreadyReplaced,
            Some("tell forge: the server refused a token that has been replaced since; try again"),
        ),
        (
            RejectOutcome::ApiKey,
            Some("tell forge: the server refuses its tokens, and its API key answers from now on; try again"),
        ),
        (
            RejectOutcome::PasswordForgotten,
            Some("tell https://git.example:8443: the server refused the password that was kept, which is forgotten"),
        ),
        (RejectOutcome::UnknownToken, None),
    ];
    for (outcome, told) in table {
        for more in ["authtype=Bearer\ncredential=t1\n", "username=oauth2\npassword=t1\n"] {
            let mut agent = Played { outcome: Some(outcome), ..Played::default() };
            assert_eq!(erased(more, &mut agent).expect("no answer"), "");
            let expected: Vec<_> = ["reject t1"].into_iter().chain(told).collect();
            assert_eq!(agent.heard, expected);
        }
    }
    // It is a person who names none: whatever is kept there goes.
    for (more, heard) in [
        ("", "remove https://git.example:8443"),
        ("username=ada\n", "remove https://ada@git.example:8443"),
        ("password=\n", "remove https://git.example:8443"),
    ] {
        let mut agent = Played::default();
        assert_eq!(erased(more, &mut agent).expect("nothing to report"), "");
        assert_eq!(agent.heard, [heard]);
    }
    let mut agent = Played { error: Some(ErrorKind::Denied), ..Played::default() };
    assert!(matches!(erased("password=t1\n", &mut agent), Err(Failure::Agent(_))));
}

#[test]
fn a_password_that_was_typed_is_kept_and_answers_as_one() {
    let stored = |more: &str| {
        let mut agent = Played::default();
        assert_eq!(git(&["store"], &format!("{WEB}{more}"), &mut agent).expect(more), "");
        agent.heard
    };
    let place = "https://git.example:8443";
    for (more, heard) in [
        ("username=ada\npassword=p1\n", Some("store https://ada@git.example:8443 ada p1")),
        (
            "username=ada\npassword=p1\npassword_expiry_utc=7\n",
            Some("store https://ada@git.example:8443 ada p1 until 7"),
        ),
        ("path=x.git\nusername=a@b\npassword=p1\n", Some("store https://a%40b@git.example:8443/x.git a@b p1")),
        // What is ours or passing is nobody's to keep.
        ("username=oauth2\npassword=p1\nstate[]=cred-helper:given\n", None),
        ("username=oauth2\npassword=p1\nstate[]=cred-helper:token=f1\n", None),
        ("username=ada\npassword=p1\nephemeral=1\n", None),
        ("authtype=Bearer\ncredential=t1\n", None),
        ("username=ada\n", None),
        ("password=p1\n", None),
    ] {
        assert_eq!(stored(more), heard.into_iter().collect::<Vec<_>>(), "{more}");
    }
    let said = json!({ "username": "ada", "fingerprint": "", "cached": true });
    let kept = json!({ "method": "password", "token_type": "Basic", "for_target": said, "expires_at": null });
    let (heard, told) = get(&(NEW.to_owned() + BEARER), kept.clone());
    assert_eq!(heard, [format!("get {place}")]);
    assert_eq!(told, "capability[]=state\nusername=ada\npassword=the-token\nstate[]=cred-helper:given\n");
    let (_, told) = get(WEB, kept);
    assert_eq!(told, "username=ada\npassword=the-token\n");
}

#[test]
fn where_an_account_answers_a_person_is_told_that_no_password_is_kept() {
    for (outcome, told) in [
        (
            StoreOutcome::AccountAnswers,
            Some("tell https://git.example:8443: forge answers there, so the password is not kept"),
        ),
        (StoreOutcome::OwnToken, None),
        (StoreOutcome::NothingAnswers, None),
        (StoreOutcome::Ended, None),
        (StoreOutcome::Unknown, None),
    ] {
        let mut agent = Played { stored: Some(outcome), ..Played::default() };
        git(&["store"], &format!("{WEB}username=ada\npassword=p1\n"), &mut agent).expect("stored");
        assert_eq!(agent.heard[1..], told.into_iter().collect::<Vec<_>>());
    }
    let mut agent = Played { error: Some(ErrorKind::NoKeySlot), ..Played::default() };
    assert!(matches!(git(&["store"], &format!("{WEB}username=a\npassword=b\n"), &mut agent), Err(Failure::Agent(_))));
    let mut agent = Played::default();
    let failure = git(&["store"], &format!("{WEB}username=a\npassword=b\tc\n"), &mut agent);
    assert!(matches!(failure, Err(Failure::Usage(_))) && agent.heard.is_empty(), "it could never be told");
}

#[test]
fn what_it_cannot_yet_ask_is_not_answered() {
    let mut agent = Played::default();
    assert_eq!(git(&["frobnicate"], &format!("{NEW}password=t1\n"), &mut agent).expect("nothing"), "");
    let capabilities = "version 0\ncapability authtype\ncapability state\n";
    assert_eq!(git(&["--no-such", "capability"], "", &mut agent).expect("capabilities"), capabilities);
    assert!(agent.heard.is_empty());
}

#[test]
fn what_is_no_request_is_refused_and_not_repeated() {
    let mut agent = Played::default();
    let long = "x".repeat(1024 * 1024 + 1);
    for (arguments, input) in [(&[][..], ""), (&["get"], "hunter2"), (&["get"], &long), (&["erase"], "hunter2\n")] {
        match git(arguments, input, &mut agent) {
            Err(Failure::Usage(message)) => assert!(!message.contains("hunter2")),
            other => panic!("{arguments:?}: {other:?}"),
        }
    }
    let odd =
        call(named_by("git-credential-cred-helper").expect("it"), &["get"], b"protocol=https\nhost=\xff\n", &mut agent);
    assert_eq!(odd.expect("nothing"), "");
    assert!(agent.heard.is_empty());
}
