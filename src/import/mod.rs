//! Other programs' logins: a file is opened with care ([`file`]), decoded ([`document`]), and the tokens in it are found
//! ([`found`]). The client does it to show what it takes; the agent does it again when the file has changed.
//!
//! Nothing of a file's content is ever repeated in an error, and every text of it is wiped.

pub mod document;
pub mod file;
pub mod found;
mod yaml;

pub use document::{Document, ImportError};
pub use file::{FileError, Stamp};
pub use found::{Found, Pointers};
