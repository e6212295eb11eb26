//! The clients of container registries, as they are installed, against a real registry: they ask us, and people notice nothing.
//! Skopeo always; docker, podman, oras and crane of newer releases with the long tests.

use std::process::{Command, Stdio};

use crate::forge::Forge;
use crate::home::{Ended, ended};
use crate::support::programs::{missing, newer};
use crate::support::realm::Realm;
use crate::support::registry::{PASSWORD, Registry, USER, image};

/// What the tools read, in a home of a forge.
struct Stage {
    forge: Forge,
    registry: Registry,
}

impl Stage {
    fn set(forge: Forge, registry: Registry) -> Self {
        forge.link("docker-credential-cred-helper");
        let helpers = format!("{{\"credHelpers\":{{\"{}\":\"cred-helper\"}}}}", registry.host);
        forge.write(".docker/config.json", &helpers);
        forge.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
        image(&forge.home.path().join("image"));
        Self { forge, registry }
    }

    /// A registry whose token server takes the account's tokens for the password of the rule's user.
    fn with_rule(username: Option<&str>) -> (Self, Realm) {
        let forge = Forge::new();
        let realm = Realm::start(forge.is_live());
        let registry = Registry::with_realm(forge.home.path(), &realm);
        let username = username.map(|name| format!(", username = '{name}'")).unwrap_or_default();
        forge.rules(&format!("'https://{}' = {{ account = 'forge'{username} }}", registry.host));
        (Self::set(forge, registry), realm)
    }

    fn client(&self, mut client: Command, arguments: &[&str]) -> Command {
        let ours = self.forge.command("", arguments);
        client.args(arguments).env_clear().current_dir(self.forge.home.path());
        client.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // Where skopeo and podman keep it is another file, unless they are told.
        client.env("REGISTRY_AUTH_FILE", self.forge.home.path().join(".docker/config.json")).stdin(Stdio::null());
        client
    }

    fn skopeo(&self, arguments: &[&str]) -> Ended {
        let policy = self.forge.home.path().join("policy.json");
        let options = ["--policy", policy.to_str().unwrap()];
        ended(self.client(Command::new("skopeo"), &[&options[..], arguments].concat()).output().unwrap())
    }

    fn image(&self) -> String {
        format!("{}/team/x:1", self.registry.host)
    }

    fn push(&self) -> Ended {
        self.skopeo(&["copy", "--dest-tls-verify=false", "oci:image", &format!("docker://{}", self.image())])
    }

    fn pull(&self) -> Ended {
        self.skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{}", self.image())])
    }

    fn log_in(&self, password: &str) -> Ended {
        let (host, home) = (self.registry.host.as_str(), self.forge.home.path());
        std::fs::write(home.join("typed"), password).unwrap();
        let arguments = ["login", "--tls-verify=false", "--username", USER, "--password-stdin", host];
        let typed = std::fs::File::open(home.join("typed")).unwrap();
        ended(self.client(Command::new("skopeo"), &arguments).stdin(typed).output().unwrap())
    }

