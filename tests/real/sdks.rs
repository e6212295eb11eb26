//! The packages for Python and Node (`contrib`) against the real agent, with the providers' own packages, and an API that
//! refuses expired tokens. What they prove is in their own tests; here they get a home in which somebody is signed in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cred_helper::demo::server::Server;

use crate::home::{Home, lasting_server, server};
use crate::support::programs::{missing, say_and_skip};

struct Stage {
    lasting: Server,
    short: Server,
    home: Home,
}

impl Stage {
    fn set(labels: &[&str]) -> Self {
        let stage = Self { lasting: lasting_server(), short: server(Duration::from_secs(2)), home: Home::with_vault() };
        let provider = |name: &str, server: &Server| {
            format!(
                "[providers.{name}]\nissuer = '{}'\nclient.id = '{}'\napi.headers = {{ x-of-the-api = '1' }}\n",
                server.issuer(),
                server.client_id()
            )
        };
        stage.home.configure(&(provider("lasting", &stage.lasting) + &provider("short", &stage.short)));
        stage.home.ok(&["agent", "stop"]);
        stage.log_in(&["login", "short", "--no-browser"]);
        for label in labels {
            stage.log_in(&["login", "lasting", "--account", label, "--no-browser"]);
        }
        stage
    }

    fn log_in(&self, arguments: &[&str]) {
        let ended = self.home.log_in_with(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
    }

    /// Runs the tests of a package in its directory.
    fn test(&self, package: &str, program: &Path, arguments: &[&str]) {
        let ours = self.home.command(&[]);
        let mut command = Command::new(program);
        command.args(arguments).current_dir(contrib(package)).env_clear();
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let own = Path::new(env!("CARGO_BIN_EXE_cred-helper")).parent().unwrap().to_path_buf();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(own).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("CRED_HELPER_TEST_LASTING", format!("{}/resource", self.lasting.issuer()));
        command.env("CRED_HELPER_TEST_SHORT", format!("{}/resource", self.short.issuer()));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        // Its own tests skip what has no agent: here there is one.
        assert!(!said.contains(" skipped in") && !said.contains("# SKIP"), "{said}");
    }
}

fn contrib(package: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(package)
}

#[test]
fn the_python_package_keeps_the_providers_packages_signed_in() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/contrib-python/bin/python");
    if !python.exists() {
        say_and_skip("contrib/python/requirements-test.txt is not installed in target/contrib-python");
        return;
    }
    let stage = Stage::set(&["py-sync", "py-loop", "py-anthropic", "py-openai", "py-stream", "py-key"]);
    stage.test("python", &python, &["-m", "pytest"]);
    for lint in [
        &["-m", "mypy", "--cache-dir=/dev/null"][..],
        &["-m", "ruff", "check", "--no-cache"],
        &["-m", "ruff", "format", "--no-cache", "--check"],
    ] {
        stage.test("python", &python, lint);
    }
}

#[test]
fn the_node_package_keeps_the_providers_packages_signed_in() {
    if missing(&["node"]) {
        return;
    }
    if !contrib("node").join("node_modules/typescript").is_dir() {
        say_and_skip("npm ci was not run in contrib/node");
        return;
    }
    let stage = Stage::set(&["js-eight", "js-anthropic", "js-openai", "js-key"]);
    stage.test("node", Path::new("node"), &["node_modules/typescript/bin/tsc"]);
    stage.test("node", Path::new("node"), &["--test"]);
}
