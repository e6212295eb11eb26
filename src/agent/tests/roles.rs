//! A role's credentials as time passes: kept, renewed in time, and outlasting a service that says no.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::ipc::message::aws::{AssumeRole, RoleCredentials};
use crate::oauth::canned::{Answer, Canned, answer};

const MINUTE: Duration = Duration::from_secs(60);

/// Credentials for an hour, or a refusal.
fn serve(denied: bool) -> Answer {
    let end = jiff::Timestamp::from_second(SystemClock.now().0 + 3600).unwrap();
    let (status, body) = match denied {
        true => (403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>".to_owned()),
        false => {
            let keys =
                "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>k</SecretAccessKey><SessionToken>t</SessionToken>";
            (200, format!("<R><Credentials>{keys}<Expiration>{end}</Expiration></Credentials></R>"))
        }
    };
    answer(status, &body).with("content-type", "text/xml")
}

impl World {
    async fn assume(&self, service: &Canned) -> Result<RoleCredentials, Error> {
        let assume = AssumeRole {
            account: Some(self.name("one")),
            role_arn: "arn:aws:iam::123456789012:role/reader".to_owned(),
            endpoint: Some(service.url("/")),
            deadline: Some(10),
            ..AssumeRole::default()
        };
        self.agent.assume_role(assume, &Asking::nobodys()).await
    }
}

#[tokio::test]
async fn credentials_are_renewed_before_their_end_and_outlast_a_refusal() {
    let (world, denied) = (World::signed_in().await, Arc::new(AtomicBool::new(false)));
    let no = Arc::clone(&denied);
    let service = Canned::start(move |_| serve(no.load(Ordering::SeqCst))).await;
    for (passed, is_denied, asked, kept) in [
        (Duration::ZERO, false, 1, true),
        (40 * MINUTE, false, 0, true),
        // AWS's programs ask when less than a quarter of an hour is left.
        (6 * MINUTE, false, 1, true),
        (50 * MINUTE, true, 1, true),
        // Nobody is asked again for a minute, whatever there is to serve.
        (MINUTE / 2, true, 0, true),
        (MINUTE, true, 1, true),
        (10 * MINUTE, true, 1, false),
        (MINUTE / 2, false, 0, false),
        (MINUTE, false, 1, true),
    ] {
        world.clock.pass(passed);
        denied.store(is_denied, Ordering::SeqCst);
        let (before, answer) = (service.seen().len(), world.assume(&service).await);
        assert_eq!((service.seen().len() - before, answer.is_ok()), (asked, kept), "{passed:?}: {answer:?}");
        match answer {
            Ok(role) => assert!(role.expires_at > world.clock.now()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Denied),
        }
    }
    world.agent.lock().await.unwrap();
    assert_eq!(world.assume(&service).await.unwrap_err().kind(), ErrorKind::VaultLocked);
}