    fn kept(&self) -> String {
        let kept = self.forge.home.json(&["password", "list", "--json"]);
        kept["passwords"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["url"].as_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn no_skopeo() -> bool {
    missing(&["skopeo", "docker-registry"])
}

#[track_caller]
fn well(ended: &Ended) {
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("cred-helper"), "{}", ended.stderr);
}

#[test]
fn skopeo_pushes_and_pulls_with_a_token_as_password_or_as_identity_token() {
    if no_skopeo() {
        return;
    }
    for (username, shown) in [(None, "live oauth2"), (Some("robot"), "live robot"), (Some("<token>"), "live <token>")] {
        let (stage, realm) = Stage::with_rule(username);
        well(&stage.push());
        let pulled = stage.pull();
        well(&pulled);
        assert!(pulled.stdout.contains("application/vnd.oci.image.manifest.v1+json"), "{}", pulled.stdout);
        let seen = realm.seen();
        assert!(seen.len() >= 2 && seen.iter().all(|seen| seen == shown), "{seen:?}");
        assert_eq!(stage.forge.refreshes(), 0);
    }
}

/// Nobody tells a docker helper: a person has it renewed.
#[test]
fn a_refused_token_fails_until_it_is_renewed() {
    if no_skopeo() {
        return;
    }
    let (stage, realm) = Stage::with_rule(None);
    well(&stage.push());
    stage.forge.server.expire_access_tokens();
    realm.seen();
    let refused = stage.pull();
    assert_eq!((refused.code, stage.forge.refreshes()), (1, 0), "{}", refused.stderr);
    assert!(realm.seen().iter().all(|seen| seen == "refused oauth2"));
    stage.forge.home.ok(&["refresh", "forge"]);
    well(&stage.pull());
}

#[test]
fn a_login_is_kept_and_used_until_the_logout() {
    if no_skopeo() {
        return;
    }
    let forge = Forge::new();
    let registry = Registry::with_password(forge.home.path());
    let stage = Stage::set(forge, registry);
    assert_ne!(stage.pull().code, 0, "there is nothing here");
    assert_ne!(stage.log_in("wrong").code, 0);
    assert_eq!(stage.kept(), "");
    well(&stage.log_in(PASSWORD));
    assert_eq!(stage.kept(), format!("docker://{}", stage.registry.host));
    stage.forge.home.ok(&["agent", "stop"]);
    well(&stage.push());
    well(&stage.pull());
    let logged_out = stage.skopeo(&["logout", &stage.registry.host]);
    assert_eq!((logged_out.code, stage.kept().as_str()), (0, ""), "{}", logged_out.stderr);
    assert_ne!(stage.pull().code, 0);
}

#[test]
fn where_an_account_answers_a_login_says_that_it_is_not_needed() {
    if no_skopeo() {
        return;
    }
    let forge = Forge::new();
    let registry = Registry::with_password(forge.home.path());
    forge.rules(&format!("'https://{}' = 'forge'", registry.host));
    let stage = Stage::set(forge, registry);
    let told = stage.log_in(PASSWORD);
    assert_ne!(told.code, 0);
    assert!(
        told.stderr.contains("forge answers for https://") && told.stderr.contains("nothing was stored"),
        "{}",
        told.stderr
    );
    stage.forge.home.ok(&["lock"]);
    let locked = stage.pull();
    assert!(locked.code == 1 && locked.stderr.contains("run `cred-helper unlock`"), "{}", locked.stderr);
}

#[test]
fn docker_podman_oras_and_crane_pull_with_a_token() {
    if no_skopeo() {
        return;
    }
    let clients: [(&str, &[&str]); 4] = [
        ("docker", &["manifest", "inspect", "--insecure"]),
        (
            "podman",
            &[
                "--storage-driver=vfs",
                "--root=pods",
                "--runroot=podruns",
                "pull",
                "--tls-verify=false",
                "--signature-policy=policy.json",
            ],
        ),
        ("oras", &["manifest", "fetch", "--plain-http"]),
        ("crane", &["manifest", "--insecure"]),
    ];
    for (program, arguments) in clients {
        if newer(program).is_none() {
            continue;
        }
        for (username, shown) in [("oauth2", "live oauth2"), ("<token>", "live <token>")] {
            let (stage, realm) = Stage::with_rule(Some(username));
            well(&stage.push());
            realm.seen();
            let image = stage.image();
            let run = || stage.client(newer(program).unwrap(), &[arguments, &[&image]].concat()).output().unwrap();
            let pulled = ended(run());
            assert_eq!(pulled.code, 0, "{program}: {}", pulled.stderr);
            let seen = realm.seen();
            assert!(!seen.is_empty() && seen.iter().all(|seen| seen == shown), "{program}: {seen:?}");
            stage.forge.server.expire_access_tokens();
            assert_ne!(ended(run()).code, 0, "{program}: it says so and asks once");
            assert_eq!(realm.seen().iter().find(|seen| *seen == shown), None, "{program}");
        }
    }
}
