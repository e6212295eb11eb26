//! Where the key to the secrets in memory is kept, one file per system with the same surface: `locked`, a page that is
//! never swapped out and stays out of cores and forks; `hidden`, one that the kernel itself can't read; and whether a
//! hidden one costs this machine anything.
//!
//! A page stays until the process ends.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(super) use linux::{can_hibernate, hidden, locked};
#[cfg(target_os = "macos")]
pub(super) use macos::{can_hibernate, hidden, locked};
#[cfg(windows)]
pub(super) use windows::{can_hibernate, hidden, locked};

use super::harden::Refused;

/// A 256-bit key, in its page.
pub(super) type Key = &'static mut [u8; 32];

/// The page itself was refused: an agent without it is better than none.
fn on_the_heap(error: std::io::Error) -> (Key, Vec<Refused>) {
    let refused = Refused { what: "a page for the key to the tokens in memory", error };
    (Box::leak(Box::new([0; 32])), vec![refused])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_written_and_is_its_own() {
        let (first, _) = locked();
        let (second, _) = locked();
        first.fill(1);
        second.fill(2);
        if let Ok(hidden) = hidden() {
            hidden.fill(3);
            assert_eq!(*hidden, [3; 32]);
        }
        assert_eq!((*first, *second), ([1; 32], [2; 32]));
    }
}
