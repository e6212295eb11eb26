//! Opens the caller's browser, where one can be there at all.

use std::env;
use std::ffi::OsString;

/// Whether a browser can be shown to the person at this session: `$BROWSER` says so, or there is a display. Over SSH
/// without either, a browser would open in front of somebody else.
pub(super) fn available() -> bool {
    can_be_there(|name| env::var_os(name))
}

fn can_be_there(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name| variable(name).is_some_and(|value| !value.is_empty());
    if set("BROWSER") || set("DISPLAY") || set("WAYLAND_DISPLAY") {
        return true;
    }
    let remote = set("SSH_CONNECTION") || set("SSH_TTY");
    cfg!(any(target_os = "macos", windows)) && !remote
}

/// Opens it, in the background: some browsers hold their caller until they are closed.
pub(super) fn open(url: &str) {
    let url = url.to_owned();
    std::thread::spawn(move || {
        // The URL is on the screen as well: a browser that doesn't open is no failure.
        let _ = webbrowser::open(&url);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_or_a_browser_variable_is_needed() {
        let with = |names: &'static [&'static str]| {
            can_be_there(move |name| names.contains(&name).then(|| OsString::from("x")))
        };
        assert!(with(&["BROWSER"]) && with(&["WAYLAND_DISPLAY"]) && with(&["DISPLAY", "SSH_CONNECTION"]));
        assert!(!with(&["SSH_CONNECTION"]));
        assert_eq!(with(&[]), cfg!(any(target_os = "macos", windows)));
    }
}
