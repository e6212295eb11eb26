//! Where a grant's assertion or subject token comes from: a file that is read anew at each exchange, or another account
//! of this agent's, whose token is had the way everybody has it.
//!
//! Nothing is held meanwhile: the other account's token may take an exchange of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::refresher::Stop;
use super::tokens::Found;
use super::{Agent, blocking, single_flight};
use crate::account::AccountName;
use crate::import::file;
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind};
use crate::provider::Provider;
use crate::provider::schema::{GrantType, TokenSource};
use crate::secret::Secret;
use crate::token::TokenKind;

/// The longest token that a file may hold.
const MAX_TOKEN: u64 = 32 * 1024;
/// How long another account's exchange is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is left of a token has to last for the exchange.
const MIN_VALIDITY: u64 = 60;
/// How soon a source is asked again that could not answer.
const PAUSE: Duration = Duration::from_secs(2);

impl Agent {
    /// The assertion or subject token for an exchange; `None` where its grant has none.
    pub(super) async fn source(self: &Arc<Self>, incarnation: u64) -> Result<Option<Secret>, Stop> {
        let found = self.table().get(incarnation).map(|account| {
            let sourced = account.record.tokens.refresh.is_none();
            (account.record.account.clone(), Arc::clone(&account.provider), account.failures, sourced)
        });
        let Some((name, provider, failures, true)) = found else { return Ok(None) };
        self.source_of(&name, &provider).await.map_err(|error| {
            // It costs no server anything to look again when the next one asks.
            let again = error.kind() == ErrorKind::TemporarilyUnavailable;
            self.note_problem(incarnation, &error, failures + 1, false, if again { PAUSE } else { Duration::ZERO });
            if again { Stop::Again(error, PAUSE) } else { Stop::Final(error) }
        })
    }

    /// The same for a login that is being made.
    pub(super) async fn source_of(
        self: &Arc<Self>,
        name: &AccountName,
        provider: &Provider,
    ) -> Result<Option<Secret>, Error> {
        let Some(source) = provider.token_source() else { return Ok(None) };
        let (what, kind) = match provider.grant {
            GrantType::JwtBearer => ("assertion", source.token.unwrap_or(TokenKind::Id)),
            _ => ("subject token", source.token.unwrap_or_default()),
        };
        let token = match source {
            TokenSource { file: Some(file), .. } => read(file.clone()).await,
            TokenSource { account: Some(account), .. } => {
                self.check_no_circle(name, account)?;
                self.token_of(account, kind, source.audience.clone()).await
            }
            _ => Err(Error::new(ErrorKind::Misconfigured, "neither a file nor an account is configured for it")),
        };
        token.map(Some).map_err(|error| {
            // What is said of the other account's data is not this account's.
            let message = format!("{name}: its {what} cannot be had: {}", error.message);
            let mut told = Error::new(error.kind(), message).account(name);
            told.data.retry_at = error.data.retry_at;
            told
        })
    }

    async fn token_of(
        self: &Arc<Self>,
        account: &str,
        token_type: TokenKind,
        audience: Option<String>,
    ) -> Result<Secret, Error> {
        let get = GetToken {
            account: Some(account.to_owned()),
            token_type,
            audience,
            min_validity: Some(MIN_VALIDITY),
            ..GetToken::default()
        };
        let incarnation = self.table().resolve(Some(account))?.record.incarnation;
        self.reread(incarnation).await;
        let (variant, found) = self.find(incarnation, &get)?;
        let valid = match found {
            Found::Serve(token, ahead) => {
                if ahead {
                    drop(self.renew(incarnation, variant));
                }
                return Ok(token.token);
            }
            Found::Renew(valid) => valid,
        };
        let (flight, deadline) = (self.renew(incarnation, variant.clone()), Instant::now() + PATIENCE);
        let renewed = match valid {
            None => self.wait_for(incarnation, flight, deadline, None).await,
            Some(left) => single_flight::first_attempt(flight, deadline.min(Instant::now() + left / 2)).await,
        };
        match renewed {
            Ok(()) => self.after_renewal(incarnation, &variant, &get).map(|token| token.token),
            Err(error) if valid.is_some() => {
                self.still_valid(incarnation, &variant, &get).map(|token| token.token).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// An account whose token needs its own would wait for itself. What a token comes from is the provider's, so two
    /// accounts of one provider are no way out.
    fn check_no_circle(&self, name: &AccountName, account: &str) -> Result<(), Error> {
        let mut seen = vec![name.provider().to_owned()];
        let mut next = Some(account.to_owned());
        while let Some(account) = next.and_then(|account| account.parse::<AccountName>().ok()) {
            if seen.iter().any(|provider| provider == account.provider()) {
                let way = seen.join(", which needs one of ");
                let message = format!("{way} needs a token of {}: that is a circle", account.provider());
                return Err(Error::new(ErrorKind::Misconfigured, message).account(name));
            }
            let provider = self.provider_behind(&account);
            next = provider.and_then(|provider| provider.token_source()?.account.clone());
            seen.push(account.provider().to_owned());
        }
        Ok(())
    }
}

/// A file's token, without the newline that most end with.
async fn read(file: PathBuf) -> Result<Secret, Error> {
    let misconfigured = |message: String| Error::new(ErrorKind::Misconfigured, message);
    let shown = file.display().to_string();
    let text = blocking(move || read_now(&file)).await;
    let text = text.unwrap_or_else(|_| Err("it could not be read".to_owned()));
    text.map_err(|reason| misconfigured(format!("{shown}: {reason}")))
}

fn read_now(path: &Path) -> Result<Secret, String> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| format!("it cannot be read: {}", error.kind());
    let opened = file::open(path).map_err(unreadable)?;
    if !opened.metadata().map_err(unreadable)?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    opened.take(MAX_TOKEN + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let token = bytes.trim_ascii();
    let printable = token.iter().all(u8::is_ascii_graphic);
    if token.is_empty() || !printable || bytes.len() as u64 > MAX_TOKEN {
        return Err(format!("there is no token in it, or more than one ({} bytes)", bytes.len()));
    }
    Ok(Secret::from(String::from_utf8_lossy(token).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_token_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_now(&file).map(|token| token.expose().to_owned())
        };
        assert_eq!(read("e30.e30.x\n").as_deref(), Ok("e30.e30.x"));
        assert_eq!(read(" \te30\r\n\n").as_deref(), Ok("e30"));
        for text in ["", "\n", "one two", "one\ntwo", "\u{1b}[2J", "é", &"x".repeat(33_000)] {
            let error = read(text).unwrap_err();
            assert!(error.contains("no token in it") && !error.contains("two"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read_now(&file).unwrap_err(), "it cannot be read: entity not found");
    }

    /// Whoever opens it would wait for a writer, and whoever wants the account's token for that.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_pipe_is_no_file_of_a_token_and_nobody_waits_for_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(read_now(&path).unwrap_err()));
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok("it is not a regular file"));
    }
}
