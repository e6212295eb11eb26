//! An agent that has nothing to do: how often it wakes, and what it holds with one account and with a thousand.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::home::{Home, lasting_server};

const MINUTE: Duration = Duration::from_secs(60);
const MANY: usize = 1000;

pub(crate) fn measure() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.token();
    println!("memory with 1 account: {}", memory(home.agent_pid()));
    let pid = home.agent_pid();
    // What the last calls left to do is over, and so are the threads that did it (tokio keeps them for ten seconds).
    std::thread::sleep(Duration::from_secs(15));
    let before = switches(pid);
    std::thread::sleep(MINUTE);
    println!("idle: {} context switches in 60 s", switches(pid).saturating_sub(before));
    for count in 1..MANY {
        home.log_in(&server, &["--account", &format!("label-{count}")]);
    }
    assert_eq!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().len(), MANY);
    println!("memory with {MANY} accounts, just made: {}", memory(home.agent_pid()));
    home.kill_agent();
    home.ok(&["status"]);
    println!("memory with {MANY} accounts, after a restart: {}", memory(home.agent_pid()));
}

/// Of all its threads.
fn switches(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| number_of(&thread.unwrap().path().join("status"), "ctxt_switches:")).sum()
}

fn memory(pid: i32) -> String {
    let process = Path::new("/proc").join(pid.to_string());
    let (rollup, sum) = (process.join("smaps_rollup"), |name: &str| number_of(&process.join("smaps_rollup"), name));
    if fs::read_to_string(rollup).is_err() {
        return "only root may read it".to_owned();
    }
    let private = sum("Private_Clean:") + sum("Private_Dirty:");
    format!("RSS {} KiB, PSS {} KiB, private {private} KiB, {} threads", sum("Rss:"), sum("Pss:"), threads(&process))
}

fn threads(process: &Path) -> usize {
    fs::read_dir(process.join("task")).unwrap().count()
}

/// The sum of the numbers on the lines whose name ends so.
fn number_of(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        // `Pss:` is not `SwapPss:`; `ctxt_switches:` stands for two.
        first == name || (name.starts_with("ctxt") && first.ends_with(name))
    });
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}
