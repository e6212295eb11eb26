//! The agent's own memory. It isn't dumpable, so nobody but root could read these figures from outside.

use crate::ipc::message::agent::Memory;

/// Now; zeros where the system doesn't say.
pub fn own() -> Memory {
    parse(&std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default())
}

/// proc_pid_smaps(5).
fn parse(rollup: &str) -> Memory {
    let mut memory = Memory::default();
    for line in rollup.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let kib: u64 = value.trim().trim_end_matches("kB").trim_end().parse().unwrap_or(0);
        match name {
            "Rss" => memory.rss_kib = kib,
            "Pss" => memory.pss_kib = kib,
            "Private_Clean" | "Private_Dirty" => memory.private_kib += kib,
            _ => {}
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_name() {
        let text = "5581-7ffc ---p 00000000 00:00 0 [rollup]\nRss:            1000 kB\nPss:  900 kB\nPss_Dirty: 5 kB\n\
                    Private_Clean:  300 kB\nPrivate_Dirty:   44 kB\n";
        assert_eq!(parse(text), Memory { rss_kib: 1000, pss_kib: 900, private_kib: 344 });
        assert_eq!(parse(""), Memory::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_some() {
        assert!(own().rss_kib > 0);
    }
}
