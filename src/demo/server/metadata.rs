//! The two metadata documents: OpenID Connect Discovery 1.0 section 4 (behind the issuer's path) and RFC 8414 section 3
//! (before it).

use serde_json::json;

use super::http::{Answer, Request};
use super::options::Metadata;
use super::site::Site;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Whether a path is one of the documents', existing or not.
pub(super) fn is_document(path: &str) -> bool {
    path.contains("/.well-known/")
}

pub(super) fn answer(site: &Site, request: &Request) -> Answer {
    let path = &site.options.issuer_path;
    let exists = match site.options.metadata {
        Metadata::Both => request.path == format!("{path}{OPENID}") || request.path == format!("{OAUTH}{path}"),
        Metadata::OpenId => request.path == format!("{path}{OPENID}"),
        Metadata::OAuth => request.path == format!("{OAUTH}{path}"),
        Metadata::None => false,
    };
    if !exists {
        return Answer::new(404, "text/plain", "not found\n".to_owned());
    }
    let issuer = site.issuer();
    Answer::json(&json!({
        "issuer": site.options.claimed_issuer.as_ref().unwrap_or(&issuer),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "device_authorization_endpoint": format!("{issuer}/device_authorization"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none", "client_secret_basic", "client_secret_post", "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": site.options.send_iss,
        "scopes_supported": site.options.scopes,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256"],
    }))
}
