//! Programs that say nothing of a refused token and only ask again: Claude Code, Codex, rclone. Whoever set them up says so
//! with each question (`asks_again_when_refused`), and the same program asking again for the same token is taken for a refusal.
//!
//! It is a guess, so it is fenced in: the same process, which is known; the same token, which is a minute old at least and not
//! near its end; a minute since it was handed out, or the third question, because two parts of a program may start together;
//! one refresh for each login and minute. Who goes on asking does so for a reason of its own, such as a cache that ends, and
//! is believed ever more seldom. A guess ends in a refresh or in nothing: no API key answers because of one. While a program
//! waits for that refresh, its other parts do, too: they were refused the same token. Nothing is kept: after a restart it takes
//! another question or two.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::accounts::{Fingerprint, Variant};
use super::audit::Asking;
use super::single_flight::{self, Stage};
use super::state::{self, Verdict};
use super::tokens::{times, variant};
use super::{Agent, fingerprint};
use crate::clock::Moment;
use crate::ipc::message::audit::Outcome;
use crate::ipc::message::token::{GetToken, Token};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::server::Origin;
use crate::token::TokenKind;

/// Sooner than this, it may be another part of the program that starts; and a token so young was hardly refused.
const YOUNG: Duration = Duration::from_secs(60);
/// More parts hardly start together.
const PARTS: u32 = 2;
/// Between two guesses about a login, whoever asks; and what a program's own pause begins with.
const PAUSE: Duration = Duration::from_secs(60);
/// What it grows to.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A pause begins anew after so many of it.
const FORGIVEN: u32 = 8;
/// How long a program waits for what is only a guess.
const PATIENCE: Duration = Duration::from_secs(10);
/// Programs that are remembered.
const PROGRAMS: usize = 256;
/// What the audit log says.
const DETAIL: &str = "a guess: the program asked again for the same token";

/// A process that no other is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asker {
    pid: u32,
    started: u64,
}

impl Asker {
    /// `None` where it isn't known which program asks.
    fn of(origin: &Origin) -> Option<Self> {
        origin.path.as_ref()?;
        Some(Self { pid: origin.pid?, started: origin.started? })
    }
}

/// A login's token for a program.
type Key = (u64, Variant, Asker);

/// What a program was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Handed {
    token: Fingerprint,
    /// When it was first handed that one.
    at: Moment,
    /// How often since.
    times: u32,
    guess: Option<Guess>,
}

/// When a program's question was last taken for a refusal, and how long none is from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Guess {
    at: Moment,
    pause: Duration,
}

impl Guess {
    /// One that follows another soon is the less to be believed.
    fn after(before: Option<Guess>, now: Moment) -> Self {
        let again = before.filter(|before| !passed(before.at, before.pause * FORGIVEN, now));
        Self { at: now, pause: again.map_or(PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE)) }
    }
}

/// Whether so much time has passed, as far as either clock says.
fn passed(since: Moment, pause: Duration, now: Moment) -> bool {
    now.since(since).most().is_some_and(|time| time >= pause)
}

/// Whether a question for `token` is taken for a refusal of it. `last` is the last guess about that login.
fn is_refusal(handed: Option<Handed>, token: Fingerprint, last: Option<Moment>, now: Moment) -> bool {
    handed.is_some_and(|handed| {
        handed.token == token
            && (handed.times >= PARTS || passed(handed.at, YOUNG, now))
            && handed.guess.is_none_or(|guess| passed(guess.at, guess.pause, now))
            && last.is_none_or(|last| passed(last, PAUSE, now))
    })
}

/// What programs were handed that ask again where it is refused.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    handed: HashMap<Key, Handed>,
    /// The last guess about each login.
    last: HashMap<u64, Moment>,
    /// The refreshes that programs wait for because of a guess, and the token that each replaces.
    under_way: HashMap<Key, (Fingerprint, watch::Receiver<Stage>)>,
}

impl Guesses {
    /// Whether this question is taken for a refusal; if so that is remembered.
    fn guess(&mut self, key: &Key, token: Fingerprint, now: Moment) -> bool {
        let last = self.last.get(&key.0).copied();
        let refused = is_refusal(self.handed.get(key).copied(), token, last, now);
        if refused && let Some(handed) = self.handed.get_mut(key) {
            handed.guess = Some(Guess::after(handed.guess, now));
            self.last.retain(|_, last| !passed(*last, PAUSE, now));
            self.last.insert(key.0, now);
        }
        refused
    }

