//! What may be said of things that can hold secrets: URLs, and texts that servers send.

use std::fmt::Write as _;

/// The longest text of a server's that is repeated to a person.
const MAX_SERVER_TEXT: usize = 300;
/// A run of token characters this long is taken for a token. The longest ordinary word of an OAuth error is shorter.
const TOKEN_RUN: usize = 40;

/// So many characters of a secret, one after the other, are no accident.
const ECHO: usize = 12;
/// A secret shorter than this is in every other word.
const SHORTEST_SECRET: usize = 6;

/// A URL without user information, query and fragment, where codes, states and tokens travel.
pub fn url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bare = &url[..end];
    let Some((scheme, rest)) = bare.split_once("://") else { return server_text(bare) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    server_text(&format!("{scheme}://{host}{path}"))
}

/// A server's words (an `error_description`, a reason phrase), fit for a terminal and a log: a space for what cannot be
/// seen, anything that looks like a token masked, cut at 300 characters.
pub fn server_text(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for next in text.chars().map(Some).chain(std::iter::once(None)) {
        if let Some(c) = next.filter(|c| c.is_ascii_alphanumeric() || "-_+/=~.".contains(*c)) {
            run.push(c);
            continue;
        }
        // A dotted or slashed path is words; each word is judged by itself.
        let longest = run.split(['.', '/']).map(str::len).max().unwrap_or(0);
        if longest >= TOKEN_RUN {
            let _ = write!(out, "[{} characters]", run.len());
        } else {
            out.push_str(&run);
        }
        run.clear();
        out.extend(next.map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }));
    }
    if out.chars().count() > MAX_SERVER_TEXT {
        out = out.chars().take(MAX_SERVER_TEXT).chain(std::iter::once('…')).collect();
    }
    out
}

/// A text without what repeats `secret`, or so much of it that it would be known by: servers quote what they refuse.
pub fn echo(text: &str, secret: &str) -> String {
    if secret.len() < SHORTEST_SECRET {
        return text.to_owned();
    }
    let known = ECHO.min(secret.len());
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(next) = rest.chars().next() {
        let repeats = |length: &usize| rest.get(..*length).is_some_and(|start| secret.contains(start));
        match (known..=rest.len()).take_while(repeats).last() {
            Some(length) => {
                let _ = write!(out, "[{length} characters]");
                rest = &rest[length..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}

/// A name that anybody may choose (a process's, a file's), fit for a line: control characters, and those that are not seen or
/// turn the line's direction, are written as `\u{202e}`.
pub fn visible(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut out, c| {
        if c.is_control() || is_invisible(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// Unicode's format characters (category Cf), line and paragraph separators, and fillers that look like nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_what_can_be_secret() {
        assert_eq!(url("https://u:p@host.example:8443/cb?code=abc&state=x#y"), "https://host.example:8443/cb");
        assert_eq!(url("http://127.0.0.1:1/callback"), "http://127.0.0.1:1/callback");
    }

    #[test]
    fn what_a_server_repeats_of_a_secret_is_masked_however_short() {
        for (text, secret, shown) in [
            ("token rt-12345 is unknown", "rt-12345", "token [8 characters] is unknown"),
            ("a word that is no secret", "s", "a word that is no secret"),
            ("starts with 0123456789abc...", "0123456789abcdef", "starts with [13 characters]..."),
            ("ends with 456789abcdef!", "0123456789abcdef", "ends with [12 characters]!"),
            ("01234567890 is too little", "0123456789abcdef", "01234567890 is too little"),
            ("ärger", "", "ärger"),
        ] {
            assert_eq!(echo(text, secret), shown);
        }
    }

    #[test]
    fn token_like_runs_are_masked_and_words_stay() {
        let token = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9abcdefghijk";
        let shown = server_text(&format!("the refresh token {token} is invalid\x1b[2J"));
        assert!(!shown.contains(&token[..12]) && shown.contains("is invalid"), "{shown}");
        assert!(!shown.contains('\x1b'));
        let half = &token[..30];
        assert_eq!(server_text(&format!("{half}\0{half}\u{200b}{half}\u{202e}")), format!("{half} {half} {half} "));
        assert!(server_text(&"x y ".repeat(400)).chars().count() <= 301);
    }

    #[test]
    fn a_name_cannot_end_its_line_or_turn_it() {
        for (name, shown) in [
            ("git", "git"),
            ("Grüße 日本", "Grüße 日本"),
            ("a\nb\x1b[2J\r", "a\\u{a}b\\u{1b}[2J\\u{d}"),
            ("x\u{202e}tig\u{2066}\u{200b}", "x\\u{202e}tig\\u{2066}\\u{200b}"),
            ("\u{9b}\u{2028}\u{e0041}", "\\u{9b}\\u{2028}\\u{e0041}"),
        ] {
            assert_eq!(visible(name), shown);
        }
    }
}
