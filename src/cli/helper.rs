//! `helper NAME`, and the same program under another name: other programs' credential protocols. What they say is in
//! `helper/`; here they are given the agent and the streams.

use std::io;

use super::args::HelperArgs;
use super::connect::{self, Connect};
use super::exit::Failure;
use super::{get_token, output};
use crate::helper::{self, Agent, Call, Protocol};
use crate::ipc::message::aws::{AssumeRole, RoleCredentials};
use crate::ipc::message::password::{ListPasswords, PasswordStored, Passwords, RemovePassword, StorePassword};
use crate::ipc::message::token::{GetToken, RejectToken, Rejection, Token};
use crate::ipc::message::{Error, ErrorKind, Method};
use crate::paths::Paths;

/// The flag that a client's configuration may put before its own words.
const NO_START: &str = "--no-start";

pub(super) fn run(connect: &Connect, args: &HelperArgs) -> Result<(), Failure> {
    let protocol =
        helper::named(&args.name).ok_or_else(|| Failure::Usage("there is no helper of that name".to_owned()))?;
    call(connect, protocol, &args.arguments)
}

/// Runs as the program that its name says it is: nothing else of the command line is looked at.
pub(super) fn run_as(protocol: &Protocol, mut arguments: &[String]) -> Result<(), Failure> {
    let no_start = arguments.first().is_some_and(|first| first == NO_START);
    if no_start {
        arguments = &arguments[1..];
    }
    call(&Connect::new(no_start), protocol, arguments)
}

fn call(connect: &Connect, protocol: &Protocol, arguments: &[String]) -> Result<(), Failure> {
    let mut agent = Asked { connect, paths: connect::paths()?, hushed: false };
    let (mut input, mut output) = (io::stdin().lock(), output::stream());
    let variable = |name: &str| std::env::var(name).ok();
    let mut call = Call { arguments, input: &mut input, output: &mut output, agent: &mut agent, variable: &variable };
    let result = (protocol.run)(&mut call);
    io::Write::flush(&mut output)?;
    Ok(result?)
}

/// The agent, asked as `get-token` and `reject` ask it.
struct Asked<'a> {
    connect: &'a Connect,
    paths: Paths,
    /// Nothing is said on standard error.
    hushed: bool,
}

impl Asked<'_> {
    fn ask<M: Method>(&self, question: &M) -> Result<M::Answer, Box<Error>> {
        self.connect.ask_within(&self.paths, connect::DEADLINE, question).map_err(in_words)
    }
}

impl Agent for Asked<'_> {
    fn token(&mut self, get: &GetToken) -> Result<Token, Box<Error>> {
        let timeout = std::time::Duration::from_secs(get.deadline.unwrap_or_default());
        let warn = |warning: &str| {
            if !self.hushed {
                output::warning(warning)
            }
        };
        get_token::resolve_with(self.connect, &self.paths, timeout, get, warn).map_err(in_words)
    }

    fn assume_role(&mut self, assume: &AssumeRole) -> Result<RoleCredentials, Box<Error>> {
        self.ask(assume)
    }

    fn reject(&mut self, reject: &RejectToken) -> Result<Rejection, Box<Error>> {
        self.ask(reject)
    }

    fn store_password(&mut self, store: &StorePassword) -> Result<PasswordStored, Box<Error>> {
        self.ask(store)
    }

    fn remove_password(&mut self, remove: &RemovePassword) -> Result<Passwords, Box<Error>> {
        self.ask(remove)
    }

    fn passwords(&mut self) -> Result<Passwords, Box<Error>> {
        self.ask(&ListPasswords {})
    }

    fn tell(&mut self, line: &str) {
        if !self.hushed {
            output::tell(&format!("cred-helper: {line}"));
        }
    }

    fn hush(&mut self) {
        self.hushed = true;
    }
}

/// What a protocol may have a form of its own for.
fn in_words(failure: Failure) -> Box<Error> {
    match failure {
        Failure::Agent(error) => error,
        other => Box::new(Error::new(ErrorKind::Internal, other.message().unwrap_or_default())),
    }
}

impl From<helper::Failure> for Failure {
    fn from(failure: helper::Failure) -> Self {
        match failure {
            helper::Failure::Agent(error) => Failure::Agent(error),
            helper::Failure::Usage(message) => Failure::Usage(message.to_owned()),
            helper::Failure::Told => Failure::Quiet(1),
            helper::Failure::Output(error) => error.into(),
        }
    }
}
