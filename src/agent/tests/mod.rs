//! The agent in this process, whole but for its socket: a real vault in a directory of its own, the embedded
//! authorization server, and clocks that the tests set.

mod clocks;
mod ends;
mod exchanges;
#[cfg(target_os = "linux")]
mod guesses;
mod hang_ups;
mod keys;
mod locks;
mod logins;
mod network;
mod passwords;
mod roles;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::audit::Asking;
use super::providers::Named;
use super::*;
use crate::account::AccountName;
use crate::clock::{SystemClock, Timestamp};
use crate::demo::server::{Options, Server};
use crate::grant::{Client, LoginChannel, LoginEvent, LoginRequest};
use crate::ipc::message::login::{Flow, SignedIn, StartLogin};
use crate::ipc::message::token::{GetToken, Token};
use crate::ipc::message::vault::SlotKind;
use crate::oauth::http::HttpOptions;
use crate::token::{ClientAuthentication, TokenKind};
use crate::vault::{Cost, Faults, KeyringChoice, MachineId, OpenOptions};

/// The machine's clocks, and how far a test has moved them.
#[derive(Default)]
struct MovedClock {
    wall: AtomicI64,
    boot: AtomicU64,
    boots: AtomicU64,
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.wall.load(Ordering::Relaxed))
    }

    fn boot(&self) -> Duration {
        SystemClock.boot() + Duration::from_secs(self.boot.load(Ordering::Relaxed))
    }

    fn boot_clock(&self) -> u64 {
        self.boots.load(Ordering::Relaxed)
    }
}

impl MovedClock {
    /// Time passes, or the machine sleeps: both clocks go on.
    fn pass(&self, time: Duration) {
        self.boot.fetch_add(time.as_secs(), Ordering::Relaxed);
        self.set(i64::try_from(time.as_secs()).unwrap());
    }

    /// The machine is started anew: another boot clock.
    fn reboot(&self) {
        self.boots.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    fn set(&self, seconds: i64) {
        self.wall.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// An agent, and the world it lives in.
struct World {
    directory: tempfile::TempDir,
    faults: Arc<Faults>,
    clock: Arc<MovedClock>,
    server: Server,
    agent: Arc<Agent>,
}

const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// With an open vault and nobody signed in.
    async fn new(options: Options) -> Self {
        Self::configured(Config::default(), options).await
    }

    async fn configured(config: Config, options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (faults, clock) = (Arc::<Faults>::default(), Arc::<MovedClock>::default());
        let agent = agent_with(config, directory.path(), &faults, &clock);
        agent.with_vault(|vault| vault.add_slot(SlotKind::Machine, None, true)).await.unwrap();
        agent.ensure_open().await.unwrap();
        Self { directory, faults, clock, server: Server::start(options).unwrap(), agent }
    }

    /// With one account, whose token lasts an hour.
    async fn signed_in() -> Self {
        let world = Self::new(Options::default()).await;
        world.log_in("one").await.unwrap();
        world
    }

    /// The agent ends as it stands, and another begins on the same vault.
    async fn restart(&mut self) {
        // The vault's lock goes with the last of its handles: nothing may run any more.
        let spare = tempfile::tempdir().unwrap();
        self.agent = agent(spare.path(), &Arc::default(), &self.clock);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.agent = agent(self.directory.path(), &self.faults, &self.clock);
    }

    async fn log_in(&self, label: &str) -> Result<SignedIn, Error> {
        self.log_in_as(label, false).await
    }

    async fn log_in_as(&self, label: &str, replace: bool) -> Result<SignedIn, Error> {
        let named = self.named();
        let account = AccountName::new(&named.name, Some(label)).unwrap();
        let request = LoginRequest {
            provider: Arc::clone(&named.provider),
            account: account.to_string(),
            client: Client {
                id: self.server.client_id(),
                secret: None,
                authentication: ClientAuthentication::None,
                key: None,
            },
            source: None,
            scope: named.provider.scopes.clone(),
            flow: Flow::Browser,
            browser: true,
            redirect_port: None,
            callbacks: None,
            time_limit: Duration::from_secs(30),
        };
        let (events, mut event) = mpsc::unbounded_channel();
        // Held until the login ends: a paste is always possible.
        let (_paste, pastes) = mpsc::unbounded_channel();
        let channel = LoginChannel { events, pastes };
        let browser = tokio::spawn(async move {
            while let Some(event) = event.recv().await {
                if let LoginEvent::Authorize { url, .. } = event {
                    tokio::task::spawn_blocking(move || browse(&url));
                }
            }
        });
        let signed_in = Arc::clone(&self.agent).sign_in(named, account, request, channel, replace, false).await;
        browser.abort();
        signed_in
    }

    fn named(&self) -> Named {
        self.agent.named_provider(&StartLogin { provider: self.server.issuer(), ..StartLogin::default() }).unwrap()
    }

    fn name(&self, label: &str) -> String {
        format!("{}/{label}", self.named().name)
    }

    fn incarnation(&self, label: &str) -> u64 {
        let name = self.name(label);
        self.agent.table().resolve(Some(&name)).unwrap().record.incarnation
    }

    async fn get(&self, label: &str) -> Result<Token, Error> {
        self.ask(label, |_| {}).await
    }

    async fn ask(&self, label: &str, change: impl FnOnce(&mut GetToken)) -> Result<Token, Error> {
        let mut get = GetToken { account: Some(self.name(label)), deadline: Some(10), ..GetToken::default() };
        change(&mut get);
        self.agent.get_token(get, &Asking::nobodys()).await
    }

    fn refreshes(&self) -> usize {
        self.server.count_grant("refresh_token")
    }

    /// Until no exchange is under way, and no flight waits for another.
    async fn landed(&self) {
        while !self.agent.flights.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// No login was ended by its server because a refresh token came twice.
    fn none_lost(&self) -> bool {
        self.server.families().iter().all(|family| family.ended.is_none())
    }
}

fn agent(home: &std::path::Path, faults: &Arc<Faults>, clock: &Arc<MovedClock>) -> Arc<Agent> {
    agent_with(Config::default(), home, faults, clock)
}

fn agent_with(config: Config, home: &std::path::Path, faults: &Arc<Faults>, clock: &Arc<MovedClock>) -> Arc<Agent> {
    let paths = Paths {
        home: home.to_owned(),
        config_file: home.join("config.toml"),
        vault_dir: home.join("vault"),
        state_dir: home.join("state"),
        socket: home.join("agent.sock"),
        socket_given: false,
    };
    let vault = Vault::open(OpenOptions {
        keyring: KeyringChoice::Disabled,
        machine: MachineId::Given(Some("machine one".into())),
        passphrase_cost: Cost { memory: 8, passes: 1, lanes: 1 },
        faults: Some(Arc::clone(faults)),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        ..OpenOptions::new(&paths)
    });
    Agent::new(Parts {
        paths,
        config,
        config_error: None,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        http: Http::new(HttpOptions::default()).unwrap(),
        vault: vault.unwrap(),
        unprotected: Vec::new(),
        sealer: None,
        notifies: false,
        connections: Connections::default(),
        seat: None,
    })
}

/// Follows redirects as a browser does.
fn browse(url: &str) {
    let mut next = Some(url.to_owned());
    while let Some(url) = next.take() {
        let rest = url.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        next = answer.lines().take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
    }
}
