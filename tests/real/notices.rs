//! What a person is told without asking, on a real session bus with a stand-in for the desktop.

use cred_helper::demo::server::Server;

use crate::clocks::{DAY, FakeClock};
use crate::home::{Home, lasting_server};
use crate::keyring::Session;
use crate::notifier::{Mood, Notification, Notifier};

/// A vault that opens by itself, on this bus.
pub(crate) fn home_on(session: &Session) -> Home {
    let mut home = Home::new();
    home.set("DBUS_SESSION_BUS_ADDRESS", &session.address);
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home
}

/// A provider that is called demo, of which `home` has this account.
fn log_in(home: &Home, label: &str) {
    let ended = home.log_in_with(&["login", "demo", "--account", label, "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

fn configured(server: &Server, more: &str) -> String {
    let (issuer, client) = (server.issuer(), server.client_id());
    format!(
        "[providers.demo]\nissuer = '{issuer}'\nclient.id = '{client}'\nscopes = ['openid', 'offline_access']\n\
         api.key_header = 'x-api-key'\n{more}"
    )
}

pub(crate) fn signed_in(session: &Session, server: &Server, labels: &[&str], more: &str) -> Home {
    let home = home_on(session);
    home.configure(&configured(server, more));
    home.ok(&["agent", "stop"]);
    labels.iter().for_each(|label| log_in(&home, label));
    home
}

/// Its server disowned the account before: the agent finds out.
#[track_caller]
pub(crate) fn dies(home: &Home, account: &str) {
    assert_eq!(home.run(&["refresh", account]).code, 10, "{account}");
}

/// It tells of one account's death, and nothing that nobody may see.
#[track_caller]
pub(crate) fn tells_of_death(notification: &Notification, account: &str, server: &Server) {
    let (provider, label) = account.split_once('/').unwrap();
    assert_eq!(
        (notification.app.as_str(), notification.summary.as_str()),
        ("cred-helper", &*format!("{account} is signed out"))
    );
    let command = format!("run: cred-helper login {provider} --account {label}");
    assert!(notification.body.ends_with(&command), "{notification:?}");
    assert!(!notification.body.contains(['<', '&', '\n']), "{notification:?}");
    let bytes = String::from_utf8_lossy(&notification.bytes);
    for secret in server.issued_tokens() {
        assert!(!bytes.contains(&secret), "{notification:?}");
    }
}

#[test]
fn a_login_that_dies_is_told_once_and_the_next_one_of_its_name_again() {
    let Some(session) = Session::start() else { return };
    let notifier = Notifier::start(&session.address, Mood::Well);
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one", "two"], "");
    server.revoke_everything();
    dies(&home, "demo/one");
    tells_of_death(&notifier.next(), "demo/one", &server);
    // Whoever asks again, and agents that start anew after whatever end, find nothing to tell.
    dies(&home, "demo/one");
    home.kill_agent();
    dies(&home, "demo/one");
    home.ok(&["agent", "restart"]);
    home.ok(&["agent", "stop"]);
    dies(&home, "demo/two");
    tells_of_death(&notifier.next(), "demo/two", &server);
    log_in(&home, "one");
    assert!(server.is_live(&home.ok(&["get-token", "demo/one"])));
    server.revoke_everything();
    dies(&home, "demo/one");
    tells_of_death(&notifier.next(), "demo/one", &server);
    home.ok(&["agent", "stop"]);
    assert!(notifier.left().is_empty());
}

#[test]
fn what_happens_while_no_desktop_is_there_is_told_once_there_is_one() {
    let Some(session) = Session::start() else { return };
    let server = lasting_server();
    let mut home = signed_in(&session, &server, &["one", "two"], "[notifications]\nenabled = true\n");
    server.revoke_everything();
    dies(&home, "demo/one");
    home.ok(&["agent", "stop"]);
    // Without a bus nothing is asked and nothing is said.
    home.set("DBUS_SESSION_BUS_ADDRESS", "");
    dies(&home, "demo/two");
    home.ok(&["agent", "stop"]);
    let log = std::fs::read_to_string(home.state().join("agent.log")).unwrap();
    assert!(!log.contains("notification"), "{log}");

    home.set("DBUS_SESSION_BUS_ADDRESS", &session.address);
    let notifier = Notifier::start(&session.address, Mood::Well);
    home.configure(&configured(&server, "[notifications]\nenabled = false\n"));
    home.ok(&["status"]);
    home.ok(&["agent", "stop"]);
    assert!(notifier.left().is_empty(), "not wished for");
    home.configure(&configured(&server, ""));
    home.ok(&["status"]);
    let mut told = [notifier.next().summary, notifier.next().summary];
    told.sort();
    assert_eq!(told, ["demo/one is signed out", "demo/two is signed out"]);
}

#[test]
fn a_desktop_that_appears_hears_of_what_happened_before() {
    let Some(session) = Session::start() else { return };
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one", "two"], "");
    server.revoke_everything();
    dies(&home, "demo/one");
    let pid = home.agent_pid();
    for account in ["demo/one", "demo/two"] {
        let notifier = Notifier::start(&session.address, Mood::Well);
        tells_of_death(&notifier.next(), account, &server);
        drop(notifier);
        if account == "demo/one" {
            dies(&home, "demo/two");
        }
    }
    assert_eq!(home.agent_pid(), pid);
}

#[cfg(debug_assertions)]
#[test]
fn an_agent_that_dies_before_it_is_shown_tells_nobody_twice() {
    let Some(session) = Session::start() else { return };
    let notifier = Notifier::start(&session.address, Mood::Well);
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one", "two"], "").with_faults();
    home.ok(&["agent", "stop"]);
    home.ok(&["status"]);
    server.revoke_everything();
    home.arm("notice.show 1 kill");
    home.run(&["refresh", "demo/one", "--no-start"]);
    // Behind the answer's back.
    home.agent_is_gone();
    assert_eq!(home.happened(), ["notice.show"]);
    home.disarm();
    dies(&home, "demo/one");
    dies(&home, "demo/two");
    tells_of_death(&notifier.next(), "demo/two", &server);
    home.ok(&["agent", "stop"]);
    assert!(notifier.left().is_empty());
}

#[test]
fn a_desktop_that_hangs_holds_up_nobody() {
    let Some(session) = Session::start() else { return };
    let notifier = Notifier::start(&session.address, Mood::Hanging);
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one"], "");
    server.revoke_everything();
    log_in(&home, "two");
    dies(&home, "demo/one");
    notifier.asked();
    // What waits for a desktop is a notification, and nothing else.
    home.ok(&["refresh", "demo/two"]);
    notifier.go_on();
    tells_of_death(&notifier.next(), "demo/one", &server);
}

#[test]
fn a_desktop_that_never_answers_does_not_keep_an_agent_from_ending() {
    let Some(session) = Session::start() else { return };
    let notifier = Notifier::start(&session.address, Mood::Hanging);
    let server = lasting_server();
    let home = signed_in(&session, &server, &["one"], "");
    server.revoke_everything();
    dies(&home, "demo/one");
    notifier.asked();
    home.ok(&["agent", "restart"]);
    home.ok(&["agent", "stop"]);
}

#[test]
fn a_switch_to_the_key_and_back_is_told_where_that_is_wished_for() {
    let Some(session) = Session::start() else { return };
    let notifier = Notifier::start(&session.address, Mood::Well);
    let server = lasting_server();
    for (wished, more) in [(false, ""), (true, "[notifications]\nsource_changes = true\n")] {
        let home = signed_in(&session, &server, &["one"], more);
        assert_eq!(home.run_with(&["api-key", "set", "demo/one"], "key-canary-notice").code, 0);
        for _ in 0..2 {
            let token = home.ok(&["get-token"]);
            assert_eq!(home.run_with(&["reject"], &token).code, 0);
        }
        assert_eq!(home.ok(&["get-token"]), "key-canary-notice");
        home.ok(&["refresh"]);
        if wished {
            let told = [notifier.next(), notifier.next()];
            assert!(told.iter().all(|it| !String::from_utf8_lossy(&it.bytes).contains("canary")), "{told:?}");
            assert_eq!(
                told.map(|it| it.summary),
                ["demo/one: its API key answers", "demo/one: its login answers again"]
            );
        }
        // The last to be told, whether or not the others were.
        home.ok(&["api-key", "remove", "demo/one"]);
        server.revoke_everything();
        dies(&home, "demo/one");
        tells_of_death(&notifier.next(), "demo/one", &server);
    }
}

#[test]
fn a_key_that_ends_is_told_of_twice_and_no_more() {
    let Some(session) = Session::start() else { return };
    let home = home_on(&session);
    home.configure("[providers.keyed]\napi.key_header = 'x-api-key'\n");
    home.ok(&["agent", "stop"]);
    let Some(clock) = FakeClock::new(&home) else { return };
    let notifier = Notifier::start(&session.address, Mood::Well);
    let bus = [("DBUS_SESSION_BUS_ADDRESS", session.address.as_str())];
    let agent = clock.start_with(&home, &bus);
    let set = home.run_with(&["api-key", "set", "keyed", "--expires", "90d", "--no-start"], "key-canary-notice");
    assert_eq!(set.code, 0, "{}", set.stderr);
    drop(agent);
    for (days, within) in [(70, None), (80, Some(14)), (81, None), (88, Some(3)), (89, None)] {
        clock.set(days * DAY);
        let agent = clock.start_with(&home, &bus);
        let status = home.json(&["status", "--json", "--no-start"]);
        let said = &status["accounts"][0]["api_key"]["ends_within"];
        assert_eq!(
            said.as_u64(),
            [None, Some(14), Some(3)][usize::from(days > 75) + usize::from(days > 86)],
            "{status}"
        );
        if let Some(within) = within {
            let told = notifier.next();
            assert_eq!(told.summary, format!("keyed: its API key ends within {within} days"));
            assert!(told.body.ends_with("run: cred-helper api-key set keyed"), "{told:?}");
            assert!(!String::from_utf8_lossy(&told.bytes).contains("canary"));
        }
        drop(agent);
        assert!(notifier.left().is_empty(), "after {days} days");
    }
}
