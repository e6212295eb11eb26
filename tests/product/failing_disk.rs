//! A disk whose blocks fail, by the kernel's own word (EIO): an ext4 on a loop device that loses its second half under the
//! mounted file system, where that file system keeps what is in files, and gets it back.

use std::time::Duration;

use cred_helper::demo::server::{Behaviour, Server};

use super::disks::{LIMIT, SmallDisk, none_reused};
use super::home::{Ended, ended, lasting_server};
use super::programs;

/// Two block groups of 8 MiB: ext4 puts directories and its own tables into the first, what is in files into the second.
const MOUNT: &str = "below=\"${1%/*}/below\" && mkdir \"$below\" && mount -t tmpfs -o size=40m,mode=700 below \"$below\" && \
    truncate -s 16M \"$below/image\" && mkfs.ext4 -q -b 1024 -O ^has_journal -E nodiscard \"$below/image\" && \
    mount -o loop \"$below/image\" \"$1\" && chmod 700 \"$1\"";
const BREAK: &str =
    "sync && cp image saved && truncate -s 8M image && losetup -c $(losetup -n -O NAME -j \"$PWD/image\")";
const MEND: &str = "dd if=saved of=image bs=1M skip=8 seek=8 conv=notrunc status=none && losetup -c $(losetup -n -O NAME -j \"$PWD/image\")";

impl SmallDisk {
    /// With one login, on such a disk.
    fn that_can_fail(server: &Server) -> Option<Self> {
        if rustix::process::geteuid().is_root() && programs::missing(&["mkfs.ext4", "losetup"]) {
            return None;
        }
        Self::mounted(server, MOUNT)
    }

    #[track_caller]
    fn becomes(&self, how: &str) {
        let script = format!("cd '{}/below' && {how}", self.path().display());
        let output = self.inside("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{how}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the kernel says to whoever writes there.
    fn says(&self) -> String {
        let mut dd = self.inside("dd");
        let file = self.path().join(".local/probe");
        dd.args(["if=/dev/zero", "bs=16k", "count=1", "conv=fsync"]).arg(format!("of={}", file.display()));
        String::from_utf8(dd.env("LC_ALL", "C").output().unwrap().stderr).unwrap()
    }
}

#[test]
fn on_a_disk_with_errors_what_is_there_is_served_and_nothing_is_redeemed() {
    let server = lasting_server();
    let Some(disk) = SmallDisk::that_can_fail(&server) else { return };
    let token = disk.ok(&["get-token"]);
    disk.becomes(BREAK);
    assert!(disk.says().contains("Input/output error"), "{}", disk.says());
    assert_eq!(disk.ok(&["get-token"]), token);
    let refused = disk.run(&["get-token", "--audience", "https://api.example/", "--timeout", "2s"]);
    assert_eq!(refused.code, 27, "{}", refused.stderr);
    assert!(refused.stderr.contains("nput/output error"), "{}", refused.stderr);
    assert!(disk.ok(&["status"]).contains("could not"));
    assert_eq!(server.count_grant("refresh_token"), 0, "nothing was sent");
    disk.becomes(MEND);
    disk.ok(&["refresh"]);
    let newer = disk.ok(&["get-token"]);
    assert_ne!(newer, token);
    disk.restart_agent();
    assert_eq!(disk.ok(&["get-token"]), newer);
    disk.ok(&["refresh"]);
    assert!(none_reused(&server));
}

#[test]
fn a_disk_that_fails_while_the_server_answers_costs_no_login() {
    let server = lasting_server();
    let Some(disk) = SmallDisk::that_can_fail(&server) else { return };
    server.set_behaviour(Behaviour::DelayAnswer(Duration::from_secs(3)), 1);
    let refresh = disk.command(&["refresh"]).spawn().unwrap();
    assert!(server.wait_for(LIMIT, |log| log.iter().any(|entry| entry.is_grant("refresh_token"))));
    disk.becomes(BREAK);
    let answer: Ended = ended(refresh.wait_with_output().unwrap());
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(answer.stderr.contains("not on disk yet"), "{}", answer.stderr);
    let token = disk.run(&["get-token"]);
    assert!(token.stderr.contains("the disk refuses") && server.is_live(token.stdout.trim_end()), "{token:?}");
    assert_eq!(disk.run(&["lock"]).code, 27, "it would be lost");
    disk.becomes(MEND);
    // Told to end, the agent tries once more.
    disk.ok(&["agent", "stop"]);
    assert_eq!(disk.ok(&["get-token"]), token.stdout.trim_end());
    disk.ok(&["refresh"]);
    assert!(none_reused(&server));
}
