//! mbsync with our token against a real dovecot, whose oauth2 passdb asks an introspection endpoint about it. They are newer
//! than this machine's own, so this is a long test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cred_helper::demo::server::Server;
use serde_json::json;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::programs::newer;
use crate::support::site::{Judge, Response, Shown, Site};
use crate::tls::Authority;

pub const USER: &str = "ada@example.com";
/// Dovecot delivers as anybody but root.
const NOBODY: u32 = 65534;

/// A dovecot with one letter in its inbox.
pub struct Office {
    directory: tempfile::TempDir,
    pub introspection: Site,
    pub port: u16,
    process: Child,
}

impl Office {
    fn open(command: Command, server: &Arc<Server>) -> Self {
        Self::begin(command, server, None)
    }

    /// Over TLS alone, as `localhost`: some clients show a token nowhere else.
    pub fn open_tls(command: Command, server: &Arc<Server>, authority: &Authority) -> Self {
        Self::begin(command, server, Some(authority))
    }

    fn begin(mut command: Command, server: &Arc<Server>, authority: Option<&Authority>) -> Self {
        let live = Arc::clone(server);
        let judge = Judge::of(Shown::Bearer, move |token| live.is_live(token));
        let introspection = Site::start(judge, |_| Response::json(200, &json!({ "active": true, "username": USER })));
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(root.join("mail/new")).unwrap();
        std::fs::write(root.join("mail/new/1"), "Subject: hello\r\n\r\nwith a fresh token\r\n").unwrap();
        for path in ["mail", "mail/new", "mail/new/1"] {
            chown(root.join(path), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // Free a moment ago, and nobody else's in the time that it takes.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if let Some((certificate, key)) = authority.map(|authority| authority.certificate("localhost", 2090)) {
            std::fs::write(root.join("certificate.pem"), certificate.pem()).unwrap();
            std::fs::write(root.join("key.pem"), key.serialize_pem()).unwrap();
        }
        let settings = settings(root, port, authority.is_some(), &introspection.url("/introspect"));
        std::fs::write(root.join("dovecot.conf"), settings).unwrap();
        command.arg("-F").arg("-c").arg(root.join("dovecot.conf")).current_dir(root);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("starting up") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "dovecot ended");
        }
        // Somebody has to read on.
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(drop));
        Self { directory, introspection, port, process }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        // It is a child of what entered the root for it.
        let pid = std::fs::read_to_string(self.directory.path().join("run/master.pid"));
        let pid = pid.ok().and_then(|pid| rustix::process::Pid::from_raw(pid.trim().parse().ok()?));
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        let _ = self.process.wait();
    }
}

fn settings(root: &Path, port: u16, is_tls: bool, introspection: &str) -> String {
    let root = root.display();
    let (tls, port, tls_port) = match is_tls {
        true => (
            format!("yes\nssl_server_cert_file = {root}/certificate.pem\nssl_server_key_file = {root}/key.pem"),
            0,
            port,
        ),
        false => ("no".to_owned(), port, 0),
    };
    format!(
        "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\nbase_dir = {root}/run\nstate_dir = {root}/state\n\
         log_path = /dev/stderr\nssl = {tls}\nauth_allow_cleartext = yes\nauth_mechanisms = oauthbearer xoauth2\n\
         mail_driver = maildir\nmail_path = {root}/mail\nprotocols {{\n  imap = yes\n}}\n\
         oauth2 {{\n  introspection_mode = auth\n  introspection_url = {introspection}\n  username_attribute = username\n}}\n\
         passdb oauth2 {{\n}}\n\
         userdb static {{\n  fields {{\n    uid = {NOBODY}\n    gid = {NOBODY}\n    home = {root}\n  }}\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {port}\n    listen = 127.0.0.1\n  }}\n\
         inet_listener imaps {{\n    port = {tls_port}\n    listen = 127.0.0.1\n    ssl = yes\n  }}\n}}\n"
    )
}

