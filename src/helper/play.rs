//! An agent and a client that tests play: what the agent is asked is written down, what it answers is given.

use super::{Agent, Call, Failure, Protocol};
use crate::ipc::message::token::{GetToken, RejectOutcome, RejectToken, Rejection, Token};
use crate::ipc::message::{Error, ErrorKind};

/// An agent that knows one account.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// JSON that is laid over the answer.
    pub(super) answer: Option<serde_json::Value>,
    /// What asking and reporting end in, in the place of an answer.
    pub(super) error: Option<ErrorKind>,
    /// What comes of a report.
    pub(super) outcome: Option<RejectOutcome>,
    /// What it was asked, and what was told to a person.
    pub(super) heard: Vec<String>,
    /// The environment.
    pub(super) variables: Vec<(&'static str, String)>,
}

impl Played {
    fn failed<T>(&self, otherwise: impl FnOnce() -> T) -> Result<T, Box<Error>> {
        let error = self.error.map(|kind| Error::new(kind, "what happened and what to do").account("forge"));
        error.map_or_else(|| Ok(otherwise()), |error| Err(Box::new(error)))
    }
}

impl Agent for Played {
    fn token(&mut self, get: &GetToken) -> Result<Token, Box<Error>> {
        assert!(get.project.is_none() && get.deadline.is_some());
        let account = get.account.as_ref().map(|account| format!("account {account}"));
        self.heard.push(format!("get {}", get.target.clone().or(account).unwrap_or("nothing".to_owned())));
        let mut json = serde_json::json!({
            "account": "forge", "token": "the-token", "kind": "access", "token_type": "Bearer", "method": "oauth",
            "source": "login", "expires_at": 1_790_000_000, "min_validity_met": true, "persisted": true,
            "for_target": { "fingerprint": "f1", "cached": false }
        });
        for (name, value) in self.answer.iter().flat_map(|answer| answer.as_object()).flatten() {
            json[name] = value.clone();
        }
        self.failed(|| serde_json::from_value(json).expect("an answer"))
    }

    fn reject(&mut self, reject: &RejectToken) -> Result<Rejection, Box<Error>> {
        let token = reject.token.as_ref().map(|token| token.expose().to_owned());
        let print = reject.fingerprint.as_ref().map(|print| format!("by fingerprint {print}"));
        self.heard.push(format!("reject {}", token.or(print).unwrap_or_default()));
        let outcome = self.outcome.unwrap_or(RejectOutcome::Refreshed);
        self.failed(|| Rejection { account: Some("forge".to_owned()), outcome })
    }

    fn tell(&mut self, line: &str) {
        self.heard.push(format!("tell {line}"));
    }
}

/// Calls a protocol; what it wrote.
pub(super) fn call(
    protocol: &Protocol,
    arguments: &[&str],
    mut input: &[u8],
    agent: &mut Played,
) -> Result<String, Failure> {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let (mut output, variables) = (Vec::new(), agent.variables.clone());
    let variable = |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.to_owned());
    let (output_, variable) = (&mut output, &variable);
    (protocol.run)(&mut Call { arguments: &arguments, input: &mut input, output: output_, agent, variable })?;
    Ok(String::from_utf8(output).expect("text"))
}
