//! What the person sees of a login under way: where to go, what to type, how it stands.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::Value;

use super::paste::Paste;
use super::qr;
use crate::cli::args::LoginArgs;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Style, Tone};
use crate::cli::{browser, when};
use crate::clock::Timestamp;
use crate::ipc::client::{Client, Writer};
use crate::ipc::message::Notification as _;
use crate::ipc::message::login::{Authorize, Progress, Stage};

/// The person's side of one `login.start`.
pub(super) struct Conversation<'a> {
    args: &'a LoginArgs,
    writer: Writer,
    authorize: Option<Authorize>,
    paste: Option<Paste>,
    spinner: Option<ProgressBar>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(args: &'a LoginArgs, client: &Client) -> Result<Self, Failure> {
        let writer = client
            .try_clone_writer()
            .map_err(|error| Failure::System(format!("the connection cannot be shared: {error}")))?;
        Ok(Self { args, writer, authorize: None, paste: None, spinner: None })
    }

    /// Something that the agent says before its answer. What a newer agent says beside is passed over.
    pub(super) fn notified(&mut self, method: &str, params: Value) {
        match method {
            Authorize::NAME => {
                if let Ok(authorize) = serde_json::from_value(params) {
                    self.authorize(authorize);
                }
            }
            Progress::NAME => {
                if let Ok(progress) = serde_json::from_value::<Progress>(params) {
                    self.stage(progress.stage);
                }
            }
            _ => {}
        }
    }

    /// Puts the terminal back; says the provider's name for people, if it was told.
    pub(super) fn finish(mut self) -> Option<String> {
        self.quiet();
        self.authorize.take().map(|authorize| authorize.provider_title)
    }

    fn authorize(&mut self, authorize: Authorize) {
        self.quiet();
        self.show(&authorize);
        let terminal = output::person_present();
        let only_paste = !authorize.redirect && authorize.user_code.is_none();
        if authorize.paste && (terminal || self.args.paste || only_paste) {
            self.paste = Some(Paste::start(self.writer.clone(), &authorize, terminal));
        }
        if self.paste.is_none() || !terminal {
            self.spin("Waiting for you to sign in", Some(authorize.expires_at));
        }
        self.authorize = Some(authorize);
    }

    fn show(&self, authorize: &Authorize) {
        let title = &authorize.provider_title;
        if let Some(code) = &authorize.user_code {
            output::tell(&device(authorize, code, Style::stderr()));
            let page = authorize.url_complete.as_ref().unwrap_or(&authorize.url);
            if let Some(picture) = qr::for_terminal(page) {
                output::tell(&format!("or scan this, which has both:\n\n{picture}\n"));
            }
            return;
        }
        if self.args.no_browser {
            output::tell(&format!("To sign in to {title}, open this address in a browser:"));
            // On standard output, so that a script can read it. Nobody reading it is no reason to end the login.
            let _ = output::line(&authorize.url);
        } else if browser::available() && is_web(&authorize.url) {
            browser::open(&authorize.url);
            output::tell(&format!(
                "Your browser opens to sign in to {title}. If it doesn't, open:\n\n  {}\n",
                authorize.url
            ));
        } else {
            output::tell(&format!("To sign in to {title}, open this address in a browser:\n\n  {}\n", authorize.url));
        }
    }

    fn stage(&mut self, stage: Stage) {
        let expires_at = self.authorize.as_ref().map(|authorize| authorize.expires_at);
        match stage {
            Stage::Discovering => self.spin("Asking the issuer for its endpoints", None),
            Stage::Waiting if self.paste.is_none() => self.spin("Waiting for you to sign in", expires_at),
            Stage::Exchanging => {
                self.quiet();
                let what = if expires_at.is_some() { "Exchanging the code for tokens" } else { "Asking for a token" };
                self.spin(what, None);
            }
            Stage::Saving => {
                self.quiet();
                self.spin("Saving the login", None);
            }
            Stage::Waiting | Stage::Unknown => {}
        }
    }

    /// One line on the terminal, with what is left of the time; nothing elsewhere.
    fn spin(&mut self, what: &str, until: Option<Timestamp>) {
        if !io::stderr().is_terminal() {
            return;
        }
        let left = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let left = until.map(|until| until.since(when::now())).filter(|left| !left.is_zero());
            let _ = left.map_or(Ok(()), |left| write!(out, "({} left)", when::countdown(left)));
        };
        let spinner = self.spinner.get_or_insert_with(|| {
            let spinner = ProgressBar::new_spinner();
            spinner.enable_steady_tick(Duration::from_millis(250));
            spinner
        });
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {left}") {
            spinner.set_style(style.with_key("left", left));
        }
        spinner.set_message(what.to_owned());
    }

    /// Takes prompt and progress line off the screen.
    fn quiet(&mut self) {
        if let Some(paste) = self.paste.take() {
            paste.stop();
        }
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }
}

impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        self.quiet();
    }
}

fn device(authorize: &Authorize, code: &str, style: Style) -> String {
    let code = style.paint(Tone::Strong, &printable(code));
    format!(
        "To sign in to {}, open this address on any device:\n\n  {}\n\nand type this code:\n\n      {code}\n",
        authorize.provider_title, authorize.url
    )
}

/// As the person has to type it. Characters that control a terminal are left out.
fn printable(code: &str) -> String {
    code.chars().filter(|c| !c.is_control()).collect()
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_login_shows_page_and_code() {
        let authorize = Authorize {
            login: "1".to_owned(),
            account: "p".to_owned(),
            provider_title: "P".to_owned(),
            url: "https://p.example/device".to_owned(),
            user_code: Some("AB-1\x1b".to_owned()),
            url_complete: None,
            redirect: false,
            paste: false,
            expires_at: Timestamp(0),
        };
        let text = device(&authorize, "AB-1\x1b", Style::default());
        assert!(text.contains("  https://p.example/device\n") && text.contains("      AB-1\n"), "{text}");
    }

    #[test]
    fn only_web_addresses_reach_the_browser() {
        assert!(is_web("https://a.example") && is_web("http://127.0.0.1:1/"));
        assert!(!is_web("file:///etc/passwd") && !is_web("--help"));
    }
}
