//! Kubernetes' exec credential plugins (client-go): what is asked stands in a variable, the answer goes to standard output.
//!
//! Whoever shares client-go calls it so: kubectl, helm, k9s, flux. The answer repeats the question's version. There is no
//! "nothing here": a cluster without a token is an error, and kubectl shows what stands on standard error.

use serde::{Deserialize, Serialize};

use super::words::Words;
use super::{Call, Failure};
use crate::expiry;
use crate::secret::{self, Secret};

/// How it is used.
pub(super) const HELP: &str = "\
In the kubeconfig, under `users: - name: NAME`, `user: {exec: {apiVersion: client.authentication.k8s.io/v1, \
command: cred-helper, args: [helper, kubectl], interactiveMode: Never, provideClusterInfo: true}}`. The target is the cluster's \
server, which kubectl says because of `provideClusterInfo`; `--account NAME` or `--url URL` after `kubectl` does without. \
`--id-token` gives the ID token, which clusters with OpenID Connect take, `--audience URI` a token for that audience. kubectl \
keeps the token until it ends. What the cluster refuses it doesn't say: `cred-helper refresh` has a token renewed. helm, k9s \
and whatever else uses client-go call it the same way; apiVersion v1beta1 is for kubectl before 1.22.";

/// What the question stands in.
const VARIABLE: &str = "KUBERNETES_EXEC_INFO";
/// The versions have this in common.
const GROUP: &str = "client.authentication.k8s.io/";
/// Of those that say nothing, because nothing but this was known then.
const OLDEST: &str = "client.authentication.k8s.io/v1beta1";

/// What client-go asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    api_version: String,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
struct Cluster {
    server: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    api_version: &'a str,
    kind: &'static str,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_timestamp: Option<String>,
    #[serde(serialize_with = "secret::exposed")]
    token: Secret,
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let words = Words::read(call.arguments)?;
    if !words.rest.is_empty() {
        return Err(Failure::Usage(
            "kubectl's helper takes --account, --audience, --id-token and --url and nothing else",
        ));
    }
    let question = (call.variable)(VARIABLE).map_or_else(|| Ok(Question::silent()), |text| Question::parse(&text))?;
    let get = words.asking(|| question.target());
    if get.account.is_none() && get.target.is_none() {
        return Err(Failure::Usage(
            "kubectl names no cluster: add `provideClusterInfo: true` to the user's exec section, or --account NAME to its args",
        ));
    }
    let token = call.agent.token(&get)?;
    let expiration_timestamp = token.expires_at.and_then(expiry::rfc3339);
    let status = Status { expiration_timestamp, token: token.token };
    let answer = ExecCredential { api_version: &question.api_version, kind: "ExecCredential", status };
    let answer = serde_json::to_string(&answer).map(Secret::from).map_err(std::io::Error::from)?;
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(call.output.write_all(b"\n")?)
}

impl Question {
    /// Reads the variable. Names that are not known say nothing.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let question: Question = serde_json::from_str(text)
            .map_err(|_| Failure::Usage("what kubectl says in KUBERNETES_EXEC_INFO cannot be read"))?;
        if !question.api_version.starts_with(GROUP) {
            return Err(Failure::Usage("KUBERNETES_EXEC_INFO is of no apiVersion of client.authentication.k8s.io"));
        }
        Ok(question)
    }

    fn silent() -> Self {
        Self { api_version: OLDEST.to_owned(), spec: Spec::default() }
    }

    /// The cluster, if it is named.
    pub fn target(&self) -> Option<String> {
        self.spec.cluster.as_ref().map(|cluster| cluster.server.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::play::{Played, call};
    use super::super::{Failure, named};
    use super::VARIABLE;
    use crate::ipc::message::ErrorKind;

    fn question(version: &str, spec: Value) -> Option<String> {
        let version = format!("client.authentication.k8s.io/{version}");
        Some(json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec }).to_string())
    }

    fn told(words: &str, asked: Option<String>, agent: &mut Played) -> Result<Value, Failure> {
        agent.variables = asked.map(|asked| (VARIABLE, asked)).into_iter().collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        let output = call(named("kubectl").expect("it"), &words, b"", agent)?;
        Ok(serde_json::from_str(&output).expect("JSON"))
    }

    #[test]
    fn the_answer_repeats_the_version_and_says_when_the_token_ends() {
        let server = json!({ "interactive": false, "cluster": { "server": "https://k8s.example:6443" } });
        for (asked, version) in [
            (question("v1", server.clone()), "v1"),
            (question("v1beta1", server.clone()), "v1beta1"),
            (None, "v1beta1"),
        ] {
            let mut agent = Played::default();
            let words = if asked.is_some() { "" } else { "--account forge" };
            let expected = json!({
                "apiVersion": format!("client.authentication.k8s.io/{version}"), "kind": "ExecCredential",
                "status": { "token": "the-token", "expirationTimestamp": "2026-09-21T14:13:20Z" }
            });
            assert_eq!(told(words, asked, &mut agent).expect("an answer"), expected);
        }
        let mut agent = Played { answer: Some(json!({ "expires_at": null })), ..Played::default() };
        let endless = told("", question("v1", server), &mut agent).expect("an answer");
        assert_eq!(endless["status"], json!({ "token": "the-token" }));
    }

    #[test]
    fn the_cluster_is_the_target_unless_the_configuration_names_what_is() {
        let server = json!({ "cluster": { "server": "https://k8s.example" } });
        for (words, spec, asked) in [
            ("", &server, "https://k8s.example"),
            ("--id-token --audience k8s", &server, "https://k8s.example as id token"),
            ("--account forge/ada", &server, "account forge/ada"),
            ("--url https://other.example", &json!({}), "https://other.example"),
        ] {
            let mut agent = Played::default();
            told(words, question("v1", spec.clone()), &mut agent).expect("an answer");
            assert_eq!(agent.heard, [format!("get {asked}")], "{words}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_and_quotes_nothing() {
        let server = json!({ "cluster": { "server": "https://k8s.example" } });
        for (words, asked) in [
            ("", None),
            ("", question("v1", json!({ "interactive": true }))),
            ("", Some("hunter2".to_owned())),
            ("", Some("{\"apiVersion\":\"hunter2\"}".to_owned())),
            ("hunter2", question("v1", server.clone())),
        ] {
            match told(words, asked, &mut Played::default()) {
                Err(Failure::Usage(message)) => assert!(!message.contains("hunter2") && !message.contains('\n')),
                other => panic!("{words}: {other:?}"),
            }
        }
        for kind in [ErrorKind::UnknownTarget, ErrorKind::LoginRequired] {
            let mut agent = Played { error: Some(kind), ..Played::default() };
            let failed = told("", question("v1", server.clone()), &mut agent);
            assert!(matches!(failed, Err(Failure::Agent(error)) if error.kind() == kind));
        }
    }
}
