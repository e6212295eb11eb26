//! Callers as /proc tells them (proc(5)): the kernel's table of connections has the user and the socket's number, and a
//! process of that user has a descriptor of that number.
//!
//! It costs a few milliseconds, so it is done on a thread, for whoever has shown the secret. It serves the audit log and
//! rules against accidents, as on the socket; what lets in is the secret alone.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

/// What the table may be long.
const MAX_TABLE: u64 = 4 * 1024 * 1024;
/// How long a process is looked for; on a machine with very many, it stays unknown.
const PATIENCE: Duration = Duration::from_millis(300);

/// The user and the process whose end `theirs` is. Whoever has asked lately, `likely`, is looked at first.
pub(in super::super) fn find(theirs: SocketAddr, ours: SocketAddr, likely: &[u32]) -> (Option<u32>, Option<u32>) {
    // A program may use an IPv6 socket for an IPv4 address (RFC 3493 section 3.7).
    let found = ["tcp", "tcp6"].iter().find_map(|table| {
        let mut text = String::new();
        File::open(format!("/proc/self/net/{table}")).ok()?.take(MAX_TABLE).read_to_string(&mut text).ok()?;
        entry(&text, theirs, ours)
    });
    match found {
        Some((uid, inode)) => (Some(uid), process(uid, inode, likely)),
        None => (None, None),
    }
}

/// The user and the socket's number of a connection.
fn entry(table: &str, theirs: SocketAddr, ours: SocketAddr) -> Option<(u32, u64)> {
    let pairs = [(written(theirs), written(ours)), (mapped(theirs), mapped(ours))];
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, remote) = (*fields.get(1)?, *fields.get(2)?);
        let uid = || Some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok().filter(|inode| *inode != 0)?));
        pairs.iter().any(|(own, other)| own == local && other == remote).then(uid).flatten()
    })
}

/// An address as the kernel writes it: in words of the machine's own byte order.
fn written(address: SocketAddr) -> String {
    let port = address.port();
    let word = |bytes: &[u8]| format!("{:08X}", u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let words = match address.ip() {
        IpAddr::V4(ip) => word(&ip.octets()),
        IpAddr::V6(ip) => ip.octets().chunks(4).map(word).collect(),
    };
    format!("{words}:{port:04X}")
}

fn mapped(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => written(SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())),
        IpAddr::V6(_) => written(address),
    }
}

/// The process that has a descriptor of that socket; of several, the first.
fn process(uid: u32, inode: u64, likely: &[u32]) -> Option<u32> {
    let socket = format!("socket:[{inode}]");
    let begun = Instant::now();
    let has = |pid: &u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut descriptors = descriptors.flatten();
        descriptors.any(|one| fs::read_link(one.path()).is_ok_and(|link| link.as_os_str() == socket.as_str()))
    };
    let is_own = |pid: &u32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() == uid);
    let all = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids = likely.iter().copied().chain(all);
    pids.by_ref().take_while(|_| begun.elapsed() < PATIENCE).find(|pid| is_own(pid) && has(pid))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernels_table_names_the_users_end_of_a_connection() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:1267 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1\n\
               1: 0100007F:1267 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 22 1\n\
               2: 0100007F:D431 0100007F:1267 01 00000000:00000000 00:00000000 00000000  1001        0 33 1\n\
               3: 0100007F:D432 0100007F:1267 06 00000000:00000000 00:00000000 00000000     0        0 0 3\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        // What the kernel writes depends on the machine.
        if cfg!(target_endian = "little") {
            assert_eq!(entry(table, at(0xd431), at(0x1267)), Some((1001, 33)));
            assert_eq!(entry(table, at(0xd432), at(0x1267)), None, "one that is over is nobody's");
            assert_eq!(entry(table, at(0xd433), at(0x1267)), None);
            assert_eq!(mapped(at(1)), "0000000000000000FFFF00000100007F:0001");
            assert_eq!(entry("nonsense\n1: 2\n", at(1), at(2)), None);
        }
    }

    #[test]
    fn this_process_is_found_at_the_other_end_of_its_own_connection() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let ours = listener.local_addr().unwrap();
            let stream = TcpStream::connect(ours).unwrap();
            let (_served, theirs) = listener.accept().unwrap();
            let own = rustix::process::getuid().as_raw();
            assert_eq!(find(theirs, ours, &[1]), (Some(own), Some(std::process::id())), "{address}");
            drop(stream);
        }
    }
}
