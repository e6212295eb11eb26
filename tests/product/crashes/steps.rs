//! The agent killed at every step of everything that is asked of it: for each operation at its first fault point, its
//! second, and so on, until it gets to its end. Whatever the step, every record opens, the next command works, and no login
//! is lost but in the one window that nobody can close.
//!
//! A new fault point is covered by itself; a new operation is a line in the table.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cred_helper::demo::server::{Behaviour, RotationMode};
use cred_helper::fault::POINTS;

use super::stage::Stage;
use super::{endings, keys};
use crate::home::Ended;

/// Something that is asked of the agent.
struct Operation {
    name: &'static str,
    rotation: RotationMode,
    /// At which points somebody is killed.
    points: &'static str,
    /// Brings everything to where it starts.
    begin: fn(&Stage),
    /// Asks for it.
    ask: fn(&Stage) -> Ended,
    /// What has to hold afterwards.
    check: fn(&Stage, &Asked),
}

/// What came of it.
pub(super) struct Asked {
    pub(super) ended: Ended,
    /// The fault points that were reached, the last one killing the agent.
    trace: Vec<String>,
}

impl Asked {
    /// The caller was told that it went well.
    pub(super) fn done(&self) -> bool {
        self.ended.code == 0
    }

    /// The server may have rotated, and what it answered was not yet written down here: nobody can close that window.
    fn in_the_window(&self) -> bool {
        let Some(sent) = self.trace.iter().rposition(|point| point == "http.send") else { return false };
        // Killed at that point, it was not sent; after the first write once the answer is there, it is safe. What is written before
        // that is another thread's, such as the ledger.
        let after = &self.trace[sent + 1..];
        let arrived = after.iter().position(|point| point == "refresh.arrived").unwrap_or(after.len());
        !after.is_empty() && !after[arrived..].iter().any(|point| point == "disk.sync")
    }
}

const fn operation(name: &'static str, ask: fn(&Stage) -> Ended, check: fn(&Stage, &Asked)) -> Operation {
    Operation { name, rotation: RotationMode::Strict, points: "*", begin: awake, ask, check }
}

fn operations() -> Vec<Operation> {
    let grace = RotationMode::Grace(std::time::Duration::from_secs(60));
    vec![
        operation("refresh", refresh, refreshed),
        Operation { rotation: grace, ..operation("refresh with grace", refresh, |stage, _| all_is_well(stage)) },
        Operation { begin: server_says_no, ..operation("refused refresh", refresh, |stage, _| all_is_well(stage)) },
        Operation { begin: with_robot, ..operation("grant", |stage| quietly(stage, &["refresh", "robot"]), granted) },
        Operation { begin: without_robot, ..operation("grant's login", log_robot_in, granted) },
        Operation { begin: with_copilot, ..operation("second step", take_second_step, stepped) },
        Operation { begin: without_new, ..operation("login", |stage| stage.log_in(Some("new")), logged_in) },
        operation("login again", |stage| stage.log_in(None), |stage, _| all_is_well(stage)),
        Operation { begin: keys::without_made, ..operation("login for a key", keys::make_key, keys::key_made) },
        Operation { begin: lent, ..operation("import", take_over, taken_over) },
        Operation { begin: with_new, ..operation("logout", log_out, logged_out) },
        operation("slot add", add_slot, slot_added),
        Operation { begin: two_slots, ..operation("slot remove", remove_slot, slot_removed) },
        Operation { begin: keys::without_key, ..operation("api-key set", keys::set_key, keys::key_set) },
        Operation { begin: keys::with_key, ..operation("api-key set again", keys::set_key, keys::key_set) },
        Operation { begin: keys::with_key, ..operation("api-key remove", keys::remove_key, keys::key_removed) },
        Operation { begin: keys::refused_once, ..operation("reject twice", endings::reject, keys::fallen_back) },
        operation("rename", rename, renamed),
        operation("default", set_default, default_set),
        Operation { begin: copied, ..operation("adopt", |stage| quietly(stage, &["vault", "adopt"]), adopted) },
        operation("restart", restart, |stage, _| all_is_well(stage)),
        Operation { points: "successor.*", ..operation("restarted", restart, |stage, _| all_is_well(stage)) },
        operation("lock", |stage| quietly(stage, &["lock"]), unlocked_again),
        Operation { begin: locked, ..operation("unlock", |stage| quietly(stage, &["unlock"]), unlocked_again) },
        Operation { begin: endings::refused_for_good, ..operation("refused for good", refresh, endings::buried) },
        Operation { begin: endings::handed_out, ..operation("reject", endings::reject, refreshed) },
        Operation { begin: endings::made, ..operation("reset", endings::reset, endings::was_reset) },
        Operation { begin: arrived, ..operation("start", start, |stage, _| all_is_well(stage)) },
    ]
}

