//! Where agents are killed: a server that ends a login whose refresh token comes twice, a home with two logins at it, and a
//! look at every record that a killed agent left, before another one touches them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;

use cred_helper::demo::server::{Options, RegisteredClient, RotationMode, Server};
use cred_helper::ipc::message::vault::VaultState;
use cred_helper::paths::Paths;
use cred_helper::token::ClientAuthentication;
use cred_helper::vault::{KeyringChoice, Loaded, OpenOptions, RecordId, Stored, Vault};

use crate::home::{Ended, Home};

/// A home, its server, and what has been seen of its records.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) home: Home,
    /// The first account, which is the default; the other one is `PROVIDER/work`.
    pub(crate) provider: String,
    /// The highest version and rotation seen of each record, with its login.
    seen: RefCell<HashMap<RecordId, (u64, u64, u64)>>,
    /// The slot that is to be removed.
    pub(crate) slot: RefCell<String>,
    /// The token that is to be rejected.
    pub(crate) token: RefCell<String>,
    /// How many records were looked at.
    pub(crate) looked_at: Cell<usize>,
}

impl Stage {
    pub(crate) fn new(rotation: RotationMode) -> Self {
        let mut options = Options { rotation, ..Options::default() };
        options.clients.push(RegisteredClient::confidential("robot", "hush-hush", ClientAuthentication::Basic));
        let server = Server::start(options).unwrap();
        let home = Home::new().with_faults();
        // Every start opens the door, and writes where it is.
        home.configure(&format!(
            "[http]\nenabled = true\n[providers.robot]\ngrant = 'client_credentials'\ntoken_endpoint = '{}'\n\
             client = {{ id = 'robot', secret = 'hush-hush' }}\n\
             [providers.copilot]\ngrant = 'client_credentials'\ntoken_endpoint = '{}'\n\
             client = {{ id = 'robot', secret = 'hush-hush' }}\n\
             [providers.copilot.second_step]\nurl = '{}'\nscheme = 'token'\n\
             headers = {{ editor-version = 'cred-helper/1' }}\ntoken = '/token'\nexpires_at = '/expires_at'\n\
             [providers.maker]\nauthorization_endpoint = '{}'\ntoken_endpoint = '{}'\nclient.id = '{}'\nscopes = ['openid']\n\
             key = {{ url = '{}', pointer = '/key' }}\n",
            server.url("/token"),
            server.url("/token"),
            server.url("/second"),
            server.url("/authorize"),
            server.url("/token"),
            server.client_id(),
            server.url("/key")
        ));
        let seen = RefCell::default();
        let (slot, token, looked_at) = (RefCell::default(), RefCell::default(), Cell::new(0));
        let mut stage = Self { server, home, provider: String::new(), seen, slot, token, looked_at };
        stage.provider = stage.sign_in();
        stage
    }

    /// Makes the vault and both logins; the provider's name.
    pub(crate) fn sign_in(&self) -> String {
        self.home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        self.home.log_in(&self.server, &[]);
        let provider = crate::tokens::account_of(&self.home, &self.server);
        self.home.log_in(&self.server, &["--account", "work"]);
        self.home.ok(&["account", "default", &provider]);
        provider
    }

    pub(crate) fn named(&self, label: &str) -> String {
        format!("{}/{label}", self.provider)
    }

    /// Signs in again to an account, in a browser that agrees and doesn't mind if the agent goes.
    pub(crate) fn log_in(&self, label: Option<&str>) -> Ended {
        let (issuer, client) = (self.server.issuer(), self.server.client_id());
        let mut arguments = vec![issuer.as_str(), "--client-id", &client];
        arguments.extend(label.map(|label| ["--account", label]).into_iter().flatten());
        self.log_in_with(&arguments)
    }

    /// The same with these arguments.
    pub(crate) fn log_in_with(&self, arguments: &[&str]) -> Ended {
        let mut login = self.home.start(&[&["login", "--no-browser", "--no-start"], arguments].concat());
        let url = crate::home::first_line(&mut login);
        if !url.is_empty() {
            let _ = crate::home::try_to_browse(&url);
        }
        crate::home::ended(login.wait_with_output().unwrap())
    }

    /// Whether the account's token is one that the server takes.
    pub(crate) fn works(&self, account: &str) -> bool {
        let ended = self.home.run(&["get-token", account, "--timeout", "20s"]);
        let works = ended.code == 0 && self.server.is_live(ended.stdout.trim_end());
        if !works {
            eprintln!("{account}: {} {}", ended.code, ended.stderr.trim_end());
        }
        works
    }

    pub(crate) fn accounts(&self) -> Vec<String> {
        let list = self.home.json(&["account", "list", "--json"]);
        list["accounts"].as_array().unwrap().iter().map(|one| one["account"].as_str().unwrap().to_owned()).collect()
    }

    /// Looks at every record as the next agent would: it opens, is not older than it was, and a mark on it is of its own
    /// refresh token.
    pub(crate) fn look(&self) {
        let loaded = look_at_copy(&self.home);
        assert_eq!(loaded.damaged, Vec::<String>::new());
        loaded.records.iter().for_each(|stored| self.look_at(stored));
    }

    fn look_at(&self, stored: &Stored) {
        let record = &stored.record;
        let now = (stored.version, record.incarnation, record.rotation);
        let before = self.seen.borrow_mut().insert(stored.id.clone(), now);
        if let Some((version, incarnation, rotation)) = before {
            assert!(stored.version >= version, "{}: version {} after {version}", stored.id, stored.version);
            let same = incarnation == record.incarnation;
            assert!(
                !same || record.rotation >= rotation,
                "{}: rotation {} after {rotation}",
                stored.id,
                record.rotation
            );
        }
        if let Some(mark) = stored.unanswered {
            assert_eq!(mark.rotation, record.rotation, "a mark is of the record's own token");
        }
        self.looked_at.set(self.looked_at.get() + 1);
    }
}

/// What the next agent would find, from a copy of what is on the disk. Nobody may own the vault.
fn look_at_copy(home: &Home) -> Loaded {
    let copy = tempfile::tempdir().unwrap();
    copy_directory(&home.path().join(".local"), &copy.path().join(".local"));
    let paths = Paths::from_variables(|_| None, Some(copy.path().to_owned())).unwrap();
    let vault = Vault::open(OpenOptions { keyring: KeyringChoice::Disabled, ..OpenOptions::new(&paths) }).unwrap();
    if vault.state() == VaultState::Copied {
        vault.adopt().unwrap();
    }
    if vault.state() == VaultState::Absent {
        return Loaded::default();
    }
    vault.unlock(None, false).unwrap();
    vault.load().unwrap()
}

/// How often each account's refresh token was replaced, as far as the disk knows.
pub(crate) fn rotations(home: &Home) -> HashMap<String, u64> {
    let loaded = look_at_copy(home);
    assert_eq!(loaded.damaged, Vec::<String>::new());
    loaded.records.iter().map(|stored| (stored.record.account.to_string(), stored.record.rotation)).collect()
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_directory(&from, &to),
            kind if kind.is_file() => drop(std::fs::copy(&from, &to).unwrap()),
            _ => {}
        }
    }
}
