//! What `login` and `logout` offer: every provider, every account, and where each stands.

use super::Entry;
use crate::cli::output::Tone;
use crate::cli::when;
use crate::clock::Timestamp;
use crate::ipc::message::account::{AccountState, AccountStatus};
use crate::ipc::message::provider::ProviderSummary;
use crate::ipc::message::token::AuthMethod;

/// The providers that can be signed in to; `accounts` is `None` where nobody can say.
pub(in crate::cli) fn providers(
    providers: &[ProviderSummary],
    accounts: Option<&[AccountStatus]>,
    now: Timestamp,
) -> Vec<Entry> {
    let entry = |provider: &ProviderSummary| {
        let of_it = accounts.unwrap_or_default().iter().filter(|account| provider_of(account) == provider.name);
        let (state, tone) = match of_it.collect::<Vec<_>>()[..] {
            [] => without_account(provider, accounts.is_some()),
            [only] => state(only, now),
            ref several => together(several),
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

fn without_account(provider: &ProviderSummary, known: bool) -> (String, Tone) {
    let state = if provider.flows.iter().all(|flow| flow == "api_key") {
        "API key only"
    } else if provider.needs_client {
        "needs a client of your own"
    } else if known {
        "not signed in"
    } else {
        "unknown, the vault is locked"
    };
    (state.to_owned(), Tone::Faint)
}

fn together(accounts: &[&AccountStatus]) -> (String, Tone) {
    let out = accounts.iter().filter(|account| account.state == AccountState::ReauthorizationRequired).count();
    match out {
        0 => (format!("{} accounts", accounts.len()), Tone::Good),
        _ => (format!("{} accounts, {out} with login needed", accounts.len()), Tone::Warning),
    }
}

/// The login, and whether there is an API key beside it or alone.
fn state(account: &AccountStatus, now: Timestamp) -> (String, Tone) {
    let (login, tone) = login(account, now);
    match (&account.api_key, account.state, account.method) {
        (None, ..) => (login, tone),
        (Some(_), AccountState::SignedOut, _) => ("API key stored".to_owned(), Tone::Good),
        (Some(_), _, AuthMethod::ApiKey) => (format!("{login}, its API key answers"), Tone::Warning),
        (Some(_), ..) => (format!("{login}, API key stored"), tone),
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
        let json = format!(r#"{{"name":"{name}","title":"T","origin":"preset"{more}}}"#);
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
        let (browser, key) = (r#","flows":["browser","api_key"]"#, r#","flows":["api_key"]"#);
        let own = r#","flows":["device"],"needs_client":true"#;
        let all = [
            ("alone", browser, "signed in as ada@x.example, 8 h left"),
            ("dead", browser, "login needed as ada@x.example"),
            ("free", browser, "not signed in"),
            ("keys", key, "API key only"),
            ("nobody", r#","flows":["jwt_bearer"]"#, "not signed in"),
            ("own", own, "needs a client of your own"),
            ("own-and-signed-in", own, "signed in as ada@x.example, 8 h left"),
            ("several", browser, "2 accounts"),
            ("several-out", browser, "2 accounts, 1 with login needed"),
        ];
        let signed_in = [
            account("alone", "signed_in", 28_900),
            account("dead/work", "reauthorization_required", 1),
            account("own-and-signed-in", "signed_in", 28_900),
            account("several", "signed_in", 1),
            account("several/work", "signed_in", 1),
            account("several-out", "signed_in", 1),
            account("several-out/work", "reauthorization_required", 1),
        ];
        let entries: Vec<_> = all.iter().map(|(name, more, _)| provider(name, more)).collect();
        let now = Timestamp(100);
        for (entry, (name, _, state)) in providers(&entries, Some(&signed_in), now).iter().zip(all) {
            assert_eq!((entry.name.as_str(), entry.state.as_str()), (name, state));
        }
        assert_eq!(providers(&entries[2..3], None, now)[0].state, "unknown, the vault is locked");
        let accounts = accounts(&signed_in, now);
        assert_eq!(
            (accounts[4].name.as_str(), accounts[4].state.as_str()),
            ("several/work", "signed in as ada@x.example")
        );
    }

    #[test]
    fn a_key_is_named_and_whether_it_answers() {
        let now = Timestamp(100);
        let keyed = |state: &str, method| {
            let key = r#"{"fingerprint":"0123abcd","stored_at":0,"persisted":true}"#;
            let key = Some(serde_json::from_str(key).expect("a key"));
            AccountStatus { api_key: key, method, ..account("anthropic", state, 28_900) }
        };
        for (status, expected) in [
            (keyed("signed_out", AuthMethod::ApiKey), "API key stored"),
            (keyed("signed_in", AuthMethod::Oauth), "signed in as ada@x.example, 8 h left, API key stored"),
            (keyed("signed_in", AuthMethod::ApiKey), "signed in as ada@x.example, 8 h left, its API key answers"),
        ] {
            assert_eq!(state(&status, now).0, expected);
        }
    }
}
