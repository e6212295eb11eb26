//! pip (old and new), uv and twine against an index that wants a token as the password: they ask the command `keyring`, or
//! Python's keyring, which asks us.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cred_helper::demo::server::Server;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::programs::skip;
use crate::support::python_index::{PythonIndex, WHEEL, clients, make_wheel};

const CLIENTS: &str = "python-clients";
const POETRY: &str = "python-poetry";
const OLD_PIP: &str = "python-old-pip";

/// An account, an index that takes its tokens, and `keyring` in a directory of its own before everything else.
struct Stage {
    server: Arc<Server>,
    index: PythonIndex,
    home: Home,
    clients: PathBuf,
}

impl Stage {
    fn set(user: &'static str, rule: &str) -> Option<Self> {
        let clients = clients(CLIENTS)?;
        let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
        let live = Arc::clone(&server);
        let wheel = home.path().join(WHEEL);
        make_wheel(&clients.join("python"), &wheel);
        let index = PythonIndex::start(&wheel, user, move |token| live.is_live(token));
        let stage = Self { server, index, home, clients };
        stage.configure(rule);
        let ended = stage.home.log_in_with(&["login", "forge", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let bin = stage.home.make_private("bin");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("keyring")).unwrap();
        Some(stage)
    }

    fn configure(&self, rule: &str) {
        self.home.configure(&format!(
            "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n[targets]\n'{}' = {rule}\n",
            self.server.issuer(),
            self.server.client_id(),
            self.index.server.url("")
        ));
        self.home.ok(&["agent", "stop"]);
    }

    fn run(&self, program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(self.home.path());
        command.envs(self.home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        let own = Path::new(env!("CARGO_BIN_EXE_cred-helper")).parent().unwrap().to_path_buf();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.home.path().join("bin"), own].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("LC_ALL", "C.UTF-8");
        // No configuration of the machine's, no proxy, and nobody is asked anything.
        command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INPUT", "1").env("PIP_NO_CACHE_DIR", "1");
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("UV_NO_CONFIG", "1").env("UV_NO_CACHE", "1");
        command.env("PIP_KEYRING_PROVIDER", "subprocess").env("UV_KEYRING_PROVIDER", "subprocess");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("UV_HTTP_RETRIES", "0");
        command.envs(variables.iter().copied());
        ended(command.output().unwrap())
    }

    fn pip(&self, bin: &Path, index: &str) -> Ended {
        self.pip_with(bin, index, &[])
    }

    fn pip_with(&self, bin: &Path, index: &str, variables: &[(&str, &str)]) -> Ended {
        let arguments =
            ["-m", "pip", "install", "--no-deps", "--retries=0", "--target=there", "--index-url", index, "greeting"];
        self.run(&bin.join("python"), &arguments, variables)
    }

    fn uv(&self, index: &str, variables: &[(&str, &str)]) -> Ended {
        let python = self.clients.join("python").display().to_string();
        let arguments =
            ["pip", "install", "--no-deps", "--python", &python, "--target=there", "--index-url", index, "greeting"];
        self.run(&self.clients.join("uv"), &arguments, variables)
    }

    /// `pip install` of contrib/python, as a user's of it: twine's keyring finds its backend by the package's metadata.
    fn install_contrib(&self) -> String {
        let there = self.home.path().join("packages").display().to_string();
        let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/python").display().to_string();
        let arguments =
            ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--target", &there, &contrib];
        let ended = self.run(&self.clients.join("python"), &arguments, &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        there
    }

    fn twine(&self, packages: &str, url: &str) -> Ended {
        let arguments = ["-m", "twine", "upload", "--non-interactive", "--repository-url", url, WHEEL];
        self.run(&self.clients.join("python"), &arguments, &[("PYTHONPATH", packages)])
    }

    #[track_caller]
    fn installed(&self, ended: &Ended) {
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        assert!(!ended.stderr.contains("cred-helper: "), "{}", ended.stderr);
        let there = self.home.path().join("there");
        assert!(there.join("greeting.py").exists());
        std::fs::remove_dir_all(there).unwrap();
        let seen = self.index.server.seen();
        assert!(seen.contains(&"live") && !seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
    }

    /// What `poetry config` is given: a token of a name's is kept, what it would ask for by name to install is not.
    fn poetry_keeps(&self, poetry: &Path, variables: &[(&str, &str)]) {
        let config = |words: &[&str]| self.run(poetry, &[&["config", "--no-interaction"], words].concat(), variables);
        let ended = config(&["pypi-token.other", "typed once"]);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        assert!(self.home.ok(&["password", "list"]).contains("poetry://other"));
        let (other, token) = (self.home.path().join(WHEEL), "typed once");
        let other = PythonIndex::start(&other, "__token__", move |password| password == token);
        let url = other.server.url("/upload/");
        let named = [variables, &[("POETRY_REPOSITORIES_OTHER_URL", url.as_str())]].concat();
        let ended = self.run(poetry, &["publish", "--repository=other", "--no-interaction"], &named);
        assert_eq!((ended.code, other.uploads()), (0, 1), "{}{}", ended.stdout, ended.stderr);
        let ended = config(&["http-basic.other", "ada", "typed once"]);
        let said = [ended.stdout, ended.stderr].concat();
        assert!(ended.code != 0 && said.contains("Unable to store the password"), "{said}");
        let ended = config(&["--unset", "pypi-token.other"]);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        assert!(!self.home.ok(&["password", "list"]).contains("poetry://"));
    }

    fn refreshes(&self) -> usize {
        self.server.count_grant("refresh_token")
    }
}

#[test]
fn new_pip_is_told_user_and_token_and_a_url_with_a_user_keeps_it() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    let bin = stage.clients.clone();
    stage.installed(&stage.pip(&bin, &stage.index.simple("")));
    stage.installed(&stage.pip(&bin, &stage.index.simple("__token__@")));
    let Some(stage) = Stage::set("of-the-rule", "{ account = 'forge', username = 'of-the-rule' }") else { return };
    stage.installed(&stage.pip(&bin, &stage.index.simple("")));
    let Some(stage) = Stage::set("ada", "{ account = 'forge', username = 'of-the-rule' }") else { return };
    stage.installed(&stage.pip(&bin, &stage.index.simple("ada@")));
}

#[test]
fn old_pip_asks_where_it_knows_the_user() {
    let (Some(stage), Some(old)) = (Stage::set("__token__", "'forge'"), clients(OLD_PIP)) else { return };
    stage.installed(&stage.pip(&old, &stage.index.simple("__token__@")));
    stage.home.ok(&["logout", "--all"]);
    let ended = stage.pip(&old, &stage.index.simple("__token__@"));
    let ours: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("cred-helper: ")).collect();
    assert!(ended.code != 0 && ours.len() == 1 && ours[0].contains("cred-helper login forge"), "{}", ended.stderr);
}

#[test]
fn uv_installs_with_and_without_a_user_in_the_url() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    stage.installed(&stage.uv(&stage.index.simple("__token__@"), &[]));
    let always = format!("[[index]]\nurl = '{}'\ndefault = true\nauthenticate = 'always'\n", stage.index.simple(""));
    let file = stage.home.path().join("uv.toml");
    std::fs::write(&file, always).unwrap();
    let python = stage.clients.join("python").display().to_string();
    let arguments = ["pip", "install", "--no-deps", "--python", &python, "--target=there", "greeting"];
    let configured = [("UV_CONFIG_FILE", file.to_str().unwrap()), ("UV_NO_CONFIG", "0")];
    stage.installed(&stage.run(&stage.clients.join("uv"), &arguments, &configured));
}

