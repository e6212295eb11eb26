//! Bazel, a newer one than the machine's, which downloads from a server that wants a token: it asks us.
//!
//! Debian's comes with all that it needs: nothing but the one file is fetched.

use std::process::Command;

use sha2::{Digest, Sha256};

use crate::forge::Forge;
use crate::home::Ended;
use crate::support::programs::newer;
use crate::support::site::{Request, Response, Shown, Site};

struct Stage {
    forge: Forge,
    server: Site,
    bazel: Command,
}

impl Stage {
    /// `None`, and said, where there is no bazel.
    fn set(rule: &str) -> Option<Self> {
        let bazel = newer("bazel")?;
        let forge = Forge::new();
        // Every file says where it is.
        let file = |request: &Request| Response::new(200, "text/plain", request.path.as_str());
        let server = Site::start(forge.judge(Shown::Bearer), file);
        forge.rules(&format!("'{}' = {rule}", server.url("")));
        forge.link("bazel-credential-cred-helper");
        let stage = Self { forge, server, bazel };
        stage.wants("first");
        Some(stage)
    }

    /// Another file is wanted: bazel has nothing of it yet.
    fn wants(&self, name: &str) {
        let path = format!("/{name}");
        let sum: String = Sha256::digest(&path).iter().map(|byte| format!("{byte:02x}")).collect();
        let load = "load('@bazel_tools//tools/build_defs/repo:http.bzl', 'http_file')";
        let url = self.server.url(&path);
        self.forge
            .write("w/WORKSPACE", &format!("{load}\nhttp_file(name = 'it', sha256 = '{sum}', urls = ['{url}'])\n"));
        self.forge.write("w/BUILD", "");
    }

    fn fetch(&self) -> Ended {
        let helper = self.forge.home.path().join("bin/bazel-credential-cred-helper");
        let mut command = self.forge.command(self.bazel.get_program().to_str().unwrap(), &[]);
        command.args(self.bazel.get_args()).current_dir(self.forge.home.path().join("w"));
        let root = format!("--output_user_root={}", self.forge.home.path().join("bazel").display());
        command.args([&root, "--batch", "--nohome_rc", "fetch", "--noenable_bzlmod", "--enable_workspace"]);
        command.arg(format!("--credential_helper={}", helper.display())).arg("@it//file");
        self.forge.run(command)
    }
}

#[test]
fn bazel_downloads_with_a_token() {
    let Some(stage) = Stage::set("'forge'") else { return };
    let ended = stage.fetch();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(stage.server.seen(), ["live"]);
    // What the server refuses it doesn't say; a new token works.
    stage.forge.server.expire_access_tokens();
    stage.wants("second");
    let refused = stage.fetch();
    assert!(refused.code != 0 && refused.stderr.contains("401"), "{}", refused.stderr);
    assert!(!stage.server.seen().contains(&"live"));
    stage.forge.home.ok(&["refresh", "forge"]);
    let ended = stage.fetch();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // Who has to sign in is said in one line.
    stage.forge.home.ok(&["logout", "forge"]);
    stage.wants("third");
    let ended = stage.fetch();
    let ours = ended.stderr.lines().filter(|line| line.contains("cred-helper login forge")).count();
    assert!(ended.code != 0 && ours >= 1, "{}", ended.stderr);
}

#[test]
fn what_nobody_named_is_downloaded_without_a_token() {
    let Some(stage) = Stage::set("false") else { return };
    let ended = stage.fetch();
    assert!(ended.code != 0 && ended.stderr.contains("401"), "{}", ended.stderr);
    let seen = stage.server.seen();
    assert!(!seen.is_empty() && seen.iter().all(|shown| *shown == "nothing"), "{seen:?}");
}
