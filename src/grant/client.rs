//! The client, as it is registered at the server, and how it shows who it is in one request.

use std::path::PathBuf;

use super::Failure;
use super::exchange::no_failure;
use crate::clock::Timestamp;
use crate::oauth::client_assertion::{self, ClientAssertion};
use crate::oauth::token_request::Credentials;
use crate::provider::schema::ErrorClass;
use crate::residue;
use crate::secret::Secret;
use crate::token::ClientAuthentication;

/// The client, as it is registered at the server.
#[derive(Debug)]
pub struct Client {
    /// The client identifier; empty where the server asks for none.
    pub id: String,
    /// The client secret.
    pub secret: Option<Secret>,
    /// How it authenticates at the token endpoint.
    pub authentication: ClientAuthentication,
    /// The key of `private_key_jwt`.
    pub key: Option<SigningKey>,
}

/// A private key in a file of the user's: read for each request, so that a new one counts at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// The PEM file.
    pub file: PathBuf,
    /// Its name at the server.
    pub id: Option<String>,
    /// The audience of what it signs, where it is not the server that is asked.
    pub audience: Option<String>,
}

/// What the client shows in one request.
pub(super) struct Shown<'a> {
    client: &'a Client,
    assertion: Option<Secret>,
}

impl Shown<'_> {
    pub(super) fn credentials(&self) -> Credentials<'_> {
        Credentials {
            id: &self.client.id,
            secret: self.client.secret.as_ref(),
            authentication: self.client.authentication,
            assertion: self.assertion.as_ref(),
        }
    }

    /// What an error may not repeat.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Secret> {
        self.client.secret.iter().chain(&self.assertion).map(Secret::duplicate)
    }
}

impl Client {
    /// Gets ready for one request. `server` is who is asked: its issuer where one is known, else the endpoint.
    pub(super) async fn show(&self, server: &str, now: Timestamp) -> Result<Shown<'_>, Failure> {
        let assertion = match self.authentication {
            ClientAuthentication::PrivateKeyJwt => Some(self.sign(server, now).await?),
            _ => None,
        };
        Ok(Shown { client: self, assertion })
    }

    async fn sign(&self, server: &str, now: Timestamp) -> Result<Secret, Failure> {
        let misconfigured = |message| Failure { class: ErrorClass::Misconfigured, message, ..no_failure() };
        let Some(key) = self.key.clone() else {
            let message = "the client's key is not in the configuration any more (`client.key_file`)";
            return Err(misconfigured(message.to_owned()));
        };
        let (id, audience) = (self.id.clone(), key.audience.unwrap_or_else(|| server.to_owned()));
        let (file, shown) = (key.file.clone(), key.file.display().to_string());
        // A disk may hang, and a signature takes a millisecond.
        let signing = tokio::task::spawn_blocking(move || {
            let asked = ClientAssertion { client_id: &id, audience: &audience, key_id: key.id.as_deref(), now };
            let signed = client_assertion::read_key(&file).and_then(|pem| client_assertion::sign(&pem, asked));
            residue::clear();
            signed
        });
        let signed = signing.await.map_err(|_| misconfigured("the client's key could not be used".to_owned()))?;
        signed.map_err(|error| misconfigured(format!("the client's key {shown}: {error}")))
    }
}
