//! Passphrases: from the terminal without echo, or from an inherited descriptor. Never from arguments or variables.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};

use super::args::PassphraseArgs;
use super::exit::{Failure, INTERRUPTED};
use super::output;
use super::prompt::{self, Answer};
use crate::ipc::message::ErrorKind;
use crate::secret::Secret;

/// More than anybody types, less than anything else that a descriptor may hold.
const MAX_LENGTH: u64 = 4096;

/// One that is there already.
pub(super) fn existing(args: &PassphraseArgs) -> Result<Secret, Failure> {
    match args.passphrase_fd {
        Some(descriptor) => from_descriptor(descriptor),
        None => from_terminal("Vault passphrase: "),
    }
}

/// A new one: at a terminal it is typed twice.
pub(super) fn new(args: &PassphraseArgs) -> Result<Secret, Failure> {
    if let Some(descriptor) = args.passphrase_fd {
        return from_descriptor(descriptor);
    }
    loop {
        let first = from_terminal("New vault passphrase: ")?;
        if first.is_empty() {
            output::tell("An empty passphrase protects nothing. Once more.");
            continue;
        }
        if first.matches(&from_terminal("Once more: ")?) {
            return Ok(first);
        }
        output::tell("The two differ. Once more.");
    }
}

fn from_terminal(question: &str) -> Result<Secret, Failure> {
    if !output::person_present() {
        return Err(Failure::new(
            ErrorKind::VaultLocked,
            "a passphrase is needed and there is no terminal to ask at: use --passphrase-fd N",
        ));
    }
    match prompt::hidden(question) {
        Ok(Answer::Text(passphrase)) => Ok(passphrase),
        Ok(Answer::Interrupt | Answer::Stopped) => Err(Failure::Quiet(INTERRUPTED)),
        Err(error) => Err(Failure::System(format!("the passphrase cannot be read from the terminal: {error}"))),
    }
}

/// The first line of what the descriptor holds.
fn from_descriptor(descriptor: u32) -> Result<Secret, Failure> {
    let wrong = |what: String| Failure::Usage(format!("--passphrase-fd {descriptor}: {what}"));
    let file = open(descriptor).map_err(|error| wrong(format!("no such descriptor can be opened: {error}")))?;
    let mut line = String::new();
    BufReader::new(file.take(MAX_LENGTH))
        .read_line(&mut line)
        .map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let passphrase = Secret::from(line.trim_end_matches(['\n', '\r']).to_owned());
    drop(Secret::from(line));
    if passphrase.is_empty() { Err(wrong("there is no passphrase in it".to_owned())) } else { Ok(passphrase) }
}

/// /dev/fd makes a descriptor a file again, without any unsafe code.
#[cfg(unix)]
fn open(descriptor: u32) -> io::Result<File> {
    File::open(format!("/dev/fd/{descriptor}"))
}

/// Descriptors are the C library's affair there; only standard input is known to everybody.
#[cfg(windows)]
fn open(descriptor: u32) -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    match descriptor {
        0 => io::stdin().as_handle().try_clone_to_owned().map(File::from),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "only 0, standard input, is one on Windows")),
    }
}
