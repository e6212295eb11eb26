//! Passwords that tools store: what is a token of an account's, and who answers of several.

use super::*;
use crate::ipc::message::login::Logout;
use crate::ipc::message::password::{StoreOutcome, StorePassword};

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
