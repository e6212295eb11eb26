//! `setup` and then nothing but the tools themselves: in a home where nobody has written a line for them, they get what they need;
//! taken back, they don't. The tools that have a stage of their own are set up there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::aws::files;
use crate::forge::Forge;
use crate::home::{Ended, Home, ended};
use crate::rclone::share;
use crate::support::cargo_registry;
use crate::support::git_server;
use crate::support::programs::missing;
use crate::support::python_index::{PythonIndex, WHEEL, clients, make_wheel};
use crate::support::realm::Realm;
use crate::support::registry::{Registry, image};
use crate::support::site::Shown;

/// A tool that was set up.
pub(crate) struct SetUp<'a> {
    home: &'a Home,
    tool: String,
    before: BTreeMap<PathBuf, Vec<u8>>,
    changed: Vec<PathBuf>,
}

impl<'a> SetUp<'a> {
    /// By the program in the home's `bin`, which is in the PATH. `words` begin with the tool.
    #[track_caller]
    pub(crate) fn of(home: &'a Home, words: &[&str]) -> Self {
        let bin = home.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        if !bin.join("cred-helper").exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("cred-helper")).unwrap();
        }
        let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap_or_default());
        let before = files(home.path()).into_iter().map(read).collect();
        let mut set_up = Self { home, tool: words[0].to_owned(), before, changed: Vec::new() };
        let done: Value = serde_json::from_str(&set_up.run(&[&["--json"], words].concat())).unwrap();
        assert_eq!(done["state"], "set_up");
        let changed = ["files", "links"].iter().flat_map(|what| done[what].as_array().unwrap());
        set_up.changed = changed.map(|path| PathBuf::from(path.as_str().unwrap())).collect();
        assert!(set_up.changed.iter().all(|path| path.starts_with(home.path())), "{done}");
        set_up
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        let mut command = self.home.command(&[&["setup", "--yes"], words].concat());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.home.path().join("bin")).chain(std::env::split_paths(&path));
        let ended = ended(command.env("PATH", std::env::join_paths(path).unwrap()).output().unwrap());
        assert_eq!(ended.code, 0, "{words:?}: {}", ended.stderr);
        ended.stdout
    }

    /// Takes it back, where the tool has written its file anew since.
    #[track_caller]
    pub(crate) fn take_back(&self) {
        self.run(&[&self.tool, "--remove"]);
    }

    /// Takes it back: every file is as it was.
    #[track_caller]
    pub(crate) fn remove(self) {
        self.take_back();
        for path in &self.changed {
            let now = std::fs::symlink_metadata(path).ok().map(|_| std::fs::read(path).unwrap_or_default());
            assert_eq!(now.as_ref(), self.before.get(path), "{}", path.display());
        }
    }
}

/// A home where our program is in the PATH.
fn forge() -> Forge {
    let forge = Forge::new();
    forge.link("cred-helper");
    forge
}

#[track_caller]
fn ok(forge: &Forge, program: &str, arguments: &[&str]) -> Ended {
    let ended = forge.run(forge.command(program, arguments));
    assert_eq!(ended.code, 0, "{program} {arguments:?}: {}", ended.stderr);
    ended
}

fn text(forge: &Forge, file: &str) -> Option<String> {
    std::fs::read_to_string(forge.home.path().join(file)).ok()
}

