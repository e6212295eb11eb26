//! `aws.assume_role`: a role's credentials for an account's ID token, from AWS's Security Token Service or one that speaks
//! like it. They are kept in memory, sealed, with their account, and asked for once for everybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::Agent;
use super::accounts::Variant;
use super::audit::Asking;
use super::state::Times;
use super::tokens::DEADLINE;
use crate::grant::{self, NotAssumed, WebIdentity};
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::aws::{AssumeRole, RoleCredentials, endings};
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind};
use crate::oauth::sts::Assumed;
use crate::provider::is_secure_url;
use crate::provider::schema::ErrorClass;
use crate::redact;
use crate::token::TokenKind;

/// AWS's own programs ask again when less than this is left; at most half the credentials' life is used.
const MARGIN: Duration = Duration::from_secs(15 * 60);
/// How long a refusal holds for whoever asks next, and how long trouble on the way does.
const REFUSED: Duration = Duration::from_secs(60);
const TROUBLED: Duration = Duration::from_secs(2);
/// The longest that a caller waits.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a refresh that fails is tried again for it, as without a network. Seconds.
const RETRY_FOR: u64 = 5;
/// More roles than anybody uses with one account: the names are the callers'.
const MOST: usize = 64;
const SESSION: &str = "cred-helper";

/// Which credentials are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Role {
    endpoint: String,
    arn: String,
    session: String,
    lifetime: Option<u64>,
}

#[derive(Debug)]
enum Kept {
    /// Asking for newer ones was in vain: not again before then, on the boot clock, as long as these are good.
    Credentials(Arc<Assumed>, Times, Duration),
    /// Until then, on the boot clock.
    Refused(Error, Duration),
}

/// An account's roles.
#[derive(Debug, Default)]
pub(super) struct Roles {
    kept: HashMap<Role, Kept>,
    /// Held while one is asked for.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// When the login was last renewed because its ID token was refused, on the boot clock.
    renewed: Option<Duration>,
}

impl Agent {
    pub(super) async fn assume_role(
        self: &Arc<Self>,
        assume: AssumeRole,
        asking: &Asking,
    ) -> Result<RoleCredentials, Error> {
        let deadline = Instant::now() + assume.deadline.map_or(DEADLINE, Duration::from_secs).min(LONGEST);
        let role = Role::of(&assume)?;
        let answer = tokio::time::timeout_at(deadline, async {
            self.ensure_open().await?;
            let incarnation = {
                let table = self.table();
                let account = table.resolve(assume.account.as_deref())?;
                asking.about(&account.record.account);
                account.record.incarnation
            };
            asking.detail(redact::server_text(&role.arn));
            self.admit(incarnation, asking, deadline).await?;
            self.gate.unless_locked(self.assumed(incarnation, &role, asking, deadline)).await?
        });
        let too_slow =
            || Error::new(ErrorKind::TemporarilyUnavailable, "the role's credentials have not come yet; ask again");
        answer.await.unwrap_or_else(|_| Err(too_slow()))
    }

