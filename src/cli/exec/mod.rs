//! `exec`: runs a command with accounts' tokens in the environment variables that it reads.
//!
//! A secret is put in the environment of the command alone, never in our own. On Unix the command takes our place, so
//! that signals, terminal, job control and exit status are its own and nobody is left who could get them wrong.

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use super::args::ExecArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{get_token, output, project, when};
use crate::clock::Timestamp;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::provider::{ProviderVariables, ShowProvider};
use crate::ipc::message::token::{AuthMethod, GetToken, Token};
use crate::secret::Secret;

/// The command is there and cannot be run, as shells say it.
const CANNOT_RUN: u8 = 126;
/// The command is not there.
const NOT_FOUND: u8 = 127;

/// What the command's environment gets, and what is taken out of it.
#[derive(Debug, Default)]
struct Environment {
    set: BTreeMap<String, Secret>,
    removed: Vec<String>,
}

pub(super) fn run(connect: &Connect, args: &ExecArgs) -> Result<(), Failure> {
    let [program, arguments @ ..] = &args.command[..] else {
        return Err(Failure::Usage("which command? It comes after `--`".to_owned()));
    };
    for account in args.account.iter().chain(args.env.iter().map(|(_, account)| account)) {
        connect::account(Some(account))?;
    }
    connect.start_apart();
    let environment = environment(connect, args)?;
    let mut command = Command::new(program);
    command.args(arguments);
    for name in &environment.removed {
        command.env_remove(name);
    }
    for (name, value) in &environment.set {
        command.env(name, &*value.expose());
    }
    let name = program.to_string_lossy();
    Err(not_run(&name, &system::run(command)))
}

fn not_run(name: &str, error: &io::Error) -> Failure {
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound => (NOT_FOUND, "there is no such command".to_owned()),
        _ => (CANNOT_RUN, format!("it cannot be run: {error}")),
    };
    let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    output::tell(&format!("cred-helper: {name}: {why}"));
    Failure::Quiet(code)
}

fn environment(connect: &Connect, args: &ExecArgs) -> Result<Environment, Failure> {
    let mut environment = Environment::default();
    let named = args.env.iter().map(|(name, account)| (Some(name), Some(account)));
    let none = (args.account.is_empty() && args.env.is_empty()).then_some((None, None));
    for (variable, account) in named.chain(args.account.iter().map(|account| (None, Some(account)))).chain(none) {
        let token = token(connect, args, account.map(String::as_str))?;
        if let Some(short) = short(&token, args, when::now()).filter(|_| !args.quiet) {
            output::warning(&short);
        }
        match variable {
            Some(variable) => environment.add(variable.clone(), token)?,
            None => {
                let names = variables(connect, &token)?;
                let variable = environment.choose(&names, &token)?;
                environment.add(variable, token)?;
            }
        }
    }
    Ok(environment)
}

fn token(connect: &Connect, args: &ExecArgs, account: Option<&str>) -> Result<Token, Failure> {
    let paths = connect::paths()?;
    let request = GetToken {
        account: connect::account(account)?,
        project: if account.is_none() { project::find(&paths.home)? } else { None },
        min_validity: Some(args.min_validity.as_secs()),
        deadline: Some(args.timeout.as_secs().max(1)),
        ..GetToken::default()
    };
    get_token::resolve(connect, &paths, args.timeout, &request)
}

/// The variables of the provider that the token is of; none where it is configured no more.
fn variables(connect: &Connect, token: &Token) -> Result<ProviderVariables, Failure> {
    let provider = token.account.split('/').next().unwrap_or(&token.account).to_owned();
    match connect.ask(&ShowProvider { provider }) {
        Ok(provider) => Ok(provider.variables),
        Err(Failure::Agent(error)) if error.kind() == ErrorKind::UnknownAccount => Ok(ProviderVariables::default()),
        Err(failure) => Err(failure),
    }
}

/// What to say of a token that lasts shorter than it should: it is not renewed where it goes.
fn short(token: &Token, args: &ExecArgs, now: Timestamp) -> Option<String> {
    let left = token.expires_at?.since(now);
    (left < args.min_validity).then(|| {
        format!(
            "{}: the token ends in {} and nothing renews it in the command's environment; a command that runs longer \
             asks `cred-helper get-token` instead",
            token.account,
            when::about(left)
        )
    })
}

