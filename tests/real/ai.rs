//! Claude Code and Codex themselves, against stubs of what they talk to: once set up, they run us for a token, for an MCP server's
//! headers, and again where that is refused.
//!
//! They are large and talkative: they come from npm (`tests/ai`), run with `CRED_HELPER_TESTS_LONG=1`, in a home of their own and
//! a network that has nothing but itself.

mod apis;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cred_helper::demo::server::Server;
use serde_json::json;

use crate::clocks::{Agent, FakeClock};
use crate::home::{Ended, Home, ended, lasting_server};
use crate::setup::SetUp;
use crate::support::programs::{say_and_skip, skip};
use crate::support::site::{Judge, Request, Response, Shown, Site};
use apis::{mcp, messages, responses};

/// Set where there is no way out.
const INSIDE: &str = "CRED_HELPER_TESTS_INSIDE";
const SAID: &str = "hello from the stub";

/// Runs this test once more in a network namespace; what is true inside it.
fn is_inside(test: &str, tool: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let alone = ["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        skip("AI tools are tried with CRED_HELPER_TESTS_LONG=1");
    } else if !program(tool).exists() {
        say_and_skip("npm ci was not run in tests/ai");
    } else if !Command::new("unshare").args(alone).arg("true").output().is_ok_and(|done| done.status.success()) {
        skip("a network namespace takes root, unshare and ip");
    } else {
        let own = std::env::current_exe().unwrap();
        let mut inside = Command::new("unshare");
        inside.args(alone).arg(own).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
        assert!(inside.status().unwrap().success());
    }
    false
}

fn program(tool: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ai/node_modules/.bin").join(tool)
}

/// An account whose token is two minutes old, and an agent with a clock of the test's.
struct Stage<'a> {
    server: Arc<Server>,
    home: &'a Home,
    _agent: Agent<'a>,
}

