//! The same program asks again for the same token: processes of their own, and a clock that the test sets.

use std::process::{Child, Command, Stdio};

use super::*;
use crate::demo::server::Behaviour;
use crate::ipc::message::audit::ReadAudit;
use crate::ipc::server::Peer;

const MINUTE: Duration = Duration::from_secs(60);

/// A program that waits until this is dropped: no shell, so it is who asks.
struct Program(Child);

impl Program {
    fn start() -> Self {
        let program = Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // Until the kernel has given it its own executable, it is this one.
        let exe = format!("/proc/{}/exe", program.id());
        while std::fs::read_link(&exe).unwrap() == std::env::current_exe().unwrap() {
            std::thread::yield_now();
        }
        Self(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl World {
    /// What a program gets that its user's settings let ask again.
    async fn asked_by(&self, program: &Program) -> Result<Token, Error> {
        self.asked_by_one_that(program, true).await
    }

    async fn asked_by_one_that(&self, program: &Program, asks_again_when_refused: bool) -> Result<Token, Error> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let asking = Asking::new("token.get", Peer::new(None, Some(program.0.id())), &self.agent.audit, &clock);
        let get = GetToken { account: Some(self.name("one")), asks_again_when_refused, ..GetToken::default() };
        let answer = self.agent.get_token(get, &asking).await;
        asking.end(answer.as_ref().err());
        answer
    }

    #[track_caller]
    fn is_live(&self, token: Result<Token, Error>) -> String {
        let token = token.unwrap().token.expose().to_owned();
        assert!(self.server.is_live(&token));
        token
    }
}

#[tokio::test]
async fn a_program_that_asks_again_has_a_new_token_and_the_log_says_why() {
    let world = World::signed_in().await;
    let (program, other) = (Program::start(), Program::start());
    let first = world.is_live(world.asked_by(&program).await);
    for _ in 0..3 {
        assert_eq!(world.is_live(world.asked_by(&program).await), first, "what is so young was hardly refused");
    }
    world.clock.pass(2 * MINUTE);
    assert_eq!(world.is_live(world.asked_by(&other).await), first, "another program");
    assert_eq!(world.is_live(world.asked_by_one_that(&program, false).await), first, "one that nobody set up");
    assert_eq!(world.refreshes(), 0);
    world.server.expire_access_tokens();
    let second = world.is_live(world.asked_by(&program).await);
    assert_ne!(second, first);
    assert_eq!(world.is_live(world.asked_by(&other).await), second);
    // A server that takes none: it is not asked for ever.
    for _ in 0..20 {
        world.clock.pass(Duration::from_secs(5));
        world.is_live(world.asked_by(&program).await);
    }
    assert_eq!(world.refreshes(), 2);
    world.agent.audit.flush();
    let log = world.agent.read_audit(ReadAudit::default(), crate::ipc::server::Notifier::to_nobody()).await.unwrap();
    let guesses: Vec<_> = log.entries.iter().filter(|entry| entry.detail.is_some()).collect();
    assert_eq!(guesses[0].detail.as_deref(), Some("a guess: the program asked again for the same token"), "{log:?}");
    assert_eq!(guesses[0].program.pid, Some(program.0.id()));
}

#[tokio::test]
async fn one_that_has_just_begun_is_believed_at_its_third_question() {
    let world = World::signed_in().await;
    world.clock.pass(2 * MINUTE);
    world.server.expire_access_tokens();
    let (program, other) = (Program::start(), Program::start());
    let first = world.asked_by(&program).await.unwrap().token;
    assert!(world.asked_by(&program).await.unwrap().token.matches(&first), "two parts that start together");
    assert!(world.asked_by(&other).await.unwrap().token.matches(&first), "another program");
    let second = world.is_live(world.asked_by(&program).await);
    assert_eq!(world.is_live(world.asked_by(&other).await), second);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn parts_of_a_program_that_ask_while_its_guess_is_answered_have_the_new_token_too() {
    let world = World::signed_in().await;
    let (program, other) = (Program::start(), Program::start());
    let first = world.is_live(world.asked_by(&program).await);
    world.is_live(world.asked_by(&other).await);
    world.clock.pass(2 * MINUTE);
    world.server.expire_access_tokens();
    world.server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(1)), 1);
    let parts = async { tokio::join!(world.asked_by(&program), world.asked_by(&program), world.asked_by(&program)) };
    let ((one, two, three), others) = tokio::join!(parts, world.asked_by(&other));
    assert_eq!(*others.unwrap().token.expose(), first, "another program is not held up");
    let second = world.is_live(one);
    assert_eq!([world.is_live(two), world.is_live(three)], [second.clone(), second.clone()]);
    assert_eq!(world.refreshes(), 1);
    // Nothing is left of it for the next ones to wait for.
    assert_eq!(world.is_live(world.asked_by(&program).await), second);
    world.clock.pass(2 * MINUTE);
    world.server.set_behaviour(Behaviour::Status(503, Some("60".into())), 1);
    let (one, two) = tokio::join!(world.asked_by(&program), world.asked_by(&program));
    assert_eq!([world.is_live(one), world.is_live(two)], [second.clone(), second], "it came to nothing for both");
    world.landed().await;
}

#[tokio::test]
async fn one_that_ends_and_begins_anew_is_another_program_and_so_is_an_unknown_one() {
    let world = World::signed_in().await;
    let program = Program::start();
    world.asked_by(&program).await.unwrap();
    drop(program);
    world.clock.pass(2 * MINUTE);
    let program = Program::start();
    world.asked_by(&program).await.unwrap();
    for _ in 0..3 {
        world.clock.pass(2 * MINUTE);
        world.ask("one", |get| get.asks_again_when_refused = true).await.unwrap();
    }
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_restart_forgets_who_had_what_and_harms_nothing() {
    let mut world = World::signed_in().await;
    let program = Program::start();
    let first = world.is_live(world.asked_by(&program).await);
    world.clock.pass(2 * MINUTE);
    world.restart().await;
    assert_eq!(world.is_live(world.asked_by(&program).await), first);
    world.clock.pass(2 * MINUTE);
    assert_ne!(world.is_live(world.asked_by(&program).await), first);
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_token_near_its_end_is_no_matter_of_guessing() {
    let world = World::signed_in().await;
    let program = Program::start();
    let first = world.is_live(world.asked_by(&program).await);
    world.clock.pass(57 * MINUTE);
    let second = world.asked_by(&program).await.unwrap().token;
    assert_eq!(*second.expose(), first, "it is renewed ahead, and nobody waits");
    world.landed().await;
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_guess_that_comes_to_nothing_leaves_what_there_is_unless_the_login_has_ended() {
    let world = World::signed_in().await;
    let program = Program::start();
    let first = world.is_live(world.asked_by(&program).await);
    world.clock.pass(2 * MINUTE);
    world.server.set_behaviour(Behaviour::Status(503, Some("60".into())), 1);
    assert_eq!(world.is_live(world.asked_by(&program).await), first);
    world.landed().await;
    world.clock.pass(10 * MINUTE);
    world.server.set_behaviour(Behaviour::InvalidGrant, 9);
    for _ in 0..2 {
        assert_eq!(world.asked_by(&program).await.unwrap_err().kind(), ErrorKind::LoginRequired);
        world.clock.pass(10 * MINUTE);
    }
    assert_eq!(world.is_live(world.get("one").await), first, "who guesses nothing is served");
}
