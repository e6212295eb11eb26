//! This program's version, and which of two is newer: a newer client offers an older agent to be succeeded.

/// What a debug build goes by instead of its own version, so that tests have agents of several.
#[cfg(debug_assertions)]
const PRETENDED: &str = "CRED_HELPER_PRETENDED_VERSION";

/// This program's version.
#[cfg(not(debug_assertions))]
pub fn own() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// This program's version.
#[cfg(debug_assertions)]
pub fn own() -> &'static str {
    static OWN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    OWN.get_or_init(|| std::env::var(PRETENDED).unwrap_or_else(|_| env!("CARGO_PKG_VERSION").to_owned()))
}

/// Whether one version comes after the other (Semantic Versioning 2.0.0, without pre-releases' order). What can't be read is
/// not newer.
pub fn is_newer(version: &str, than: &str) -> bool {
    version != than && matches!((numbers(version), numbers(than)), (Some(version), Some(than)) if version > than)
}

fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, than) in [("0.1.1", "0.1.0"), ("0.10.0", "0.9.9"), ("1.0.0", "0.99.0"), ("2.0.0-rc.1", "1.0.0")] {
            assert!(is_newer(version, than) && !is_newer(than, version), "{version} {than}");
        }
        for (version, than) in
            [("1.0.0", "1.0.0"), ("1.0.0+b", "1.0.0"), ("1.0", "0.9.0"), ("x", ""), ("1.0.0.1", "1.0.0")]
        {
            assert!(!is_newer(version, than), "{version} {than}");
        }
    }
}
