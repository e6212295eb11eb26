//! The way to a provider, hop by hop, as `doctor` shows it: name, proxy or connection, certificate, metadata, token endpoint,
//! clock. It goes by the agent's own HTTP, so what fails here fails every request; it ends at the first hop that fails, and
//! sends nobody's credentials but the proxy's own.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Agent;
use crate::account::AccountName;
use crate::clock::Timestamp;
use crate::grant;
use crate::ipc::message::agent::{Check, CheckResult, Checks};
use crate::ipc::message::login::StartLogin;
use crate::ipc::message::provider::CheckProvider;
use crate::ipc::message::{Error, ErrorKind};
use crate::oauth::http::{Body, Request, Response, Step};
use crate::oauth::metadata;
use crate::provider::Provider;
use crate::redact;

/// How far this machine's clock may be off without anybody's minding.
const NEARLY: Duration = Duration::from_secs(60);
/// From here on servers refuse what is signed, and ID tokens are from the future or have ended.
const OFF: Duration = Duration::from_secs(5 * 60);

impl Agent {
    pub(super) async fn check_provider(self: &Arc<Self>, check: CheckProvider) -> Result<Checks, Error> {
        // Without the vault, those that are known by a login alone are missing.
        let _ = self.ensure_open().await;
        let provider = self.provider_to_check(&check.provider)?;
        let mut walk = Walk { agent: self, checks: Vec::new(), origin: String::new() };
        walk.whole(&provider).await;
        Ok(Checks { checks: walk.checks })
    }

    /// An account's provider, one by name, or an issuer.
    fn provider_to_check(&self, asked: &str) -> Result<Arc<Provider>, Error> {
        if !asked.contains("://") {
            let odd = |error: crate::account::AccountNameError| Error::new(ErrorKind::InvalidParams, error.to_string());
            let account: AccountName = asked.parse().map_err(odd)?;
            if let Ok(signed_in) = self.table().resolve(Some(asked)) {
                return Ok(Arc::clone(&signed_in.provider));
            }
            if account.label().is_some() {
                return Err(self.table().find(Some(asked)).err().unwrap_or_else(|| self.gone()));
            }
        }
        let start = StartLogin { provider: asked.to_owned(), ..StartLogin::default() };
        Ok(self.named_provider(&start)?.provider)
    }
}

struct Walk<'a> {
    agent: &'a Agent,
    checks: Vec<Check>,
    /// The server that the way is known to.
    origin: String,
}

impl Walk<'_> {
    async fn whole(&mut self, provider: &Provider) {
        let issuer = provider.issuer.as_deref().filter(|_| provider.discovery);
        let place = issuer.and_then(|issuer| Some((issuer, metadata::locations(issuer)?[0].clone())));
        let (mut skew, mut token_endpoint) = (None, provider.token_endpoint.clone());
        if let Some((issuer, url)) = place {
            let Some(answer) = self.hops(Request { url, ..Request::default() }).await else { return };
            skew = self.skew(&answer);
            let found = grant::endpoints(&self.agent.http, provider).await.map_err(|failure| failure.message);
            token_endpoint = found.as_ref().map_or(token_endpoint, |endpoints| Some(endpoints.token.clone()));
            self.note("discovery", found.map(|_| format!("the endpoints of {} are known", redact::url(issuer))));
        } else if token_endpoint.is_none() {
            let what = format!("{} has API keys and no login: no server is asked for tokens", provider.title);
            self.note("provider", Ok(what));
        }
        if let Some(url) = token_endpoint {
            // Its answer comes from no cache, whose dates are old.
            skew = self.token_endpoint(&url).await.or(skew);
        }
        self.checks.extend(skew.map(clock));
    }

    async fn token_endpoint(&mut self, url: &str) -> Option<Skew> {
        // An empty form: no client, no grant, no token.
        let content_type = "application/x-www-form-urlencoded";
        let body = Some(Body { content_type, bytes: Zeroizing::default() });
        let answer = self.hops(Request { url: url.to_owned(), body, ..Request::default() }).await?;
        self.note("token endpoint", grant::is_token_endpoint(url, &answer));
        self.skew(&answer)
    }

    /// One request, and the way to it where that isn't known yet.
    async fn hops(&mut self, request: Request) -> Option<Response> {
        let origin = url::Url::parse(&request.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let known = self.origin == origin;
        let walked = self.agent.http.walk(request).await;
        for Step { hop, met } in walked.steps {
            if !known || met.is_err() {
                self.note(hop.name(), met);
            }
        }
        self.origin = origin;
        walked.answer
    }

    fn note(&mut self, name: &str, met: Result<String, String>) {
        let (result, message) = match met {
            Ok(message) => (CheckResult::Ok, message),
            Err(message) => (CheckResult::Failed, message),
        };
        self.checks.push(Check { name: name.to_owned(), result, message });
    }

    fn skew(&self, answer: &Response) -> Option<Skew> {
        answer.date.map(|theirs| Skew { ours: self.agent.clock.now(), theirs })
    }
}

/// Two clocks at the same moment, but for the time an answer takes.
#[derive(Clone, Copy)]
struct Skew {
    ours: Timestamp,
    theirs: Timestamp,
}

fn clock(Skew { ours, theirs }: Skew) -> Check {
    let off = Duration::from_secs(ours.0.abs_diff(theirs.0));
    let direction = if ours.0 > theirs.0 { "ahead of" } else { "behind" };
    let (minutes, seconds) = (off.as_secs() / 60, off.as_secs() % 60);
    let away = format!("this machine's clock is {minutes} min {seconds} s {direction} the server's");
    let (result, message) = if off <= NEARLY {
        (CheckResult::Ok, format!("within {} s of the server's", NEARLY.as_secs()))
    } else if off <= OFF {
        (CheckResult::Warning, format!("{away}: let the network set it (`timedatectl set-ntp true`)"))
    } else {
        let what =
            "tokens seem to have ended or not to have begun; let the network set it (`timedatectl set-ntp true`)";
        (CheckResult::Failed, format!("{away}: {what}"))
    };
    Check { name: "clock".to_owned(), result, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_either_way() {
        for (off, result, words) in [
            (0, CheckResult::Ok, "within 60 s"),
            (-60, CheckResult::Ok, "within 60 s"),
            (61, CheckResult::Warning, "1 min 1 s ahead of"),
            (-300, CheckResult::Warning, "5 min 0 s behind"),
            (301, CheckResult::Failed, "5 min 1 s ahead of"),
            (-86_400, CheckResult::Failed, "1440 min 0 s behind"),
        ] {
            let theirs = Timestamp(1_790_000_000);
            let check = clock(Skew { ours: Timestamp(theirs.0 + off), theirs });
            assert_eq!(check.result, result, "{off}");
            assert!(check.message.contains(words), "{}", check.message);
        }
    }
}