    /// What is there, or what comes of asking; one caller asks, the others wait for that.
    async fn assumed(
        self: &Arc<Self>,
        incarnation: u64,
        role: &Role,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<RoleCredentials, Error> {
        asking.outcome(Outcome::Cached);
        if let Some(kept) = self.kept_role(incarnation, role, MARGIN) {
            return kept;
        }
        let turn = self.table().get(incarnation).map(|account| Arc::clone(&account.roles.turn));
        let _turn = turn.ok_or_else(|| self.gone())?.lock_owned().await;
        if let Some(kept) = self.kept_role(incarnation, role, MARGIN) {
            return kept;
        }
        let asked = self.ask_for_role(incarnation, role, asking, deadline).await;
        asking.outcome(Outcome::Refreshed);
        let error = match asked {
            Ok(()) => return self.kept_role(incarnation, role, Duration::ZERO).unwrap_or_else(|| Err(self.gone())),
            Err(error) => error,
        };
        // What there was is still good for a while.
        let left = self.kept_role(incarnation, role, Duration::ZERO).filter(Result::is_ok);
        left.unwrap_or(Err(error))
    }

    /// What is kept, if so much of its life is left; or what the last one was told, where that is still fresh.
    fn kept_role(&self, incarnation: u64, role: &Role, margin: Duration) -> Option<Result<RoleCredentials, Error>> {
        let now = self.clock.moment();
        let table = self.table();
        let account = table.get(incarnation)?;
        match account.roles.kept.get(role)? {
            Kept::Refused(error, until) => (*until > self.clock.boot()).then(|| Err(error.clone())),
            Kept::Credentials(assumed, times, until) => {
                let left = times.left(now).unwrap_or_default();
                let is_held = *until > self.clock.boot();
                is_served(left, margin.min(times.lifetime / 2), is_held).then(|| {
                    Ok(RoleCredentials {
                        account: account.record.account.to_string(),
                        access_key_id: assumed.access_key_id.clone(),
                        secret_access_key: assumed.secret_access_key.duplicate(),
                        session_token: assumed.session_token.duplicate(),
                        expires_at: now.wall + left,
                    })
                })
            }
        }
    }

    async fn ask_for_role(
        self: &Arc<Self>,
        incarnation: u64,
        role: &Role,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut result = self.show_id_token(incarnation, role, asking, deadline).await?;
        let may_renew = || self.table().get_mut(incarnation).is_some_and(|it| it.roles.may_renew(self.clock.boot()));
        if matches!(&result, Err(refused) if refused.stale) && may_renew() {
            // The service may know that it was withdrawn, or have another clock: one newer token is tried.
            let renewed = self.renew(incarnation, Variant::default());
            if self.wait_for(incarnation, renewed, deadline, None).await.is_ok() {
                result = self.show_id_token(incarnation, role, asking, deadline).await?;
            }
        }
        let NotAssumed { failure, .. } = match result {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        // Credentials that are there outlast a refusal.
        let lasts = matches!(self.kept_role(incarnation, role, Duration::ZERO), Some(Ok(_)));
        let (boot, mut table) = (self.clock.boot(), self.table());
        let account = table.get_mut(incarnation).ok_or_else(|| self.gone())?;
        let name = account.record.account.clone();
        warn!(account = %name, class = ?failure.class, "no role: {}", failure.message);
        let (kind, advice, holds) = match failure.class {
            ErrorClass::Transient => (ErrorKind::TemporarilyUnavailable, "ask again", TROUBLED),
            ErrorClass::Misconfigured => {
                (ErrorKind::Misconfigured, "check the role's ARN, region and endpoint", REFUSED)
            }
            _ => (ErrorKind::Denied, "check the role's trust policy and the identity provider in AWS", REFUSED),
        };
        let error = Error::new(kind, format!("{name}: {}; {advice}", failure.message)).account(&name);
        let until = boot + failure.retry_after.unwrap_or(holds).min(REFUSED);
        match account.roles.kept.get_mut(role) {
            Some(Kept::Credentials(_, _, asked_again)) if lasts => *asked_again = until,
            _ => account.roles.keep(role, Kept::Refused(error.clone(), until), boot),
        }
        Err(error)
    }

    /// Asks once.
    async fn show_id_token(
        self: &Arc<Self>,
        incarnation: u64,
        role: &Role,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Result<(), NotAssumed>, Error> {
        let get = GetToken { token_type: TokenKind::Id, retry_for: Some(RETRY_FOR), ..GetToken::default() };
        let token = self.login_token(incarnation, &get, asking, deadline).await?;
        let Role { endpoint, arn, session, lifetime } = role;
        let asked = WebIdentity { endpoint, role_arn: arn, session_name: session, lifetime: *lifetime };
        let (assumed, obtained) = match grant::assume_role(&self.http, &*self.clock, asked, &token.token).await {
            Ok(assumed) => assumed,
            Err(refused) => return Ok(Err(refused)),
        };
        let (boot, mut table) = (self.clock.boot(), self.table());
        let account = table.get_mut(incarnation).ok_or_else(|| self.gone())?;
        let times = Times { obtained, lifetime: assumed.lifetime };
        account.roles.keep(role, Kept::Credentials(Arc::new(assumed), times, boot), boot);
        info!(account = %account.record.account, "assumed a role");
        Ok(Ok(()))
    }
}

/// Whether these are handed out: they are good, and there are none newer, or it is not time for those.
fn is_served(left: Duration, margin: Duration, is_held: bool) -> bool {
    !left.is_zero() && (left > margin || is_held)
}

impl Roles {
    /// Whether the login may be renewed for a refused ID token: once in a while for all roles. A service that takes none, or
    /// isn't told of the issuer yet, would have each question about each role renew it.
    fn may_renew(&mut self, boot: Duration) -> bool {
        let may = self.renewed.is_none_or(|at| boot.saturating_sub(at) >= REFUSED);
        if may {
            self.renewed = Some(boot);
        }
        may
    }

    fn keep(&mut self, role: &Role, kept: Kept, boot: Duration) {
        if self.kept.len() >= MOST && !self.kept.contains_key(role) {
            self.kept.retain(|_, kept| !matches!(kept, Kept::Refused(_, until) if *until <= boot));
            let shortest = self.kept.iter().min_by_key(|(_, kept)| match kept {
                Kept::Refused(..) => Duration::ZERO,
                Kept::Credentials(_, times, _) => times.lifetime,
            });
            if let Some(role) = shortest.map(|(role, _)| role.clone()).filter(|_| self.kept.len() >= MOST) {
                self.kept.remove(&role);
            }
        }
        self.kept.insert(role.clone(), kept);
    }
}

impl Role {
    /// Checks what a caller says. Nothing of it is repeated.
    fn of(assume: &AssumeRole) -> Result<Self, Error> {
        let AssumeRole { role_arn, region, endpoint, session_name, lifetime, .. } = assume;
        let wrong = |message: &str| Error::new(ErrorKind::InvalidParams, message);
        let is_name = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if !role_arn.starts_with("arn:") || role_arn.len() > 2048 || !is_name(role_arn, ":/+=,.@_-") {
            return Err(wrong("a role's ARN is needed, such as arn:aws:iam::123456789012:role/NAME"));
        }
        let session = session_name.clone().unwrap_or(SESSION.to_owned());
        if !(2..=64).contains(&session.len()) || !is_name(&session, "_+=,.@-") {
            return Err(wrong("a session's name has 2 to 64 letters, digits and _+=,.@-"));
        }
        let endpoint = match (endpoint, region) {
            (Some(endpoint), _) if is_secure_url(endpoint) => endpoint.clone(),
            (Some(_), _) => return Err(wrong("an endpoint is a URL: https, or http for this machine only")),
            (None, Some(region)) if region.is_empty() || !is_name(region, "-") || region.len() > 64 => {
                return Err(wrong("a region is a name such as eu-central-1"));
            }
            (None, Some(region)) => {
                let [ending, _] = endings(region);
                format!("https://sts.{region}.{ending}/")
            }
            (None, None) => "https://sts.amazonaws.com/".to_owned(),
        };
        if lifetime.is_some_and(|seconds| !(900..=43_200).contains(&seconds)) {
            return Err(wrong("credentials of a role last from 900 to 43200 seconds"));
        }
        Ok(Self { endpoint, arn: role_arn.clone(), session, lifetime: *lifetime })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::123456789012:role/team/reader";

    fn endpoint(region: Option<&str>, endpoint: Option<&str>) -> Option<String> {
        let (region, endpoint) = (region.map(str::to_owned), endpoint.map(str::to_owned));
        let assume = AssumeRole { role_arn: ARN.to_owned(), region, endpoint, ..AssumeRole::default() };
        Role::of(&assume).ok().map(|role| role.endpoint)
    }

    #[test]
    fn the_endpoint_is_the_regions_and_never_an_open_wire() {
        for (region, url, expected) in [
            (None, None, Some("https://sts.amazonaws.com/")),
            (Some("eu-central-1"), None, Some("https://sts.eu-central-1.amazonaws.com/")),
            (Some("us-gov-west-1"), None, Some("https://sts.us-gov-west-1.amazonaws.com/")),
            (Some("cn-north-1"), None, Some("https://sts.cn-north-1.amazonaws.com.cn/")),
            (Some("eusc-de-east-1"), None, Some("https://sts.eusc-de-east-1.amazonaws.eu/")),
            (Some("us-iso-east-1"), None, Some("https://sts.us-iso-east-1.c2s.ic.gov/")),
            (Some("us-isob-east-1"), None, Some("https://sts.us-isob-east-1.sc2s.sgov.gov/")),
            (Some("eu-central-1"), Some("https://minio.example"), Some("https://minio.example")),
            (None, Some("http://127.0.0.1:9000"), Some("http://127.0.0.1:9000")),
            (None, Some("http://minio.example"), None),
            (Some("evil.example/"), None, None),
            (Some(""), None, None),
        ] {
            assert_eq!(endpoint(region, url).as_deref(), expected, "{region:?} {url:?}");
        }
    }

    #[test]
    fn asking_in_vain_is_not_done_again_at_once() {
        let seconds = Duration::from_secs;
        for (left, is_held, served) in
            [(901, false, true), (900, false, false), (900, true, true), (1, true, true), (0, true, false)]
        {
            assert_eq!(is_served(seconds(left), MARGIN, is_held), served, "{left} {is_held}");
        }
        let mut roles = Roles::default();
        let renewals = [0, 1, 59, 60, 61, 119, 120].map(|at| roles.may_renew(seconds(at)));
        assert_eq!(renewals, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn what_is_no_role_is_refused_and_not_repeated() {
        let good = AssumeRole { role_arn: ARN.to_owned(), ..AssumeRole::default() };
        assert!(Role::of(&good).is_ok());
        for wrong in [
            AssumeRole { role_arn: "hunter2".to_owned(), ..good.clone() },
            AssumeRole { role_arn: format!("{ARN} hunter2"), ..good.clone() },
            AssumeRole { session_name: Some("hunter2 hunter2".to_owned()), ..good.clone() },
            AssumeRole { session_name: Some("h".to_owned()), ..good.clone() },
            AssumeRole { lifetime: Some(899), ..good.clone() },
        ] {
            let error = Role::of(&wrong).expect_err("wrong");
            assert!(error.kind() == ErrorKind::InvalidParams && !error.message.contains("hunter2"), "{error}");
        }
    }
}
