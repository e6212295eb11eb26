//! `import`: shows what another program's file has (never a value), and hands it to the agent.
//!
//! By default the access token alone: the other program goes on owning the login. `--own` takes the refresh token too,
//! which the agent redeems at once.

mod find;
mod places;

use serde::Serialize;

use super::args::ImportArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{login, output, when};
use crate::clock::Timestamp;
use crate::ipc::client::CallError;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::import::{ImportAccount, ImportFormat, ImportSource};
use crate::ipc::message::login::SignedIn;
use crate::secret::Secret;
use find::Candidate;

/// What was found, without a value that is secret.
#[derive(Debug, Serialize)]
struct Seen<'a> {
    provider: &'a str,
    label: Option<&'a str>,
    source: &'a ImportSource,
    refresh_token: bool,
    expires_at: Option<Timestamp>,
    scope: &'a [String],
    own: bool,
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    found: Seen<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<SignedIn>,
}

pub(super) fn run(connect: &Connect, args: &ImportArgs) -> Result<(), Failure> {
    let paths = connect::paths()?;
    let candidate = find::find(args, &paths.home)?;
    output::tell(&description(&candidate, args.own, when::now()));
    check(&candidate, args.own)?;
    let imported = if args.dry_run { None } else { Some(hand_over(connect, &candidate, args)?) };
    if args.json {
        let Candidate { provider, label, source, found, .. } = &candidate;
        let (refresh_token, expires_at) = (found.refresh_token.is_some(), found.expires_at);
        let label = label.as_deref();
        let seen = Seen { provider, label, source, refresh_token, expires_at, scope: &found.scope, own: args.own };
        return output::json(&Outcome { found: seen, imported });
    }
    match &imported {
        Some(imported) => output::tell(&sentence(imported, &candidate, args.own)),
        None => output::tell("Nothing was taken (--dry-run)."),
    }
    Ok(())
}

/// Whether there is what is to be taken.
fn check(candidate: &Candidate, own: bool) -> Result<(), Failure> {
    let Candidate { found, .. } = candidate;
    let message = match (&found.access_token, &found.refresh_token) {
        (_, None) if own => "there is no refresh token to own: without --own the access token alone is taken",
        (None, _) if !own => {
            "there is a refresh token and no access token, so there is nothing to read: --own redeems it at once and makes \
             the agent its owner"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(ErrorKind::Misconfigured, message))
}

fn hand_over(connect: &Connect, candidate: &Candidate, args: &ImportArgs) -> Result<SignedIn, Failure> {
    let found = &candidate.found;
    let mut request = ImportAccount {
        provider: candidate.provider.clone(),
        label: candidate.label.clone(),
        access_token: found.access_token.as_ref().map(Secret::duplicate),
        expires_at: found.expires_at,
        scope: found.scope.clone(),
        // What is not taken does not even travel.
        refresh_token: found.refresh_token.as_ref().filter(|_| args.own).map(|token| token.duplicate()),
        client_id: args.client_id.clone().or_else(|| found.client_id.clone().filter(|_| args.own)),
        client_secret: found.client_secret.as_ref().filter(|_| args.own).map(|secret| secret.duplicate()),
        source: candidate.source.clone(),
        interactive: output::person_present(),
        accept_notice: None,
    };
    let mut client = connect.open()?;
    for _ in 0..login::MAX_ATTEMPTS {
        client.clear_deadline();
        match client.call(&request) {
            Ok(imported) => return Ok(imported),
            Err(CallError::Agent(error)) => {
                login::settle(&mut client, &mut request.accept_notice, error, args.accept_notice)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(ErrorKind::Internal, "the import goes round in circles; `cred-helper doctor` may say why"))
}

/// What was found and what will be done with it, for people.
fn description(candidate: &Candidate, own: bool, now: Timestamp) -> String {
    let Candidate { title, source, found, target, exposed, provider, .. } = candidate;
    let format = match source.format {
        ImportFormat::Yaml => "YAML",
        ImportFormat::Toml => "TOML",
        ImportFormat::Json | ImportFormat::Unknown => "JSON",
    };
    let place = source.path.as_deref().unwrap_or("standard input");
    let whose = title.map(|title| format!("{title}'s login")).unwrap_or_else(|| "a login".to_owned());
    let mut lines = vec![format!("Found {whose} for {provider} in {place} ({format}).")];
    let ends = match found.expires_at {
        Some(at) if at > now => format!("valid until {} ({} left)", when::local(at), when::span(at.since(now))),
        Some(at) => format!("expired {}", when::local(at)),
        None => "no end known".to_owned(),
    };
    lines.push(match &found.access_token {
        Some(_) => format!("  access token: there, {ends}"),
        None => "  access token: none".to_owned(),
    });
    let program = title.unwrap_or("The program that wrote it");
    lines.push(match (&found.refresh_token, own) {
        (None, _) => "  refresh token: none".to_owned(),
        (Some(_), false) => format!(
            "  refresh token: there, and left there: were two programs to redeem it, the server would log both out. {program} \
             goes on renewing the login."
        ),
        (Some(_), true) => format!(
            "  refresh token: there; it is redeemed now and belongs to the agent. {program} has to sign in again then, or ask the \
             agent."
        ),
    });
    if !found.scope.is_empty() {
        lines.push(format!("  scopes: {}", found.scope.join(" ")));
    }
    if let Some(target) = target {
        lines.push(format!("  the file is a link to {}", target.display()));
    }
    if *exposed {
        lines.push("  others can read that file: `chmod go-r` on it keeps its tokens yours".to_owned());
    }
    lines.join("\n")
}

fn sentence(imported: &SignedIn, candidate: &Candidate, own: bool) -> String {
    let account = &imported.account;
    let memory = if imported.persisted { "" } else { " It is in the agent's memory only and ends with the agent." };
    let what = match (own, &candidate.source.path) {
        (true, _) => "the agent owns this login now and renews it",
        (false, Some(_)) => "read-only: the file is read again whenever it has changed",
        (false, None) => "read-only, and cannot be read again: import anew when it ends",
    };
    format!("Imported as {account} ({what}).{memory}")
}
