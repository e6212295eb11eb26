//! Programs that a test runs against and that a machine may lack: the test is skipped, for everybody to see, or fails where
//! nothing may be skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// What makes and enters the roots with newer clients than this machine's own.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// Copies a program that will be run. Another program does it: while this one has the copy open for writing, whatever another test
/// starts has it open, too, until it has begun, and nobody can run it meanwhile.
pub fn copy(program: &Path, to: &Path) {
    let copied = Command::new("cp").arg(program).arg(to).status();
    assert!(copied.is_ok_and(|copied| copied.success()), "{} is not copied", program.display());
}

/// Whether something is missing; if so it was said on standard error, past the test harness, which shows nothing of a
/// test that passes. With `CRED_HELPER_TESTS_REQUIRE=1` it is a failure.
pub fn missing(programs: &[&str]) -> bool {
    let Some(absent) = programs.iter().find(|program| !installed(program)) else { return false };
    say_and_skip(&format!("{absent} is not installed"))
}

/// The same for the npm packages of the certified server, and node itself.
pub fn missing_oidc_provider() -> bool {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/oidc-provider/node_modules/oidc-provider");
    missing(&["node"]) || (!packages.is_dir() && say_and_skip("npm ci was not run in tests/servers/oidc-provider"))
}

/// A command that runs a newer client than this machine's own, in the directory and with the environment that it is given.
/// `None`, and said, where it is not there or only short tests are to run.
pub fn newer(program: &str) -> Option<Command> {
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        skip(&format!("a newer {program} is tried with CRED_HELPER_TESTS_LONG=1"));
        return None;
    }
    let has = Command::new(CLIENTS).args(["has", program]).output();
    if !has.is_ok_and(|has| has.status.success()) {
        say_and_skip(&format!("there is no newer {program}: tests/clients setup"));
        return None;
    }
    let mut command = Command::new(CLIENTS);
    command.args(["run", program]);
    Some(command)
}

/// Says so where it is no program that is missing, but a right that nobody need have.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// Says that the test is skipped, and why.
pub fn say_and_skip(reason: &str) -> bool {
    let required = std::env::var_os("CRED_HELPER_TESTS_REQUIRE").is_some_and(|value| value == "1");
    assert!(!required, "{reason}, and CRED_HELPER_TESTS_REQUIRE=1: tests/run installs what it can");
    skip(reason);
    true
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
