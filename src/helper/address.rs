//! The URL that a client names, for a user that it names beside it. No text of the user's begins another part of the URL:
//! its host stays the one that the client named.

/// The URL with this user before the host, unless it brings one itself. `None`: what is named has no scheme. Then it says
/// nothing of whether the way there is encrypted, and nobody's token is sent along it.
pub(super) fn with_user(url: &str, user: Option<&str>) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    match user.filter(|user| !user.is_empty() && !has_user(url)) {
        Some(user) => Some(format!("{scheme}://{}@{rest}", escaped(user, "/@:[]"))),
        None => Some(url.to_owned()),
    }
}

/// Whether a URL brings a user itself.
pub(super) fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '\\', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// A part of a URL in which nothing ends the part. What else a URL can't have, whoever reads it escapes.
pub(super) fn escaped(part: &str, more: &str) -> String {
    part.chars().fold(String::with_capacity(part.len()), |out, c| {
        let special = c.is_ascii_control() || " %?#\\".contains(c) || more.contains(c);
        if special { out + &format!("%{:02X}", u32::from(c)) } else { out + c.encode_utf8(&mut [0; 4]) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_stands_before_the_host_and_ends_no_part() {
        for (url, user, whole) in [
            ("https://pypi.example/simple/", Some("ada"), Some("https://ada@pypi.example/simple/")),
            ("https://pypi.example:8443", Some("a@b/c:d"), Some("https://a%40b%2Fc%3Ad@pypi.example:8443")),
            ("https://pypi.example/x@y", Some("ada"), Some("https://ada@pypi.example/x@y")),
            ("https://bob:pw@pypi.example/", Some("ada"), Some("https://bob:pw@pypi.example/")),
            ("https://pypi.example", Some(""), Some("https://pypi.example")),
            ("https://pypi.example", None, Some("https://pypi.example")),
            ("https:///evil.example", Some("ada"), Some("https://ada@/evil.example")),
            ("pypi.example:8443", Some("ada"), None),
            ("", None, None),
        ] {
            assert_eq!(with_user(url, user).as_deref(), whole, "{url}");
        }
    }
}
