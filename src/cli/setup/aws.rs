//! AWS: the credential_process of a profile.

use std::path::PathBuf;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Ini, Order};
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "aws",
    program: "aws",
    help: "credential_process of the profile --name (cred-helper if none is named) in ~/.aws/config (or $AWS_CONFIG_FILE), with the ID token of \
           --account: `setup aws --account ACCOUNT -- --role-arn ARN`.",
    plan,
    doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.without_host()?;
    if wish.account.is_none() || !wish.words.iter().any(|word| word.starts_with("--role-arn")) {
        let message =
            "aws is set up with an account and a role: `cred-helper setup aws --account ACCOUNT -- --role-arn ARN`";
        return Err(Failure::Usage(message.to_owned()));
    }
    let (profile, section) = profile(wish);
    let values = vec![machine.command(&wish.helper_words(&["helper", "aws"]))];
    let entry = Ini { section, key: "credential_process".into(), values, order: Order::Alone, indent: "" };
    Ok(Plan::of(file(machine, "AWS_CONFIG_FILE", "config"), vec![Entry::Ini(entry)])
        .with_note(format!("Use it with `aws --profile {profile}` or AWS_PROFILE={profile}")))
}

/// The profile, and its section in the configuration.
fn profile(wish: &Wish) -> (&str, String) {
    let profile = wish.name.as_deref().unwrap_or("cred-helper");
    let section = if profile == "default" { profile.to_owned() } else { format!("profile {profile}") };
    (profile, section)
}

fn file(machine: &Machine<'_>, variable: &str, name: &str) -> PathBuf {
    machine.path(variable).unwrap_or_else(|| machine.home.join(".aws").join(name))
}

/// What AWS's programs try before a profile's credential_process, in their order.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    let (profile, section) = profile(wish);
    // Not where --profile names it.
    let usual = machine.variable("AWS_PROFILE").unwrap_or_else(|| "default".into());
    let names = ["AWS_ACCESS_KEY_ID"];
    let variable =
        (usual == *profile).then(|| Doubt::variable(machine, &names, "aws takes that unless --profile is said"));
    let config = file(machine, "AWS_CONFIG_FILE", "config");
    let keys = file(machine, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    let before = ["role_arn", "sso_session", "sso_start_url"].map(|key| (&config, section.as_str(), key));
    let first = |(path, section, key): (&PathBuf, &str, &'static str)| {
        let line = Ini::line_of(&machine.read(path), section, key)?;
        let file = machine.shown(path);
        Some(Doubt::from(format!("{file}, line {line}: aws takes {key} before credential_process: take it out")))
    };
    let files = before.into_iter().chain([(&keys, profile, "aws_access_key_id")]).filter_map(first);
    variable.flatten().into_iter().chain(files).collect()
}
