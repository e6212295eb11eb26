//! Tools whose settings are the person's to write: what to paste, and where.

use super::super::exit::Failure;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish, no_doubts};

pub(super) const GOOGLE: Tool = Tool {
    name: "google",
    program: "gcloud",
    help: "Shows the credential_source of an external_account file for --account.",
    plan: google,
    doubts: no_doubts,
};

pub(super) const MAIL: Tool = Tool {
    name: "mail",
    program: "msmtp",
    help: "Shows the lines for msmtp, mbsync, neomutt, aerc and getmail, with the token of --account.",
    plan: mail,
    doubts: no_doubts,
};

pub(super) const POETRY: Tool = Tool {
    name: "poetry",
    program: "poetry",
    help: "Says what has to be installed beside it.",
    plan: backend,
    doubts: no_doubts,
};

pub(super) const TWINE: Tool = Tool { name: "twine", program: "twine", ..POETRY };

fn google(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let account = Some(wish.account.clone().unwrap_or_else(|| "ACCOUNT".to_owned()));
    let named = Wish { account, ..wish.clone() };
    let words = named.helper_words(&["helper", "google"]);
    let command = serde_json::Value::from(machine.command(&words));
    shown(
        wish,
        format!(
            "In the external_account file that GOOGLE_APPLICATION_CREDENTIALS names:\n\n  \"credential_source\": {{\n    \"executable\": \
             {{ \"command\": {command}, \"timeout_millis\": 30000 }}\n  }}\n\nand in the environment: GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"
        ),
    )
}

fn mail(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let account = wish.account.as_deref().unwrap_or("ACCOUNT");
    let command = machine.command(&["get-token", account]);
    let tuple = [&machine.program_text(), "get-token", account].map(|word| serde_json::Value::from(word).to_string());
    let quoted = command.replace('"', "\\\"");
    shown(
        wish,
        format!(
            "msmtp, in ~/.msmtprc:\n\n  auth oauthbearer\n  passwordeval {command}\n\n\
             mbsync, in ~/.mbsyncrc (with a SASL plugin for XOAUTH2):\n\n  AuthMechs XOAUTH2\n  PassCmd \"{quoted}\"\n\n\
             neomutt, in its neomuttrc:\n\n  set imap_authenticators = \"oauthbearer:xoauth2\"\n  set imap_oauth_refresh_command = \
             \"{quoted}\"\n  set smtp_authenticators = \"oauthbearer:xoauth2\"\n  set smtp_oauth_refresh_command = \"{quoted}\"\n\n\
             aerc, in its accounts.conf:\n\n  source = imaps+oauthbearer://USER@HOST\n  source-cred-cmd = {command}\n  \
             outgoing = smtps+oauthbearer://USER@HOST\n  outgoing-cred-cmd = {command}\n\n\
             getmail, in the [retriever] of its getmailrc:\n\n  use_xoauth2 = True\n  password_command = ({})",
            tuple.join(", ")
        ),
    )
}

fn backend(_machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    shown(
        wish,
        "Poetry and twine ask Python's keyring. Install the package in contrib/python of cred-helper's sources where they are installed, such \
         as `pipx inject poetry SOURCES/contrib/python`: it is a backend that asks the agent."
            .to_owned(),
    )
}

fn shown(wish: &Wish, text: String) -> Result<Plan, Failure> {
    wish.without_host()?;
    wish.without_name()?;
    Ok(Plan::default().with_note(text))
}
