//! `login`: shows what the agent says, opens the browser, hands back what is pasted. The flow itself runs in the agent.
//!
//! What has to be settled first (a notice, a locked vault, no place for its key) is settled with a person at a terminal,
//! and is an exit code of its own elsewhere. Whoever interrupts a login leaves nothing behind: the connection closes,
//! and the agent forgets it.

mod conversation;
pub(super) mod notice;
mod paste;
mod qr;
pub(super) mod slot;

use std::io;

use super::args::LoginArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{browser, get_token, output, picker, when};
use crate::account::AccountName;
use crate::ipc::client::{CallError, Client};
use crate::ipc::message::account::ListAccounts;
use crate::ipc::message::login::{Flow, SignedIn, StartLogin};
use crate::ipc::message::provider::ListProviders;
use crate::ipc::message::vault::{SlotKind, VaultStatus};
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::Secret;
use conversation::Conversation;

/// Notice, key slot and passphrase are three; more than that is a circle.
pub(super) const MAX_ATTEMPTS: usize = 8;

pub(super) fn run(connect: &Connect, args: &LoginArgs) -> Result<(), Failure> {
    let mut request = request(connect, args)?;
    let mut client = connect.open()?;
    for _ in 0..MAX_ATTEMPTS {
        client.clear_deadline();
        let mut conversation = Conversation::new(args, &client)?;
        let answer = client.call_with(&request, &mut |method, params| conversation.notified(method, params));
        let title = conversation.finish();
        match answer {
            Ok(signed_in) => {
                finished(&signed_in, title.as_deref(), args.json)?;
                if !signed_in.renewed && output::person_present() {
                    offer_recovery(&mut client);
                }
                return Ok(());
            }
            Err(CallError::Agent(error)) => {
                settle(&mut client, &mut request.accept_notice, error, args.accept_notice)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(ErrorKind::Internal, "the login goes round in circles; `cred-helper doctor` may say why"))
}

/// Does what the agent wants done first; `Err` where that is not possible here.
pub(super) fn settle(
    client: &mut Client,
    accepted: &mut Option<String>,
    error: Error,
    accept_notice: bool,
) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::NoticeRequired if accepted.is_none() => {
            *accepted = Some(notice::accept(&error, accept_notice)?);
            Ok(())
        }
        _ => slot::settle(client, error),
    }
}

fn request(connect: &Connect, args: &LoginArgs) -> Result<StartLogin, Failure> {
    let (provider, label) = match (&args.sso, &args.provider) {
        (Some(issuer), _) if !issuer.contains("://") => {
            let message = "--sso takes the URL of an OpenID Connect issuer, such as https://id.example.com";
            return Err(Failure::Usage(message.to_owned()));
        }
        (Some(provider), _) | (None, Some(provider)) => target(provider, args.account.as_deref())?,
        (None, None) => target(&chosen(connect)?, args.account.as_deref())?,
    };
    let client_secret = if args.client_secret_stdin { Some(client_secret()?) } else { None };
    let flow = match args {
        LoginArgs { device: true, .. } => Flow::Device,
        LoginArgs { paste: true, .. } => Flow::Paste,
        _ => Flow::Auto,
    };
    let host = args.host.iter().map(|host| ("host".to_owned(), host.clone()));
    Ok(StartLogin {
        provider,
        label,
        parameters: args.parameter.iter().cloned().chain(host).collect(),
        flow,
        // Who asks for the URL has a browser somewhere that reaches this machine.
        browser: args.no_browser || browser::available(),
        client_id: args.client_id.clone(),
        client_secret,
        scope: get_token::scopes(&args.scope),
        redirect_port: args.redirect_port,
        replace: args.replace,
        accept_notice: None,
    })
}