#[test]
fn git_fetches_after_setup_and_not_after_its_removal() {
    if missing(&["git"]) {
        return;
    }
    let forge = forge();
    let git = git_server::start(&forge.home.path().join("repositories"), forge.judge(Shown::Bearer));
    ok(&forge, "git", &["init", "--quiet", "--bare", "repositories/team/x.git"]);
    let config = text(&forge, ".config/cred-helper/config.toml");
    let url = git.url("/team/x.git");
    let fetches = || {
        let mut command = forge.command("git", &["ls-remote", &url]);
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
        forge.run(command).code == 0
    };
    assert!(!fetches());
    let host = git.url("");
    ok(&forge, "cred-helper", &["setup", "git", "--host", &host, "--account", "forge", "--yes"]);
    assert!(fetches());
    let helper = ok(&forge, "git", &["config", "--global", "--get-urlmatch", "credential.helper", &url]);
    assert_eq!(helper.stdout, "cred-helper\n");
    ok(&forge, "cred-helper", &["setup", "git", "--remove", "--yes"]);
    assert!(!fetches());
    assert_eq!((text(&forge, ".gitconfig"), text(&forge, ".config/cred-helper/config.toml")), (None, config));
}

#[test]
fn cargo_fetches_after_setup_from_the_registry_whose_index_is_named() {
    let forge = forge();
    let registry = cargo_registry::start(forge.judge(Shown::Bearer));
    let config = format!("# mine\n[registries.stub]\nindex = 'sparse+{}' # ours\n", registry.url("/index/"));
    forge.write(".cargo/config.toml", &config);
    let manifest = "[package]\nname = 'x'\nversion = '0.1.0'\nedition = '2024'\nlicense = 'MIT'\ndescription = 'x'\n";
    forge.write("x/Cargo.toml", manifest);
    forge.write("x/src/lib.rs", "");
    let publishes = || {
        let arguments = ["publish", "--no-verify", "--allow-dirty", "--registry", "stub"];
        let mut command = forge.command(env!("CARGO"), &arguments);
        let rustc = std::path::Path::new(env!("CARGO")).with_file_name("rustc");
        command.current_dir(forge.home.path().join("x")).env("RUSTC", rustc).env("CARGO_NET_RETRY", "0");
        forge.run(command).code == 0
    };
    assert!(!publishes());
    ok(&forge, "cred-helper", &["setup", "cargo", "--host", &registry.url("/index"), "--account", "forge", "--yes"]);
    assert!(publishes());
    assert!(registry.seen().contains(&"live"));
    ok(&forge, "cred-helper", &["setup", "cargo", "--remove", "--yes"]);
    assert_eq!(text(&forge, ".cargo/config.toml").as_deref(), Some(config.as_str()));
}

#[test]
fn skopeo_pushes_after_setup_of_docker() {
    if missing(&["skopeo", "docker-registry"]) {
        return;
    }
    let forge = forge();
    let realm = Realm::start(forge.is_live());
    let registry = Registry::with_realm(forge.home.path(), &realm);
    image(&forge.home.path().join("image"));
    let policy = forge.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    let pushes = || {
        let to = format!("docker://{}/team/x:1", registry.host);
        let arguments = ["--policy", policy.to_str().unwrap(), "copy", "--dest-tls-verify=false", "oci:image", &to];
        let mut command = forge.command("skopeo", &arguments);
        command.env("REGISTRY_AUTH_FILE", forge.home.path().join(".docker/config.json"));
        forge.run(command).code == 0
    };
    forge.write(".docker/config.json", "{\n\t\"auths\": {}\n}");
    assert!(!pushes());
    ok(&forge, "cred-helper", &["setup", "docker", "--host", &registry.host, "--account", "forge", "--yes"]);
    assert!(pushes());
    ok(&forge, "cred-helper", &["setup", "docker", "--remove", "--yes"]);
    assert!(!pushes());
    assert_eq!(text(&forge, ".docker/config.json").as_deref(), Some("{\n\t\"auths\": {}\n}"));
}

#[test]
fn rclone_reads_a_share_after_setup() {
    if missing(&["rclone"]) {
        return;
    }
    let forge = forge();
    let share = share(&forge.server);
    forge.write(".config/rclone/rclone.conf", &format!("[share]\ntype = webdav\nurl = {}", share.url("/")));
    ok(&forge, "cred-helper", &["setup", "rclone", "--name", "share", "--account", "forge", "--yes"]);
    let read = ok(&forge, "rclone", &["--retries", "1", "cat", "share:file.txt"]);
    assert_eq!(read.stdout, "what is in the file");
    ok(&forge, "cred-helper", &["setup", "rclone", "--remove", "--yes"]);
    assert_ne!(forge.run(forge.command("rclone", &["--retries", "1", "cat", "share:file.txt"])).code, 0);
}

