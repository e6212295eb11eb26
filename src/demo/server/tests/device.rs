//! The device authorization grant, poll by poll.

use std::time::Duration;

use super::client::*;
use super::*;

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn begin(server: &Server) -> Reply {
    post(&server.url("/device_authorization"), &[("client_id", DEFAULT_CLIENT), ("scope", "openid")])
}

fn poll(server: &Server, begun: &Reply) -> Reply {
    let device_code = begun.text("device_code");
    let fields = [("grant_type", DEVICE_CODE), ("device_code", device_code.as_str()), ("client_id", DEFAULT_CLIENT)];
    post(&server.url("/token"), &fields)
}

fn unhurried(change: impl FnOnce(&mut DeviceOptions)) -> Server {
    server(|options| {
        options.device.interval = Duration::ZERO;
        change(&mut options.device);
    })
}

#[test]
fn a_device_waits_until_its_person_allows_it() {
    let server = unhurried(|_| {});
    let begun = begin(&server);
    assert_eq!(poll(&server, &begun).refusal(), (400, "authorization_pending".into()));
    let page = get(&begun.text("verification_uri_complete"));
    assert!(page.body.contains(&begun.text("user_code")));
    // As people type it.
    let typed = begun.text("user_code").to_lowercase().replace('-', " ");
    let fields = [("user_code", typed.as_str()), ("decision", "approve")];
    assert_eq!(post(&server.url("/device/decision"), &fields).status, 200);
    assert_eq!(post(&server.url("/device/decision"), &fields).status, 400);
    let tokens = poll(&server, &begun);
    assert!(server.is_live(&tokens.text("access_token")) && server.is_active(&tokens.text("refresh_token")));
    assert_eq!(poll(&server, &begun).refusal(), (400, "invalid_grant".into()));
}

#[test]
fn polling_too_soon_is_told_to_slow_down() {
    let server = unhurried(|device| device.interval = Duration::from_secs(60));
    let begun = begin(&server);
    assert_eq!(begun.json()["interval"], 60);
    assert_eq!(poll(&server, &begun).text("error"), "authorization_pending");
    assert_eq!(poll(&server, &begun).text("error"), "slow_down");
}

#[test]
fn a_device_is_refused_or_expires_or_is_allowed_at_a_poll() {
    let server = unhurried(|device| device.approve_at_poll = Some(2));
    let begun = begin(&server);
    assert_eq!(poll(&server, &begun).text("error"), "authorization_pending");
    assert_eq!(poll(&server, &begun).status, 200);
    let begun = begin(&server);
    assert!(server.deny_device(&begun.text("user_code")));
    assert_eq!(poll(&server, &begun).text("error"), "access_denied");
    let begun = begin(&server);
    server.expire_devices();
    assert_eq!(poll(&server, &begun).text("error"), "expired_token");
    assert!(!server.approve_device(&begun.text("user_code")));
}
