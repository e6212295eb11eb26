//! Other programs' credential protocols: text in, text out, one file each, and one line each in [`PROTOCOLS`].
//!
//! A protocol turns what its client sends into questions to the agent, and the answers into what that client reads. How the
//! agent is reached and where the text goes it doesn't know: the command line gives it both, and the tests play both. A URL
//! that no account answers for is that protocol's "nothing here", so that other helpers and anonymous access go on working.

mod address;
mod authorization;
mod aws;
pub mod bazel;
pub mod cargo;
pub mod docker;
pub mod git;
pub mod goauth;
mod google;
mod headers;
pub mod keyring;
pub mod kubectl;
#[cfg(test)]
mod play;
mod pnpm;
mod shown;
pub mod terraform;
mod words;

use std::ffi::OsStr;
use std::io::{self, Read, Write};

use crate::ipc::message::Error;
use crate::ipc::message::aws::{AssumeRole, RoleCredentials};
use crate::ipc::message::password::{PasswordStored, Passwords, RemovePassword, StorePassword};
use crate::ipc::message::token::{GetToken, RejectToken, Rejection, Token};
use crate::secret::Secret;

/// A protocol of other programs'.
#[derive(Debug)]
pub struct Protocol {
    /// What it is called after `cred-helper helper`.
    pub name: &'static str,
    /// The file name by which its clients start it: the same program under another name. `None` if they run any command.
    pub program: Option<&'static str>,
    /// How a client is told to use it, and what it is answered, for the manual.
    pub help: &'static str,
    /// Answers one call of a client.
    pub run: fn(&mut Call<'_>) -> Result<(), Failure>,
}

/// Every protocol, sorted.
pub const PROTOCOLS: &[Protocol] = &[
    Protocol { name: "aws", program: None, help: aws::HELP, run: aws::run },
    Protocol { name: "bazel", program: Some("bazel-credential-cred-helper"), help: bazel::HELP, run: bazel::run },
    Protocol { name: "cargo", program: None, help: cargo::HELP, run: cargo::run },
    Protocol { name: "docker", program: Some("docker-credential-cred-helper"), help: docker::HELP, run: docker::run },
    Protocol { name: "git", program: Some("git-credential-cred-helper"), help: git::HELP, run: git::run },
    Protocol { name: "goauth", program: None, help: goauth::HELP, run: goauth::run },
    Protocol { name: "google", program: None, help: google::HELP, run: google::run },
    Protocol { name: "headers", program: None, help: headers::HELP, run: headers::run },
    Protocol { name: "keyring", program: Some("keyring"), help: keyring::HELP, run: keyring::run },
    Protocol { name: "kubectl", program: None, help: kubectl::HELP, run: kubectl::run },
    Protocol { name: "pnpm", program: Some(pnpm::PROGRAM), help: pnpm::HELP, run: pnpm::run },
    Protocol {
        name: "terraform",
        program: Some("terraform-credentials-cred-helper"),
        help: terraform::HELP,
        run: terraform::run,
    },
];

/// The words that say the protocol where a client starts `cred-helper` with them alone.
const FLAGS: &[(&str, &str)] = &[(cargo::FLAG, "cargo")];

/// How long the agent may take: no tool is kept waiting longer because something fails here. Seconds.
const DEADLINE: u64 = 30;
/// How long a refresh that fails, as without a network, is tried again meanwhile. Seconds.
const RETRY_FOR: u64 = 5;
/// What is said of a password that a newer agent does not keep, in words that are not known here.
const NOT_KEPT: &str = "nothing was stored; this program is older than the agent and does not know why";
/// More than any client sends.
const LONGEST_INPUT: u64 = 1024 * 1024;
const TOO_LONG: Failure = Failure::Usage("the request on standard input cannot be read, or is too long");

/// What a protocol asks the agent.
pub trait Agent {
    /// `token.get`.
    fn token(&mut self, get: &GetToken) -> Result<Token, Box<Error>>;
    /// `aws.assume_role`.
    fn assume_role(&mut self, assume: &AssumeRole) -> Result<RoleCredentials, Box<Error>>;
    /// `token.reject`.
    fn reject(&mut self, reject: &RejectToken) -> Result<Rejection, Box<Error>>;
    /// `password.store`.
    fn store_password(&mut self, store: &StorePassword) -> Result<PasswordStored, Box<Error>>;
    /// `password.remove`.
    fn remove_password(&mut self, remove: &RemovePassword) -> Result<Passwords, Box<Error>>;
    /// `password.list`.
    fn passwords(&mut self) -> Result<Passwords, Box<Error>>;
    /// A line for the person who runs the tool.
    fn tell(&mut self, line: &str);
    /// From here on nothing is told, warnings neither: the client takes it for a part of the answer.
    fn hush(&mut self);
}

/// One call of a client.
pub struct Call<'a> {
    /// What followed the program's name.
    pub arguments: &'a [String],
    /// What it sends.
    pub input: &'a mut dyn Read,
    /// Where it reads.
    pub output: &'a mut dyn Write,
    /// Who has the tokens.
    pub agent: &'a mut dyn Agent,
    /// A variable of the environment that the client started it with.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a call ends without the answer that the client hoped for. Nothing of what it sent is repeated.
#[derive(Debug)]
pub enum Failure {
    /// What the agent said.
    Agent(Box<Error>),
    /// The client called or sent what its protocol doesn't have.
    Usage(&'static str),
    /// The client has been told, in its protocol's own form; the program ends with 1.
    Told,
    /// Nobody reads.
    Output(io::Error),
}

impl From<Box<Error>> for Failure {
    fn from(error: Box<Error>) -> Self {
        Failure::Agent(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

/// What every protocol asks for a token with.
fn asking() -> GetToken {
    GetToken { deadline: Some(DEADLINE), retry_for: Some(RETRY_FOR), ..GetToken::default() }
}

impl Call<'_> {
    /// A line of what the client sends, without its end; `None` after the last one.
    fn read_line(&mut self) -> Result<Option<Secret>, Failure> {
        const LINE: Failure = Failure::Usage("a line on standard input cannot be read, or is too long");
        let mut bytes = Vec::new();
        if !self.append_line(&mut bytes).map_err(|_| LINE)? {
            return Ok(None);
        }
        bytes.pop_if(|last| *last == b'\n');
        String::from_utf8(bytes).map(|text| Some(Secret::from(text))).map_err(|_| LINE)
    }

    /// What the client sends up to an empty line, or to its end: who has said all may keep the stream open for the answer.
    fn read_lines(&mut self) -> Result<Secret, Failure> {
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            if !self.append_line(&mut bytes)? || matches!(bytes.get(start..), Some(b"\n" | b"\r\n")) {
                return Ok(lossy(bytes));
            }
        }
    }

    /// All that the client sends. What is no UTF-8 in it matches nothing.
    fn read(&mut self) -> Result<Secret, Failure> {
        let mut bytes = Vec::new();
        let read = (&mut *self.input).take(LONGEST_INPUT + 1).read_to_end(&mut bytes);
        let whole = read.is_ok() && bytes.len() as u64 <= LONGEST_INPUT;
        let text = lossy(bytes);
        if whole { Ok(text) } else { Err(TOO_LONG) }
    }

    /// Appends a line with its end; whether there was anything.
    fn append_line(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let start = bytes.len();
        loop {
            let mut byte = [0];
            match self.input.read(&mut byte) {
                Ok(0) => return Ok(bytes.len() > start),
                Ok(_) if bytes.len() >= LONGEST_INPUT as usize => return Err(TOO_LONG),
                Ok(_) => bytes.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(TOO_LONG),
            }
            if byte == *b"\n" {
                return Ok(true);
            }
        }
    }
}

fn lossy(bytes: Vec<u8>) -> Secret {
    Secret::from(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(odd) => String::from_utf8_lossy(odd.as_bytes()).into_owned(),
    })
}

/// The protocol whose client starts us with these words after the program's name.
pub fn flagged_by(words: &[impl AsRef<OsStr>]) -> Option<&'static Protocol> {
    let [word] = words else { return None };
    let (_, name) = FLAGS.iter().find(|(flag, _)| word.as_ref() == *flag)?;
    named(name)
}

/// The protocol of that name.
pub fn named(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}

/// The program's protocol, if it goes by the name of one: the last part of `argv[0]`, without Windows' ending.
pub fn named_by(program: &str) -> Option<&'static Protocol> {
    let name = name(program);
    let name = if pnpm::registry(name).is_some() { pnpm::PROGRAM } else { name };
    PROTOCOLS.iter().find(|protocol| protocol.program == Some(name))
}

/// The words that its name stands for, where its client can give it none.
pub fn words_in(program: &str) -> Vec<String> {
    pnpm::registry(name(program)).map_or_else(Vec::new, |url| vec!["--url".to_owned(), url])
}

fn name(program: &str) -> &str {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    name.strip_suffix(".exe").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_a_name_and_a_program_of_its_own() {
        assert!(PROTOCOLS.is_sorted_by(|a, b| a.name < b.name));
        for protocol in PROTOCOLS {
            let Some(program) = protocol.program else { continue };
            for path in [program, &format!("/usr/bin/{program}"), &format!("C:\\b\\{program}.exe")] {
                assert_eq!(named_by(path).map(|found| found.name), Some(protocol.name), "{path}");
            }
        }
        for path in ["cred-helper", "", "/", "git-credential-cred-helper/x", "my-git-credential-cred-helper"] {
            assert!(named_by(path).is_none(), "{path}");
        }
    }
}
