//! A core of an agent whose vault's key is in a keyring: neither the key, which came over D-Bus, nor a token is in it in clear.

#[path = "../product/memory/core.rs"]
mod core;
#[path = "../product/memory/keys.rs"]
mod keys;
#[path = "../product/memory/needles.rs"]
mod needles;

use std::collections::HashMap;

use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use self::core::Core;
use self::needles::Needles;
use crate::home::{Home, lasting_server};
use crate::keyring::Session;
use crate::support::programs::{missing, skip};

/// What the keyring keeps for this program.
fn secrets(session: &Session) -> Vec<Vec<u8>> {
    const NAME: Option<&str> = Some("org.freedesktop.secrets");
    const PATH: &str = "/org/freedesktop/secrets";
    let service = Some("org.freedesktop.Secret.Service");
    let bus = session.connect();
    let reply = bus.call_method(NAME, PATH, service, "OpenSession", &("plain", Value::from(""))).unwrap();
    let (_, own): (OwnedValue, OwnedObjectPath) = reply.body().deserialize().unwrap();
    let wanted = HashMap::from([("application", "cred-helper")]);
    let reply = bus.call_method(NAME, PATH, service, "SearchItems", &(wanted,)).unwrap();
    let (items, _): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = reply.body().deserialize().unwrap();
    let secret = |item: &OwnedObjectPath| {
        let reply = bus.call_method(NAME, item, Some("org.freedesktop.Secret.Item"), "GetSecret", &(&own,)).unwrap();
        let (_, _, secret, _): (OwnedObjectPath, Vec<u8>, Vec<u8>, String) = reply.body().deserialize().unwrap();
        secret
    };
    items.iter().map(secret).collect()
}

#[test]
fn neither_the_keyrings_key_nor_a_token_is_in_a_core() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root takes a core of the agent");
    }
    if missing(&["gcore"]) {
        return;
    }
    let Some(session) = Session::with_keyring() else { return };
    let server = lasting_server();
    let mut home = Home::new();
    home.set("DBUS_SESSION_BUS_ADDRESS", &session.address);
    home.configure("hide_memory_key = false\n");
    home.log_in(&server, &[]);
    home.ok(&["refresh"]);
    // One that finds the key in the keyring, and one that has just put it there.
    for restarted in [false, true] {
        if restarted {
            home.ok(&["agent", "stop"]);
        }
        home.ok(&["lock"]);
        home.ok(&["unlock"]);
        home.ok(&["refresh"]);
        assert!(server.is_live(&home.token()));
        let pid = home.agent_pid();
        let core = Core::of_idle(pid, 0, home.path());
        let mut needles = Needles::new();
        let tokens = server.issued_tokens();
        tokens.iter().enumerate().for_each(|(n, token)| needles.add(&format!("token {n}"), token.as_bytes()));
        let [secret] = &secrets(&session)[..] else { panic!("one key") };
        for (name, key) in keys::opened_by(&home, "keyring", secret.clone().try_into().unwrap()) {
            needles.add(name, &key);
        }
        needles.add("the key to the secrets in memory", &core::key_in_locked_page(pid));
        let found = needles.find(&core.bytes).into_iter();
        let shown: Vec<_> = found.map(|found| format!("{} at {}", found.what, core.place(found.at))).collect();
        assert!(tokens.len() > 4 && shown.is_empty(), "restarted: {restarted}\n{}", shown.join("\n"));
    }
}
