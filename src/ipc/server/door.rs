//! The first words with a caller: what it speaks, or why it may not come in.
//!
//! Whoever is refused is told so in one line and not waited for; nothing is held for one who has said nothing yet.

use std::io;

use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::connection::READ_DEADLINE;
use super::dispatch;
use super::room::{Expected, Guest};
use crate::ipc::frame::{Detected, Framing, detect, encode};
use crate::ipc::message::{Error, ErrorKind};
use crate::ipc::transport::{AgentStream, Caller};

/// What one read takes.
pub(super) const READ_ROOM: usize = 4096;

/// Reads until the protocol can be told. Waits for the first byte without a buffer or a timer, and for the rest with a
/// deadline.
pub(super) async fn first_bytes(
    stream: &AgentStream,
    bytes: &mut Zeroizing<Vec<u8>>,
    guest: &Guest,
    unseen: Expected,
) -> io::Result<Detected> {
    let mut unseen = Some(unseen);
    while bytes.is_empty() {
        match read_more(stream, bytes)? {
            // A hint, no promise: a connection that was just accepted is taken to be readable.
            None => {
                unseen = None;
                stream.readable().await?;
            }
            // A connection that was closed without a word needs none back.
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => {}
        }
    }
    drop(unseen);
    let deadline = Instant::now() + READ_DEADLINE;
    let mut ended = false;
    loop {
        match detect(bytes) {
            Detected::Undecided if !ended && bytes.len() < READ_ROOM => {}
            detected => return Ok(detected),
        }
        timeout_at(deadline, stream.readable()).await??;
        guest.turn().await;
        ended = read_more(stream, bytes)? == Some(0);
    }
}

/// Adds what there is to read, without waiting; `None` if there is nothing yet.
fn read_more(stream: &AgentStream, bytes: &mut Zeroizing<Vec<u8>>) -> io::Result<Option<usize>> {
    let mut buffer = Zeroizing::new([0; READ_ROOM]);
    let length = match stream.try_read(&mut buffer[..]) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            return Ok(None);
        }
        result => result?,
    };
    // At once, because a growing Vec leaves its old block unwiped.
    if bytes.capacity() == 0 {
        bytes.reserve_exact(2 * READ_ROOM);
    }
    bytes.extend_from_slice(&buffer[..length]);
    Ok(Some(length))
}

/// There is no place for it: every other connection waits for an answer.
pub(super) fn turn_away(caller: &Caller) {
    let what = "the agent has no room for another caller; ask again";
    let _ = caller.write_at_once(&line(&Error::new(ErrorKind::TemporarilyUnavailable, what)));
}

/// One line, if it fits: whoever is refused is not waited for.
pub(super) fn refuse(stream: &AgentStream, error: &Error) {
    let _ = stream.write_at_once(&line(error));
}

fn line(error: &Error) -> Zeroizing<Vec<u8>> {
    dispatch::respond(&dispatch::Id::default(), &Err(error.clone()), |parts| encode(Framing::Lines, parts))
}