#[test]
fn uv_and_twine_publish() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    let url = stage.index.server.url("/upload/");
    let arguments = ["publish", "--username", "__token__", "--publish-url", &url, WHEEL];
    let ended = stage.run(&stage.clients.join("uv"), &arguments, &[]);
    assert_eq!((ended.code, stage.index.uploads()), (0, 1), "{}", ended.stderr);
    let packages = stage.install_contrib();
    let ended = stage.twine(&packages, &stage.index.server.url("/upload/"));
    assert_eq!((ended.code, stage.index.uploads()), (0, 2), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("cred-helper: "), "{}", ended.stderr);
}

/// Poetry asks for its sources by URL, and by name for what it publishes to.
#[test]
fn poetry_locks_and_publishes() {
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        return skip("it runs with CRED_HELPER_TESTS_LONG=1 only");
    }
    let (Some(stage), Some(poetry)) =
        (Stage::set("__token__", "'forge'\n'poetry://internal' = 'forge'"), clients(POETRY))
    else {
        return;
    };
    let packages = stage.install_contrib();
    let project = format!(
        "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.10'\ndependencies = ['greeting==1.0']\n\
         [[tool.poetry.source]]\nname = 'own'\nurl = '{}'\n",
        stage.index.simple("")
    );
    std::fs::write(stage.home.path().join("pyproject.toml"), project).unwrap();
    std::fs::create_dir(stage.home.path().join("dist")).unwrap();
    std::fs::copy(stage.home.path().join(WHEEL), stage.home.path().join("dist/x-1-py3-none-any.whl")).unwrap();
    let url = stage.index.server.url("/upload/");
    let variables =
        [("PYTHONPATH", packages.as_str()), ("POETRY_REPOSITORIES_INTERNAL_URL", &url), ("POETRY_CACHE_DIR", "cache")];
    let ended = stage.run(&poetry.join("poetry"), &["lock", "--no-interaction"], &variables);
    let lock = std::fs::read_to_string(stage.home.path().join("poetry.lock")).unwrap_or_default();
    assert!(ended.code == 0 && lock.contains("greeting"), "{}{}", ended.stdout, ended.stderr);
    let seen = stage.index.server.seen();
    assert!(seen.contains(&"live") && !seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
    let ended =
        stage.run(&poetry.join("poetry"), &["publish", "--repository=internal", "--no-interaction"], &variables);
    assert_eq!((ended.code, stage.index.uploads()), (0, 1), "{}{}", ended.stdout, ended.stderr);
    stage.poetry_keeps(&poetry.join("poetry"), &variables);
}

