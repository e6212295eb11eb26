//! `cred-helper-agent`: started by `cred-helper`, a service manager, or by hand.

use std::process::ExitCode;

/// Freed memory may have held a token, in our own copies or in the buffers of HTTP, TLS and JSON.
#[global_allocator]
static ALLOCATOR: cred_helper::agent::wiping_allocator::WipingAllocator =
    cred_helper::agent::wiping_allocator::WipingAllocator;

fn main() -> ExitCode {
    cred_helper::agent::run(std::env::args_os().skip(1))
}