/// The provider that a person chooses from all of them.
fn chosen(connect: &Connect) -> Result<String, Failure> {
    if !output::person_present() {
        // A mistake starts no agent.
        let providers = Connect::new(true).ask(&ListProviders {}).unwrap_or_default().providers;
        let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
        let there_are = match &names[..] {
            [] => "`cred-helper provider list` shows them".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        return Err(Failure::Usage(format!("which provider? {there_are}; any OpenID Connect issuer works by its URL")));
    }
    let mut client = connect.open()?;
    let providers = connect::call(&mut client, &ListProviders {})?.providers;
    // While the vault is locked nobody knows who is signed in; the login opens it.
    let accounts = client.call(&ListAccounts {}).ok().map(|answer| answer.accounts);
    picker::pick("Sign in to which provider?", picker::providers(&providers, accounts.as_deref(), when::now()))
}

/// `PROVIDER`, `PROVIDER/LABEL` or a URL, and `--account LABEL`.
fn target(provider: &str, label: Option<&str>) -> Result<(String, Option<String>), Failure> {
    if provider.contains("://") {
        if let Some(label) = label {
            AccountName::new("x", Some(label)).map_err(|error| Failure::Usage(error.to_string()))?;
        }
        return Ok((provider.to_owned(), label.map(str::to_owned)));
    }
    let name = match (label, provider.contains('/')) {
        (Some(_), true) => {
            return Err(Failure::Usage("the label is given twice: PROVIDER/LABEL and --account".to_owned()));
        }
        (Some(label), false) => AccountName::new(provider, Some(label)),
        (None, _) => provider.parse(),
    };
    let name = name.map_err(|error| Failure::Usage(format!("{error}; an issuer starts with https://")))?;
    Ok((name.provider().to_owned(), name.label().map(str::to_owned)))
}

fn client_secret() -> Result<Secret, Failure> {
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    let secret = Secret::from(line.trim_end_matches(['\n', '\r']).to_owned());
    drop(Secret::from(line));
    match read {
        Err(error) => Err(Failure::Usage(format!("the client secret cannot be read from standard input: {error}"))),
        Ok(_) if secret.is_empty() => {
            Err(Failure::Usage("--client-secret-stdin: the first line of standard input is empty".to_owned()))
        }
        Ok(_) => Ok(secret),
    }
}

fn finished(signed_in: &SignedIn, title: Option<&str>, json: bool) -> Result<(), Failure> {
    if json {
        output::json(signed_in)
    } else {
        output::tell(&sentence(signed_in, title));
        Ok(())
    }
}

/// A keyring that is reset takes the only key with it: said while there is still time.
fn offer_recovery(client: &mut Client) {
    // The login is safe; advice that can't be had is no error.
    let Ok(vault) = client.call(&VaultStatus {}) else { return };
    if matches!(&vault.slots[..], [only] if only.kind == SlotKind::Keyring) {
        output::tell(
            "Your keyring alone opens the vault. `cred-helper vault slot add passphrase` adds a second way in, for the \
             day the keyring is reset.",
        );
    }
}

fn sentence(signed_in: &SignedIn, title: Option<&str>) -> String {
    let account = &signed_in.account;
    let provider = title.unwrap_or_else(|| account.split('/').next().unwrap_or(account));
    let who = signed_in.identity.display().map(|who| format!(" as {who}")).unwrap_or_default();
    let organization = &signed_in.identity.organization;
    let organization = organization.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    let lasts = signed_in.expires_at.map(when::lasts);
    let renews = if signed_in.refreshable { "renews itself" } else { "cannot be renewed: log in again when it ends" };
    let token = match lasts {
        Some(lasts) => format!("The token {lasts} and {renews}."),
        None => format!("The token {renews}."),
    };
    let memory = if signed_in.persisted { "" } else { " It is in the agent's memory only and ends with the agent." };
    if signed_in.api_key {
        let forget = format!("`cred-helper api-key remove {account}` forgets it");
        return format!("Signed in to {provider}{who} (account {account}). Its API key is stored; {forget}.{memory}");
    }
    let how = signed_in.grant.as_deref().map(|grant| format!(" by {}, without a browser", grant.replace('_', " ")));
    let how = how.unwrap_or_default();
    format!("Signed in to {provider}{who}{organization}{how} (account {account}). {token}{memory}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Identity;
    use std::time::Duration;

    #[test]
    fn providers_labels_and_urls_are_told_apart() {
        let ok = |provider: &str, label| target(provider, label).expect(provider);
        assert_eq!(ok("anthropic", None), ("anthropic".to_owned(), None));
        assert_eq!(ok("anthropic/work", None), ("anthropic".to_owned(), Some("work".to_owned())));
        assert_eq!(ok("anthropic", Some("work")), ("anthropic".to_owned(), Some("work".to_owned())));
        assert_eq!(ok("https://a.example/b", Some("w")), ("https://a.example/b".to_owned(), Some("w".to_owned())));
        for (provider, label) in
            [("a/b", Some("c")), ("", None), ("a b", None), ("a", Some("")), ("https://a", Some("/"))]
        {
            assert_eq!(target(provider, label).expect_err(provider).code(), 2, "{provider} {label:?}");
        }
    }

    #[test]
    fn the_end_says_who_where_and_how_long() {
        let mut signed_in = SignedIn {
            account: "anthropic".to_owned(),
            identity: Identity {
                email: Some("me@example.org".to_owned()),
                organization: Some("Org".to_owned()),
                ..Identity::default()
            },
            scope: Vec::new(),
            expires_at: Some(when::now() + Duration::from_secs(28_800)),
            refreshable: true,
            grant: None,
            api_key: false,
            renewed: false,
            persisted: true,
        };
        let until = when::local(signed_in.expires_at.expect("an end"));
        assert_eq!(
            sentence(&signed_in, Some("Anthropic")),
            format!(
                "Signed in to Anthropic as me@example.org of Org (account anthropic). The token lasts 8 h (until {until}) \
                 and renews itself."
            )
        );
        signed_in.grant = Some("client_credentials".to_owned());
        let text = sentence(&signed_in, Some("Anthropic"));
        assert!(text.contains(" by client credentials, without a browser (account anthropic)"), "{text}");
        signed_in.persisted = false;
        signed_in.refreshable = false;
        signed_in.expires_at = None;
        let text = sentence(&signed_in, None);
        assert!(text.contains("cannot be renewed") && text.contains("memory only"), "{text}");
    }
}
