//! No credential in clear in the memory of an agent that rests: a core taken by root, every mapping and every register of
//! it, searched for every token that the server ever issued, and for the secrets that opened vault and server.

mod connections;
mod core;
mod key_page;
mod keys;
pub(crate) mod needles;
mod ways;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use cred_helper::demo::server::{Behaviour, Options, RegisteredClient, Server};
use cred_helper::token::ClientAuthentication;

use self::core::Core;
use self::needles::Needles;
use super::home::{Home, browse, ended, fetch, first_line};
use super::programs;
use super::vaults::with_passphrase;

/// Everything that happens to an agent on a busy day, and the secrets that went through it.
struct Day {
    server: Server,
    home: Home,
    passphrase: String,
    wrong_passphrase: String,
    client_secret: String,
    configured_secret: String,
    /// Passwords of tools': one that is kept, one that was replaced and one that was refused.
    passwords: [String; 3],
    /// A token that was reported as refused.
    refused: String,
}

#[test]
fn a_core_of_the_idle_agent_holds_no_credential_in_clear() {
    if !rustix::process::geteuid().is_root() {
        return programs::skip("only root takes a core of the agent");
    }
    if programs::missing(&["gcore"]) {
        return;
    }
    let day = Day::spent();
    let pid = day.home.agent_pid();
    let kept = connections::kept_open(&day.home, &day.refused);
    let core = Core::of_idle(pid, kept.len(), day.home.path());
    let mut needles = day.needles();
    needles.add("the key to the secrets in memory", &core::key_in_locked_page(pid));
    let found = needles.find(&core.bytes).into_iter();
    let shown: Vec<_> = found.map(|found| format!("{} at {}", found.what, core.place(found.at))).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

impl Day {
    fn spent() -> Self {
        let (client_secret, configured_secret) = (random(), random());
        let confidential =
            |id: &str, secret: &str| RegisteredClient::confidential(id, secret, ClientAuthentication::Basic);
        let clients = vec![
            RegisteredClient::public("demo-native"),
            confidential("app", &client_secret),
            confidential("configured", &configured_secret),
        ];
        let server = Server::start(Options { clients, ..Options::default() }).unwrap();
        let home = Home::new();
        home.configure(&format!(
            "hide_memory_key = false\n[providers.company]\nissuer = '{}'\nscopes = ['openid', 'email', 'offline_access']\nclient.id = 'configured'\nclient.secret = '{configured_secret}'\n",
            server.issuer()
        ));
        let mut day = Self {
            server,
            home,
            passphrase: random(),
            wrong_passphrase: random(),
            client_secret,
            configured_secret,
            passwords: [random(), random(), random()],
            refused: String::new(),
        };
        day.sign_in();
        day.refused = day.use_tokens();
        day.use_passwords();
        day.lock_and_unlock();
        day.end();
        day
    }

    fn sign_in(&self) {
        let Self { home, server, .. } = self;
        let made = with_passphrase(home, &["vault", "slot", "add", "passphrase"], &self.passphrase);
        assert_eq!(made.code, 0, "{}", made.stderr);
        home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
        let ended = home.log_in_with(&["login", "company", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        home.log_in(server, &["--account", "plain"]);
        home.log_in(server, &["--account", "gone"]);
        self.sign_in_with_secret();
        self.paste();
    }

    fn sign_in_with_secret(&self) {
        let issuer = self.server.issuer();
        let arguments =
            ["login", &issuer, "--account", "app", "--client-id", "app", "--client-secret-stdin", "--no-browser"];
        let mut login = self.home.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        writeln!(login.stdin.take().unwrap(), "{}", self.client_secret).unwrap();
        browse(&first_line(&mut login));
        let ended = ended(login.wait_with_output().unwrap());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }

    fn paste(&self) {
        let issuer = self.server.issuer();
        let arguments = ["login", &issuer, "--account", "pasted", "--client-id", "demo-native", "--paste"];
        let mut login = self.home.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut words = BufReader::new(login.stderr.take().unwrap()).lines();
        let url = words.find_map(|line| Some(line.unwrap().trim().to_owned()).filter(|line| line.starts_with("http")));
        let answer = fetch(&url.unwrap());
        let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
        writeln!(login.stdin.take().unwrap(), "{location}").unwrap();
        words.for_each(drop);
        assert!(login.wait().unwrap().success());
    }

    fn use_tokens(&self) -> String {
        let Self { home, server, .. } = self;
        let names: Vec<String> = self.accounts();
        assert_eq!(names.len(), 5);
        for name in &names {
            for more in
                [&[][..], &["--token-type", "id"], &["--scope", "openid"], &["--audience", "https://api.example/"]]
            {
                home.ok(&[&["get-token", name], more].concat());
            }
            home.ok(&["get-token", name, "--format", "json"]);
        }
        let first = home.ok(&["get-token", &names[0]]);
        assert_eq!(home.run_with(&["reject"], &first).code, 0);
        for behaviour in [Behaviour::TruncatedJson, Behaviour::Html, Behaviour::ResetConnection] {
            server.set_behaviour(behaviour, 1);
            home.run(&["refresh", "company/pasted"]);
        }
        server.behave();
        // An answer that was lost had rotated the grant: that login is dead.
        for name in names.iter().filter(|name| *name != "company/pasted") {
            home.ok(&["refresh", name]);
            home.ok(&["get-token", name]);
        }
        first
    }

    fn use_passwords(&self) {
        let [kept, replaced, refused] = &self.passwords;
        for (operation, host, password) in [
            ("store", "kept.example", replaced),
            ("store", "kept.example", kept),
            ("store", "refused.example", refused),
            ("get", "refused.example", refused),
            ("erase", "refused.example", refused),
        ] {
            self.git(operation, host, &format!("username=ada\npassword={password}\n"));
        }
        self.home.ok(&["password", "list"]);
    }

    /// What git is told, or would read on standard error.
    fn git(&self, operation: &str, host: &str, more: &str) -> String {
        let ended = self.home.run_with(&["helper", "git", operation], &format!("protocol=https\nhost={host}\n{more}"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout
    }

    fn lock_and_unlock(&self) {
        let home = &self.home;
        home.ok(&["lock"]);
        assert_eq!(with_passphrase(home, &["unlock"], &self.wrong_passphrase).code, 24);
        let tries = std::iter::repeat_with(|| with_passphrase(home, &["unlock"], &self.passphrase));
        let unlocked = { tries }.find(|ended| ended.code != 24).unwrap();
        assert_eq!(unlocked.code, 0, "{}", unlocked.stderr);
    }

    /// One account leaves, the others are asked for their tokens once more.
    fn end(&self) {
        self.home.ok(&["logout", "company/gone"]);
        for name in self.accounts() {
            self.home.run(&["get-token", &name]);
        }
        assert!(self.git("get", "kept.example", "").contains(&self.passwords[0]));
    }

    fn accounts(&self) -> Vec<String> {
        let status = self.home.json(&["status", "--json"]);
        let accounts = status["accounts"].as_array().unwrap();
        accounts.iter().map(|account| account["account"].as_str().unwrap().to_owned()).collect()
    }

    fn needles(&self) -> Needles {
        let mut needles = Needles::new();
        let tokens = self.server.issued_tokens();
        assert!(tokens.len() > 40, "{} tokens", tokens.len());
        for (n, token) in tokens.iter().enumerate() {
            needles.add(&format!("token {n} of {}", token.len()), token.as_bytes());
        }
        needles.add("the passphrase", self.passphrase.as_bytes());
        needles.add("the wrong passphrase", self.wrong_passphrase.as_bytes());
        needles.add("the client secret", self.client_secret.as_bytes());
        needles.add("the configured client secret", self.configured_secret.as_bytes());
        for password in &self.passwords {
            needles.add("a password", password.as_bytes());
        }
        for (name, key) in keys::of_vault(&self.home) {
            needles.add(name, &key);
        }
        needles
    }
}

fn random() -> String {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
