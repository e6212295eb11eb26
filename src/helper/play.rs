//! An agent and a client that tests play: what the agent is asked is written down, what it answers is given.

use super::{Agent, Call, Failure, Protocol};
use crate::clock::Timestamp;
use crate::ipc::message::aws::{AssumeRole, RoleCredentials};
use crate::ipc::message::password::{
    KeptPassword, PasswordStored, Passwords, RemovePassword, StoreOutcome, StorePassword,
};
use crate::ipc::message::token::{GetToken, RejectOutcome, RejectToken, Rejection, Token};
use crate::ipc::message::{Error, ErrorKind};
use crate::token::TokenKind;

/// An agent that knows one account.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// JSON that is laid over the answer.
    pub(super) answer: Option<serde_json::Value>,
    /// What asking and reporting end in, in the place of an answer.
    pub(super) error: Option<ErrorKind>,
    /// What comes of a report.
    pub(super) outcome: Option<RejectOutcome>,
    /// What comes of storing a password.
    pub(super) stored: Option<StoreOutcome>,
    /// The passwords that are kept: URL and user.
    pub(super) kept: Vec<(&'static str, &'static str)>,
    /// What it was asked, and what was told to a person.
    pub(super) heard: Vec<String>,
    /// How long it was given for each token. Seconds.
    pub(super) deadlines: Vec<u64>,
    /// What a call that failed wrote all the same.
    pub(super) wrote: String,
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
        assert!(get.project.is_none());
        assert_eq!(get.retry_for, Some(super::RETRY_FOR));
        self.deadlines.push(get.deadline.expect("a deadline"));
        let account = get.account.as_ref().map(|account| format!("account {account}"));
        let target = get.target.clone().or(account).unwrap_or("nothing".to_owned());
        let kind = if get.token_type == TokenKind::Id { " as id token" } else { "" };
        let again = if get.asks_again_when_refused { " again when refused" } else { "" };
        let place = get.or_password_for.as_ref().filter(|place| Some(*place) != get.target.as_ref());
        let place = place.map(|place| format!(" or {place}")).unwrap_or_default();
        self.heard.push(format!("get {target}{kind}{again}{place}"));
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

    fn assume_role(&mut self, assume: &AssumeRole) -> Result<RoleCredentials, Box<Error>> {
        self.heard.push(serde_json::to_string(assume).expect("JSON"));
        let answer = serde_json::json!({
            "account": "forge", "access_key_id": "ASIA1", "secret_access_key": "the-key", "session_token": "the-token",
            "expires_at": 1_790_000_000
        });
        self.failed(|| serde_json::from_value(answer).expect("an answer"))
    }

    fn reject(&mut self, reject: &RejectToken) -> Result<Rejection, Box<Error>> {
        let token = reject.token.as_ref().map(|token| token.expose().to_owned());
        let print = reject.fingerprint.as_ref().map(|print| format!("by fingerprint {print}"));
        let forbidden = if reject.forbidden { " forbidden" } else { "" };
        self.heard.push(format!("reject {}{forbidden}", token.or(print).unwrap_or_default()));
        let outcome = self.outcome.unwrap_or(RejectOutcome::Refreshed);
        self.failed(|| Rejection { account: Some("forge".to_owned()), outcome })
    }

    fn store_password(&mut self, store: &StorePassword) -> Result<PasswordStored, Box<Error>> {
        let StorePassword { url, username, password, expires_at, target } = store;
        let end = expires_at.map(|end| format!(" until {end}", end = end.0)).unwrap_or_default();
        let target = target.as_ref().map(|target| format!(" unless {target}")).unwrap_or_default();
        self.heard.push(format!("store {url} {username} {}{end}{target}", password.expose().to_owned()));
        let outcome = self.stored.unwrap_or(StoreOutcome::Kept);
        let account = (outcome == StoreOutcome::AccountAnswers).then(|| "forge".to_owned());
        self.failed(|| PasswordStored { outcome, account })
    }

    fn remove_password(&mut self, remove: &RemovePassword) -> Result<Passwords, Box<Error>> {
        let user = remove.username.as_ref().map(|user| format!(" {user}")).unwrap_or_default();
        self.heard.push(format!("remove {}{user}", remove.url));
        self.failed(Passwords::default)
    }

    fn passwords(&mut self) -> Result<Passwords, Box<Error>> {
        self.heard.push("list".to_owned());
        let told = |(url, user): &(&str, &str)| KeptPassword {
            url: (*url).to_owned(),
            username: (*user).to_owned(),
            stored_at: Timestamp(1),
            expires_at: None,
        };
        self.failed(|| Passwords { passwords: self.kept.iter().map(told).collect() })
    }

    fn tell(&mut self, line: &str) {
        self.heard.push(format!("tell {line}"));
    }

    fn hush(&mut self) {
        self.heard.push("hush".to_owned());
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
    let arguments = &arguments;
    let ended =
        (protocol.run)(&mut Call { arguments, input: &mut input, output: output_, agent: &mut *agent, variable });
    let text = String::from_utf8(output).expect("text");
    ended.map(|()| text.clone()).inspect_err(|_| agent.wrote = text)
}
