//! pnpm 10 and 12 against a registry that wants a token: they run the helper that ~/.npmrc names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cred_helper::demo::server::Server;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::setup::SetUp;
use crate::support::programs::{missing, say_and_skip};
use crate::support::site::{Judge, Request, Response, Shown, Site};

/// An account, a registry that takes its tokens, and links named after registries.
struct Stage {
    server: Arc<Server>,
    registry: Site,
    home: Home,
}

fn packages() -> Option<PathBuf> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/pnpm/node_modules");
    if missing(&["node", "tar"]) || (!packages.is_dir() && say_and_skip("npm ci was not run in tests/servers/pnpm")) {
        return None;
    }
    Some(packages)
}

/// What a program of this home's is started with.
fn environment(home: &Home) -> Vec<(OsString, OsString)> {
    let command = home.command(&[]);
    command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

/// The registry's only package.
fn tarball(home: &Path) -> Vec<u8> {
    let package = home.join("package");
    std::fs::create_dir(&package).unwrap();
    std::fs::write(package.join("package.json"), r#"{"name":"greeting","version":"1.0.0"}"#).unwrap();
    let made = Command::new("tar").arg("-C").arg(home).args(["-czf", "-", "package"]).output().unwrap();
    assert!(made.status.success());
    made.stdout
}

/// At its root, and below a path.
fn serve(request: &Request, tarball: &[u8]) -> Response {
    let (below, path) = match request.path.strip_prefix("/team") {
        Some(path) => ("/team", path),
        None => ("", request.path.as_str()),
    };
    match path {
        "/greeting" => {
            let tarball = format!("{}{below}/greeting/-/greeting-1.0.0.tgz", request.here());
            let version = serde_json::json!({ "name": "greeting", "version": "1.0.0", "dist": { "tarball": tarball } });
            let document = serde_json::json!({
                "name": "greeting", "dist-tags": { "latest": "1.0.0" }, "versions": { "1.0.0": version },
                "time": { "1.0.0": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z" }
            });
            Response::json(200, &document)
        }
        "/greeting/-/greeting-1.0.0.tgz" => Response::new(200, "application/octet-stream", tarball),
        _ => Response::empty(404),
    }
}

impl Stage {
    /// `rules` has the registry's URL for URL.
    fn set(rules: &str) -> Self {
        let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
        let (live, tarball) = (Arc::clone(&server), tarball(home.path()));
        let judge = Judge::of(Shown::Bearer, move |token| live.is_live(token));
        let registry = Site::start(judge, move |request| serve(request, &tarball));
        let provider =
            format!("[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n", server.issuer(), server.client_id());
        home.configure(&format!("{provider}[targets]\n{}\n", rules.replace("URL", &registry.url(""))));
        home.ok(&["agent", "stop"]);
        let ended = home.log_in_with(&["login", "forge", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        std::fs::write(home.path().join("package.json"), r#"{"name":"x","dependencies":{"greeting":"1.0.0"}}"#)
            .unwrap();
        Self { server, registry, home }
    }

    /// With the link that pnpm starts.
    fn asking() -> Self {
        let stage = Self::set("'URL' = 'forge'");
        stage.ask(&stage.link());
        stage
    }

    fn host(&self) -> String {
        self.registry.url("").replacen("http://", "", 1)
    }

    /// A link named after the registry.
    fn link(&self) -> String {
        let link = self.home.path().join(format!("pnpm-token-cred-helper@{}", self.host()));
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), &link).unwrap();
        }
        link.display().to_string()
    }

    /// Names the helper in the user's configuration.
    fn ask(&self, helper: &str) {
        self.configure("", &format!("//{}/:tokenHelper={helper}\n", self.host()));
    }

    /// The registry is below that path.
    fn configure(&self, path: &str, more: &str) {
        let host = self.host();
        let lines = format!("registry=http://{host}{path}/\nfetch-retries=0\nstore-dir=store\n{more}");
        std::fs::write(self.home.path().join(".npmrc"), lines).unwrap();
    }

    fn install(&self, packages: &Path, version: &str) -> Ended {
        for left in ["node_modules", "pnpm-lock.yaml", ".local/share/pnpm", ".cache/pnpm", "store"] {
            let path = self.home.path().join(left);
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
        let mut command = match version {
            "10" => {
                let mut node = Command::new("node");
                node.arg(packages.join("pnpm-10/bin/pnpm.cjs"));
                node
            }
            _ => Command::new(packages.join("pnpm-12/pnpm")),
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(["install", "--no-frozen-lockfile", "--ignore-workspace"]);
        command.env_clear().current_dir(self.home.path()).env("PATH", path).env("CI", "1").env("NO_COLOR", "1");
        command.envs(environment(&self.home));
        ended(command.output().unwrap())
    }

    #[track_caller]
    fn installs(&self, packages: &Path, version: &str) {
        let ended = self.install(packages, version);
        assert_eq!(ended.code, 0, "pnpm {version}: {}{}", ended.stdout, ended.stderr);
        assert!(self.home.path().join("node_modules/greeting/package.json").exists(), "pnpm {version}");
        let seen = self.registry.seen();
        assert!(seen.contains(&"live") && !seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
    }
}

#[test]
fn pnpm_installs_with_the_token_of_the_registry_that_the_link_is_named_after() {
    let Some(packages) = packages() else { return };
    let stage = Stage::asking();
    stage.installs(&packages, "10");
    stage.installs(&packages, "12");
    stage.ask(&format!("{} helper pnpm --url {}", env!("CARGO_BIN_EXE_cred-helper"), stage.registry.url("")));
    stage.installs(&packages, "12");
}

#[test]
fn pnpm_installs_after_setup_and_not_after_its_removal() {
    let Some(packages) = packages() else { return };
    // Which helper takes words only newer ones know.
    for (path, versions) in [("", &["10", "12"][..]), ("/team", &["12"])] {
        let stage = Stage::set("");
        stage.configure(path, "");
        let url = stage.registry.url(path);
        assert_ne!(stage.install(&packages, versions[0]).code, 0);
        let set_up = SetUp::of(&stage.home, &["pnpm", "--host", &url, "--account", "forge"]);
        stage.registry.seen();
        versions.iter().for_each(|version| stage.installs(&packages, version));
        set_up.remove();
        assert_ne!(stage.install(&packages, versions[0]).code, 0);
    }
}

#[test]
fn a_refused_token_ends_pnpm_and_a_missing_login_too() {
    let Some(packages) = packages() else { return };
    let stage = Stage::asking();
    stage.home.token();
    stage.server.expire_access_tokens();
    for version in ["10", "12"] {
        let ended = stage.install(&packages, version);
        let seen = stage.registry.seen();
        assert_ne!(ended.code, 0, "pnpm {version}");
        assert_eq!(seen, ["refused"], "pnpm {version}");
    }
    assert_eq!(stage.server.count_grant("refresh_token"), 0, "nobody has told the agent");
    stage.home.ok(&["refresh", "forge"]);
    stage.installs(&packages, "10");
    stage.home.ok(&["logout", "--all"]);
    // The newer one goes on without; neither shows what the helper says.
    for (version, seen, said) in [("10", &[][..], "pnpm-token-cred-helper@"), ("12", &["nothing"], "401")] {
        let ended = stage.install(&packages, version);
        assert_ne!(ended.code, 0, "pnpm {version}");
        assert_eq!(stage.registry.seen(), seen, "pnpm {version}");
        assert!((ended.stdout + &ended.stderr).contains(said), "pnpm {version}");
    }
    let by_hand = ended(Command::new(stage.link()).envs(environment(&stage.home)).output().unwrap());
    assert!(by_hand.code == 10 && by_hand.stderr.contains("cred-helper login forge"), "{}", by_hand.stderr);
}
