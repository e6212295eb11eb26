//! Bazel, a newer one than the machine's, which downloads from a server that wants a token: it asks us.
//!
//! Debian's comes with all that it needs: nothing but the one file is fetched.

use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::forge::Forge;
use crate::home::Ended;
use crate::setup::SetUp;
use crate::support::programs::newer;
use crate::support::site::{Request, Response, Shown, Site};

struct Stage {
    forge: Forge,
    server: Site,
    bazel: Command,
}

impl Stage {
    /// `rules` has the server's URL for URL. `None`, and said, where there is no bazel.
    fn set(rules: &str) -> Option<Self> {
        let bazel = newer("bazel")?;
        let forge = Forge::new();
        // Every file says where it is.
        let file = |request: &Request| Response::new(200, "text/plain", request.path.as_str());
        let server = Site::start(forge.judge(Shown::Bearer), file);
        forge.rules(&rules.replace("URL", &server.url("")));
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

    /// With a helper that is named, or with the user's own settings.
    fn fetch(&self, helper: Option<&Path>) -> Ended {
        let mut command = self.forge.command(self.bazel.get_program().to_str().unwrap(), &[]);
        command.args(self.bazel.get_args()).current_dir(self.forge.home.path().join("w"));
        let root = format!("--output_user_root={}", self.forge.home.path().join("bazel").display());
        command.args([&root, "--batch"]).args(helper.map(|_| "--nohome_rc"));
        command.args(["fetch", "--noenable_bzlmod", "--enable_workspace"]);
        command.args(helper.map(|helper| format!("--credential_helper={}", helper.display()))).arg("@it//file");
        self.forge.run(command)
    }
}

#[test]
fn bazel_downloads_with_a_token() {
    let Some(stage) = Stage::set("'URL' = 'forge'") else { return };
    let helper = stage.forge.link("bazel-credential-cred-helper");
    let fetch = || stage.fetch(Some(&helper));
    let ended = fetch();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(stage.server.seen(), ["live"]);
    // What the server refuses it doesn't say; a new token works.
    stage.forge.server.expire_access_tokens();
    stage.wants("second");
    let refused = fetch();
    assert!(refused.code != 0 && refused.stderr.contains("401"), "{}", refused.stderr);
    assert!(!stage.server.seen().contains(&"live"));
    stage.forge.home.ok(&["refresh", "forge"]);
    let ended = fetch();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // Who has to sign in is said in one line.
    stage.forge.home.ok(&["logout", "forge"]);
    stage.wants("third");
    let ended = fetch();
    let ours = ended.stderr.lines().filter(|line| line.contains("cred-helper login forge")).count();
    assert!(ended.code != 0 && ours >= 1, "{}", ended.stderr);
}

#[test]
fn what_nobody_named_is_downloaded_without_a_token() {
    let Some(stage) = Stage::set("'URL' = false") else { return };
    let helper = stage.forge.link("bazel-credential-cred-helper");
    let ended = stage.fetch(Some(&helper));
    assert!(ended.code != 0 && ended.stderr.contains("401"), "{}", ended.stderr);
    let seen = stage.server.seen();
    assert!(!seen.is_empty() && seen.iter().all(|shown| *shown == "nothing"), "{seen:?}");
}

#[test]
fn bazel_downloads_after_setup_with_a_token() {
    let Some(stage) = Stage::set("") else { return };
    stage.forge.write(".bazelrc", "common --repository_cache=\n# mine");
    assert_ne!(stage.fetch(None).code, 0);
    let url = stage.server.url("");
    let set_up = SetUp::of(&stage.forge.home, &["bazel", "--host", &url, "--account", "forge"]);
    stage.server.seen();
    let ended = stage.fetch(None);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(stage.server.seen(), ["live"]);
    set_up.remove();
    stage.wants("second");
    let ended = stage.fetch(None);
    assert!(ended.code != 0 && ended.stderr.contains("401"), "{}", ended.stderr);
    assert!(stage.server.seen().iter().all(|shown| *shown == "nothing"));
}
