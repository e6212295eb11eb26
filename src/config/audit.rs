//! `[audit]`: whether requests are logged, where, and how much of the disk that may take.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

/// What a log that holds nothing useful would take: below it every line moves the file aside.
const LEAST: u64 = 64 * 1024;

/// The audit log as configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// Whether requests are logged.
    pub enabled: bool,
    /// The file; without it, `audit.jsonl` in the state directory.
    #[serde(deserialize_with = "absolute")]
    pub file: Option<PathBuf>,
    /// The most that the file and its predecessor take together, in bytes.
    #[serde(deserialize_with = "size")]
    pub max_size: u64,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { enabled: true, file: None, max_size: 8 * 1024 * 1024 }
    }
}

pub(super) fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() { Ok(Some(path)) } else { Err(serde::de::Error::custom("an absolute path is needed here")) }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("a size of 64 KiB or more is needed here, such as `512 KiB` or `8 MiB`");
    parse_size(&text).filter(|size| *size >= LEAST).ok_or_else(wrong)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let (number, unit) = text.split_at(text.len() - digits.len());
    let shift = match unit.trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u32>().ok().map(|number| u64::from(number) << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, size) in [("64 KiB", 65_536), ("8MiB", 8_388_608), ("1 GiB", 1 << 30)] {
            assert_eq!(parse_size(text), Some(size), "{text}");
        }
        for text in ["", "8", "8 MB", "-1 MiB", "MiB", "1.5 GiB", "99999999999 GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
