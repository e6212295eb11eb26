//! Whose connection it is: the user and the process at the other end of a TCP connection within this machine. One file per
//! system; where it can't be told it is nobody's, which matches no rule.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unknown;

#[cfg(target_os = "linux")]
pub(super) use linux::find;
#[cfg(not(target_os = "linux"))]
pub(super) use unknown::find;
