//! kubectl as it is installed, against a cluster's API behind TLS that wants a token: it asks us, and people notice nothing.

use std::process::Command;

use serde_json::json;

use crate::forge::Forge;
use crate::home::Ended;
use crate::setup::SetUp;
use crate::support::programs::{missing, newer};
use crate::support::site::{Judge, Request, Response, Shown, Site};
use crate::tls::{Authority, Front};

struct Stage {
    forge: Forge,
    api: Site,
    cluster: Front,
    client: Command,
}

/// As much of the API as `get pods` asks for.
fn serve(request: &Request) -> Response {
    let answer = match request.path.as_str() {
        "/version" => json!({ "major": "1", "minor": "32", "gitVersion": "v1.32.0" }),
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] }),
        "/api/v1" => {
            let pods = json!({ "name": "pods", "namespaced": true, "kind": "Pod", "verbs": ["get", "list"] });
            json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": [pods] })
        }
        "/api/v1/namespaces/default/pods" => {
            json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
                { "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "a-pod", "namespace": "default" } }
            ] })
        }
        _ => return Response::empty(404),
    };
    Response::json(200, &answer)
}

impl Stage {
    /// `version` is of the exec section, `words` what its arguments end with.
    fn set(version: &str, words: &[&str], judge: impl FnOnce(&Forge) -> Judge) -> Self {
        let forge = Forge::new();
        let api = Site::start(judge(&forge), serve);
        let authority = Authority::new("a cluster");
        let cluster = Front::of(&api.url(""), authority.issues("localhost", 2100));
        forge.rules(&format!("'{}' = 'forge'", cluster.url("")));
        forge.write("ca.pem", &authority.pem);
        let words: String = words.iter().map(|word| format!(", {word}")).collect();
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: '{}', certificate-authority: ca.pem}}}}]\n\
             users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/{version}, command: '{}', \
             args: [helper, kubectl{words}], interactiveMode: Never, provideClusterInfo: true}}}}}}]\n",
            cluster.url(""),
            env!("CARGO_BIN_EXE_cred-helper"),
        );
        forge.write("kubeconfig", &config);
        Self { forge, api, cluster, client: Command::new("kubectl") }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.forge.command(self.client.get_program().to_str().unwrap(), &[]);
        command.args(self.client.get_args()).args(arguments).env("KUBECONFIG", "kubeconfig");
        self.forge.run(command)
    }

    #[track_caller]
    fn works(&self) {
        let ended = self.run(&["get", "pods", "--output", "name"]);
        assert_eq!((ended.code, ended.stdout.trim()), (0, "pod/a-pod"), "{}", ended.stderr);
        let seen = self.api.seen();
        assert!(seen.contains(&"live") && !seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
    }
}

#[test]
fn kubectl_lists_pods_with_an_access_token_and_with_an_id_token() {
    if missing(&["kubectl"]) {
        return;
    }
    Stage::set("v1beta1", &[], |forge| forge.judge(Shown::Bearer)).works();
    let a_jwt = |token: &str| token.split('.').count() == 3;
    Stage::set("v1beta1", &["--id-token"], |_| Judge::of(Shown::Bearer, a_jwt)).works();
}

#[test]
fn a_refused_token_is_an_error_and_a_new_one_works() {
    if missing(&["kubectl"]) {
        return;
    }
    let stage = Stage::set("v1beta1", &[], |forge| forge.judge(Shown::Bearer));
    stage.works();
    stage.forge.server.expire_access_tokens();
    let refused = stage.run(&["get", "--raw", "/api/v1"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    // It runs us again, and sends no other request.
    let seen = stage.api.seen();
    assert!(!seen.contains(&"live") && seen.contains(&"refused"), "{seen:?}");
    assert_eq!(stage.forge.refreshes(), 0);
    stage.forge.home.ok(&["refresh", "forge"]);
    stage.works();
}

#[test]
fn kubectls_user_is_told_what_to_do() {
    if missing(&["kubectl"]) {
        return;
    }
    let stage = Stage::set("v1beta1", &[], |forge| forge.judge(Shown::Bearer));
    let ours = |ended: Ended| {
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let lines = ended.stderr.lines().filter(|line| line.starts_with("cred-helper: "));
        // Where the cluster's version is asked for first, to choose a kubectl by it, it is said twice.
        lines.map(str::to_owned).collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    stage.forge.home.ok(&["logout", "forge"]);
    let said = ours(stage.run(&["get", "--raw", "/api/v1"]));
    assert!(said.len() == 1 && said[0].contains("cred-helper login forge"), "{said:?}");
    stage.forge.rules("");
    let said = ours(stage.run(&["get", "--raw", "/api/v1"]));
    assert!(said.len() == 1 && said[0].contains("[targets]") && said[0].contains(&stage.cluster.url("")), "{said:?}");
    assert!(stage.api.seen().is_empty());
}

#[test]
fn a_newer_kubectl_asks_in_the_first_version() {
    let Some(client) = newer("kubectl") else { return };
    let mut stage = Stage::set("v1", &[], |forge| forge.judge(Shown::Bearer));
    stage.client = client;
    stage.works();
    stage.forge.server.expire_access_tokens();
    assert_eq!(stage.run(&["get", "--raw", "/api/v1"]).code, 1);
    assert_eq!(stage.api.seen(), ["refused"]);
    stage.forge.home.ok(&["refresh", "forge"]);
    stage.works();
}

#[test]
fn a_newer_kubectl_lists_pods_after_setup() {
    let Some(client) = newer("kubectl") else { return };
    let mut stage = Stage::set("v1", &[], |forge| forge.judge(Shown::Bearer));
    stage.client = client;
    stage.forge.rules("");
    let ca = stage.forge.home.path().join("ca.pem");
    let config = format!(
        "# mine\napiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    server: {}\n    certificate-authority: {}\n\
         contexts:\n- name: dev\n  context:\n    cluster: k\n    user: admin\ncurrent-context: dev\nusers:\n- name: admin\n  user:\n    \
         token: stale\n",
        stage.cluster.url(""),
        ca.display()
    );
    // It is the usual file that is set up.
    stage.forge.write(".kube/config", &config);
    std::fs::remove_file(stage.forge.home.path().join("kubeconfig")).unwrap();
    std::os::unix::fs::symlink(".kube/config", stage.forge.home.path().join("kubeconfig")).unwrap();
    let refused = |stage: &Stage| assert_eq!(stage.run(&["get", "--raw", "/api/v1"]).code, 1);
    refused(&stage);
    stage.api.seen();
    let set_up = SetUp::of(&stage.forge.home, &["kubectl", "--account", "forge"]);
    stage.works();
    set_up.remove();
    refused(&stage);
}