#[test]
fn kubectl_reads_what_setup_wrote_and_uses_it() {
    if missing(&["kubectl"]) {
        return;
    }
    let forge = forge();
    let config = "# mine\napiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:1\ncontexts:\n\
                  - name: dev\n  context:\n    cluster: c\n    user: admin # theirs\ncurrent-context: dev\nusers:\n- name: admin\n  user:\n    \
                  token: secret\n";
    forge.write(".kube/config", config);
    ok(&forge, "cred-helper", &["setup", "kubectl", "--account", "forge", "--yes"]);
    let seen = ok(&forge, "kubectl", &["config", "view", "--minify", "--output", "json"]).stdout;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let exec = &seen["users"][0]["user"]["exec"];
    assert_eq!(exec["args"], serde_json::json!(["helper", "kubectl"]), "{seen}");
    let rules = text(&forge, ".config/cred-helper/config.toml").unwrap_or_default();
    assert!(rules.contains("\"https://127.0.0.1:1\" = \"forge\""), "{rules}");
    assert!(exec["command"].as_str().is_some_and(|command| command.ends_with("/bin/cred-helper")), "{seen}");
    // Kubectl has written it anew, comments and all, before it is taken back.
    ok(&forge, "kubectl", &["config", "set-context", "dev", "--namespace", "n"]);
    ok(&forge, "cred-helper", &["setup", "kubectl", "--remove", "--yes"]);
    let seen = ok(&forge, "kubectl", &["config", "view", "--output", "json"]).stdout;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["contexts"][0]["context"]["user"], "admin", "{seen}");
    assert_eq!(seen["users"].as_array().map(Vec::len), Some(1), "{seen}");
}

#[test]
fn pip_and_uv_find_their_keyring_after_setup() {
    let Some(clients) = clients("python-clients") else { return };
    let python = clients.join("python").display().to_string();
    let wants = ["--no-deps", "greeting", "--index-url"];
    let pip = [&["pip", &python, "-m", "pip", "download", "--no-cache-dir", "--no-input", "--retries=0"], &wants[..]];
    let program = clients.join("uv").display().to_string();
    let uv = [
        &["uv", &program, "pip", "install", "--no-cache", "--reinstall", "--target=there", "--python", &python],
        &wants[..],
    ];
    // uv asks where it knows the user.
    for (words, user) in [(pip.concat(), ""), (uv.concat(), "__token__@")] {
        let forge = forge();
        let wheel = forge.home.path().join(WHEEL);
        make_wheel(&clients.join("python"), &wheel);
        let index = PythonIndex::start(&wheel, "__token__", forge.is_live());
        let (tool, simple) = (words[0], index.simple(user));
        let keyring = forge.home.path().join(".local/share/cred-helper/keyring-bin");
        let downloads = || {
            let mut command = forge.command(words[1], &[&words[2..], &[simple.as_str()]].concat());
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = std::iter::once(keyring.clone()).chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(path).unwrap()).env("UV_HTTP_RETRIES", "0");
            let ended = forge.run(command);
            (ended.code == 0, format!("{tool}: {}", ended.stderr))
        };
        assert!(!downloads().0, "{tool}");
        let set_up = SetUp::of(&forge.home, &[tool, "--host", &index.server.url(""), "--account", "forge"]);
        let (works, why) = downloads();
        assert!(works, "{why}");
        set_up.remove();
        assert!(!downloads().0, "{tool}");
        assert!(!keyring.exists(), "{tool}");
    }
}