#[test]
fn killed_at_every_step_of_everything_nothing_is_lost() {
    let waiting = Mutex::new(operations());
    let kills = Mutex::new(BTreeMap::<String, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(operation) = { waiting.lock().unwrap().pop() } {
                    for point in kill_at_every_step(&operation) {
                        *kills.lock().unwrap().entry(point).or_default() += 1;
                    }
                }
            });
        }
    });
    let kills = kills.into_inner().unwrap();
    eprintln!("kills at each point: {kills:?}");
    // Two agents count their steps of a handover: which of them dies first is chance. `successors` kills each at each.
    // What shows a notification is on a session's bus, which is not here: `real/notices` kills there.
    let elsewhere = ["handover.", "successor.", "notice."];
    let of_one = POINTS.iter().filter(|point| !elsewhere.iter().any(|other| point.starts_with(other)));
    let missed: Vec<_> = of_one.filter(|point| !kills.contains_key(**point)).collect();
    assert!(missed.is_empty(), "nobody was killed at {missed:?}");
}

/// The points where it was killed.
fn kill_at_every_step(operation: &Operation) -> Vec<String> {
    let stage = Stage::new(operation.rotation);
    let mut points = Vec::new();
    while points.len() < 100 {
        let nth = points.len() + 1;
        (operation.begin)(&stage);
        stage.home.arm(&format!("* * note\n{} {nth} kill", operation.points));
        let ended = (operation.ask)(&stage);
        let complete = stage.home.is_done();
        stage.home.disarm();
        stage.home.bury_agent();
        let asked = Asked { ended, trace: stage.home.happened() };
        eprintln!("{} {nth}: {:?} {}", operation.name, asked.trace.last(), asked.ended.code);
        stage.look();
        (operation.check)(&stage, &asked);
        if complete {
            eprintln!("{}: killed at {} steps, {} records seen", operation.name, points.len(), stage.looked_at.get());
            return points;
        }
        // The end of the answer before may come late, and was counted then: this step is tried again.
        if asked.trace.first().is_none_or(|point| point != "answer.written") {
            points.extend(asked.trace.last().cloned());
        }
    }
    panic!("{} has no end", operation.name);
}

/// By the agent that runs.
pub(super) fn quietly(stage: &Stage, arguments: &[&str]) -> Ended {
    let mut arguments = arguments.to_vec();
    arguments.push("--no-start");
    stage.home.run(&arguments)
}

pub(super) fn all_is_well(stage: &Stage) {
    for account in [stage.provider.clone(), stage.named("work")] {
        assert!(stage.works(&account), "{account} is lost");
    }
}

pub(super) fn refresh(stage: &Stage) -> Ended {
    quietly(stage, &["refresh", &stage.provider])
}

