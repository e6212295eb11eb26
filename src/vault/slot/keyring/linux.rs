//! The Secret Service: one item per slot, marked with the vault's random id.
//!
//! The calls run on a thread and a runtime of their own, so that it does not matter where the vault is called from, and
//! with a time limit, so that a D-Bus that hangs holds nobody. Nothing here prompts unless a person is there.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use serde_json::Value;
use zbus::DBusError as _;
use zeroize::Zeroizing;

use super::super::{Place, SlotError};
use super::KeyringChoice;
use crate::paths::Paths;
use crate::residue;
use crate::vault::seal::Key;

pub(super) const DESCRIPTION: &str = "the session's keyring (Secret Service): open while you are signed in";

/// How long a person has to answer a prompt.
const PROMPT: Duration = Duration::from_secs(120);
const LABEL: &str = "cred-helper: key of the vault";

pub(super) fn keep(place: &Place<'_>, key: &Key, present: bool) -> Result<Value, SlotError> {
    run(place, present, async |service| {
        let collection = default_collection(&service, present).await?;
        let content = "application/octet-stream";
        collection.create_item(LABEL, attributes(place), &*key.expose(), true, content).await.map_err(classify)?;
        // What can't be read back is not kept: now is the time to know, before a login.
        match find(&service, place, false).await {
            Ok(found) if found.matches(key) => Ok(Value::Null),
            Ok(_) => Err(SlotError::Unavailable("it gives back another key than it was given".into())),
            Err(error) => Err(error),
        }
    })
}

pub(super) fn fetch(place: &Place<'_>, _params: &Value, present: bool) -> Result<Key, SlotError> {
    run(place, present, async |service| find(&service, place, present).await)
}

pub(super) fn forget(place: &Place<'_>, _params: &Value) -> Result<(), SlotError> {
    run(place, false, async |service| {
        for item in service.search_items(attributes(place)).await.map_err(classify)?.unlocked {
            item.delete().await.map_err(classify)?;
        }
        Ok(())
    })
}

fn attributes<'a>(place: &'a Place<'_>) -> HashMap<&'static str, &'a str> {
    HashMap::from([("application", "cred-helper"), ("vault", place.vault), ("slot", place.slot)])
}

async fn find(service: &SecretService<'_>, place: &Place<'_>, present: bool) -> Result<Key, SlotError> {
    let found = service.search_items(attributes(place)).await.map_err(classify)?;
    if let Some(item) = found.unlocked.first() {
        return read(item).await;
    }
    if let Some(item) = found.locked.first() {
        if !present {
            return Err(SlotError::Locked);
        }
        item.unlock().await.map_err(classify)?;
        return read(item).await;
    }
    // Some services don't show what is in a locked collection: only an open one proves that the key is gone.
    let missing = || SlotError::Missing("the keyring is open, and the key is not in it".into());
    let collection = match service.get_default_collection().await {
        Err(Error::NoResult) => return Err(missing()),
        other => other.map_err(classify)?,
    };
    if !collection.is_locked().await.map_err(classify)? {
        return Err(missing());
    }
    unlock(&collection, present).await?;
    let found = service.search_items(attributes(place)).await.map_err(classify)?;
    read(found.unlocked.first().ok_or_else(missing)?).await
}

async fn read(item: &Item<'_>) -> Result<Key, SlotError> {
    let secret = Zeroizing::new(item.get_secret().await.map_err(classify)?);
    Key::from_slice(&secret).map_err(|_| SlotError::Wrong)
}

/// Where new items go, open. Never the session collection: what is there ends with the session.
async fn default_collection<'a>(service: &'a SecretService<'_>, present: bool) -> Result<Collection<'a>, SlotError> {
    let collection = match service.get_default_collection().await {
        Err(Error::NoResult) if present => service.create_collection("Login", "default").await,
        Err(Error::NoResult) => return Err(SlotError::Unavailable("it has no default keyring yet".into())),
        other => other,
    };
    let collection = collection.map_err(classify)?;
    if collection.is_locked().await.map_err(classify)? {
        unlock(&collection, present).await?;
    }
    Ok(collection)
}

async fn unlock(collection: &Collection<'_>, present: bool) -> Result<(), SlotError> {
    if !present {
        return Err(SlotError::Locked);
    }
    collection.unlock().await.map_err(classify)
}

