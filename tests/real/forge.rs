//! An account at an authorization server, and an agent that answers with it for what the test's rules say.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use cred_helper::demo::server::Server;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::site::{Judge, Shown};

pub(crate) struct Forge {
    pub(crate) server: Arc<Server>,
    pub(crate) home: Home,
}

impl Forge {
    /// The account `forge`, and no rules.
    pub(crate) fn new() -> Self {
        let forge = Self { server: Arc::new(lasting_server()), home: Home::with_vault() };
        forge.rules("");
        let ended = forge.home.log_in_with(&["login", "forge", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        forge
    }

    /// These are the lines under `[targets]` from now on.
    pub(crate) fn rules(&self, lines: &str) {
        let (issuer, client) = (self.server.issuer(), self.server.client_id());
        let provider = format!("[providers.forge]\nissuer = '{issuer}'\nclient.id = '{client}'\nscopes = ['openid']\n");
        self.home.configure(&format!("{provider}[targets]\n{lines}\n"));
        self.home.ok(&["agent", "stop"]);
    }

    /// Whether the authorization server stands by a token.
    pub(crate) fn is_live(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        let server = Arc::clone(&self.server);
        move |token| server.is_live(token)
    }

    /// Of who comes to a site: it lets in who shows a token that the authorization server stands by.
    pub(crate) fn judge(&self, shown: Shown) -> Judge {
        Judge::of(shown, self.is_live())
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.server.count_grant("refresh_token")
    }

    /// The program, in the home, with the environment that reaches its agent and a PATH that starts with its `bin`.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(self.home.path());
        command.envs(self.home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.home.path().join("bin")).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("LC_ALL", "C");
        command.stdin(std::process::Stdio::null());
        command
    }

    pub(crate) fn run(&self, mut command: Command) -> Ended {
        ended(command.output().unwrap())
    }

    /// A link to the program in the home's `bin`.
    pub(crate) fn link(&self, name: &str) -> PathBuf {
        let bin = self.home.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let link = bin.join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), &link).unwrap();
        link
    }

    /// A file in the home.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.home.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }
}
