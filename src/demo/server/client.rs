//! Who is asking: client authentication (RFC 6749 section 2.3). A client authenticates the way it registered and no
//! other; two ways at once are an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::assertion;
use super::http::{OAuthError, Parameters, Request};
use super::options::RegisteredClient;
use super::site::Site;
use crate::token::ClientAuthentication;

/// The client that a request to the token, device authorization or revocation endpoint comes from.
pub(super) fn authenticate<'a>(
    site: &'a Site,
    request: &Request,
    form: &Parameters,
) -> Result<&'a RegisteredClient, OAuthError> {
    let clients = &site.options.clients;
    let basic = request.header("authorization").map(credentials).transpose()?;
    let (id, secret) = (form.get("client_id")?, form.get("client_secret")?);
    let (id, secret, used) = match (&basic, secret) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_request("the client authenticates in two ways at once"));
        }
        (Some((basic_id, basic_secret)), None) => {
            if id.is_some_and(|id| id != basic_id) {
                return Err(OAuthError::invalid_request("`client_id` and the Authorization header differ"));
            }
            (basic_id.as_str(), Some(basic_secret.as_str()), ClientAuthentication::Basic)
        }
        (None, secret) => {
            let signed = form.get("client_assertion")?.is_some();
            let used = match (secret, signed) {
                (Some(_), true) => {
                    return Err(OAuthError::invalid_request("the client authenticates in two ways at once"));
                }
                (Some(_), false) => ClientAuthentication::Post,
                (None, true) => ClientAuthentication::PrivateKeyJwt,
                (None, false) => ClientAuthentication::None,
            };
            (form.require("client_id")?, secret, used)
        }
    };
    let client = find(clients, id).ok_or_else(|| OAuthError::invalid_client("the client is not known"))?;
    if used != client.authentication {
        return Err(OAuthError::invalid_client("the client is registered to authenticate another way"));
    }
    if secret != client.secret.as_deref() {
        return Err(OAuthError::invalid_client("the client secret is wrong"));
    }
    if used == ClientAuthentication::PrivateKeyJwt {
        assertion::check_client(site, &mut site.state(), client, form)?;
    }
    Ok(client)
}

/// A registration by its client identifier.
pub(super) fn find<'a>(clients: &'a [RegisteredClient], id: &str) -> Option<&'a RegisteredClient> {
    clients.iter().find(|client| client.id == id)
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn credentials(header: &str) -> Result<(String, String), OAuthError> {
    let malformed = || OAuthError::invalid_client("the Authorization header is not Basic credentials");
    let (scheme, encoded) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    Ok((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_form_decoded() {
        let header = format!("Basic {}", STANDARD.encode("a%20b%3A:p%25+%C3%A4="));
        assert_eq!(credentials(&header).expect("credentials"), ("a b:".to_owned(), "p% ä=".to_owned()));
        assert!(
            credentials("Bearer x").is_err() && credentials("Basic !").is_err() && credentials("Basic eA==").is_err()
        );
    }
}
