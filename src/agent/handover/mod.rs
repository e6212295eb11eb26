//! An agent hands over to another one of its kind without failing a request: an upgrade while serving.
//!
//! | file | what it holds |
//! |---|---|
//! | `old` | the agent that serves: starts its successor and hands over, or goes on |
//! | `successor` | the one that takes over |
//! | `step`, `channel` | what they say to each other, and the private line it goes over |
//! | `place` | where the successor's executable is |
//! | `windows` | where there is no handover: stop and start |
//!
//! At every moment one of them is the owner, and only the owner writes. The vault's lock is one open file that both hold, so it
//! is never free. The old one owns until it says `Go`, which it says when the new one has everything and waits; the new one
//! says that it serves before it does anything else. So whoever is killed, stopped or wrong, wherever: the other one knows.

#[cfg(unix)]
mod channel;
#[cfg(unix)]
mod old;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod step;
#[cfg(unix)]
pub(super) mod successor;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use old::Seat;
#[cfg(windows)]
pub use windows::Seat;