fn sync(home: &Home, office: &Office, mut mbsync: Command) -> Ended {
    let own = home.path().display();
    let settings = format!(
        "IMAPAccount office\nHost 127.0.0.1\nPort {}\nUser {USER}\nPassCmd \"{} get-token\"\nTLSType None\nAuthMechs XOAUTH2\n\n\
         IMAPStore remote\nAccount office\n\nMaildirStore local\nPath {own}/mail/\nInbox {own}/mail/INBOX\n\n\
         Channel mail\nFar :remote:\nNear :local:\nCreate Near\nSyncState *\n",
        office.port,
        env!("CARGO_BIN_EXE_cred-helper")
    );
    std::fs::create_dir_all(home.path().join("mail")).unwrap();
    std::fs::write(home.path().join(".mbsyncrc"), settings).unwrap();
    mbsync.env_clear().envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    mbsync.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(home.path()).stdin(Stdio::null());
    ended(mbsync.arg("-c").arg(home.path().join(".mbsyncrc")).arg("mail").output().unwrap())
}

#[test]
fn mbsync_fetches_with_our_token_and_with_the_next_where_it_was_refused() {
    let (Some(dovecot), Some(mbsync)) = (newer("dovecot"), newer("mbsync")) else { return };
    let server = Arc::new(lasting_server());
    let home = Home::signed_in(&server);
    let office = Office::open(dovecot, &server);
    let fetched = sync(&home, &office, mbsync);
    assert_eq!(fetched.code, 0, "{}", fetched.stderr);
    let letters: Vec<_> = std::fs::read_dir(home.path().join("mail/INBOX/new")).unwrap().flatten().collect();
    assert!(std::fs::read_to_string(letters[0].path()).unwrap().contains("with a fresh token"));
    assert_eq!(office.introspection.seen(), ["live"]);
    // It has nothing to tell us by, and gives up.
    let first = home.token();
    server.expire_access_tokens();
    let again = || newer("mbsync").unwrap();
    assert_ne!(sync(&home, &office, again()).code, 0);
    assert_eq!((office.introspection.seen(), server.count_grant("refresh_token")), (vec!["refused"], 0));
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    let fetched = sync(&home, &office, again());
    assert_eq!(fetched.code, 0, "{}", fetched.stderr);
}

/// It asks for a password of the user that it is configured with, as other helpers' clients do, and tells us of a refusal.
#[test]
fn git_imap_send_signs_in_with_our_token_for_the_user_that_it_names() {
    let (Some(dovecot), Some(_)) = (newer("dovecot"), newer("git")) else { return };
    let server = Arc::new(lasting_server());
    let home = Home::with_vault();
    let office = Office::open(dovecot, &server);
    home.configure(&format!(
        "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n[targets]\n'imap://127.0.0.1:{}' = 'forge'\n",
        server.issuer(),
        server.client_id(),
        office.port
    ));
    home.ok(&["agent", "stop"]);
    assert_eq!(home.log_in_with(&["login", "forge", "--no-browser"]).code, 0);
    let config = format!(
        "[credential]\nhelper = \"!{} helper git\"\n[imap]\nfolder = INBOX\nhost = imap://127.0.0.1\nport = {}\n\
         user = {USER}\nauthMethod = XOAUTH2\n",
        env!("CARGO_BIN_EXE_cred-helper"),
        office.port
    );
    std::fs::write(home.path().join(".gitconfig"), config).unwrap();
    let letters = home.path().join("letters");
    std::fs::write(&letters, "From ada Mon Sep 17 00:00:00 2001\nFrom: ada\nDate: Mon, 17 Sep 2001 00:00:00 +0000\nSubject: sent by git\n\nhello\n").unwrap();
    let send = || {
        let mut git = newer("git").unwrap();
        git.env_clear().envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        git.env("PATH", std::env::var_os("PATH").unwrap()).env("GIT_TERMINAL_PROMPT", "0").current_dir(home.path());
        ended(git.arg("imap-send").stdin(std::fs::File::open(&letters).unwrap()).output().unwrap())
    };
    let sent = send();
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    assert_eq!(office.introspection.seen(), ["live"]);
    server.expire_access_tokens();
    let refused = send();
    assert_eq!(
        (office.introspection.seen().first(), refused.code != 0),
        (Some(&"refused"), true),
        "{}",
        refused.stderr
    );
    assert_eq!(server.count_grant("refresh_token"), 1, "{}", refused.stderr);
    let sent = send();
    assert_eq!(sent.code, 0, "{}", sent.stderr);
}
