//! Go, a newer one than the machine's, against a module proxy behind TLS that wants a token: it asks us.

use std::process::Command;

use serde_json::json;

use crate::forge::Forge;
use crate::home::Ended;
use crate::setup::SetUp;
use crate::support::programs::newer;
use crate::support::site::{Request, Response, Shown, Site};
use crate::tls::{Authority, Front};

struct Stage {
    forge: Forge,
    proxy: Site,
    front: Front,
    go: Command,
}

/// Every module has one version, and nothing in it.
fn serve(request: &Request) -> Response {
    let module = request.path.trim_start_matches('/').split("/@v/").next().unwrap();
    match request.path.rsplit_once('.').map(|(_, ending)| ending) {
        _ if request.path.ends_with("/@v/list") => Response::new(200, "text/plain", "v1.0.0\n"),
        Some("info") => Response::json(200, &json!({ "Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z" })),
        Some("mod") => Response::new(200, "text/plain", format!("module {module}\n")),
        _ => Response::empty(404),
    }
}

impl Stage {
    /// `rules` has the proxy's URL for URL. `None`, and said, where there is no go.
    fn set(rules: &str) -> Option<Self> {
        let go = newer("go")?;
        let forge = Forge::new();
        // It doesn't say that a token was sent, and refused.
        let proxy = Site::start(forge.judge(Shown::Bearer).challenging("Bearer"), serve);
        let authority = Authority::new("a proxy");
        let front = Front::of(&proxy.url(""), authority.issues("localhost", 2100));
        forge.rules(&rules.replace("URL", &front.url("")));
        forge.write("ca.pem", &authority.pem);
        forge.write("m/go.mod", "module example.com/m\n");
        Some(Self { forge, proxy, front, go })
    }

    /// Asks for the versions of a module that go has nothing of yet.
    fn list(&self, words: &str, module: &str) -> Ended {
        let program = env!("CARGO_BIN_EXE_cred-helper");
        self.list_with(Some(&format!("{program} helper goauth {words}")), module)
    }

    /// With that GOAUTH in the environment, or with go's own file of variables.
    fn list_with(&self, goauth: Option<&str>, module: &str) -> Ended {
        let mut command = self.forge.command(self.go.get_program().to_str().unwrap(), &[]);
        command.args(self.go.get_args()).args(["list", "-m", "-versions", module]);
        command.current_dir(self.forge.home.path().join("m"));
        command.envs(goauth.map(|goauth| ("GOAUTH", goauth)));
        command.env("GOPROXY", self.front.url("")).env("SSL_CERT_FILE", self.forge.home.path().join("ca.pem"));
        command.env("GOSUMDB", "off").env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("GOTELEMETRY", "off");
        self.forge.run(command)
    }

    #[track_caller]
    fn works(&self, words: &str, module: &str) -> Vec<&'static str> {
        let ended = self.list(words, module);
        assert_eq!((ended.code, ended.stdout.trim()), (0, format!("{module} v1.0.0").as_str()), "{}", ended.stderr);
        self.proxy.seen()
    }

    fn named(&self) -> String {
        format!("--url {}", self.front.url(""))
    }
}

#[test]
fn go_asks_once_for_a_host_and_at_once_for_the_one_that_is_named() {
    let Some(stage) = Stage::set("'URL' = 'forge'") else { return };
    let seen = stage.works("", "example.com/a");
    assert_eq!((seen[0], seen.iter().filter(|shown| **shown == "nothing").count()), ("nothing", 1), "{seen:?}");
    assert!(seen.contains(&"live"), "{seen:?}");
    let seen = stage.works(&stage.named(), "example.com/b");
    assert!(!seen.is_empty() && seen.iter().all(|shown| *shown == "live"), "{seen:?}");
    assert_eq!(stage.forge.refreshes(), 0);
}

#[test]
fn a_refused_token_is_renewed_and_nobody_notices_where_the_server_is_named() {
    let Some(stage) = Stage::set("'URL' = 'forge'") else { return };
    stage.works(&stage.named(), "example.com/a");
    stage.forge.server.expire_access_tokens();
    let seen = stage.works(&stage.named(), "example.com/b");
    assert_eq!((&seen[..2], stage.forge.refreshes()), (&["refused", "live"][..], 1), "{seen:?}");
    assert!(!seen[2..].contains(&"refused"), "{seen:?}");
}

#[test]
fn a_refused_token_is_not_renewed_where_nobody_says_that_one_was_sent() {
    let Some(stage) = Stage::set("'URL' = 'forge'") else { return };
    stage.works("", "example.com/a");
    stage.forge.server.expire_access_tokens();
    let refused = stage.list("", "example.com/b");
    assert!(refused.code != 0 && refused.stderr.contains("401"), "{}", refused.stderr);
    assert_eq!(stage.forge.refreshes(), 0);
    stage.forge.home.ok(&["refresh", "forge"]);
    stage.works("", "example.com/b");
}

#[test]
fn rules_for_parts_of_a_host_are_kept() {
    let rules = "'URL/example.com/a' = 'forge'\n'URL/example.com/b' = false";
    let Some(stage) = Stage::set(rules) else { return };
    let seen = stage.works("", "example.com/a");
    assert!(!seen.contains(&"refused"), "{seen:?}");
    let nobody = stage.list("", "example.com/b");
    assert!(nobody.code != 0 && nobody.stderr.contains("401"), "{}", nobody.stderr);
    let seen = stage.proxy.seen();
    assert!(seen.iter().all(|shown| *shown == "nothing"), "{seen:?}");
}

#[test]
fn go_shows_a_token_after_setup_at_once() {
    let Some(stage) = Stage::set("") else { return };
    let list = |module: &str| (stage.list_with(None, module), stage.proxy.seen());
    stage.forge.write(".config/go/env", "GOINSECURE=none\n");
    assert_ne!(list("example.com/a").0.code, 0);
    let url = stage.front.url("");
    let set_up = SetUp::of(&stage.forge.home, &["goauth", "--host", &url, "--account", "forge"]);
    let (ended, seen) = list("example.com/a");
    assert_eq!((ended.code, ended.stdout.trim()), (0, "example.com/a v1.0.0"), "{}", ended.stderr);
    assert!(!seen.is_empty() && seen.iter().all(|shown| *shown == "live"), "{seen:?}");
    set_up.remove();
    let (ended, seen) = list("example.com/b");
    assert!(ended.code != 0 && !seen.contains(&"live"), "{} {seen:?}", ended.stderr);
}
