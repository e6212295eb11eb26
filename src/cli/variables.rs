//! The caller's own environment: tokens and keys in variables that the agent's answer names. What is in them never travels.

use crate::clock::Timestamp;
use crate::expiry;
use crate::ipc::message::Error;
use crate::ipc::message::token::{AuthMethod, ForTarget, GetToken, Token};
use crate::ipc::message::variable::{Holds, Variables};
use crate::secret::Secret;
use crate::token::TokenKind;

use super::when;

/// What was found, and what the person ought to know.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The first variable that answers.
    pub(super) token: Option<Token>,
    /// Warnings, one line each.
    pub(super) warnings: Vec<String>,
}

/// The environment.
pub(super) struct Environment<'a> {
    pub(super) read: &'a dyn Fn(&str) -> Option<String>,
    pub(super) now: Timestamp,
}

impl Environment<'_> {
    /// A variable that outranks the agent's answer.
    pub(super) fn outranking(&self, answer: &Token, asked: &GetToken) -> Found {
        // An older agent only names them; ID tokens never come from there.
        let groups = match answer.variables.is_empty() {
            true => &vec![tokens(&answer.environment)],
            false => &answer.variables,
        };
        if answer.kind != TokenKind::Access {
            return Found::default();
        }
        let mut found = self.look(groups, &answer.account, asked);
        if let Some(token) = &mut found.token {
            let older = answer.variables.is_empty();
            if older {
                token.headers.clone_from(&answer.headers);
                token.api_host.clone_from(&answer.api_host);
            }
            token.for_target = answer.for_target.clone().map(|said| ForTarget { cached: false, ..said });
            found.warnings.push(format!("the {} is set and outranks the {}", token.source, answer.source));
        } else if answer.method == AuthMethod::ApiKey {
            found.warnings.extend(self.refresh_token(groups, &answer.account));
        }
        found
    }

    /// A variable in the place of an answer that the agent does not have.
    pub(super) fn instead(&self, error: &Error, asked: &GetToken) -> Found {
        let data = &error.data;
        let name = data.account.as_deref().or(asked.account.as_deref()).unwrap_or_default();
        let mut found = self.look(&data.variables, name, asked);
        found.warnings.extend(self.refresh_token(&data.variables, name));
        found
    }

    fn look(&self, groups: &[Variables], account: &str, asked: &GetToken) -> Found {
        let mut found = Found::default();
        for group in groups.iter().filter(|group| matches!(group.holds, Holds::AccessToken | Holds::ApiKey)) {
            let Some((name, value)) = group.names.iter().find_map(|name| Some((name, self.set(name)?))) else {
                continue;
            };
            let (expires_at, warning) = self.end(group);
            found.warnings.extend(warning);
            if let Some((end, said_by)) = expires_at.filter(|(end, _)| *end <= self.now) {
                let ended = when::local(end);
                found.warnings.push(format!("{name} ended {ended}, as {said_by} says: it is passed over"));
                continue;
            }
            let expires_at = expires_at.map(|(end, _)| end);
            found.token = Some(answer(group, name, value, account, expires_at, asked, self.now));
            return found;
        }
        found
    }

    /// When the group's tokens end, and who says so.
    fn end<'g>(&self, group: &'g Variables) -> (Option<(Timestamp, &'g str)>, Option<String>) {
        let Some((name, text)) = group.expires_at.iter().find_map(|name| Some((name, self.set(name)?))) else {
            return (None, None);
        };
        match expiry::parse(&text) {
            Some(end) => (Some((end, name)), None),
            None => (None, Some(format!("{name} says no moment (seconds, milliseconds or RFC 3339): it is ignored"))),
        }
    }

    /// A refresh token that lies there: told of, never redeemed.
    fn refresh_token(&self, groups: &[Variables], account: &str) -> Option<String> {
        let mut names = groups.iter().filter(|group| group.holds == Holds::RefreshToken).flat_map(|group| &group.names);
        let name = names.find(|name| self.set(name).is_some())?;
        Some(format!(
            "{name} is set and is not redeemed where it stands, because each program that has it would log the others \
             out; this makes the agent its owner: printf '{{\"refresh_token\":\"%s\"}}' \"${name}\" | cred-helper import {account} --from - --own"
        ))
    }

    fn set(&self, name: &str) -> Option<String> {
        (self.read)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// What an agent means that only names variables.
fn tokens(names: &[String]) -> Variables {
    let empty = std::collections::BTreeMap::new();
    let (expires_at, names) = (Vec::new(), names.to_vec());
    Variables { holds: Holds::AccessToken, names, expires_at, headers: empty, key_header: None, api_host: None }
}

/// An answer with a token that the agent knows nothing about.
fn answer(
    group: &Variables,
    name: &str,
    value: String,
    account: &str,
    expires_at: Option<Timestamp>,
    asked: &GetToken,
    now: Timestamp,
) -> Token {
    let need = asked.min_validity.map(std::time::Duration::from_secs);
    Token {
        account: account.to_owned(),
        token: Secret::from(value),
        kind: TokenKind::Access,
        token_type: "Bearer".to_owned(),
        method: if group.holds == Holds::ApiKey { AuthMethod::ApiKey } else { AuthMethod::Oauth },
        source: format!("environment variable {name}"),
        fallback_since: None,
        fallback_reason: None,
        expires_at,
        scope: Vec::new(),
        key_header: group.key_header.clone(),
        headers: group.headers.clone(),
        api_host: group.api_host.clone(),
        api_base: None,
        identity: None,
        min_validity_met: need.zip(expires_at).is_none_or(|(need, end)| now + need <= end),
        persisted: true,
        warning: None,
        environment: Vec::new(),
        variables: Vec::new(),
        for_target: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Vec<Variables> {
        let json = r#"[{"holds":"access_token","names":["A","B"],"expires_at":["END"],"headers":{"x-beta":"1"}},
            {"holds":"api_key","names":["KEY"],"key_header":"x-api-key"},{"holds":"refresh_token","names":["R"]}]"#;
        serde_json::from_str(json).expect("groups")
    }

    fn error() -> Error {
        let mut error = Error::new(crate::ipc::message::ErrorKind::LoginRequired, "nobody").account("p");
        error.data.variables = groups();
        error
    }

    fn with(set: &[(&str, &str)], look: impl Fn(&Environment<'_>) -> Found) -> (Option<Token>, Vec<String>) {
        let read = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let found = look(&Environment { read: &read, now: Timestamp(1000) });
        (found.token, found.warnings)
    }

    fn instead(set: &[(&str, &str)]) -> (Option<Token>, Vec<String>) {
        with(set, |environment| environment.instead(&error(), &GetToken::default()))
    }

    fn from(token: Option<&Token>) -> Option<(&str, String, Option<&str>)> {
        let token = token?;
        Some((&token.source, token.token.expose().to_owned(), token.key_header.as_deref()))
    }

    #[test]
    fn the_first_variable_that_is_set_and_has_not_ended_answers() {
        let source = |name: &str| format!("environment variable {name}");
        for (set, expected) in [
            (&[("A", " "), ("B", "b\n"), ("KEY", "k")][..], Some(("B", "b", None))),
            (&[("A", "a"), ("END", "1001")], Some(("A", "a", None))),
            (&[("A", "a"), ("END", "999"), ("KEY", "k")], Some(("KEY", "k", Some("x-api-key")))),
            (&[("A", "a"), ("END", "1970-01-01T00:16:39Z")], None),
            (&[("A", "a"), ("END", "soon")], Some(("A", "a", None))),
            (&[("R", "r")], None),
        ] {
            let (token, warnings) = instead(set);
            let expected = expected.map(|(name, value, header)| (source(name), value.to_owned(), header));
            let found = from(token.as_ref()).map(|(source, value, header)| (source.to_owned(), value, header));
            assert_eq!(found, expected, "{set:?}");
            let told =
                set.iter().any(|(name, value)| *name == "R" || matches!(*value, "999" | "soon") || value.contains('Z'));
            assert_eq!(!warnings.is_empty(), told, "{set:?}: {warnings:?}");
        }
    }

    #[test]
    fn a_refresh_token_is_told_of_without_a_word_of_it() {
        let (token, warnings) = instead(&[("R", "canary")]);
        assert!(token.is_none());
        assert!(warnings[0].contains("\"$R\" | cred-helper import p --from - --own"), "{warnings:?}");
        assert!(!warnings[0].contains("canary"));
    }

    #[test]
    fn an_older_agent_only_names_what_outranks_it() {
        let json = r#"{"account":"p","token":"t","kind":"access","token_type":"Bearer","method":"oauth","source":"login",
            "headers":{"x-beta":"1"},"min_validity_met":true,"persisted":true,"identity":"me","environment":["A","B"]}"#;
        let answer: Token = serde_json::from_str(json).expect("an answer");
        let (token, warnings) =
            with(&[("B", "b")], |environment| environment.outranking(&answer, &GetToken::default()));
        let token = token.expect("one");
        assert_eq!((token.source.as_str(), token.headers.len(), token.identity), ("environment variable B", 1, None));
        assert_eq!(warnings, ["the environment variable B is set and outranks the login"]);
        let id = Token { kind: TokenKind::Id, ..answer };
        assert!(with(&[("B", "b")], |environment| environment.outranking(&id, &GetToken::default())).0.is_none());
    }
}