    /// A program is handed a token.
    fn hand(&mut self, key: Key, token: Fingerprint, now: Moment) {
        let before = self.handed.get_mut(&key);
        let guess = before.as_ref().and_then(|before| before.guess);
        let is_first = before.is_none();
        if let Some(same) = before.filter(|before| before.token == token) {
            same.times += 1;
            return;
        }
        if is_first && self.handed.len() >= PROGRAMS {
            let oldest = self
                .handed
                .iter()
                .min_by_key(|(_, Handed { at, .. })| (at.boot.map(|boot| boot.seconds), at.wall))
                .map(|(key, _)| key.clone());
            oldest.and_then(|key| self.handed.remove(&key));
        }
        self.handed.insert(key, Handed { token, at: now, times: 1, guess });
    }
}

/// A refresh that a program waits for, as long as this lives: kept longer, it would keep the refresh trying for nobody.
struct Awaited<'a> {
    agent: &'a Agent,
    key: &'a Key,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.agent.guesses().under_way.remove(self.key);
    }
}

/// How a token stands that may have been refused.
struct Standing {
    variant: Variant,
    /// It is not new, and another can be had without a person, or its server has said that none can.
    is_settled_by_refresh: bool,
}

impl Agent {
    /// The login's own token; a new one if the program is thought to say that the last one was refused.
    pub(super) async fn login_token(
        self: &Arc<Self>,
        incarnation: u64,
        get: &GetToken,
        asking: &Asking,
        deadline: Instant,
    ) -> Result<Token, Error> {
        let token = self.fresh_token(incarnation, get, asking, deadline).await?;
        if !get.asks_again_when_refused || get.token_type != TokenKind::Access {
            return Ok(token);
        }
        let Some(asker) = Asker::of(asking.peer().origin()) else { return Ok(token) };
        let Some(standing) = self.standing(incarnation, get) else { return Ok(token) };
        let key = (incarnation, standing.variant, asker);
        let print = fingerprint(&token.token);
        let may_be_refused = asking.is_cached() && standing.is_settled_by_refresh;
        let Some((flight, _awaited)) = self.replaces(&key, print, may_be_refused) else { return Ok(token) };
        asking.add_detail(DETAIL);
        let renewed = single_flight::first_attempt(flight, deadline.min(Instant::now() + PATIENCE));
        match self.gate.unless_locked(renewed).await? {
            Ok(()) => {
                asking.outcome(Outcome::Refreshed);
                let renewed = self.after_renewal(incarnation, &key.1, get)?;
                self.guesses().hand(key.clone(), fingerprint(&renewed.token), self.clock.moment());
                Ok(renewed)
            }
            // The server's own word: the program would only be refused once more.
            Err(error) if error.kind() == ErrorKind::LoginRequired => Err(error),
            Err(_) => Ok(token),
        }
    }

