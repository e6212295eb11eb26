//! The page that the browser shows after the redirect: one template, no script, nothing fetched, everything escaped.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;

use super::PageAccount;
use crate::html::escape;
use crate::redact;

/// The page around all texts.
const TEMPLATE: &str = include_str!("page/page.html");
/// Drawn with strokes in the text's colour.
const CHECK: &str = r#"<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12.8l4.4 4.4L19 7.6"/></svg>"#;
/// As [`CHECK`].
const CROSS: &str = r#"<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 7l10 10M17 7L7 17"/></svg>"#;

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Signed in and saved.
    SignedIn(PageAccount),
    /// The provider's error on the redirect.
    ProviderError { provider: String, error: String, description: Option<String> },
    /// The login failed after the redirect, with our one line for people.
    Failed(String),
    /// The login ended before it was saved.
    NotCompleted,
    /// Saving took too long for a browser to wait.
    TimedOut,
    /// A redirect with another login's state, or with none.
    OtherLogin,
    /// A redirect with a state of no login that is known.
    NoSuchLogin,
    /// A redirect that was used before.
    AlreadyUsed,
    /// No redirect at all.
    NotARedirect,
    /// No such page.
    NotFound,
    /// Another method than GET.
    MethodNotAllowed,
}

/// The words of a page.
struct Words {
    status: u16,
    good: bool,
    title: String,
    text: String,
    details: String,
    next: &'static str,
}

const CLOSE: &str = "You can close this tab.";
const AGAIN: &str = "You can close this tab and start the login again.";
const WAITS: &str = "The login is still waiting. You can close this tab.";

impl Page {
    fn words(&self) -> Words {
        let bad = |status, title: &str, text: &str, next| Words {
            status,
            good: false,
            title: title.into(),
            text: text.into(),
            details: String::new(),
            next,
        };
        match self {
            Page::SignedIn(account) => Words {
                status: 200,
                good: true,
                title: "You’re signed in".into(),
                text: "The login is saved. Programs on this machine get their tokens from it.".into(),
                details: account_details(account),
                next: CLOSE,
            },
            Page::ProviderError { provider, error, description } => {
                let denied = error == "access_denied";
                let title = if denied { "Sign-in was declined" } else { "The provider reported an error" };
                let text = format!("{provider} ended the login without signing you in. Nothing was saved.");
                Words { details: error_words(error, description.as_deref()), ..bad(200, title, &text, AGAIN) }
            }
            Page::Failed(message) => {
                let words = bad(200, "Sign-in failed", "The login could not be completed. Nothing was saved.", AGAIN);
                Words { details: quoted(message), ..words }
            }
            Page::NotCompleted => {
                bad(200, "The login was not completed", "It was cancelled before it was saved.", AGAIN)
            }
            Page::TimedOut => bad(504, "This took too long", "Whether the login was saved is not known here.", AGAIN),
            Page::OtherLogin => {
                bad(400, "This belongs to another login", "Nothing was done with it. Use the newest tab.", WAITS)
            }
            Page::NoSuchLogin => {
                bad(400, "This belongs to no login here", "Nothing was done with it. Use the newest tab.", CLOSE)
            }
            Page::AlreadyUsed => bad(410, "This was already used", "A sign-in redirect works only once.", CLOSE),
            Page::NotARedirect => bad(400, "This is no sign-in redirect", "There is nothing to do here.", WAITS),
            Page::NotFound => bad(404, "There is nothing here", "This address only waits for a login.", CLOSE),
            Page::MethodNotAllowed => {
                bad(405, "This can’t be done here", "This address only waits for a login.", CLOSE)
            }
        }
    }

