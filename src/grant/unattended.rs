//! Grants that need no person: one exchange, the same at the login and at each renewal.
//!
//! Nothing is rotated by it: an answer that is lost is asked for again without a thought, and a refusal ends no login,
//! because the next assertion may be taken. So no failure here is dead, unless the provider's own table says so.

use super::exchange::{Exchange, Refusal};
use super::{
    Authorized, Endpoints, Failure, GrantRequest, Granted, LoginChannel, LoginError, LoginEvent, LoginRequest,
    client_credentials, jwt_bearer, token_exchange,
};
use crate::clock::Clock;
use crate::ipc::message::login::{Flow, Stage};
use crate::oauth::http::Http;
use crate::provider::schema::{ErrorClass, GrantType};

/// Makes a login, without a browser and without a person.
pub(super) async fn log_in(
    http: &Http,
    clock: &dyn Clock,
    request: LoginRequest,
    endpoints: Endpoints,
    channel: LoginChannel,
) -> Result<Authorized, LoginError> {
    if matches!(request.flow, Flow::Device | Flow::Paste) {
        let message = format!("{} signs in without a person: no code is shown or pasted", request.provider.title);
        return Err(LoginError::Impossible(message));
    }
    // Whoever doesn't listen any more drops the login.
    let _ = channel.events.send(LoginEvent::Stage(Stage::Exchanging));
    let asked = GrantRequest {
        provider: &request.provider,
        token_endpoint: &endpoints.token,
        client: &request.client,
        source: request.source.as_ref(),
        scope: &request.scope,
        audience: None,
        issuer: endpoints.issuer.as_deref(),
    };
    let Granted { mut tokens, identity } = obtain(http, clock, asked).await?;
    if tokens.scope.is_empty() {
        tokens.scope.clone_from(&request.scope);
    }
    Ok(Authorized { tokens, identity, endpoints, client: request.client, is_key: false, page: None })
}

/// Asks once. A refresh token that comes with the answer is not kept: the grant itself is what renews.
pub async fn obtain(http: &Http, clock: &dyn Clock, request: GrantRequest<'_>) -> Result<Granted, Failure> {
    let GrantRequest { provider, token_endpoint, client, source, scope, audience, issuer } = request;
    let scope = scope.join(" ");
    let source = source.map(crate::secret::Secret::expose);
    let source = source.as_deref().unwrap_or_default();
    let parameters = match provider.grant {
        GrantType::JwtBearer => jwt_bearer::parameters(source),
        GrantType::TokenExchange => token_exchange::parameters(source, provider.subject.as_ref()),
        GrantType::ClientCredentials | GrantType::AuthorizationCode => client_credentials::parameters(),
    };
    let parameters = parameters
        .with_some("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()))
        .with_some(provider.token.audience.name(), audience);
    let exchange = Exchange {
        provider,
        token_endpoint,
        client,
        parameters,
        what: "the token request",
        issuer,
        nonce: None,
        id_token_decides: false,
        repeatable: true,
    };
    let mut granted = exchange.ask(http, clock).await.map_err(soften)?;
    granted.tokens.refresh = None;
    Ok(granted)
}

/// What would end a person's login is a refusal here, and what would be a lost rotation is just no answer.
fn soften(refusal: Refusal) -> Failure {
    let Refusal { failure, error: _, ruled } = refusal;
    let class = if failure.class == ErrorClass::Dead && !ruled { ErrorClass::Denied } else { failure.class };
    Failure { class, answer_lost: false, invalid_grant: false, ..failure }
}

#[cfg(test)]
mod tests;