impl<'a> Stage<'a> {
    /// With `url` as the account's target.
    fn set(home: &'a Home, server: &Arc<Server>, url: &str) -> Option<Self> {
        home.ok(&["agent", "stop"]);
        home.configure(&format!(
            "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n[targets]\n'{url}' = 'forge'\n",
            server.issuer(),
            server.client_id()
        ));
        let clock = FakeClock::new(home)?;
        let agent = clock.start_with(home, &[]);
        let ended = home.log_in_with(&["login", "forge", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        clock.set(120);
        home.make_private("bin");
        Some(Self { server: Arc::clone(server), home, _agent: agent })
    }

    fn run(&self, tool: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(program(tool));
        command.args(arguments).env_clear().current_dir(self.home.path().join("bin"));
        command.env("HOME", self.home.path()).env("XDG_RUNTIME_DIR", self.home.path().join("run"));
        command.env("PATH", std::env::var_os("PATH").unwrap()).envs(variables.iter().copied());
        command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("DISABLE_AUTOUPDATER", "1");
        ended(command.stdin(Stdio::null()).output().unwrap())
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.home.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// It heals: what the site saw begins with a refusal and ends well, and cost one refresh, which the log calls a guess.
    #[track_caller]
    fn healed(&self, site: &Site) {
        let seen = site.seen();
        assert_eq!(seen.iter().find(|shown| **shown != "nothing"), Some(&"refused"), "{seen:?}");
        assert_eq!(seen.last(), Some(&"live"), "{seen:?}");
        assert_eq!(self.server.count_grant("refresh_token"), 1, "{seen:?}");
        let log = self.home.ok(&["log", "--json"]);
        assert!(log.contains("a guess: the program asked again"), "{log}");
    }
}

/// A provider of models that wants a token.
fn for_codex(site: &Site) -> String {
    let provider = "[model_providers.stub]\nname = \"stub\"\nwire_api = \"responses\"";
    format!("model = \"stub\"\nmodel_provider = \"stub\"\n{provider}\nbase_url = \"{}\"\n", site.url("/v1"))
}

fn site(server: &Arc<Server>, serve: fn(&Request) -> Response) -> Site {
    let live = Arc::clone(server);
    Site::start(Judge::of(Shown::Bearer, move |token| live.is_live(token)), serve)
}

#[test]
fn claude_code_has_its_key_from_us_and_another_where_it_is_refused() {
    if !is_inside("ai::claude_code_has_its_key_from_us_and_another_where_it_is_refused", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, messages);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    stage.write(".claude/settings.json", "{\"permissions\": {\"allow\": []}}");
    let set_up = SetUp::of(&home, &["claude", "--account", "forge"]);
    let url = site.url("");
    let ask = || stage.run("claude", &["-p", "hello"], &[("ANTHROPIC_BASE_URL", &url)]);
    let first = ask();
    assert_eq!((first.code, first.stdout.trim()), (0, SAID), "{} {:?}", first.stderr, site.seen());
    assert!(!site.seen().contains(&"refused"));
    stage.server.expire_access_tokens();
    let second = ask();
    assert_eq!((second.code, second.stdout.trim()), (0, SAID), "{} {:?}", second.stderr, site.seen());
    stage.healed(&site);
    set_up.remove();
    assert_ne!(ask().code, 0);
    assert!(!site.seen().contains(&"live"));
}

/// It tries again whatever is refused, the longer between the more often: after setup not for half a minute.
#[test]
fn claude_code_and_codex_say_what_to_do_without_a_login_and_give_up() {
    if !is_inside("ai::claude_code_and_codex_say_what_to_do_without_a_login_and_give_up", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let (claude, codex) = (site(&server, messages), site(&server, responses));
    let Some(stage) = Stage::set(&home, &server, &claude.url("")) else { return };
    home.ok(&["logout", "forge"]);
    SetUp::of(&home, &["claude", "--account", "forge"]);
    stage.write(".codex/config.toml", &for_codex(&codex));
    SetUp::of(&home, &["codex", "--account", "forge"]);
    let (url, hint) = (claude.url(""), "run `cred-helper login forge`");
    let said = stage.run("claude", &["-p", "hello"], &[("ANTHROPIC_BASE_URL", &url)]);
    assert!(said.code != 0 && said.stderr.contains(hint), "{} {}", said.stdout, said.stderr);
    let shown = claude.seen();
    // Once, and five times more, with an empty key; before that it looks whether somebody is there.
    let tries = shown.iter().filter(|shown| **shown == "odd").count();
    assert!(tries == 6 && shown.len() <= 7, "{shown:?}");
    let said = stage.run("codex", &["exec", "--skip-git-repo-check", "hello"], &[]);
    assert!(said.code != 0 && said.stderr.contains(hint), "{} {}", said.stdout, said.stderr);
    let shown = [shown, codex.seen()].concat();
    assert!(shown.iter().all(|shown| *shown != "live"), "{shown:?}");
}

#[test]
fn claude_code_shows_an_mcp_server_the_headers_that_we_say() {
    if !is_inside("ai::claude_code_shows_an_mcp_server_the_headers_that_we_say", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, mcp);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    SetUp::of(&home, &["claude", "--host", &site.url("/mcp"), "--name", "stub"]);
    let listed = stage.run("claude", &["mcp", "list"], &[]);
    assert!(listed.stdout.contains("Connected"), "{} {} {:?}", listed.stdout, listed.stderr, site.seen());
    let seen = site.seen();
    assert!(seen.contains(&"live") && !seen.contains(&"refused"), "{seen:?}");
    let asked = || home.ok(&["log", "--json"]).matches(&format!("\"detail\":\"{}\"", site.url(""))).count();
    assert_eq!(asked(), 1);
    // It asks once for each connection, and shows what it was given until it gives up.
    let first = home.token();
    stage.server.expire_access_tokens();
    assert!(!stage.run("claude", &["mcp", "list"], &[]).stdout.contains("Connected"));
    let seen = site.seen();
    assert!(seen.iter().all(|shown| *shown == "refused") && asked() == 2, "{seen:?}");
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    assert!(stage.run("claude", &["mcp", "list"], &[]).stdout.contains("Connected"));
}

/// It keeps its servers among what it remembers, and writes that file anew whenever it runs.
#[test]
fn claude_codes_own_mcp_server_stays_when_setup_is_taken_back_and_ours_goes() {
    if !is_inside("ai::claude_codes_own_mcp_server_stays_when_setup_is_taken_back_and_ours_goes", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, mcp);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    let claude = |arguments: &[&str]| {
        let ended = stage.run("claude", &[&["mcp"], arguments].concat(), &[]);
        assert_eq!(ended.code, 0, "{} {}", ended.stdout, ended.stderr);
        ended.stdout
    };
    let theirs = json!({ "type": "http", "url": site.url("/mcp") }).to_string();
    claude(&["add-json", "theirs", &theirs, "--scope", "user"]);
    assert!(!claude(&["get", "theirs"]).contains("Connected"));
    let set_up = SetUp::of(&home, &["claude", "--host", &site.url("/mcp"), "--name", "theirs"]);
    SetUp::of(&home, &["claude", "--host", &site.url("/mcp"), "--name", "ours"]);
    site.seen();
    assert_eq!(claude(&["list"]).matches("Connected").count(), 2);
    assert!(site.seen().iter().all(|shown| *shown == "live"));
    claude(&["add-json", "third", &theirs, "--scope", "user"]);
    set_up.take_back();
    let listed = claude(&["list"]);
    assert!(listed.contains("theirs") && listed.contains("third") && !listed.contains("ours"), "{listed}");
    assert!(!listed.contains("Connected") && !site.seen().contains(&"live"), "{listed}");
    let file = std::fs::read_to_string(home.path().join(".claude.json")).unwrap();
    assert!(!file.contains("cred-helper"), "{file}");
}

#[test]
fn codex_has_its_token_from_us_and_another_where_it_is_refused() {
    if !is_inside("ai::codex_has_its_token_from_us_and_another_where_it_is_refused", "codex") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, responses);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    stage.write(".codex/config.toml", &for_codex(&site));
    let set_up = SetUp::of(&home, &["codex", "--account", "forge"]);
    let ask = || stage.run("codex", &["exec", "--skip-git-repo-check", "hello"], &[]);
    let first = ask();
    assert_eq!((first.code, first.stdout.trim()), (0, SAID), "{} {:?}", first.stderr, site.seen());
    assert!(!site.seen().contains(&"refused"));
    stage.server.expire_access_tokens();
    let second = ask();
    assert_eq!((second.code, second.stdout.trim()), (0, SAID), "{} {:?}", second.stderr, site.seen());
    stage.healed(&site);
    set_up.remove();
    assert_ne!(ask().code, 0);
    assert!(!site.seen().contains(&"live"));
}