    /// The whole document.
    pub(super) fn html(&self) -> String {
        let words = self.words();
        let (mood, icon) = if words.good { ("good", CHECK) } else { ("bad", CROSS) };
        let (title, text) = (escape(&words.title), escape(&words.text));
        let fill = |name: &str| match name {
            "title" => title.as_str(),
            "text" => text.as_str(),
            "mood" => mood,
            "icon" => icon,
            "details" => words.details.as_str(),
            _ => words.next,
        };
        // One pass, so that nothing that was filled in is read as a template.
        let mut html = String::with_capacity(TEMPLATE.len() + 1024);
        let mut rest = TEMPLATE;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            html.push_str(before);
            html.push_str(fill(name));
            rest = after;
        }
        html + rest
    }

    /// The answer to the browser. The headers let the page do nothing and keep the redirect's address to itself.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.html())));
        *response.status_mut() = hyper::StatusCode::from_u16(self.words().status).unwrap_or_default();
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("connection", "close"),
        ];
        for (name, value) in headers {
            response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
        }
        if *self == Page::MethodNotAllowed {
            response.headers_mut().insert("allow", hyper::header::HeaderValue::from_static("GET"));
        }
        response
    }
}

fn account_details(account: &PageAccount) -> String {
    let PageAccount { provider, account, identity } = account;
    let rows = [("Signed in as", identity.as_deref()), ("Provider", Some(provider)), ("Account", Some(account))];
    let row = |(name, value): (&str, Option<&str>)| {
        value.map(|value| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value)))
    };
    format!("<dl>{}</dl>", rows.into_iter().filter_map(row).collect::<String>())
}

fn error_words(error: &str, description: Option<&str>) -> String {
    let words = match description {
        Some(description) => format!("{description} ({error})"),
        None => error.to_owned(),
    };
    quoted(&words)
}

fn quoted(words: &str) -> String {
    format!(r#"<p class="words">{}</p>"#, escape(&redact::server_text(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#"<script>alert("1")</script>'><img src=x onerror=y>{{next}}&amp;"#;

    fn every_page() -> Vec<Page> {
        let hostile = || HOSTILE.to_owned();
        vec![
            Page::SignedIn(PageAccount { provider: hostile(), account: hostile(), identity: Some(hostile()) }),
            Page::ProviderError { provider: hostile(), error: hostile(), description: Some(hostile()) },
            Page::Failed(hostile()),
            Page::NotCompleted,
            Page::TimedOut,
            Page::OtherLogin,
            Page::NoSuchLogin,
            Page::AlreadyUsed,
            Page::NotARedirect,
            Page::NotFound,
            Page::MethodNotAllowed,
        ]
    }

    #[test]
    fn every_page_is_whole_and_echoes_nothing_unescaped() {
        for page in every_page() {
            let html = page.html();
            assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{page:?}");
            assert!(html.contains("close this tab") && html.contains("prefers-color-scheme: dark"), "{page:?}");
            for trace in ["<script", "<img", "onerror=y>", "http://", "https://", "url("] {
                assert!(!html.contains(trace), "{trace} in {page:?}");
            }
        }
    }

    #[test]
    fn a_filled_in_text_is_no_template() {
        let html = Page::Failed("{{icon}} & <b>".into()).html();
        assert!(html.contains("{{icon}} &amp; &lt;b&gt;"));
        assert_eq!(html.matches("{{").count(), 1);
    }

    #[test]
    fn the_page_says_who_signed_in_where() {
        let account =
            PageAccount { provider: "Example".into(), account: "example/work".into(), identity: Some("a@b.c".into()) };
        let html = Page::SignedIn(account).html();
        for text in ["Example", "example/work", "a@b.c", "You can close this tab"] {
            assert!(html.contains(text), "{text}");
        }
    }

    #[test]
    fn every_answer_has_the_strict_headers() {
        for page in every_page() {
            let response = page.response();
            let header = |name: &str| response.headers().get(name).expect("header").to_str().expect("text");
            assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'unsafe-inline'"));
            assert_eq!((header("referrer-policy"), header("cache-control")), ("no-referrer", "no-store"));
            assert_eq!((header("x-content-type-options"), header("connection")), ("nosniff", "close"));
        }
    }
}
