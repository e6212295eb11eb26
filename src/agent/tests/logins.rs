//! Logins that meet each other, and what else changes names.

use super::*;
use crate::ipc::message::account::RenameAccount;

impl World {
    async fn records(&self) -> usize {
        self.agent.with_vault(|vault| Ok(vault.report().records)).await.unwrap()
    }
}

#[tokio::test]
async fn two_logins_of_one_account_at_the_same_time_leave_one() {
    let world = World::new(Options::default()).await;
    let (first, second) = tokio::join!(world.log_in("one"), world.log_in("one"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(world.records().await, 1);
    // The one that was replaced is given back.
    let given_back = |ended: &[crate::demo::server::Entry]| {
        ended.iter().any(|entry| entry.endpoint == crate::demo::server::Endpoint::Revocation)
    };
    tokio::time::timeout(Duration::from_secs(10), world.server.until(given_back)).await.expect("given back");
    world.clock.pass(2 * HOUR);
    assert!(world.server.is_live(&world.get("one").await.unwrap().token.expose()));
}

#[tokio::test]
async fn two_renames_to_one_name_leave_two_accounts() {
    let world = World::new(Options::default()).await;
    world.log_in("one").await.unwrap();
    world.log_in("two").await.unwrap();
    let rename = |from: &str| {
        let (account, agent) = (world.name(from), Arc::clone(&world.agent));
        async move { agent.rename(RenameAccount { account, to: "three".to_owned() }, &Asking::nobodys()).await }
    };
    let (first, second) = tokio::join!(rename("one"), rename("two"));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(world.agent.list_accounts().await.unwrap().accounts.len(), 2);
}

#[tokio::test]
async fn an_import_is_undone_to_its_end_and_under_a_name_that_nobody_else_gets_meanwhile() {
    let world = World::signed_in().await;
    let (incarnation, name) = (world.incarnation("one"), world.name("one"));
    let mut old = world.agent.table().get(incarnation).unwrap().record.duplicate();
    old.incarnation += 1;
    // Whoever takes it out waits for its record's turn.
    let write = Arc::clone(&world.agent.table().get(incarnation).unwrap().write);
    let (held, waiting) = (Arc::clone(&write).lock_owned().await, Arc::strong_count(&write));
    let naming = world.agent.naming.lock().await;
    let agent = Arc::clone(&world.agent);
    let undoing = tokio::spawn(async move { agent.undo_import(incarnation, Some(Arc::new(old))).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&write), waiting, "a login may be getting the name");
    // Its caller hangs up.
    undoing.abort();
    drop((naming, held));
    let put_back = async {
        while world.agent.table().resolve(Some(&name)).map(|one| one.record.incarnation) != Ok(incarnation + 1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), put_back).await.expect("what was there before is there again");
}