fn refreshed(stage: &Stage, asked: &Asked) {
    let requests = stage.server.count_grant("refresh_token");
    assert!(stage.works(&stage.named("work")));
    if stage.home.run(&["refresh", &stage.provider]).code == 0 {
        assert!(stage.works(&stage.provider));
        return;
    }
    assert!(asked.in_the_window(), "lost, killed after {:?}", asked.trace);
    // The same token was tried again, as a replica that lags would want it; then it is said, and nobody asks any more.
    let tried = stage.server.count_grant("refresh_token");
    assert!(tried - requests <= 2, "it loops");
    let said = stage.home.run(&["refresh", &stage.provider]);
    assert_eq!(said.code, 10, "{}", said.stderr);
    stage.home.kill_agent();
    assert_eq!(stage.home.run(&["refresh", &stage.provider]).code, 10);
    assert_eq!(stage.server.count_grant("refresh_token"), tried);
    assert_eq!(stage.log_in(None).code, 0, "a login mends it");
    assert!(stage.works(&stage.provider));
}

/// An agent runs, and has nothing left to do.
pub(super) fn awake(stage: &Stage) {
    stage.home.run(&["refresh", &stage.provider]);
}

fn with_robot(stage: &Stage) {
    if !stage.accounts().contains(&"robot".to_owned()) {
        stage.home.ok(&["login", "robot"]);
    }
}

fn without_robot(stage: &Stage) {
    if stage.accounts().contains(&"robot".to_owned()) {
        stage.home.ok(&["logout", "robot"]);
    }
}

fn log_robot_in(stage: &Stage) -> Ended {
    quietly(stage, &["login", "robot"])
}

/// There is no window: what was lost is asked for again.
fn granted(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let there = stage.accounts().contains(&"robot".to_owned());
    assert!(there || !asked.done(), "a login that was confirmed is gone");
    assert!(!there || stage.works("robot"));
    assert!(!there || stage.home.run(&["refresh", "robot"]).code == 0);
}

fn with_copilot(stage: &Stage) {
    if !stage.accounts().contains(&"copilot".to_owned()) {
        stage.home.ok(&["login", "copilot"]);
    }
}

fn take_second_step(stage: &Stage) -> Ended {
    quietly(stage, &["refresh", "copilot"])
}

/// It was in memory only: it is fetched anew with the login, which is kept.
fn stepped(stage: &Stage, _: &Asked) {
    all_is_well(stage);
    let token = stage.home.ok(&["get-token", "copilot"]);
    assert!(stage.server.is_live_second(&token), "the login is lost");
}

fn server_says_no(stage: &Stage) {
    stage.server.behave();
    awake(stage);
    let no = serde_json::json!({"error": "invalid_client"});
    stage.server.set_behaviour(Behaviour::Error(400, no), 1);
}

fn without_new(stage: &Stage) {
    if stage.accounts().contains(&stage.named("new")) {
        stage.home.ok(&["logout", &stage.named("new")]);
    }
}

fn logged_in(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let there = stage.accounts().contains(&stage.named("new"));
    assert!(there || !asked.done(), "a login that was confirmed is gone");
    assert!(!there || stage.works(&stage.named("new")));
}

/// Another program has a login, and its file lies here.
fn lent(stage: &Stage) {
    let imported = stage.named("imported");
    if stage.accounts().contains(&imported) {
        stage.home.ok(&["logout", &imported]);
    }
    stage.home.log_in(&stage.server, &["--account", "lent"]);
    let lent = stage.home.json(&["export", &stage.named("lent"), "--force-refresh-token"]);
    crate::imports::write_lent(&stage.home, &lent);
    stage.home.ok(&["logout", &stage.named("lent")]);
}

fn take_over(stage: &Stage) -> Ended {
    quietly(stage, &["import", &stage.named("imported"), "--from", "lent.json", "--own"])
}

fn taken_over(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let imported = stage.named("imported");
    if stage.accounts().contains(&imported) {
        let well = stage.home.run(&["refresh", &imported]).code == 0 && stage.works(&imported);
        assert!(well || asked.in_the_window(), "lost, killed after {:?}", asked.trace);
        return;
    }
    assert!(!asked.done(), "an import that was confirmed is gone");
    let again = stage.home.run(&["import", &imported, "--from", "lent.json", "--own"]);
    assert_eq!(again.code, 0, "its token is still good: {}", again.stderr);
}