impl Environment {
    /// The variable for that token; the provider's other ones go, so that the command finds no other credential.
    fn choose(&mut self, names: &ProviderVariables, token: &Token) -> Result<String, Failure> {
        let (its, what) = match token.method {
            AuthMethod::ApiKey => (&names.api_key, "API key"),
            AuthMethod::Oauth | AuthMethod::Password | AuthMethod::Unknown => (&names.oauth_token, "token"),
        };
        let account = &token.account;
        let Some(name) = its.first() else {
            let message = format!("{account}: its provider names no variable for its {what}: use --env NAME={account}");
            return Err(Failure::Usage(message));
        };
        // When the caller's own token ends is no news of ours.
        let all = [&names.oauth_token, &names.api_key, &names.expires_at, &names.refresh_token].into_iter().flatten();
        self.removed.extend(all.filter(|other| *other != name).cloned());
        Ok(name.clone())
    }

    fn add(&mut self, name: String, token: Token) -> Result<(), Failure> {
        if token.token.expose().chars().any(char::is_control) {
            let message = format!("{}: its token has a control character in it", token.account);
            return Err(Failure::new(ErrorKind::Internal, message));
        }
        if self.set.contains_key(&name) {
            let message = format!("{}: {name} is taken by another account: use --env NAME={0}", token.account);
            return Err(Failure::Usage(message));
        }
        self.set.insert(name, token.token);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn token(account: &str, method: &str) -> Token {
        let text = format!(
            r#"{{"account":"{account}","token":"t","kind":"access","token_type":"Bearer","method":"{method}",
                "source":"login","min_validity_met":true,"persisted":true,"expires_at":1000}}"#
        );
        serde_json::from_str(&text).expect("an answer")
    }

    fn names() -> ProviderVariables {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ProviderVariables {
            oauth_token: names(&["P_TOKEN", "P_OLD"]),
            api_key: names(&["P_KEY"]),
            expires_at: names(&["P_END"]),
            refresh_token: names(&["P_REFRESH"]),
        }
    }

    #[test]
    fn a_credential_gets_its_first_variable_and_the_others_go() {
        for (method, name, others) in
            [("oauth", "P_TOKEN", ["P_OLD", "P_KEY"]), ("api_key", "P_KEY", ["P_TOKEN", "P_OLD"])]
        {
            let removed = [&others[..], &["P_END", "P_REFRESH"]].concat();
            let mut environment = Environment::default();
            assert_eq!(environment.choose(&names(), &token("p", method)).expect(method), name);
            assert_eq!(environment.removed, removed);
        }
        let none = Environment::default().choose(&ProviderVariables::default(), &token("p", "oauth"));
        let message = none.expect_err("none").message().unwrap_or_default().to_owned();
        assert!(message.contains("--env NAME=p"), "{message}");
    }

    #[test]
    fn two_accounts_never_share_a_variable() {
        let mut environment = Environment::default();
        environment.add("A".to_owned(), token("p", "oauth")).expect("the first");
        let failure = environment.add("A".to_owned(), token("p/work", "oauth")).expect_err("the second");
        assert_eq!(failure.code(), 2);
        assert!(failure.message().is_some_and(|text| text.contains("--env NAME=p/work")), "{failure:?}");
    }

    #[test]
    fn a_token_that_ends_soon_is_said() {
        let mut args = ExecArgs {
            account: Vec::new(),
            env: Vec::new(),
            min_validity: Duration::from_secs(900),
            timeout: Duration::from_secs(1),
            quiet: false,
            command: Vec::new(),
        };
        assert!(short(&token("p", "oauth"), &args, Timestamp(100)).is_none(), "900 seconds are left");
        let said = short(&token("p", "oauth"), &args, Timestamp(400)).expect("600 seconds are left");
        assert!(said.starts_with("p: the token ends in 10 min"), "{said}");
        args.min_validity = Duration::from_secs(60);
        assert!(short(&token("p", "oauth"), &args, Timestamp(400)).is_none());
    }
}
