//! The formats of other programs' files, one file each: what has to stand in them, whether it does, and the one change that puts
//! it in or takes it out.
//!
//! A parser says where things are; what is written are changes of the text. Somebody else's setting is never replaced: where
//! one stands in the way, the person is told in which line.

mod ini;
mod json;
mod kubeconfig;
mod lines;
mod toml;
mod yaml;

pub(super) use ini::{Ini, Order};
pub(super) use json::Json;
pub(super) use kubeconfig::{Context, ExecUser, UserOfContext, contexts};
pub(super) use lines::Line;
pub(super) use toml::{Toml, check as check_toml};

use serde::{Deserialize, Serialize};

use super::splice::Splice;

/// Something that has to stand in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// A section's lines.
    Ini(Ini),
    /// A member of nested objects.
    Json(Json),
    /// A line, or several that belong together.
    Line(Line),
    /// A key of a table.
    Toml(Toml),
    /// A user of a kubeconfig.
    ExecUser(ExecUser),
    /// Which user a context uses.
    UserOfContext(UserOfContext),
}

/// What a look at a file said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It stands there.
    There,
    /// It doesn't, and this puts it in.
    Missing(Splice),
    /// Another setting stands in its place, in this line.
    Other(usize),
}

/// Why a file can't be changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// In which line, if in one.
    pub(super) line: Option<usize>,
    /// What is wrong; nothing of the file is repeated.
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn at(line: usize, what: &str) -> Self {
        Self { line: Some(line), what: what.to_owned() }
    }
}

impl Entry {
    /// Whether it stands in a text.
    pub(super) fn look(&self, text: &str) -> Result<Look, Wrong> {
        match self {
            Entry::Ini(entry) => Ok(entry.look(text)),
            Entry::Json(entry) => entry.look(text),
            Entry::Line(entry) => Ok(entry.look(text)),
            Entry::Toml(entry) => entry.look(text),
            Entry::ExecUser(entry) => entry.look(text),
            Entry::UserOfContext(entry) => entry.look(text),
        }
    }

    /// What takes it out of a text that was changed since it was put in by these; `None` if it is not there.
    pub(super) fn take(&self, text: &str, done: &[Splice]) -> Result<Option<Splice>, Wrong> {
        let splice = match self {
            Entry::Ini(entry) => entry.take(text),
            Entry::Json(entry) => entry.take(text)?,
            Entry::Line(entry) => entry.take(text),
            Entry::Toml(entry) => entry.take(text)?,
            Entry::ExecUser(entry) => entry.take(text)?,
            Entry::UserOfContext(entry) => entry.take(text, done)?,
        };
        // A file that is written oddly enough is left to its owner: what stays has to be one that can be read.
        if let Some(left) = splice.as_ref().and_then(|splice| splice.apply(text)) {
            let what = "it is written so that this cannot be taken out: do it by hand".to_owned();
            self.look(&left).map_err(|_| Wrong { line: None, what })?;
        }
        Ok(splice)
    }

    /// What it is called in a sentence.
    pub(super) fn name(&self) -> String {
        match self {
            Entry::Ini(entry) => entry.name(),
            Entry::Json(entry) => entry.name(),
            Entry::Line(entry) => entry.name(),
            Entry::Toml(entry) => entry.name(),
            Entry::ExecUser(entry) => entry.name(),
            Entry::UserOfContext(entry) => entry.name(),
        }
    }
}

#[cfg(test)]
pub(super) mod play {
    //! What must hold for every format and any file.

    use super::{Entry, Look};

    /// Puts an entry in, and holds that it then is there, that it isn't put in twice, and that it can be taken out again.
    pub(crate) fn put_in(entry: &Entry, text: &str) -> String {
        let Look::Missing(splice) = entry.look(text).expect(text) else { panic!("not missing in {text}") };
        let after = splice.apply(text).expect("a text");
        assert_eq!(entry.look(&after), Ok(Look::There), "{after}");
        assert_eq!(splice.reversed().apply(&after).as_deref(), Some(text));
        let taken = entry.take(&after, &[]).expect("taken").expect("there").apply(&after).expect("a text");
        assert!(matches!(entry.look(&taken), Ok(Look::Missing(_))), "{taken}");
        after
    }
}
