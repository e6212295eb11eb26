//! Operations of the table in `steps.rs` on an account's API key: stored, replaced, removed, made by a login, and put in the place of a login
//! whose tokens are refused.

use super::stage::Stage;
use super::steps::{Asked, all_is_well};
use crate::home::Ended;

const KEY: &str = "the-key";

pub(super) fn without_key(stage: &Stage) {
    stage.home.run(&["api-key", "remove", &stage.provider]);
}

pub(super) fn with_key(stage: &Stage) {
    let set = stage.home.run_with(&["api-key", "set", &stage.provider], KEY);
    assert_eq!(set.code, 0, "{}", set.stderr);
}

pub(super) fn set_key(stage: &Stage) -> Ended {
    stage.home.run_with(&["api-key", "set", &stage.provider, "--no-start"], KEY)
}

fn has_key(stage: &Stage) -> bool {
    stage.home.json(&["account", "show", &stage.provider, "--json"])["api_key"].is_object()
}

pub(super) fn key_set(stage: &Stage, asked: &Asked) {
    assert!(has_key(stage) || !asked.done(), "a key that was confirmed is gone");
    all_is_well(stage);
}

pub(super) fn remove_key(stage: &Stage) -> Ended {
    stage.home.run(&["api-key", "remove", &stage.provider, "--no-start"])
}

pub(super) fn key_removed(stage: &Stage, asked: &Asked) {
    assert!(!has_key(stage) || !asked.done(), "a key that was given up is back");
    all_is_well(stage);
}

pub(super) fn without_made(stage: &Stage) {
    stage.home.run(&["api-key", "remove", "maker"]);
}

/// A login that ends in a key.
pub(super) fn make_key(stage: &Stage) -> Ended {
    stage.log_in_with(&["maker"])
}

/// A key that was made and not kept is nobody's; one that was confirmed is there.
pub(super) fn key_made(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let there = stage.accounts().contains(&"maker".to_owned());
    assert!(there || !asked.done(), "a key that was confirmed is gone");
    assert!(!there || stage.server.issued_tokens().contains(&stage.home.ok(&["get-token", "maker"])));
}

/// The next refusal leaves the answer to the key.
pub(super) fn refused_once(stage: &Stage) {
    with_key(stage);
    stage.home.ok(&["refresh", &stage.provider]);
    let get = || stage.home.ok(&["get-token", &stage.provider]);
    if stage.home.run_with(&["reject"], &get()).stderr.contains("its API key answers") {
        stage.home.ok(&["refresh", &stage.provider]);
    }
    stage.token.replace(get());
}

pub(super) fn fallen_back(stage: &Stage, asked: &Asked) {
    let token = stage.home.ok(&["get-token", &stage.provider]);
    assert!(token == KEY || !asked.done(), "a switch that was confirmed is forgotten");
    stage.home.ok(&["api-key", "remove", &stage.provider]);
    all_is_well(stage);
}
