//! What `login` and `logout` offer: every provider, every account, and where each stands.

use super::Entry;
use crate::cli::output::Tone;
use crate::cli::when;
use crate::clock::Timestamp;
use crate::ipc::message::account::{AccountState, AccountStatus};
use crate::ipc::message::provider::ProviderSummary;

/// The providers that can be signed in to.
pub(in crate::cli) fn providers(
    providers: &[ProviderSummary],
    accounts: &[AccountStatus],
    now: Timestamp,
) -> Vec<Entry> {
    let entry = |provider: &ProviderSummary| {
        let of_it = accounts.iter().filter(|account| provider_of(account) == provider.name);
        let (state, tone) = match of_it.collect::<Vec<_>>()[..] {
            [] => not_signed_in(provider),
            [only] => state(only, now),
            ref several => {
                let worst = several.iter().find(|account| account.state == AccountState::ReauthorizationRequired);
                let tone = worst.map_or(Tone::Good, |_| Tone::Warning);
                (format!("{} accounts", several.len()), tone)
            }
        };
        Entry { name: provider.name.clone(), title: provider.title.clone(), state, tone }
    };
    providers.iter().map(entry).collect()
}

/// The accounts that can be signed out of.
pub(in crate::cli) fn accounts(accounts: &[AccountStatus], now: Timestamp) -> Vec<Entry> {
    let entry = |account: &AccountStatus| {
        let (state, tone) = state(account, now);
        Entry { name: account.account.clone(), title: account.provider_title.clone(), state, tone }
    };
    accounts.iter().map(entry).collect()
}

fn provider_of(account: &AccountStatus) -> &str {
    account.account.split('/').next().unwrap_or(&account.account)
}

fn not_signed_in(provider: &ProviderSummary) -> (String, Tone) {
    if provider.flows.is_empty() {
        return ("API key only".to_owned(), Tone::Faint);
    }
    match provider.client_id {
        Some(_) => (String::new(), Tone::Plain),
        None => ("needs a client of your own".to_owned(), Tone::Faint),
    }
}

/// The login, and whether there is an API key beside it or alone.
fn state(account: &AccountStatus, now: Timestamp) -> (String, Tone) {
    let (login, tone) = login(account, now);
    match (&account.api_key, account.state) {
        (None, _) => (login, tone),
        (Some(_), AccountState::SignedOut) => ("API key stored".to_owned(), Tone::Good),
        (Some(_), _) => (format!("{login}, API key stored"), tone),
    }
}

/// Who, and how long the token lasts.
fn login(account: &AccountStatus, now: Timestamp) -> (String, Tone) {
    let who = account.identity.display().map(|who| format!(" as {who}")).unwrap_or_default();
    match account.state {
        AccountState::SignedIn => {
            let left = match account.expires_at {
                Some(at) if at > now => format!(", {} left", when::span(at.since(now))),
                Some(_) if !account.refreshable => ", expired".to_owned(),
                Some(_) | None => String::new(),
            };
            (format!("signed in{who}{left}"), Tone::Good)
        }
        AccountState::ReauthorizationRequired => (format!("login needed{who}"), Tone::Bad),
        AccountState::Authorizing => ("signing in".to_owned(), Tone::Warning),
        AccountState::SignedOut => ("signed out".to_owned(), Tone::Faint),
        AccountState::Unknown => ("unknown".to_owned(), Tone::Warning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, more: &str) -> ProviderSummary {
        let json = format!(r#"{{"name":"{name}","title":"T","origin":"preset","flows":["browser"]{more}}}"#);
        serde_json::from_str(&json).expect("a provider")
    }

    fn account(name: &str, state: &str, expires_at: u64) -> AccountStatus {
        let json = format!(
            r#"{{"account":"{name}","provider_title":"T","default":false,"state":"{state}","refreshable":true,
                "identity":{{"email":"ada@x.example"}},"expires_at":{expires_at},"signed_in_at":0,"persisted":true}}"#
        );
        serde_json::from_str(&json).expect("an account")
    }

    #[test]
    fn every_provider_says_where_it_stands() {
        let known = r#","client_id":"c""#;
        let all = [
            provider("anthropic", known),
            provider("dead", known),
            provider("free", known),
            provider("own", ""),
            provider("several", known),
        ];
        let signed_in = [
            account("anthropic", "signed_in", 28_900),
            account("dead/work", "reauthorization_required", 1),
            account("several", "signed_in", 1),
            account("several/work", "signed_in", 1),
        ];
        let states: Vec<_> = providers(&all, &signed_in, Timestamp(100)).into_iter().map(|entry| entry.state).collect();
        let expected =
            ["signed in as ada@x.example, 8 h left", "login needed as ada@x.example", "", "needs a client of your own"];
        assert_eq!(states[..4], expected);
        assert_eq!(states[4], "2 accounts");
        let key = r#"{"fingerprint":"0123abcd","stored_at":0,"persisted":true}"#;
        let mut keyed = account("anthropic", "signed_out", 0);
        keyed.api_key = Some(serde_json::from_str(key).expect("a key"));
        assert_eq!(state(&keyed, Timestamp(100)).0, "API key stored");
        let accounts = accounts(&signed_in, Timestamp(100));
        assert_eq!(
            (accounts[3].name.as_str(), accounts[3].state.as_str()),
            ("several/work", "signed in as ada@x.example")
        );
    }
}
