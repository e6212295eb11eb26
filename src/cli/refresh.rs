//! `refresh`: renews a token now, however fresh it is.

use super::args::RefreshArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{output, when};
use crate::ipc::message::token::RefreshToken;

pub(super) fn run(connect: &Connect, args: &RefreshArgs) -> Result<(), Failure> {
    let request = RefreshToken { account: connect::account(args.account.as_deref())? };
    let answer = connect.ask(&request)?;
    let lasts = answer.expires_at.map(|at| format!("; the token {}", when::lasts(at)));
    output::tell(&format!("Refreshed {}{}.", answer.account, lasts.unwrap_or_default()));
    if !answer.persisted {
        output::warning("the new login is not on disk yet; `cred-helper status` says more");
    }
    Ok(())
}