#[test]
fn a_refused_token_is_an_error_of_the_tools_and_nobody_tries_it_again_for_long() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    stage.home.token();
    stage.server.expire_access_tokens();
    let packages = stage.install_contrib();
    for name in ["pip", "uv", "twine"] {
        let ended = match name {
            "pip" => stage.pip(&stage.clients, &stage.index.simple("")),
            "uv" => stage.uv(&stage.index.simple("__token__@"), &[]),
            _ => stage.twine(&packages, &stage.index.server.url("/upload/")),
        };
        let seen = stage.index.server.seen();
        assert_ne!(ended.code, 0, "{name}");
        let refused = seen.iter().filter(|seen| **seen == "refused").count();
        assert!((1..=2).contains(&refused), "{name}: {seen:?} {}", ended.stderr);
    }
    assert_eq!(stage.refreshes(), 0, "nobody has told the agent");
    let ended = stage.home.run_with(&["reject"], &stage.home.token());
    assert_eq!((ended.code, stage.refreshes()), (0, 1), "{}", ended.stderr);
    stage.installed(&stage.pip(&stage.clients, &stage.index.simple("")));
}

#[test]
fn a_password_that_was_set_is_what_an_index_without_an_account_is_shown() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    let other = PythonIndex::start(&stage.home.path().join(WHEEL), "ada", |password| password == "typed once");
    let url = other.server.url("/simple/");
    assert_eq!(stage.home.run_with(&["helper", "keyring", "set", &url, "ada"], "typed once\n").code, 0);
    let ended = stage.pip(&stage.clients, &other.simple(""));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(other.server.seen().contains(&"live"));
    assert_eq!(stage.home.run(&["helper", "keyring", "del", &url, "ada"]).code, 0);
    assert_eq!(stage.home.run(&["helper", "keyring", "get", &url, "ada"]).code, 1);
}

