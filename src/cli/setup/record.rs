//! What was set up: which changes of which files, so that they can be taken back exactly, whatever a tool's plan would be by
//! then: variables, other files and our own place may have changed. Nothing that stood in a file is remembered, save what a
//! change replaced: a user's name in a kubeconfig, or an older setting of ours.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::exit::Failure;
use super::Wish;
use super::file::Original;
use super::format::Entry;
use super::plan::Plan;
use super::splice::Splice;

const FILE: &str = "setup.json";

/// Everything that was set up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Records {
    /// One each.
    pub(super) tools: Vec<Record>,
    /// The file as it was read: of two setups at once neither forgets what the other one did.
    #[serde(skip)]
    original: Option<Original>,
}

/// One tool, for one host or name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its name in the table.
    pub(super) tool: String,
    /// What was wanted.
    #[serde(flatten)]
    pub(super) wish: Wish,
    /// What it can't do without.
    #[serde(default)]
    pub(super) needs: Needs,
    /// What was changed for it.
    #[serde(default)]
    pub(super) files: Vec<Touched>,
    /// The links that were made for it.
    #[serde(default)]
    pub(super) links: Vec<Linked>,
}

/// What stands for a setup, whoever put it there: as long as there is one that needs it, it stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Needs {
    /// In files.
    #[serde(default)]
    files: Vec<(PathBuf, Vec<Entry>)>,
    /// Links.
    #[serde(default)]
    pub(super) links: Vec<PathBuf>,
}

/// A file that was changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Touched {
    /// Where.
    pub(super) path: PathBuf,
    /// Whether there was none.
    pub(super) created: bool,
    /// The directories that were made for it, outermost first.
    #[serde(default)]
    pub(super) directories: Vec<PathBuf>,
    /// What was put in, in order.
    #[serde(default)]
    pub(super) entries: Vec<Entry>,
    /// The changes that did it.
    pub(super) splices: Vec<Splice>,
    /// What the text was known by afterwards.
    pub(super) after: Print,
}

/// A link that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Linked {
    /// Where.
    pub(super) path: PathBuf,
    /// The directories that were made for it, outermost first.
    #[serde(default)]
    pub(super) directories: Vec<PathBuf>,
}

/// By what a text is known again; no protection against anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    length: usize,
    fnv1a: u64,
}

impl Print {
    pub(super) fn of(text: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self { length: text.len(), fnv1a: text.bytes().fold(0xcbf2_9ce4_8422_2325, step) }
    }
}

impl Needs {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { files: plan.files.clone(), links: plan.links.iter().map(|link| link.path.clone()).collect() }
    }

    /// Whether all that was put into a file is needed there.
    pub(super) fn all_of(&self, touched: &Touched) -> bool {
        let of_file = self.files.iter().filter(|(path, _)| *path == touched.path);
        let here: Vec<&Entry> = of_file.flat_map(|(_, entries)| entries).collect();
        !touched.entries.is_empty() && touched.entries.iter().all(|entry| here.contains(&entry))
    }
}

impl Touched {
    /// The text of before, if nothing else has changed in it.
    pub(super) fn undone(&self, text: &str) -> Option<String> {
        if Print::of(text) != self.after {
            return None;
        }
        self.splices.iter().rev().try_fold(text.to_owned(), |text, splice| splice.reversed().apply(&text))
    }
}

impl Records {
    fn file(state_dir: &Path) -> PathBuf {
        state_dir.join(FILE)
    }

    /// What is remembered; nothing if nothing was set up yet.
    pub(super) fn read(state_dir: &Path) -> Result<Self, Failure> {
        let path = Self::file(state_dir);
        let original = Original::read(&path)?;
        let records = original.text.as_deref().map_or_else(|| Ok(Self::default()), serde_json::from_str);
        let records = records.map_err(|_| {
            let path = path.display();
            Failure::System(format!(
                "{path} has a fault: remove it; what was set up can then be set up anew and removed"
            ))
        })?;
        Ok(Self { original: Some(original), ..records })
    }

    /// Remembers it, once, if nobody else has meanwhile.
    pub(super) fn write(&mut self, state_dir: &Path) -> Result<(), Failure> {
        let original = self.original.take().map_or_else(|| Original::read(&Self::file(state_dir)), Ok)?;
        if self.tools.is_empty() {
            return if original.text.is_some() { original.delete(&[]) } else { Ok(()) };
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::System(error.to_string()))?;
        original.replace(&(text + "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(tool: &str) -> Record {
        let (tool, wish, needs) = (tool.to_owned(), Wish::default(), Needs::default());
        Record { tool, wish, needs, files: Vec::new(), links: Vec::new() }
    }

    #[test]
    fn of_two_at_once_neither_forgets_what_the_other_one_did() {
        let stage = tempfile::tempdir().expect("a directory");
        let read = || Records::read(stage.path()).expect("records");
        let (mut first, mut second) = (read(), read());
        first.tools.push(one("git"));
        second.tools.push(one("docker"));
        first.write(stage.path()).expect("written");
        let failure = second.write(stage.path()).expect_err("another one was there");
        assert!(failure.message().is_some_and(|message| message.contains("run this again")), "{failure:?}");
        // Nor where nothing is left to remember.
        let (mut going, mut coming) = (read(), read());
        going.tools.clear();
        coming.tools.push(one("docker"));
        coming.write(stage.path()).expect("written");
        assert!(going.write(stage.path()).is_err());
        assert_eq!(read().tools.len(), 2);
    }
}
