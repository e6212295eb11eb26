//! `account`: what is signed in, and names for it.

use super::args::AccountCommand;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::table::{self, Cell};
use super::{project, status, when};
use crate::clock::Timestamp;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::account::{AccountStatus, ListAccounts, RenameAccount, SetDefault, ShowAccount, TrustProject};
use crate::ipc::message::token::{AuthMethod, ProjectAccount};

pub(super) fn run(connect: &Connect, command: &AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::List { json } => {
            let answer = connect.ask(&ListAccounts {})?;
            status::print(&answer, *json)
        }
        AccountCommand::Show { account, target, json } => {
            let request = ShowAccount { account: connect::account(account.as_deref())?, target: target.clone() };
            let answer = connect.ask(&request)?;
            if *json { output::json(&answer) } else { output::data(&shown(&answer)) }
        }
        AccountCommand::Default { account } => {
            let request = SetDefault { account: checked(account)? };
            connect.ask(&request)?;
            output::tell(&format!("{} is the account that is meant when none is named.", request.account));
            Ok(())
        }
        AccountCommand::Trust => {
            let Some(ProjectAccount { file, account }) = project::find(&connect::paths()?.home)? else {
                return Err(Failure::new(ErrorKind::UnknownAccount, "there is no .cred-helper.toml here or above"));
            };
            let request = TrustProject { file, account };
            connect.ask(&request)?;
            output::tell(&format!("{} may name the account {}.", request.file, request.account));
            Ok(())
        }
        AccountCommand::Rename { account, to } => {
            let request = RenameAccount { account: checked(account)?, to: checked(to)? };
            connect.ask(&request)?;
            output::tell("Renamed.");
            Ok(())
        }
    }
}

fn checked(name: &str) -> Result<String, Failure> {
    connect::account(Some(name)).map(Option::unwrap_or_default)
}

fn shown(account: &AccountStatus) -> String {
    let text = |value: &Option<String>| value.as_deref().map(Cell::from);
    let at = |value: Option<Timestamp>| value.map(|at| Cell::from(when::local(at)));
    let yes_no = |yes: bool| Some(Cell::from(if yes { "yes" } else { "no" }));
    let scope = (!account.scope.is_empty()).then(|| Cell::from(account.scope.join(" ")));
    let mut out = table::facts(
        Style::stdout(),
        vec![
            ("account", Some(Cell::new(&account.account, Tone::Strong))),
            ("provider", Some(account.provider_title.as_str().into())),
            ("default", yes_no(account.default)),
            ("state", Some(status::state(account.state))),
            (
                "answers",
                Some(Cell::from(if account.method == AuthMethod::ApiKey { "its API key" } else { "its login" })),
            ),
            ("e-mail", text(&account.identity.email)),
            ("name", text(&account.identity.name)),
            ("organization", text(&account.identity.organization)),
            ("subject", text(&account.identity.subject)),
            ("issuer", text(&account.issuer)),
            ("client identifier", text(&account.client_id)),
            ("scopes", scope),
            ("token expires", at(account.expires_at)),
            ("refreshed ahead", at(account.refresh_at)),
            ("refresh token expires", at(account.refresh_expires_at)),
            ("renews itself", yes_no(account.refreshable)),
            ("ID token", yes_no(account.id_token)),
            ("signed in", at(Some(account.signed_in_at))),
            ("last refreshed", at(account.refreshed_at)),
            ("last used", at(account.used_at)),
            ("on disk", yes_no(account.persisted)),
            ("API key", account.api_key.as_ref().map(|key| Cell::from(format!("SHA-256 {}...", key.fingerprint)))),
            ("API key stored", at(account.api_key.as_ref().map(|key| key.stored_at))),
            ("API key expires", at(account.api_key.as_ref().and_then(|key| key.expires_at))),
            ("API key last used", at(account.api_key.as_ref().and_then(|key| key.used_at))),
        ],
    );
    status::problems(account, when::now()).iter().for_each(|problem| out.push_str(&format!("{problem}\n")));
    out
}
