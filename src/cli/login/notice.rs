//! A provider's notice: shown whole before the first login, accepted by a person.

use crate::cli::exit::Failure;
use crate::cli::output::{self, Style, Tone};
use crate::cli::{table, vault};
use crate::ipc::message::login::Notice;
use crate::ipc::message::{Error, ErrorKind};

/// Shows the notice and asks. The id is what the agent wants to hear.
pub(super) fn accept(error: &Error, accepted: bool) -> Result<String, Failure> {
    let Some(notice) = &error.data.notice else { return Err(error.clone().into()) };
    output::tell(&text(notice, Style::stderr(), table::terminal_width()));
    if accepted {
        return Ok(notice.id.clone());
    }
    if !output::person_present() {
        let message = "the provider's notice above has to be read and accepted first: add --accept-notice";
        return Err(Failure::new(ErrorKind::NoticeRequired, message));
    }
    if vault::yes("Continue? [y/N] ")? {
        Ok(notice.id.clone())
    } else {
        Err(Failure::new(ErrorKind::NoticeRequired, "the notice was not accepted; nothing was changed"))
    }
}

/// The notice, fit for a terminal.
pub(in crate::cli) fn text(notice: &Notice, style: Style, width: usize) -> String {
    let mut out = format!("{}\n\n", style.paint(Tone::Strong, &notice.title));
    out.push_str(&table::fold(&notice.text, width, "  "));
    if let Some(url) = &notice.url {
        out.push_str(&format!("\n  {url}\n"));
    }
    if !notice.alternatives.is_empty() {
        out.push_str("\n  The ways that the provider sanctions:\n");
        for way in &notice.alternatives {
            let folded = table::fold(way, width, "      ");
            out.push_str(&format!("    - {}", folded.trim_start()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            id: "n1".to_owned(),
            title: "Careful".to_owned(),
            text: "First.\n\nSecond.".to_owned(),
            url: Some("https://p.example/terms".to_owned()),
            alternatives: vec!["an API key".to_owned()],
        }
    }

    #[test]
    fn the_notice_is_shown_whole() {
        let expected = "Careful\n\n  First.\n\n  Second.\n\n  https://p.example/terms\n\n  \
                        The ways that the provider sanctions:\n    - an API key\n";
        assert_eq!(text(&notice(), Style::default(), 80), expected);
    }

    #[test]
    fn an_accepted_notice_is_handed_back_by_its_id() {
        let mut error = Error::new(ErrorKind::NoticeRequired, "m");
        assert!(accept(&error, true).is_err(), "there is nothing to accept");
        error.data.notice = Some(notice());
        assert_eq!(accept(&error, true).expect("accepted"), "n1");
    }
}
