//! The machine on Linux: machine-id(5).

use std::fs::read_to_string;

pub(super) fn machine_id() -> Option<String> {
    read_to_string("/etc/machine-id").or_else(|_| read_to_string("/var/lib/dbus/machine-id")).ok()
}
