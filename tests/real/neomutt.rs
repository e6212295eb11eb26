//! neomutt with our token against a real dovecot, set up with the lines that `setup mail` prints for it and nothing else of
//! ours. They are newer than this machine's own, so this is a long test.

use std::process::Command;
use std::sync::Arc;

use crate::dovecot::{Office, USER};
use crate::home::{Home, lasting_server};
use crate::support::programs::{missing, newer};
use crate::terminal::Terminal;
use crate::tls::Authority;

/// Writes a neomuttrc: where the letters are and whose they are, and what `setup mail` says.
fn configure(home: &Home, office: &Office, authority: &Authority) {
    let status = home.json(&["status", "--json"]);
    let printed = home.ok(&["setup", "mail", "--account", status["accounts"][0]["account"].as_str().unwrap()]);
    let ours = printed.lines().skip_while(|line| !line.starts_with("neomutt,")).skip(2);
    let ours: Vec<_> = ours.take_while(|line| !line.is_empty()).collect();
    assert!(ours.iter().any(|line| line.contains("set imap_oauth_refresh_command")), "{printed}");
    let settings = format!(
        "set folder = \"imaps://localhost:{}\"\nset imap_user = \"{USER}\"\nset spool_file = \"+INBOX\"\n\
         set ssl_ca_certificates_file = \"~/authority.pem\"\n{}\n",
        office.port,
        ours.join("\n")
    );
    std::fs::write(home.path().join("authority.pem"), &authority.pem).unwrap();
    std::fs::write(home.path().join("neomuttrc"), settings).unwrap();
}

/// As it is typed.
fn line(neomutt: &Command) -> String {
    let words = std::iter::once(neomutt.get_program()).chain(neomutt.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    format!("{} -F neomuttrc", words.join(" "))
}

/// It asks whenever it signs in, and has nothing to tell us by.
#[test]
fn neomutt_opens_the_inbox_with_our_token_and_with_the_next_where_it_was_refused() {
    let (Some(dovecot), Some(neomutt)) = (newer("dovecot"), newer("neomutt")) else { return };
    if missing(&["tmux"]) {
        return;
    }
    let server = Arc::new(lasting_server());
    let home = Home::signed_in(&server);
    let authority = Authority::new("of the test");
    let office = Office::open_tls(dovecot, &server, &authority);
    configure(&home, &office, &authority);
    let terminal = Terminal::start(&home, 120, 24);
    terminal.begin(&line(&neomutt));
    terminal.wait_for("hello");
    assert_eq!(office.introspection.seen(), ["live"]);
    leave(&terminal);
    // It shows a refused token once, says so, and stays. What it says is on the screen for a second; its log keeps it.
    server.expire_access_tokens();
    terminal.begin(&line(&neomutt));
    terminal.wait_for("(no mailbox)");
    assert_eq!((office.introspection.seen(), server.count_grant("refresh_token")), (vec!["refused"], 0));
    terminal.run(":exec show-log-messages");
    terminal.wait_for("OAUTHBEARER authentication failed");
    terminal.type_in("q");
    // The same neomutt opens it with the next token.
    home.ok(&["refresh"]);
    terminal.run("c=INBOX");
    terminal.wait_for("hello");
    assert_eq!(office.introspection.seen(), ["live"]);
    leave(&terminal);
    // Our own line it does not show, but neither does it wait.
    home.ok(&["logout"]);
    terminal.begin(&line(&neomutt));
    terminal.wait_for("(no mailbox)");
    terminal.run(":exec show-log-messages");
    terminal.wait_for("Command returned empty string");
    assert!(office.introspection.seen().is_empty());
    terminal.type_in("q");
    leave(&terminal);
}

fn leave(terminal: &Terminal) {
    terminal.type_in("q");
    assert_eq!(terminal.end().1, 0);
}