fn with_new(stage: &Stage) {
    if !stage.accounts().contains(&stage.named("new")) {
        stage.home.log_in(&stage.server, &["--account", "new"]);
    }
}

fn log_out(stage: &Stage) -> Ended {
    quietly(stage, &["logout", &stage.named("new")])
}

fn logged_out(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let there = stage.accounts().contains(&stage.named("new"));
    assert!(!there || !asked.done(), "a login that was given up is back");
    assert!(!there || stage.works(&stage.named("new")));
}

fn slots(stage: &Stage) -> Vec<String> {
    let slots = stage.home.json(&["vault", "slot", "list", "--json"]);
    let slots = slots.as_array().or_else(|| slots["slots"].as_array()).unwrap();
    slots.iter().map(|slot| slot["id"].as_str().unwrap().to_owned()).collect()
}

fn add_slot(stage: &Stage) -> Ended {
    quietly(stage, &["vault", "slot", "add", "machine", "--accept-weaker"])
}

fn slot_added(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let slots = slots(stage);
    assert!(slots.len() == 2 || (slots.len() == 1 && !asked.done()), "{slots:?}");
    if let [_, added] = &slots[..] {
        stage.home.ok(&["vault", "slot", "remove", added]);
    }
}

fn two_slots(stage: &Stage) {
    if slots(stage).len() < 2 {
        stage.home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    }
    stage.slot.replace(slots(stage).remove(0));
}

fn remove_slot(stage: &Stage) -> Ended {
    quietly(stage, &["vault", "slot", "remove", &stage.slot.borrow()])
}

fn slot_removed(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    assert!(slots(stage).len() == 1 || !asked.done());
}

fn rename(stage: &Stage) -> Ended {
    quietly(stage, &["account", "rename", &stage.named("work"), "play"])
}

fn renamed(stage: &Stage, asked: &Asked) {
    let accounts = stage.accounts();
    let (work, play) = (stage.named("work"), stage.named("play"));
    assert!(accounts == [stage.provider.clone(), work] || accounts == [stage.provider.clone(), play.clone()]);
    let is_renamed = accounts.contains(&play);
    assert!(is_renamed || !asked.done());
    if is_renamed {
        assert!(stage.works(&play));
        stage.home.ok(&["account", "rename", &play, "work"]);
    }
    all_is_well(stage);
}

fn set_default(stage: &Stage) -> Ended {
    quietly(stage, &["account", "default", &stage.named("work")])
}

fn default_set(stage: &Stage, asked: &Asked) {
    all_is_well(stage);
    let token = stage.home.token();
    let (first, work) =
        (stage.home.ok(&["get-token", &stage.provider]), stage.home.ok(&["get-token", &stage.named("work")]));
    assert!(token == work || (token == first && !asked.done()));
    stage.home.ok(&["account", "default", &stage.provider]);
}

fn copied(stage: &Stage) {
    stage.home.ok(&["agent", "stop"]);
    std::fs::remove_file(stage.home.state().join("install-id")).unwrap();
    awake(stage);
}

fn adopted(stage: &Stage, asked: &Asked) {
    if !asked.done() {
        stage.home.ok(&["vault", "adopt"]);
    }
    all_is_well(stage);
}

fn restart(stage: &Stage) -> Ended {
    quietly(stage, &["agent", "restart"])
}

fn locked(stage: &Stage) {
    stage.home.ok(&["lock"]);
}

fn unlocked_again(stage: &Stage, _: &Asked) {
    stage.home.ok(&["unlock"]);
    all_is_well(stage);
}

/// An answer was written and not put in its place.
fn arrived(stage: &Stage) {
    awake(stage);
    stage.home.arm("disk.rename 2 kill");
    refresh(stage);
    stage.home.bury_agent();
    stage.home.disarm();
}

fn start(stage: &Stage) -> Ended {
    stage.home.run(&["status"])
}
