//! The caller's environment variables that answer before, or in the place of, what the agent has. Only their names travel;
//! what is in them the agent never sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Agent;
use crate::account::AccountName;
use crate::config::Source;
use crate::ipc::message::token::GetToken;
use crate::ipc::message::variable::{Holds, Variables};
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::Provider;
use crate::token::TokenKind;

impl Agent {
    /// The caller's variables that come before any of `answered`, best first; only their names. They are no one account's:
    /// who asks for a label or a target does not mean them, unless the configuration says so for that very account.
    pub(super) fn variables(
        &self,
        provider: &Provider,
        name: &AccountName,
        get: &GetToken,
        answered: &[Source],
    ) -> Vec<Variables> {
        let (sources, exactly) = self.config.sources(name);
        let particular = get.target.is_some() || asked(get).is_some_and(|asked| asked.contains('/'));
        if get.token_type == TokenKind::Id || (particular && !exactly) {
            return Vec::new();
        }
        let before = sources.iter().take_while(|source| !answered.contains(source));
        let group = |source: &Source| group(provider, *source);
        let mut groups: Vec<Variables> = before.filter_map(group).collect();
        if !groups.is_empty() {
            let names = provider.variables.refresh_token.clone();
            let refresh = Variables { holds: Holds::RefreshToken, names, ..empty() };
            groups.extend(Some(refresh).filter(|group| !group.names.is_empty()));
        }
        groups
    }

    /// Names the variables that the caller may use in the place of an answer: those that outrank every answer, and where
    /// nobody is signed in all of them.
    pub(super) fn with_variables(&self, mut error: Error, get: &GetToken) -> Error {
        use ErrorKind as K;
        if matches!(error.kind(), K::Internal | K::InvalidParams | K::InvalidRequest)
            || !error.data.variables.is_empty()
        {
            return error;
        }
        let name = error.data.account.as_deref().or(asked(get)).and_then(|name| name.parse::<AccountName>().ok());
        let Some(name) = name else { return error };
        let known = {
            let table = self.table();
            let incarnation = table.found(&name).and_then(|found| found.login.or(found.key));
            incarnation.and_then(|it| table.get(it)).map(|account| Arc::clone(&account.provider))
        };
        let Some(provider) = known.or_else(|| self.known_provider(name.provider())) else { return error };
        let answered: &[Source] = match error.kind() {
            K::LoginRequired => &[],
            _ => &[Source::Login, Source::ApiKey],
        };
        name_variables(&mut error, self.variables(&provider, &name, get, answered));
        error
    }
}

/// The account a request names, itself or by its project.
pub(super) fn asked(get: &GetToken) -> Option<&str> {
    get.account.as_deref().or_else(|| Some(get.project.as_ref()?.account.as_str()))
}

fn group(provider: &Provider, source: Source) -> Option<Variables> {
    let (variables, api) = (&provider.variables, &provider.api);
    let group = match source {
        Source::OauthVariable => Variables {
            holds: Holds::AccessToken,
            names: variables.oauth_token.clone(),
            expires_at: variables.expires_at.clone(),
            headers: api.headers.clone(),
            api_host: api.host.clone(),
            ..empty()
        },
        Source::ApiKeyVariable => Variables {
            holds: Holds::ApiKey,
            names: variables.api_key.clone(),
            headers: api.key_headers.clone(),
            key_header: api.key_header.clone(),
            api_host: api.host.clone(),
            ..empty()
        },
        Source::Login | Source::ApiKey => return None,
    };
    (!group.names.is_empty()).then_some(group)
}

fn empty() -> Variables {
    Variables {
        holds: Holds::Unknown,
        names: Vec::new(),
        expires_at: Vec::new(),
        headers: BTreeMap::new(),
        key_header: None,
        api_host: None,
    }
}

/// The names of those that answer.
pub(super) fn names(variables: &[Variables]) -> Vec<String> {
    let answering = variables.iter().filter(|group| group.holds != Holds::RefreshToken);
    answering.flat_map(|group| group.names.iter().cloned()).collect()
}

pub(super) fn name_variables(error: &mut Error, variables: Vec<Variables>) {
    error.data.environment = names(&variables);
    error.data.variables = variables;
}
