//! Operations of the table in `steps.rs` that end something: a login that its server refuses for good, a token that a server
//! refused, a vault that is set aside.

use cred_helper::demo::server::Behaviour;

use super::stage::Stage;
use super::steps::{Asked, all_is_well, awake, quietly, refresh};
use crate::home::Ended;

/// The code that says: log in again.
const LOGIN_REQUIRED: i32 = 10;

/// The server refuses the first account's refresh token for good, once. It did so before if the account isn't well now.
pub(super) fn refused_for_good(stage: &Stage) {
    stage.server.behave();
    if refresh(stage).code == LOGIN_REQUIRED {
        assert_eq!(stage.log_in(None).code, 0);
    }
    awake(stage);
    let no = serde_json::json!({"error": "login_required"});
    stage.server.set_behaviour(Behaviour::Error(400, no), 1);
}

/// Whoever was told that it is over is told so ever after, and the server is not asked again; else it is asked.
pub(super) fn buried(stage: &Stage, asked: &Asked) {
    stage.server.behave();
    assert!(stage.works(&stage.named("work")));
    let requests = stage.server.count_grant("refresh_token");
    let again = stage.home.run(&["refresh", &stage.provider]);
    if asked.ended.code == LOGIN_REQUIRED {
        assert_eq!(again.code, LOGIN_REQUIRED, "{}", again.stderr);
        assert_eq!(stage.server.count_grant("refresh_token"), requests, "a login that is over is not tried again");
    }
    assert!(again.code == LOGIN_REQUIRED || stage.works(&stage.provider), "{}", again.stderr);
}

/// Somebody has a token in hand.
pub(super) fn handed_out(stage: &Stage) {
    awake(stage);
    let token = stage.home.ok(&["get-token", &stage.provider]);
    stage.token.replace(token);
}

pub(super) fn reject(stage: &Stage) -> Ended {
    stage.home.run_with(&["reject", "--no-start"], &stage.token.borrow())
}

/// A vault with both logins in it.
pub(super) fn made(stage: &Stage) {
    if is_absent(stage) {
        stage.sign_in();
    }
    awake(stage);
}

pub(super) fn reset(stage: &Stage) -> Ended {
    quietly(stage, &["vault", "reset", "--yes"])
}

/// It is done or not, and never looks like a vault from a backup.
pub(super) fn was_reset(stage: &Stage, asked: &Asked) {
    if !is_absent(stage) {
        assert_ne!(asked.ended.code, 0, "a vault that was set aside is back");
        all_is_well(stage);
    }
    let aside = std::fs::read_dir(stage.home.vault()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(aside.into_iter().all(|name| !name.to_string_lossy().starts_with("resetting")), "half done");
}

fn is_absent(stage: &Stage) -> bool {
    stage.home.json(&["vault", "status", "--json"])["state"] == "absent"
}
