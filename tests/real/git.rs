//! Git itself, as it is installed, against git's own server over HTTP: it asks us for what it needs, and people notice nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cred_helper::demo::server::Server;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::git_server;
use crate::support::programs::{missing, newer, skip};
use crate::support::site::{Judge, Shown, Site};

/// An account at an authorization server, a git server that takes its tokens, and a git that asks us.
struct Stage {
    server: Arc<Server>,
    git: Site,
    home: Home,
    /// How git is started: this machine's own, unless a test wants another one.
    client: fn() -> Command,
}

impl Stage {
    /// `rule` is the value of the git server's URL with this path under `[targets]`.
    fn set(shown: Shown, path: &str, rule: &str) -> Self {
        let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
        let live = Arc::clone(&server);
        let judge = Judge::of(shown, move |token| live.is_live(token));
        let git = git_server::start(&home.path().join("repositories"), judge);
        home.configure(&format!(
            "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n[targets]\n'{}' = {rule}\n",
            server.issuer(),
            server.client_id(),
            git.url(path)
        ));
        home.ok(&["agent", "stop"]);
        let ended = home.log_in_with(&["login", "forge", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let bin = home.make_private("bin");
        let link = bin.join("git-credential-cred-helper");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), link).unwrap();
        let config = "[credential]\nhelper = cred-helper\nuseHttpPath = true\n[user]\nname = Ada\nemail = a@example.com\n\
                      [init]\ndefaultBranch = main\n";
        std::fs::write(home.path().join(".gitconfig"), config).unwrap();
        let stage = Self { server, git, home, client: || Command::new("git") };
        stage.ok(&["init", "--quiet", "--bare", "repositories/team/x.git"]);
        stage
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = (self.client)();
        command.args(arguments).env_clear().current_dir(self.home.path());
        command.envs(self.home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.home.path().join("bin")).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "git {arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("cred-helper"), "git {arguments:?}: {}", ended.stderr);
        ended
    }

    fn url(&self) -> String {
        self.git.url("/team/x.git")
    }

    fn clone(&self, name: &str) -> PathBuf {
        self.ok(&["clone", "--quiet", &self.url(), name]);
        self.home.path().join(name)
    }

    fn commit(&self, clone: &Path) {
        std::fs::write(clone.join("a"), "a").unwrap();
        let clone = clone.to_str().unwrap();
        self.ok(&["-C", clone, "add", "--all"]);
        self.ok(&["-C", clone, "commit", "--quiet", "--message", "a"]);
    }

    fn refreshes(&self) -> usize {
        self.server.count_grant("refresh_token")
    }

    /// `git credential OPERATION`, as programs use it.
    fn credential(&self, operation: &str, more: &str) -> Ended {
        let file = self.home.path().join("request");
        let url = self.url();
        let rest = url.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        std::fs::write(&file, format!("protocol=http\nhost={host}\npath={path}\n{more}")).unwrap();
        let input = std::fs::File::open(&file).unwrap();
        ended(self.command(&["credential", operation]).stdin(input).output().unwrap())
    }
}

/// Those that can be shown a token as Bearer, and are told to come back after a refusal.
const BEARER: (u32, u32) = (2, 46);

/// A git's version.
fn version(program: &str) -> Option<(u32, u32)> {
    let said = Command::new(program).arg("version").output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let mut numbers = text.split_whitespace().nth(2)?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// A git before that: the distribution's own may be another than the first in the PATH.
fn older() -> Option<&'static str> {
    ["/usr/bin/git", "git"].into_iter().find(|program| version(program).is_some_and(|version| version < BEARER))
}

