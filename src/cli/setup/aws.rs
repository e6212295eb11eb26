//! AWS: the credential_process of a profile.

use super::super::exit::Failure;
use super::format::{Entry, Ini, Order};
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish, no_doubts};

pub(super) const TOOL: Tool = Tool {
    name: "aws",
    program: "aws",
    help: "credential_process of the profile --name (cred-helper if none is named) in ~/.aws/config (or $AWS_CONFIG_FILE), with the ID token of \
           --account: `setup aws --account work -- --role-arn ARN`.",
    plan,
    doubts: no_doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    if wish.account.is_none() || !wish.words.iter().any(|word| word.starts_with("--role-arn")) {
        let message = "aws is set up with an account and a role: `setup aws --account NAME -- --role-arn ARN`";
        return Err(Failure::Usage(message.to_owned()));
    }
    let profile = wish.name.as_deref().unwrap_or("cred-helper");
    let section = if profile == "default" { profile.to_owned() } else { format!("profile {profile}") };
    let values = vec![machine.command(&wish.helper_words(&["helper", "aws"]))];
    let entry = Ini { section, key: "credential_process".into(), values, order: Order::Alone, indent: "" };
    let file = machine.path("AWS_CONFIG_FILE").unwrap_or_else(|| machine.home.join(".aws").join("config"));
    Ok(Plan::of(file, vec![Entry::Ini(entry)])
        .with_note(format!("Use it with `aws --profile {profile}` or AWS_PROFILE={profile}")))
}
