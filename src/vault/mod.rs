//! Where logins rest: sealed records, and the key slots that open them.
pub mod record;