    /// The refresh that replaces a token which a program asks for, if it is taken to be refused; else it is handed that one.
    fn replaces<'a>(
        self: &'a Arc<Self>,
        key: &'a Key,
        token: Fingerprint,
        may_be_refused: bool,
    ) -> Option<(watch::Receiver<Stage>, Option<Awaited<'a>>)> {
        let mut guesses = self.guesses();
        if let Some((_, flight)) = guesses.under_way.get(key).filter(|(replaced, _)| *replaced == token) {
            return Some((flight.clone(), None));
        }
        let now = self.clock.moment();
        if may_be_refused && guesses.guess(key, token, now) {
            let flight = self.renew(key.0, key.1.clone());
            guesses.under_way.insert(key.clone(), (token, flight.clone()));
            return Some((flight, Some(Awaited { agent: self, key })));
        }
        guesses.hand(key.clone(), token, now);
        None
    }

    /// `None` if it is near its end: then whoever asks has a reason.
    fn standing(&self, incarnation: u64, get: &GetToken) -> Option<Standing> {
        let now = self.clock.moment();
        let table = self.table();
        let account = table.get(incarnation)?;
        let variant = variant(account, get);
        let times = times(account, &variant, get.token_type)?;
        let fresh = state::judge(times, None, account.margin(&variant), now) == Verdict::Fresh;
        let old_enough = times.age(now).is_some_and(|age| age >= YOUNG);
        let is_settled_by_refresh = old_enough && (account.is_refreshable() || account.record.dead.is_some());
        fresh.then_some(Standing { variant, is_settled_by_refresh })
    }

    fn guesses(&self) -> std::sync::MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::clock::{BootTime, Timestamp};

    const TOKEN: Fingerprint = [1; 32];

    fn key(pid: u32) -> Key {
        (7, Variant::default(), Asker { pid, started: 5 })
    }

    fn at(seconds: u64) -> Moment {
        Moment { wall: Timestamp(1000), boot: Some(BootTime { clock: 1, seconds }) }
    }

    fn guess(seconds: u64, pause: u64) -> Guess {
        Guess { at: at(seconds), pause: Duration::from_secs(pause) }
    }

    #[test]
    fn the_same_token_asked_for_again_after_a_minute_was_refused() {
        let handed = |seconds, guess| Some(Handed { token: TOKEN, at: at(seconds), times: 1, guess });
        for (what, state, token, last, now, refused) in [
            ("the first question", None, TOKEN, None, 500, false),
            ("two parts that start together", handed(500, None), TOKEN, None, 501, false),
            ("just young", handed(500, None), TOKEN, None, 559, false),
            ("asked again", handed(500, None), TOKEN, None, 560, true),
            ("it has been replaced since", handed(500, None), [2; 32], None, 9000, false),
            ("another program's guess is young", handed(500, None), TOKEN, Some(at(540)), 599, false),
            ("another program's guess is old", handed(500, None), TOKEN, Some(at(540)), 600, true),
            ("within its own pause", handed(500, Some(guess(500, 120))), TOKEN, None, 619, false),
            ("after its own pause", handed(500, Some(guess(500, 120))), TOKEN, None, 620, true),
            ("the clocks say nothing of it", handed(500, None), TOKEN, None, 3, false),
            ("the third question", handed(500, None).map(|two| Handed { times: 2, ..two }), TOKEN, None, 501, true),
        ] {
            assert_eq!(is_refusal(state, token, last, at(now)), refused, "{what}");
        }
    }

    /// A cache of five minutes, as Claude Code's where nobody says otherwise.
    #[test]
    fn who_asks_every_few_minutes_costs_a_dozen_refreshes_in_six_hours_and_then_one_an_hour() {
        let (mut guesses, mut token, mut times) = (Guesses::default(), [0; 32], Vec::new());
        for minute in (0..24 * 60).step_by(5) {
            let now = at(60 * minute);
            if guesses.guess(&key(1), token, now) {
                token[..8].copy_from_slice(&minute.to_le_bytes());
                times.push(minute);
            }
            guesses.hand(key(1), token, now);
        }
        assert!(times.iter().filter(|minute| **minute < 6 * 60).count() < 12, "{times:?}");
        let hourly = times.windows(2).filter(|pair| pair[0] > 6 * 60).all(|pair| pair[1] - pair[0] >= 60);
        assert!(hourly && times[0] == 5, "{times:?}");
    }

    #[test]
    fn a_program_that_was_right_long_ago_is_believed_at_once() {
        let first = Guess::after(None, at(100));
        let second = Guess::after(Some(first), at(200));
        assert_eq!((first, second), (guess(100, 60), guess(200, 120)));
        assert_eq!(Guess::after(Some(second), at(200 + 8 * 120)), guess(1160, 60));
    }

    #[test]
    fn other_programs_and_logins_are_nobodys_witnesses_and_few_are_remembered() {
        let mut guesses = Guesses::default();
        guesses.hand(key(1), TOKEN, at(0));
        assert!(!guesses.guess(&key(2), TOKEN, at(500)));
        assert!(!guesses.guess(&(8, Variant::default(), key(1).2), TOKEN, at(500)));
        guesses.hand(key(1), TOKEN, at(499));
        assert!(guesses.guess(&key(1), TOKEN, at(500)), "when it was first handed out counts");
        for pid in 2..1000 {
            guesses.hand(key(pid), TOKEN, at(u64::from(pid)));
        }
        assert_eq!(guesses.handed.len(), PROGRAMS);
        assert!(!guesses.guess(&key(1), TOKEN, at(5000)) && guesses.guess(&key(999), TOKEN, at(5000)));
    }

    #[test]
    fn a_program_that_is_not_known_is_none() {
        let known = Origin { path: Some("/usr/bin/x".into()), name: None, pid: Some(7), started: Some(9) };
        assert_eq!(Asker::of(&known), Some(Asker { pid: 7, started: 9 }));
        for unknown in [
            Origin { path: None, ..known.clone() },
            Origin { pid: None, ..known.clone() },
            Origin { started: None, ..known.clone() },
        ] {
            assert_eq!(Asker::of(&unknown), None);
        }
    }
}