/// Whether the git that is found first is too old, which is said.
fn no_bearer() -> bool {
    if missing(&["git"]) {
        return true;
    }
    let old = version("git") < Some(BEARER);
    if old {
        skip("git before 2.46 shows no token as Bearer");
    }
    old
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Clones, pushes and lists; at the server each request showed nothing or a live token.
#[track_caller]
fn works_both_ways(stage: &Stage) {
    let first = stage.clone("first");
    stage.commit(&first);
    stage.ok(&["-C", "first", "push", "--quiet", "origin", "HEAD:main"]);
    assert!(stage.ok(&["ls-remote", &stage.url()]).stdout.contains("refs/heads/main"));
    assert!(stage.clone("second").join("a").exists());
    let seen = stage.git.seen();
    assert!(seen.contains(&"live") && !seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
    assert_eq!(stage.refreshes(), 0);
}

#[test]
fn git_clones_pushes_and_lists_with_a_token_as_bearer() {
    if no_bearer() {
        return;
    }
    works_both_ways(&Stage::set(Shown::Bearer, "", "'forge'"));
}

#[test]
fn the_newest_git_does_the_same() {
    if missing(&["git"]) || newer("git").is_none() {
        return;
    }
    for (shown, rule) in [(Shown::Bearer, "'forge'"), (Shown::Basic("oauth2"), "'forge'")] {
        works_both_ways(&Stage { client: || newer("git").unwrap(), ..Stage::set(shown, "", rule) });
    }
}

#[test]
fn git_shows_the_token_as_a_password_where_the_server_or_the_rule_says_so() {
    if missing(&["git"]) {
        return;
    }
    works_both_ways(&Stage::set(Shown::Basic("oauth2"), "", "'forge'"));
    let rule = "{ account = 'forge', username = 'of-the-rule' }";
    works_both_ways(&Stage::set(Shown::Basic("of-the-rule"), "/team", rule));
}

/// Older versions ask for a password alone, newer ones for what git does.
#[test]
fn git_lfs_stores_and_fetches_its_objects() {
    if missing(&["git", "git-lfs"]) {
        return;
    }
    let stage = Stage::set(Shown::Basic("oauth2"), "", "'forge'");
    stage.ok(&["lfs", "install", "--skip-repo"]);
    let first = stage.clone("first");
    stage.ok(&["-C", "first", "lfs", "install", "--local"]);
    stage.ok(&["-C", "first", "lfs", "track", "a"]);
    stage.commit(&first);
    stage.ok(&["-C", "first", "push", "--quiet", "origin", "HEAD:main"]);
    assert_eq!(std::fs::read_dir(stage.home.path().join("repositories/lfs")).unwrap().count(), 1);
    assert_eq!(std::fs::read(stage.clone("second").join("a")).unwrap(), b"a");
    let seen = stage.git.seen();
    assert!(!seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
}

#[test]
fn a_refused_token_is_renewed_and_nobody_notices() {
    if no_bearer() {
        return;
    }
    for shown in [Shown::Bearer, Shown::Basic("oauth2")] {
        let stage = Stage::set(shown, "", "'forge'");
        let clone = stage.clone("first");
        stage.commit(&clone);
        stage.git.seen();
        stage.server.expire_access_tokens();
        stage.ok(&["-C", "first", "push", "--quiet", "origin", "HEAD:main"]);
        let seen = stage.git.seen();
        assert_eq!((&seen[..3], stage.refreshes()), (&["nothing", "refused", "live"][..], 1), "{seen:?}");
        assert!(!seen[3..].contains(&"refused"), "{seen:?}");
    }
}

#[test]
fn an_older_git_shows_the_token_as_a_password_and_says_when_it_was_refused() {
    if older().is_none() {
        return skip("there is no git before 2.46");
    }
    let stage =
        Stage { client: || Command::new(older().unwrap()), ..Stage::set(Shown::Basic("oauth2"), "", "'forge'") };
    works_both_ways(&stage);
    stage.server.expire_access_tokens();
    let ended = stage.run(&["ls-remote", &stage.url()]);
    assert_eq!((ended.code, stage.refreshes()), (128, 1), "{}", ended.stderr);
    let told = "cred-helper: forge: the server refused its token, which has been renewed; try again";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    stage.ok(&["ls-remote", &stage.url()]);
}

#[test]
fn a_server_that_refuses_every_token_is_told_of_once_and_costs_one_refresh() {
    if no_bearer() {
        return;
    }
    let stage = Stage::set(Shown::Bearer, "", "'forge'");
    let refuses = git_server::start(stage.home.path(), Judge::of(Shown::Bearer, |_| false));
    stage.home.configure(&format!(
        "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n[targets]\n'{}' = 'forge'\n",
        stage.server.issuer(),
        stage.server.client_id(),
        refuses.url("")
    ));
    stage.home.ok(&["agent", "stop"]);
    let ended = stage.run(&["ls-remote", &refuses.url("/team/x.git")]);
    assert_eq!(ended.code, 128, "{}", ended.stderr);
    let ours: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("cred-helper: ")).collect();
    assert_eq!(ours.len(), 1, "{}", ended.stderr);
    assert!(ours[0].contains("forge") && ours[0].contains("another refresh won't help"), "{}", ours[0]);
    assert_eq!((refuses.seen(), stage.refreshes()), (vec!["nothing", "refused", "refused"], 1));
}

#[test]
fn a_host_that_nobody_named_gets_no_token() {
    if missing(&["git"]) {
        return;
    }
    let stage = Stage::set(Shown::Bearer, "", "'forge'");
    let stranger = git_server::start(stage.home.path(), Judge::of(Shown::Bearer, |_| true));
    let ended = stage.run(&["ls-remote", &stranger.url("/team/x.git")]);
    assert_eq!(ended.code, 128, "{}", ended.stderr);
    assert!(!ended.stderr.contains("cred-helper"), "{}", ended.stderr);
    assert_eq!(stranger.seen(), ["nothing"]);
}

#[test]
fn the_log_says_that_git_asked_and_for_which_host() {
    if no_bearer() {
        return;
    }
    let stage = Stage::set(Shown::Bearer, "", "'forge'");
    stage.ok(&["ls-remote", &stage.url()]);
    let printed = stage.home.ok(&["log", "--json", "--program", "git"]);
    let entry: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!((entry["method"].as_str(), entry["account"].as_str()), (Some("token.get"), Some("forge")), "{printed}");
    assert_eq!(entry["detail"].as_str(), Some(stage.git.url("").as_str()));
}

#[test]
fn git_can_be_told_to_start_no_agent() {
    if missing(&["git"]) {
        return;
    }
    let stage = Stage::set(Shown::Bearer, "", "'forge'");
    stage.home.ok(&["agent", "stop"]);
    let other = ["-c", "credential.helper=", "-c", "credential.helper=cred-helper --no-start"];
    let ended = stage.run(&[&other[..], &["ls-remote", &stage.url()]].concat());
    let ours = ended.stderr.lines().filter(|line| line.starts_with("cred-helper: ")).count();
    assert_eq!((ended.code, ours), (128, 1), "{}", ended.stderr);
    assert_eq!(stage.home.run(&["agent", "status", "--no-start"]).code, 18);
}

#[test]
fn programs_that_ask_git_get_a_password_and_what_they_reject_is_renewed() {
    if missing(&["git"]) {
        return;
    }
    let stage = Stage::set(Shown::Bearer, "", "'forge'");
    let filled = stage.credential("fill", "");
    assert_eq!(value(&filled.stdout, "username"), Some("oauth2"), "{}", filled.stderr);
    assert!(value(&filled.stdout, "password_expiry_utc").is_some());
    let first = value(&filled.stdout, "password").unwrap();
    assert!(stage.server.is_live(first));
    assert_eq!(stage.credential("approve", &format!("username=oauth2\npassword={first}\n")).code, 0);
    let foreign = stage.credential("reject", "username=ada\npassword=of-another-helper\n");
    assert_eq!((foreign.code, foreign.stderr.as_str(), stage.refreshes()), (0, "", 0));
    let ours = stage.credential("reject", &format!("username=oauth2\npassword={first}\n"));
    assert_eq!((ours.code, stage.refreshes()), (0, 1), "{}", ours.stderr);
    assert!(ours.stderr.contains("cred-helper: forge: the server refused its token"), "{}", ours.stderr);
    let filled = stage.credential("fill", "username=me\n");
    assert_eq!(value(&filled.stdout, "username"), Some("me"));
    assert_ne!(value(&filled.stdout, "password"), Some(first));
}
