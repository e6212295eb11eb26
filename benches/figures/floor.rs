//! `get-token` against a few lines of C that connect, ask and print.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::home::{Home, lasting_server};
use super::{median_and_p95, milliseconds, socket};

const RUNS: usize = 1000;

pub(crate) fn measure() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let socket = socket(&home);
    let token = format!("{}\n", home.token());
    for (kind, flags) in [("static", vec!["-static"]), ("dynamic", vec![])] {
        let Some(program) = compile(home.path(), kind, &flags) else {
            println!("floor: skipped, there is no C compiler");
            return;
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // In turns, so that whatever else the machine does hits both.
        for run in 0..RUNS + 20 {
            let mut floor = Command::new(&program);
            floor.arg(&socket).env_clear();
            let (floor, agent) = (time(floor, &token), time(home.command(&["get-token"]), &token));
            if run >= 20 {
                theirs.push(floor);
                ours.push(agent);
            }
        }
        let ((ours, _), (theirs, _)) = (median_and_p95(ours), median_and_p95(theirs));
        println!(
            "floor: get-token {:.2} ms, {kind} C client {:.2} ms, ratio {:.2}",
            milliseconds(ours),
            milliseconds(theirs),
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
    }
}

fn compile(directory: &Path, kind: &str, flags: &[&str]) -> Option<std::path::PathBuf> {
    let program = directory.join(kind);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/floor.c");
    let compiled = Command::new("cc").args(["-O2", "-o"]).arg(&program).args(flags).arg(source).status().ok()?;
    compiled.success().then_some(program)
}

/// From the start of a process to its end.
pub(crate) fn time(command: Command, expected: &str) -> Duration {
    let (took, output) = time_with(command, Stdio::null());
    assert_eq!(output, expected);
    took
}

/// The same with something to read; and what it printed.
pub(crate) fn time_with(mut command: Command, input: Stdio) -> (Duration, String) {
    command.current_dir("/").stdin(input).stdout(Stdio::piped()).stderr(Stdio::null());
    let began = Instant::now();
    let output = command.output().unwrap();
    (began.elapsed(), String::from_utf8(output.stdout).unwrap())
}
