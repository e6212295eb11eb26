//! Where things are on this machine, as far as other tools' settings go: their variables first, then their usual places.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::super::exit::Failure;
use crate::paths::Paths;

/// The user's places, and this program's.
pub(super) struct Machine<'a> {
    /// The user's home.
    pub(super) home: PathBuf,
    /// Our own configuration.
    pub(super) config_file: PathBuf,
    /// Where we remember what was set up.
    pub(super) state_dir: PathBuf,
    /// Where what belongs to us alone can be put.
    pub(super) data_dir: PathBuf,
    /// How this program is started: by its place in the PATH, which outlives an upgrade, else where it lies.
    pub(super) program: PathBuf,
    /// The directories of the PATH.
    pub(super) search: Vec<PathBuf>,
    /// Whether its agent is the one that this program asks: a test's machine has none.
    pub(super) has_agent: bool,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl<'a> Machine<'a> {
    /// This one.
    pub(super) fn here(paths: &Paths, variable: &'a dyn Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|error| Failure::System(format!("this program's own file cannot be found: {error}")))?;
        Ok(Self { has_agent: true, ..Self::new(paths, own, variable) })
    }

    pub(super) fn new(paths: &Paths, own: PathBuf, variable: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        let search: Vec<PathBuf> = variable("PATH").iter().flat_map(std::env::split_paths).collect();
        let search: Vec<PathBuf> = search.into_iter().filter(|directory| directory.is_absolute()).collect();
        let program = file_name("cred-helper");
        let in_path = search.iter().map(|directory| directory.join(&program)).filter(|path| is_same(path, &own));
        // Some tools take no path that needs quotes.
        let in_path = in_path.min_by_key(|path| !is_bare(&path.to_string_lossy()));
        Self {
            home: paths.home.clone(),
            config_file: paths.config_file.clone(),
            state_dir: paths.state_dir.clone(),
            data_dir: paths.vault_dir.parent().unwrap_or(&paths.state_dir).to_owned(),
            program: in_path.unwrap_or(own),
            search,
            has_agent: false,
            variable,
        }
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The path that a variable names.
    pub(super) fn path(&self, variable: &str) -> Option<PathBuf> {
        self.variable(variable).map(PathBuf::from)
    }

    /// A directory below that of the user's configuration files.
    pub(super) fn config_home(&self, name: &str) -> PathBuf {
        self.path("XDG_CONFIG_HOME").unwrap_or_else(|| self.home.join(".config")).join(name)
    }

    /// The same on systems that have another place for it.
    pub(super) fn app_config(&self, name: &str) -> PathBuf {
        if cfg!(windows) {
            self.path("APPDATA").unwrap_or_else(|| self.home.join("AppData").join("Roaming")).join(name)
        } else if cfg!(target_os = "macos") {
            self.home.join("Library").join("Application Support").join(name)
        } else {
            self.config_home(name)
        }
    }

    /// This program's path, as other tools' files have it.
    pub(super) fn program_text(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// The program of that name which the PATH leads to.
    pub(super) fn find(&self, program: &str) -> Option<PathBuf> {
        let name = file_name(program);
        self.search.iter().map(|directory| directory.join(&name)).find(|path| is_program(path))
    }

    /// Whether a path leads to this program.
    pub(super) fn is_us(&self, path: &Path) -> bool {
        is_same(path, &self.program)
    }

    /// This program and words for it, as a shell takes them.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let program = self.program.to_string_lossy();
        std::iter::once(program.as_ref()).chain(words.iter().copied()).map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// The same for a tool that splits at spaces and knows no quotes.
    pub(super) fn bare_command(&self, tool: &str, words: &[&str]) -> Result<String, Failure> {
        if !words.iter().all(|word| is_bare(word)) {
            let message =
                format!("{tool} knows no quotes: nothing that has a space or a sign of a shell can be told it");
            return Err(Failure::Usage(message));
        }
        let program = bare_path(tool, &self.program)?;
        Ok(std::iter::once(program.as_str()).chain(words.iter().copied()).collect::<Vec<_>>().join(" "))
    }

    /// A path as a person writes it.
    pub(super) fn shown(&self, path: &Path) -> String {
        let short = path.strip_prefix(&self.home).ok().filter(|rest| !rest.as_os_str().is_empty());
        short.map_or_else(
            || path.display().to_string(),
            |rest| format!("~{}{}", std::path::MAIN_SEPARATOR, rest.display()),
        )
    }

    /// A file's text, for a look at what is in it already; none where it can't be read.
    pub(super) fn read(&self, path: &Path) -> String {
        text_of(path)
    }
}

/// A pipe has none: opening it would wait for a writer.
fn text_of(path: &Path) -> String {
    if path.is_file() { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}

/// What a program's file is called.
pub(super) fn file_name(program: &str) -> String {
    format!("{program}{}", std::env::consts::EXE_SUFFIX)
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c) || (cfg!(windows) && c == '\\');
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false if cfg!(windows) => format!("\"{word}\""),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A path for a tool that knows no quotes.
pub(super) fn bare_path(tool: &str, path: &Path) -> Result<String, Failure> {
    path.to_str().filter(|path| is_bare(path)).map(str::to_owned).ok_or_else(|| {
        let message = "takes no path with a space or a sign of a shell in it, and this program has such a one: make a link to it in \
                       another directory of the PATH, such as /usr/local/bin";
        Failure::Usage(format!("{tool} {message}"))
    })
}

/// Whether nothing splits it, ends it or puts something in its place: no shell, and no file of settings.
fn is_bare(word: &str) -> bool {
    let bare = |c: char| c.is_alphanumeric() || "-_./:=@%+,~".contains(c) || (cfg!(windows) && c == '\\');
    !word.is_empty() && word.chars().all(bare)
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(windows)]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Whether both lead to the same file.
#[cfg(unix)]
fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(a), Ok(b)) = (a.metadata(), b.metadata()) else { return false };
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// A copy has the same length, and another version another one.
#[cfg(windows)]
fn is_same(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (a.metadata(), b.metadata()) else { return false };
    a.is_file() && a.len() == b.len()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_a_file_has_no_text_and_nobody_waits_for_one() {
        let stage = tempfile::tempdir().expect("a directory");
        let path = stage.path().join("npmrc");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("a pipe");
        let (told, text) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(text_of(&path)));
        assert_eq!(text.recv_timeout(std::time::Duration::from_secs(30)), Ok(String::new()));
    }
}
