//! The pages a person sees: consent, the device's code, a code to paste, an end. No script; whatever comes from a
//! request is escaped.

use super::authorization::Pending;
use super::http::{Answer, Parameters};
use super::options::User;
use crate::html::escape;

const STYLE: &str = "
:root { color-scheme: light dark; --paper: #f4f5f7; --card: #fff; --ink: #1b1f24; --soft: #59636e; --line: #d9dee3;
  --accent: #2457d6; --on-accent: #fff }
@media (prefers-color-scheme: dark) { :root { --paper: #0e1116; --card: #171b22; --ink: #e8ebef; --soft: #9aa4af;
  --line: #2c333d; --accent: #7aa2ff; --on-accent: #0b1020 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 27rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px }
.server { margin: 0 0 1.25rem; color: var(--soft); font-size: .85rem }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.25 }
p { margin: 0 0 1rem } p:last-child { margin: 0 } .soft { color: var(--soft) }
ul { margin: 0 0 1.25rem; padding: .25rem 1rem; list-style: none; border: 1px solid var(--line); border-radius: 9px }
li { padding: .4rem 0 } li + li { border-top: 1px solid var(--line) }
code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere }
input { width: 100%; margin: .25rem 0 1rem; padding: .6rem; font: 1.2rem ui-monospace, monospace; letter-spacing: .1em;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 9px }
.buttons { display: flex; gap: .75rem }
button { flex: 1; padding: .65rem 1rem; font: inherit; font-weight: 600; color: var(--ink); background: transparent;
  border: 1px solid var(--line); border-radius: 9px; cursor: pointer }
button.main { color: var(--on-accent); background: var(--accent); border-color: var(--accent) }
";

/// Asks whether a client may act for the person.
pub(super) fn consent(path: &str, request: &str, pending: &Pending, user: &User) -> Answer {
    let scopes: String = pending.scope.iter().map(|scope| format!("<li><code>{}</code></li>", escape(scope))).collect();
    let list = if scopes.is_empty() { String::new() } else { format!("<ul>{scopes}</ul>") };
    let body = format!(
        "<h1><code>{}</code> asks for access</h1><p class=soft>You are signed in as {} ({}).</p>{list}\
         <form method=post action=\"{}/authorize/decision\"><input type=hidden name=request value=\"{}\">{BUTTONS}</form>",
        escape(&pending.client_id),
        escape(&user.name),
        escape(&user.email),
        escape(path),
        escape(request),
    );
    page(200, "Allow access?", &body)
}

/// Asks for the code that a device shows.
pub(super) fn device(path: &str, user_code: &str, user: &User) -> Answer {
    let body = format!(
        "<h1>Sign a device in</h1><p class=soft>You are signed in as {}. Allow it only if the device beside you shows \
         this code.</p><form method=post action=\"{}/device/decision\"><label>Code <input name=user_code value=\"{}\" \
         autocomplete=off spellcheck=false required></label>{BUTTONS}</form>",
        escape(&user.name),
        escape(path),
        escape(user_code),
    );
    page(200, "Sign a device in", &body)
}

/// Shows a code for pasting, as servers do whose clients cannot be redirected to: `code#state`.
pub(super) fn paste(query: &Parameters) -> Answer {
    match (query.get("code"), query.get("state")) {
        (Ok(Some(code)), Ok(Some(state))) => {
            let text = format!("<h1>Copy this code</h1><p><code id=code>{}#{}</code></p>", escape(code), escape(state));
            page(200, "Copy this code", &text)
        }
        _ => problem(400, "There is no code here."),
    }
}

/// Says that it is over.
pub(super) fn done(title: &str, text: &str) -> Answer {
    page(200, title, &format!("<h1>{}</h1><p class=soft>{}</p>", escape(title), escape(text)))
}

/// Says what is wrong.
pub(super) fn problem(status: u16, text: &str) -> Answer {
    let mut answer = page(status, "Not possible", &format!("<h1>That is not possible</h1><p>{}</p>", escape(text)));
    answer.error = Some("page".to_owned());
    answer
}

const BUTTONS: &str = "<div class=buttons><button name=decision value=deny>Deny</button>\
     <button class=main name=decision value=approve>Allow</button></div>";

fn page(status: u16, title: &str, body: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{}</title><style>{STYLE}</style></head><body><main><p class=server>Demonstration server on this \
         machine</p>{body}</main></body></html>\n",
        escape(title),
    );
    Answer::page(status, html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_says_is_escaped() {
        let answer = device("", "\"><script>", &User::default());
        assert!(!answer.body.contains("<script") && answer.body.contains("&quot;&gt;&lt;script&gt;"));
    }
}
