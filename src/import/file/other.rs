//! Whose a file is, elsewhere: access lists say it, and what a program writes below its user's profile is that user's.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn is_own(_: &Metadata) -> bool {
    true
}

pub(super) fn others_may_write(_: &Metadata) -> bool {
    false
}

pub(super) fn others_may_read(_: &Metadata) -> bool {
    false
}

pub(super) fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
