//! A question is put until it is answered, or the caller's wait is over.
//!
//! An agent that ends just then (a stop, an upgrade, a crash) has answered nothing, and one that has no room has read
//! nothing: neither is a reason for the caller's program to fail.

use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use super::{Start, connect_or_start, wait_until_gone};
use crate::ipc::client::{CallError, Client, hung_up};
use crate::ipc::message::agent::Hello;
use crate::ipc::message::{Method, Repeated};
use crate::paths::Paths;
use crate::version;

/// Before an agent that had no room, or broke the connection, is asked again for the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest of such pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connects and asks, in at most `deadline`, until there is an answer: see [`put`]. An agent that is older than this program
/// is told so.
pub fn ask<M: Method>(
    paths: &Paths,
    start: Start,
    deadline: Duration,
    params: &M,
) -> Result<(Client, M::Answer), CallError> {
    let (mut client, answer) = put(paths, start, deadline, params)?;
    meet(&mut client);
    Ok((client, answer))
}

/// Connects and asks, in at most `deadline`. If the agent has no room, again; if it ends meanwhile, the next one, as often as
/// the question may be [repeated](Method::REPEATED). In between it waits for the end of the agent that broke off, and if that
/// doesn't end, for pauses that grow.
pub fn put<M: Method>(
    paths: &Paths,
    start: Start,
    deadline: Duration,
    params: &M,
) -> Result<(Client, M::Answer), CallError> {
    let until = Instant::now() + deadline;
    let mut again = M::REPEATED != Repeated::Never;
    let mut pauses = pauses();
    loop {
        let mut client = connect_or_start(paths, start, left(until))?;
        client.set_deadline(left(until));
        let (failed, broken) = match client.call(params) {
            Err(CallError::Io(error)) if again && hung_up(&error) => (CallError::Io(error), true),
            Err(CallError::TurnedAway(error)) => (CallError::TurnedAway(error), false),
            answer => return answer.map(|answer| (client, answer)),
        };
        let Some(pause) = pauses.next().filter(|pause| *pause < left(until)) else { return Err(failed) };
        again &= M::REPEATED == Repeated::UntilAnswered || !broken;
        if !broken || paths.socket_given {
            thread::sleep(pause);
        } else {
            wait_until_gone(paths, pause);
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn pauses() -> impl Iterator<Item = Duration> {
    iter::successors(Some(FIRST_PAUSE), |pause| Some((*pause * 2).min(LONGEST_PAUSE)))
}

/// An agent older than this program is told so once it has answered: if a newer one lies in its place, that one takes over.
/// Which version it has is known from the owner's file, so among equals this costs nothing.
fn meet(client: &mut Client) {
    let older = client.agent_version().is_some_and(|theirs| version::is_newer(version::own(), theirs));
    if older {
        // What comes of it is between the agents.
        let _ = client.call(&Hello::ours());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;
    use crate::ipc::message::ErrorKind;
    use crate::ipc::message::agent::StopAgent;

    const NO_ROOM: &str = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32004,\"message\":\"no room\",\
                           \"data\":{\"kind\":\"temporarily_unavailable\"}}}\n";
    const DONE: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n";

    /// Turns so many callers away, and serves the next one.
    fn agent(socket: PathBuf, turned_away: usize) -> thread::JoinHandle<()> {
        let listener = UnixListener::bind(socket).expect("bound");
        thread::spawn(move || {
            for at in 0..=turned_away {
                let (mut caller, _) = listener.accept().expect("a caller");
                if at < turned_away {
                    caller.write_all(NO_ROOM.as_bytes()).expect("written");
                    continue;
                }
                let mut asked = String::new();
                BufReader::new(&caller).read_line(&mut asked).expect("a request");
                caller.write_all(DONE.as_bytes()).expect("written");
            }
        })
    }

    #[test]
    fn who_is_turned_away_asks_again_as_long_as_there_is_time() {
        let home = tempfile::tempdir().expect("a directory");
        let own = |name: &str| home.path().join(name);
        let paths = Paths {
            home: own("."),
            config_file: own("config.toml"),
            vault_dir: own("vault"),
            state_dir: own("state"),
            socket: own("served.sock"),
            socket_given: true,
        };
        let agent_of_three = agent(own("served.sock"), 3);
        assert!(ask(&paths, Start::Never, Duration::from_secs(30), &StopAgent {}).is_ok());
        agent_of_three.join().expect("ended");

        let paths = Paths { socket: own("full.sock"), ..paths };
        let agent_of_one = agent(own("full.sock"), 1);
        let told = ask(&paths, Start::Never, FIRST_PAUSE, &StopAgent {}).expect_err("no time to ask again");
        assert_eq!(told.into_error().kind(), ErrorKind::TemporarilyUnavailable);
        Client::connect(&paths.socket).expect("nobody asked again");
        drop(agent_of_one);
    }
}
