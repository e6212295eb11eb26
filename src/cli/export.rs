//! `export`: an access token with its times, in the names that other programs know. A refresh token only if that is
//! forced: there is one owner of it, and whoever gets it is the next.

use serde_json::{Value, json};

use super::args::{ExportArgs, ExportFormat};
use super::connect::{self, Connect};
use super::exit::Failure;
use super::output;
use crate::ipc::message::import::ExportAccount;
use crate::ipc::message::token::GetToken;
use crate::secret::Secret;

const KEPT: &str = "The refresh token stays with the agent: two programs that redeem it race, and the server logs both out. \
                    A program that runs for long asks `cred-helper get-token` each time.";
const GIVEN: &str = "The refresh token goes with it, and the login with that: the agent renews and revokes it no more, and \
                     serves its last access token until that ends. Give it to one program only: of two that redeem it the \
                     server logs out both. `cred-helper login` signs in here anew.";

pub(super) fn run(connect: &Connect, args: &ExportArgs) -> Result<(), Failure> {
    let account = connect::account(args.account.as_deref())?;
    let ExportFormat::Json = args.format;
    let document = if args.force_refresh_token { given(connect, account)? } else { kept(connect, account)? };
    output::tell(if args.force_refresh_token { GIVEN } else { KEPT });
    let text = serde_json::to_string_pretty(&document).map(Secret::from);
    output::secret(&text.map_err(|_| Failure::System("the token cannot be written as JSON".to_owned()))?)
}

fn kept(connect: &Connect, account: Option<String>) -> Result<Value, Failure> {
    let token = connect.ask(&GetToken { account, ..GetToken::default() })?;
    if let Some(warning) = &token.warning {
        output::warning(warning);
    }
    Ok(json!({
        "account": token.account,
        "access_token": &*token.token.expose(),
        "token_type": token.token_type,
        "expires_at": token.expires_at,
        "scope": token.scope.join(" "),
    }))
}

fn given(connect: &Connect, account: Option<String>) -> Result<Value, Failure> {
    let exported = connect.ask(&ExportAccount { account })?;
    Ok(json!({
        "account": exported.account,
        "access_token": &*exported.access_token.expose(),
        "token_type": exported.token_type,
        "expires_at": exported.expires_at,
        "scope": exported.scope.join(" "),
        "refresh_token": &*exported.refresh_token.expose(),
        "client_id": exported.client_id,
        "token_endpoint": exported.token_endpoint,
    }))
}
