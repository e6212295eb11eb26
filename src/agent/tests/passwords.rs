//! Passwords that tools store: what is a token of an account's, and who answers of several.

use super::*;
use crate::ipc::message::login::Logout;
use crate::ipc::message::password::{StoreOutcome, StorePassword};
use crate::ipc::message::token::{RejectOutcome, RejectToken};
use crate::ipc::message::vault::VaultState;

const PLACE: &str = "https://elsewhere.example";

impl World {
    async fn store(&self, username: &str, password: &Secret) -> StoreOutcome {
        let (url, username, password) = (PLACE.to_owned(), username.to_owned(), password.duplicate());
        let store = StorePassword { url, username, password, expires_at: None, target: None };
        self.agent.store_password(store, &Asking::nobodys()).await.unwrap().outcome
    }

    async fn kept(&self) -> String {
        let place = Some(PLACE.to_owned());
        let get = GetToken { target: place.clone(), or_password_for: place, ..GetToken::default() };
        self.agent.get_token(get, &Asking::nobodys()).await.unwrap().token.expose().to_owned()
    }
}

#[tokio::test]
async fn whichever_token_of_an_account_it_is_it_is_no_password_until_its_account_is_gone() {
    let mut world = World::signed_in().await;
    world.log_in("two").await.unwrap();
    let replaced = world.get("one").await.unwrap().token;
    world.clock.pass(2 * HOUR);
    let current = world.get("one").await.unwrap().token;
    let narrow = |get: &mut GetToken| get.scope = vec!["openid".to_owned()];
    let narrowed = world.ask("one", narrow).await.unwrap().token;
    let others = world.get("two").await.unwrap().token;
    for (token, what) in
        [(&replaced, "replaced"), (&current, "current"), (&narrowed, "narrowed"), (&others, "another's")]
    {
        assert_eq!(world.store("ada", token).await, StoreOutcome::OwnToken, "{what}");
    }
    world.restart().await;
    assert_eq!(world.store("ada", &current).await, StoreOutcome::OwnToken, "after a restart");
    let logout = Logout { account: Some(world.name("one")), ..Logout::default() };
    world.agent.logout(logout, &Asking::nobodys()).await.unwrap();
    assert_eq!(world.store("ada", &others).await, StoreOutcome::OwnToken, "another account is still there");
    assert_eq!(world.store("ada", &current).await, StoreOutcome::Kept, "nobody's");
}

#[tokio::test]
async fn of_a_places_several_users_the_latest_answers_after_a_restart_too() {
    let mut world = World::new(Options::default()).await;
    for (username, password) in [("ada", "one"), ("bob", "two"), ("ada", "three")] {
        assert_eq!(world.store(username, &Secret::from(password.to_owned())).await, StoreOutcome::Kept);
        for _ in 0..2 {
            assert_eq!(world.kept().await, password);
            world.restart().await;
        }
    }
}

/// Until everybody waits for something that this test does. One thread reads and writes the vault, so what was begun there has
/// ended when this comes to its turn.
async fn idle() {
    for _ in 0..10 {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

/// Two tools at once: what one has just stored, the other one's refusal of what was there before does not take away.
#[test]
fn what_was_stored_meanwhile_stays() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(refuse_while_storing());
}

async fn refuse_while_storing() {
    let world = World::new(Options::default()).await;
    let (old, new) = (Secret::from("old".to_owned()), Secret::from("new".to_owned()));
    assert_eq!(world.store("ada", &old).await, StoreOutcome::Kept);
    let turn = world.agent.keeping.lock().await;
    // Each has come as far as it can before the next one begins.
    let (store, refuse, release) = (
        world.store("ada", &new),
        async {
            idle().await;
            let (token, password_for) = (Some(old), Some(PLACE.to_owned()));
            let reject = RejectToken { token, password_for, ..RejectToken::default() };
            world.agent.reject(reject, &Asking::nobodys()).await.unwrap().outcome
        },
        async {
            idle().await;
            idle().await;
            drop(turn);
        },
    );
    let (stored, outcome, ()) = tokio::join!(store, refuse, release);
    assert_eq!((stored, outcome), (StoreOutcome::Kept, RejectOutcome::UnknownToken));
    assert_eq!(world.kept().await, "new");
}

#[tokio::test]
async fn a_lock_waits_for_what_is_being_kept_and_leaves_nothing_of_it_in_memory() {
    let world = World::signed_in().await;
    let keeping = world.agent.keeping.lock().await;
    let password = Secret::from("one".to_owned());
    let storing = world.store("ada", &password);
    let locking = async {
        while world.agent.gate.exchanges() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::join!(world.agent.lock(), async {
            tokio::task::yield_now().await;
            assert_eq!(world.agent.vault.state(), VaultState::Unlocked, "it waits");
            drop(keeping);
        })
    };
    let both = async { tokio::join!(storing, locking) };
    let (stored, (locked, ())) = tokio::time::timeout(Duration::from_secs(30), both).await.expect("it is waited for");
    assert_eq!(stored, StoreOutcome::Kept);
    assert!(locked.is_ok() && world.agent.table().passwords.told().is_empty());
}