/// `set` of Python's keyring, with our backend before those that the machine has: twine and pip are told what was typed.
#[test]
fn a_password_that_pythons_keyring_was_given_is_told_to_twine_and_pip_alike() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    let other = PythonIndex::start(&stage.home.path().join(WHEEL), "ada", |password| password == "typed once");
    let (upload, simple) = (other.server.url("/upload/"), other.server.url("/simple/"));
    let packages = stage.install_contrib();
    let python = stage.clients.join("python");
    let keyring = |words: &[&str], typed: &str| {
        let script = format!("import io, sys, keyring.cli; sys.stdin = io.StringIO({typed:?}); keyring.cli.main()");
        let words: Vec<&str> = ["-c", &script].into_iter().chain(words.iter().copied()).collect();
        stage.run(&python, &words, &[("PYTHONPATH", &packages)])
    };
    for url in [&upload, &simple] {
        let ended = keyring(&["set", url, "ada"], "typed once\n");
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{url}");
    }
    assert_eq!(keyring(&["get", &upload, "ada"], "").stdout, "typed once\n");
    let ended = keyring(&["set", "a program's own", "ada"], "typed once\n");
    assert!(ended.code != 0 && ended.stderr.contains("cred-helper does for the URLs of indexes"), "{}", ended.stderr);
    let ended = stage.twine(&packages, &upload);
    assert_eq!((ended.code, other.uploads()), (0, 1), "{}{}", ended.stdout, ended.stderr);
    for provider in ["import", "subprocess"] {
        let variables = [("PIP_KEYRING_PROVIDER", provider), ("PYTHONPATH", packages.as_str())];
        let ended = stage.pip_with(&stage.clients, &other.simple(""), &variables);
        assert_eq!(ended.code, 0, "{provider}: {}{}", ended.stdout, ended.stderr);
        std::fs::remove_dir_all(stage.home.path().join("there")).unwrap();
    }
    assert!(!other.server.seen().contains(&"refused"));
    for url in [&upload, &simple] {
        assert_eq!(keyring(&["del", url, "ada"], "").code, 0, "{url}");
    }
    assert_eq!(stage.home.ok(&["password", "list", "--json"]).matches("url").count(), 0);
    let ended = keyring(&["del", &upload, "ada"], "");
    assert!(ended.code != 0 && ended.stderr.contains("PasswordDeleteError"), "{}", ended.stderr);
}

#[test]
fn an_index_that_nobody_named_gets_no_token_and_a_missing_login_is_said() {
    let Some(stage) = Stage::set("__token__", "'forge'") else { return };
    let wheel = stage.home.path().join(WHEEL);
    let stranger = PythonIndex::start(&wheel, "__token__", |_| true);
    let packages = stage.install_contrib();
    for (name, index) in [("pip", stranger.simple("")), ("uv", stranger.simple("__token__@"))] {
        let ended = if name == "pip" { stage.pip(&stage.clients, &index) } else { stage.uv(&index, &[]) };
        assert_ne!(ended.code, 0, "{name}");
        assert!(!ended.stderr.contains("cred-helper"), "{name}: {}", ended.stderr);
        assert!(stranger.server.seen().iter().all(|seen| *seen == "nothing" || *seen == "odd"), "{name}");
    }
    stage.home.ok(&["logout", "--all"]);
    for (name, ended) in [
        ("uv", stage.uv(&stage.index.simple("__token__@"), &[])),
        ("twine", stage.twine(&packages, &stage.index.server.url("/upload/"))),
    ] {
        assert_ne!(ended.code, 0, "{name}");
        assert!(ended.stderr.contains("cred-helper login forge"), "{name}: {}{}", ended.stdout, ended.stderr);
        // uv asks for the index and then for its host.
        assert!(ended.stderr.matches("cred-helper: ").count() <= 2, "{name}: {}", ended.stderr);
    }
}
