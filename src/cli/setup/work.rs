//! The texts that are to be written, and how they came about: everything is tried on them before any file is touched.

use std::path::{Path, PathBuf};

use super::super::exit::Failure;
use super::super::output;
use super::file::Original;
use super::format::{Entry, Look, Wrong};
use super::machine::Machine;
use super::record::{Print, Touched};
use super::splice::{Splice, printable};

/// One file's text.
#[derive(Debug)]
struct Text {
    path: PathBuf,
    original: Original,
    now: String,
    /// Whether there is none, now.
    absent: bool,
    /// The directories that were made for it.
    directories: Vec<PathBuf>,
    /// What was put in, and how.
    entries: Vec<Entry>,
    splices: Vec<Splice>,
    /// Whether it was absent before that.
    created: bool,
    shown: Vec<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Work {
    texts: Vec<Text>,
}

impl Work {
    fn open(&mut self, path: &Path) -> Result<&mut Text, Failure> {
        let at = match self.texts.iter().position(|text| text.path == path) {
            Some(at) => at,
            None => {
                let original = Original::read(path)?;
                let (now, absent) = (original.text.clone().unwrap_or_default(), original.text.is_none());
                let directories = if absent { original.missing_directories() } else { Vec::new() };
                let path = path.to_owned();
                let (entries, splices, shown) = (Vec::new(), Vec::new(), Vec::new());
                let created = absent;
                self.texts.push(Text { path, original, now, absent, directories, entries, splices, created, shown });
                self.texts.len() - 1
            }
        };
        self.texts.get_mut(at).ok_or_else(|| Failure::System("no such file".to_owned()))
    }

    /// Puts entries into a file.
    pub(super) fn put(&mut self, machine: &Machine<'_>, path: &Path, entries: &[Entry]) -> Result<(), Failure> {
        let text = self.open(path)?;
        let wrong = |wrong: Wrong| broken(machine, path, &wrong);
        for entry in entries {
            let splice = match entry.look(&text.now).map_err(wrong)? {
                Look::There => continue,
                Look::Missing(splice) => splice,
                Look::Other(line) => {
                    let (file, name) = (machine.shown(path), entry.name());
                    let message =
                        format!("{file}, line {line}: {name} is set already, to something else: take it out first");
                    return Err(Failure::System(message));
                }
            };
            text.apply(&splice);
            if entry.look(&text.now) != Ok(Look::There) {
                let (file, name) = (machine.shown(path), entry.name());
                return Err(Failure::System(format!(
                    "{file} is written so that {name} cannot be put in: do it by hand"
                )));
            }
            text.entries.push(entry.clone());
            text.splices.push(splice);
            text.absent = false;
        }
        Ok(())
    }

    /// Takes back what was done to a file: exactly, if nothing else has changed; else the entries alone.
    pub(super) fn undo(&mut self, machine: &Machine<'_>, done: &Touched) -> Result<(), Failure> {
        let text = self.open(&done.path)?;
        if done.undone(&text.now).is_some() {
            for splice in done.splices.iter().rev() {
                text.apply(&splice.reversed());
            }
            text.absent = done.created && text.now.is_empty();
            text.directories.clone_from(&done.directories);
        } else {
            self.take(machine, &done.path, &done.entries, &done.splices)?;
            let now = &self.open(&done.path)?.now;
            for lines in done.splices.iter().filter_map(|splice| splice.left_in(now)) {
                let file = machine.shown(&done.path);
                output::warning(&format!("{file}: this is ours, and no longer as it was put in; take it out: {lines}"));
            }
        }
        let text = self.open(&done.path)?;
        text.created = text.absent;
        Ok(())
    }

    /// Takes entries out of a file, that these have put in.
    pub(super) fn take(
        &mut self,
        machine: &Machine<'_>,
        path: &Path,
        entries: &[Entry],
        done: &[Splice],
    ) -> Result<(), Failure> {
        let text = self.open(path)?;
        for entry in entries.iter().rev() {
            if let Some(splice) = entry.take(&text.now, done).map_err(|wrong| broken(machine, path, &wrong))? {
                text.apply(&splice.with_blank_line(&text.now, done));
            }
        }
        Ok(())
    }

    /// Whether nothing would be written.
    pub(super) fn is_idle(&self) -> bool {
        self.changed().next().is_none()
    }

    fn changed(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter().filter(|text| {
            text.absent != text.original.text.is_none()
                || Some(&text.now) != text.original.text.as_ref() && !text.absent
        })
    }