/// Connects and works, in the time there is.
fn run<T: Send>(
    place: &Place<'_>,
    present: bool,
    work: impl AsyncFnOnce(SecretService<'static>) -> Result<T, SlotError> + Send,
) -> Result<T, SlotError> {
    let address = address(place.keyring)?;
    let limit = if present { PROMPT } else { place.patience };
    let bounded = async move || {
        let late = || SlotError::Unavailable(format!("it did not answer within {} s", limit.as_secs()));
        tokio::time::timeout(limit, async { work(connect(&address).await?).await }).await.map_err(|_| late())?
    };
    let on_thread = move || {
        let started = |error| SlotError::Unavailable(format!("no runtime for D-Bus could be started: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(started)?;
        let result = runtime.block_on(bounded());
        // Whatever hangs in the system is not waited for.
        runtime.shutdown_background();
        // The system keeps the stacks of threads that have ended.
        residue::clear();
        result
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("keyring".into()).spawn_scoped(scope, on_thread);
        let thread = thread.map_err(|error| SlotError::Unavailable(format!("no thread could be started: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(SlotError::Unavailable("its library failed".into())))
    })
}

async fn connect(address: &str) -> Result<SecretService<'static>, SlotError> {
    let unreachable = |_| SlotError::Unavailable("the D-Bus session does not answer".into());
    let builder = zbus::connection::Builder::address(address).map_err(unreachable)?;
    let connection = builder.build().await.map_err(unreachable)?;
    SecretService::connect_with_existing(EncryptionType::Dh, connection).await.map_err(classify)
}

/// The bus that may be used, if there is one; nothing is started to make one.
fn address(choice: &KeyringChoice) -> Result<String, SlotError> {
    if let KeyringChoice::Bus(address) = choice {
        return Ok(address.clone());
    }
    Paths::session_bus().ok_or_else(|| SlotError::Unavailable("there is no D-Bus session".into()))
}

fn classify(error: Error) -> SlotError {
    match error {
        Error::Locked => SlotError::Locked,
        Error::NoResult => SlotError::Missing("the keyring does not know the key".into()),
        Error::Prompt => SlotError::Refused("its prompt was dismissed".into()),
        Error::PromptDisconnected => SlotError::Unavailable("it ended while it was asking".into()),
        Error::Unavailable => no_service(),
        Error::Zbus(error) => of_bus(&error),
        Error::ZbusFdo(zbus::fdo::Error::ZBus(error)) => of_bus(&error),
        Error::ZbusFdo(error) => by_name(&error.name()),
        _ => SlotError::Unavailable("it answers what is not understood".into()),
    }
}

fn of_bus(error: &zbus::Error) -> SlotError {
    match error {
        zbus::Error::MethodError(name, ..) => by_name(name),
        zbus::Error::FDO(error) => by_name(&error.name()),
        _ => SlotError::Unavailable("the D-Bus session failed".into()),
    }
}

/// By the error's D-Bus name; its text is the service's, in any language, and is not repeated.
fn by_name(name: &str) -> SlotError {
    match name {
        "org.freedesktop.Secret.Error.IsLocked" => SlotError::Locked,
        "org.freedesktop.Secret.Error.NoSuchObject" => SlotError::Missing("the keyring does not know the key".into()),
        "org.freedesktop.DBus.Error.AccessDenied" => SlotError::Refused("it denied access".into()),
        "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => no_service(),
        name if name.starts_with("org.freedesktop.DBus.Error.Spawn") => no_service(),
        name => SlotError::Unavailable(format!("it answered {}", name.rsplit('.').next().unwrap_or_default())),
    }
}

fn no_service() -> SlotError {
    SlotError::Unavailable("the D-Bus session has no Secret Service".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_names() {
        let cases = [
            ("org.freedesktop.Secret.Error.IsLocked", "Locked"),
            ("org.freedesktop.Secret.Error.NoSuchObject", "Missing"),
            ("org.freedesktop.DBus.Error.AccessDenied", "Refused"),
            ("org.freedesktop.DBus.Error.ServiceUnknown", "Unavailable"),
            ("org.freedesktop.DBus.Error.Spawn.ChildExited", "Unavailable"),
            ("com.example.Unheard.Of", "Unavailable(\"it answered Of\")"),
        ];
        for (name, shown) in cases {
            assert!(format!("{:?}", by_name(name)).starts_with(shown), "{name}");
        }
    }
}