    /// The files that would be written.
    pub(super) fn paths(&self) -> Vec<&Path> {
        self.changed().map(|text| text.path.as_path()).collect()
    }

    /// What a person is shown of it.
    pub(super) fn shown(&self, machine: &Machine<'_>) -> Vec<(String, Vec<String>)> {
        let whole = |sign: char, text: &str| text.lines().map(|line| format!("{sign} {}", printable(line))).collect();
        let one = |text: &Text| {
            // A file that comes or goes is all ours.
            let (what, lines) = match (&text.original.text, text.absent) {
                (None, _) => (" (new)", whole('+', &text.now)),
                (Some(before), true) => (" (removed)", whole('-', before)),
                (Some(_), false) => ("", text.shown.clone()),
            };
            (format!("{}{what}", machine.shown(&text.path)), lines)
        };
        self.changed().map(one).collect()
    }

    /// What is to be remembered of what was put in.
    pub(super) fn touched(&self) -> Vec<Touched> {
        let put = self.texts.iter().filter(|text| !text.splices.is_empty());
        let one = |text: &Text| Touched {
            path: text.path.clone(),
            created: text.created,
            directories: text.directories.clone(),
            entries: text.entries.clone(),
            splices: text.splices.clone(),
            after: Print::of(&text.now),
        };
        put.map(one).collect()
    }

    /// Writes a file, or takes it away; nothing if it stays as it is.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let Some(text) = self.changed().find(|text| text.path == path) else { return Ok(()) };
        if text.absent { text.original.delete(&text.directories) } else { text.original.replace(&text.now) }
    }

    /// Puts back what was there before it was written.
    pub(super) fn put_back(&self, path: &Path) -> Result<(), Failure> {
        let Some(text) = self.changed().find(|text| text.path == path) else { return Ok(()) };
        let written = Original::read(path)?;
        if written.text.as_ref() != (!text.absent).then_some(&text.now) {
            return Err(Failure::System(format!("{} was changed meanwhile", path.display())));
        }
        match &text.original.text {
            Some(before) => written.replace(before),
            None => written.delete(&text.directories),
        }
    }
}

impl Text {
    fn apply(&mut self, splice: &Splice) {
        if let Some(after) = splice.apply(&self.now) {
            self.shown.extend(splice.shown(&self.now));
            self.now = after;
        }
    }
}

/// What a person is told of a file that can't be changed.
pub(super) fn broken(machine: &Machine<'_>, path: &Path, wrong: &Wrong) -> Failure {
    let line = wrong.line.map(|line| format!(", line {line}")).unwrap_or_default();
    Failure::System(format!("{}{line}: {}; nothing was changed", machine.shown(path), wrong.what))
}

#[cfg(test)]
mod tests {
    use super::super::format::Json;
    use super::*;
    use crate::paths::Paths;

    #[test]
    fn a_file_that_comes_or_goes_is_shown_whole() {
        let home = tempfile::tempdir().expect("a directory");
        let paths = Paths::from_variables(|_| None, Some(home.path().to_owned())).expect("paths");
        let machine = Machine::new(&paths, home.path().join("cred-helper"), &|_| None);
        let entry = |path: &[&str]| {
            Entry::Json(Json { path: path.iter().map(|name| (*name).to_owned()).collect(), value: "x".into() })
        };
        let (file, entries) = (home.path().join("s.json"), [entry(&["a", "b"]), entry(&["c"])]);
        let mut work = Work::default();
        work.put(&machine, &file, &entries).expect("put in");
        let lines = ["{", "  \"c\": \"x\",", "  \"a\": {", "    \"b\": \"x\"", "  }", "}"];
        let signed = |sign: char| lines.map(|line| format!("{sign} {line}")).to_vec();
        let [(name, shown)] = &work.shown(&machine)[..] else { panic!("{:?}", work.shown(&machine)) };
        assert!(name.ends_with("s.json (new)"), "{name}");
        assert_eq!(*shown, signed('+'));
        work.write(&file).expect("written");
        let mut back = Work::default();
        back.undo(&machine, &work.touched()[0]).expect("taken back");
        let [(name, shown)] = &back.shown(&machine)[..] else { panic!("{:?}", back.shown(&machine)) };
        assert!(name.ends_with("s.json (removed)"), "{name}");
        assert_eq!(*shown, signed('-'));
    }
}
