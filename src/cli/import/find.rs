//! From what was typed to a login that can be imported: the file is read, and what is in it is known.

use std::io;
use std::path::{Path, PathBuf};

use super::places::{PLACES, Place};
use crate::account::AccountName;
use crate::cli::args::{FileFormat, ImportArgs, MapField};
use crate::cli::exit::Failure;
use crate::import::{Document, FileError, Found, ImportError, Pointers, file};
use crate::ipc::message::ErrorKind;
use crate::ipc::message::import::{ImportFormat, ImportSource};

/// A login that was found.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Whose it is, as typed or as the program says.
    pub(super) provider: String,
    pub(super) label: Option<String>,
    /// The program's name for people.
    pub(super) title: Option<&'static str>,
    pub(super) source: ImportSource,
    pub(super) found: Found,
    /// What the file's link leads to.
    pub(super) target: Option<PathBuf>,
    /// Whether others can read the file.
    pub(super) exposed: bool,
}

/// Finds the one login that was meant.
pub(super) fn find(args: &ImportArgs, home: &Path) -> Result<Candidate, Failure> {
    let asked = args.account.as_deref().map(Asked::parse).transpose()?;
    match args.from.as_deref() {
        None => search(args, asked.as_ref(), home),
        Some("-") => piped(args, asked),
        Some(from) => match Place::named(from) {
            Some(place) => at_place(place, args, asked.as_ref(), home),
            None => in_file(Path::new(from), args, asked),
        },
    }
}

/// What was typed for the account.
#[derive(Clone, Debug)]
struct Asked {
    provider: String,
    label: Option<String>,
}

impl Asked {
    fn parse(text: &str) -> Result<Self, Failure> {
        if text.contains("://") {
            return Ok(Self { provider: text.to_owned(), label: None });
        }
        let name: AccountName = text.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
        Ok(Self { provider: name.provider().to_owned(), label: name.label().map(str::to_owned) })
    }
}

/// Every known place; one that has that provider's login, or one at all, and no other.
fn search(args: &ImportArgs, asked: Option<&Asked>, home: &Path) -> Result<Candidate, Failure> {
    let mut found: Vec<Candidate> = PLACES.iter().flat_map(|place| all_at(place, args, asked, home)).collect();
    let list = |found: &[Candidate]| {
        let each =
            |one: &Candidate| format!("{} --from {}", one.provider, one.source.program.as_deref().unwrap_or("-"));
        found.iter().map(each).collect::<Vec<_>>().join(", ")
    };
    match found.len() {
        1 => found.pop().ok_or_else(|| Failure::Usage("nothing was found".to_owned())),
        0 => Err(Failure::new(
            ErrorKind::UnknownAccount,
            "no program whose files are known here has such a login; name a file with --from FILE",
        )),
        _ => Err(Failure::Usage(format!("there are several: say which ({})", list(&found)))),
    }
}

/// What can be read at a place; what can't is no candidate.
fn all_at(place: &'static Place, args: &ImportArgs, asked: Option<&Asked>, home: &Path) -> Vec<Candidate> {
    let providers = place.logins().map(|(provider, _)| provider);
    let meant = providers.filter(|provider| asked.is_none_or(|asked| asked.provider == *provider));
    let each = |provider: &str| {
        let label = asked.and_then(|asked| asked.label.clone());
        at_place(place, args, Some(&Asked { provider: provider.to_owned(), label }), home).ok()
    };
    meant.filter_map(each).collect()
}

fn at_place(
    place: &'static Place,
    args: &ImportArgs,
    asked: Option<&Asked>,
    home: &Path,
) -> Result<Candidate, Failure> {
    let path = place.file(|name| std::env::var_os(name).map(PathBuf::from), home);
    let contents = file::read(&path).map_err(|error| match error {
        FileError::Missing(file) => {
            unfit(ErrorKind::UnknownAccount, &format!("{} has no login in {file}: {}", place.title, place.otherwise))
        }
        error => unfit(ErrorKind::Misconfigured, &error.to_string()),
    })?;
    let shown = path.display().to_string();
    let format = args.format.map_or(place.format, ImportFormat::from);
    let document = Document::parse(&contents.text, format).map_err(|error| unreadable(&shown, &error))?;
    let there = |pointer: &Option<String>| pointer.as_deref().is_some_and(|pointer| document.at(pointer).is_some());
    let (mut providers, mut logins) = (Vec::new(), Vec::new());
    for (provider, mut pointers) in place.logins() {
        providers.push(provider);
        // Whoever names a provider of their own for a program with one login means that login.
        let meant = asked.is_none_or(|asked| asked.provider == provider) || place.logins().count() == 1;
        // A program that has signed in and not asked yet may have a refresh token alone.
        if !there(&pointers.access_token) && there(&pointers.refresh_token) {
            pointers.access_token = None;
        }
        if meant && (there(&pointers.access_token) || there(&pointers.refresh_token)) {
            logins.push((provider, pointers));
        }
    }
    let (provider, pointers) = match (logins.len(), logins.pop()) {
        (1, Some(login)) => login,
        (0, _) => {
            let message = format!("{} has no such login in {shown}: {}", place.title, place.otherwise);
            return Err(unfit(ErrorKind::UnknownAccount, &message));
        }
        _ => return Err(Failure::Usage(format!("{shown} has several logins: say which ({})", providers.join(", ")))),
    };
    let pointers = mapped(pointers, args);
    let found = pointers.read(&document).map_err(|error| unreadable(&shown, &error))?;
    let asked = asked.cloned().unwrap_or(Asked { provider: provider.to_owned(), label: None });
    let source = source(Some(place.name), Some(shown), format, &pointers);
    let (target, exposed) = (contents.target, contents.exposed);
    Ok(Candidate {
        provider: asked.provider,
        label: asked.label,
        title: Some(place.title),
        source,
        found,
        target,
        exposed,
    })
}

fn in_file(path: &Path, args: &ImportArgs, asked: Option<Asked>) -> Result<Candidate, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::Usage(format!("--from: {error}")))?;
    let contents = file::read(&path).map_err(|error| unfit(ErrorKind::Misconfigured, &error.to_string()))?;
    let format = format(args, path.extension().and_then(|extension| extension.to_str()), &contents.text);
    let shown = path.display().to_string();
    let candidate = in_text(&contents.text, format, Some(shown), args, asked)?;
    Ok(Candidate { target: contents.target, exposed: contents.exposed, ..candidate })
}

fn piped(args: &ImportArgs, asked: Option<Asked>) -> Result<Candidate, Failure> {
    let text = file::read_piped(io::stdin().lock()).map_err(|error| Failure::Usage(error.to_string()))?;
    let format = format(args, None, &text);
    in_text(&text, format, None, args, asked)
}

fn in_text(
    text: &str,
    format: ImportFormat,
    path: Option<String>,
    args: &ImportArgs,
    asked: Option<Asked>,
) -> Result<Candidate, Failure> {
    let asked = asked.ok_or_else(|| {
        Failure::Usage("whose login is it? name the provider: `cred-helper import PROVIDER --from ...`".to_owned())
    })?;
    let shown = path.clone().unwrap_or_else(|| "standard input".to_owned());
    let wrong = |error: ImportError| unreadable(&shown, &error);
    let document = Document::parse(text, format).map_err(wrong)?;
    let is_mapped = |wanted| args.map.iter().any(|(field, _)| *field == wanted);
    let pointers = match Pointers::usual(&document) {
        _ if is_mapped(MapField::AccessToken) => Pointers::default(),
        Err(ImportError::NoToken) if is_mapped(MapField::RefreshToken) => Pointers::default(),
        usual => usual.map_err(wrong)?,
    };
    let pointers = mapped(pointers, args);
    let found = pointers.read(&document).map_err(wrong)?;
    let source = source(None, path, format, &pointers);
    let Asked { provider, label } = asked;
    Ok(Candidate { provider, label, title: None, source, found, target: None, exposed: false })
}

fn mapped(mut pointers: Pointers, args: &ImportArgs) -> Pointers {
    for (field, pointer) in &args.map {
        let pointer = pointer.clone();
        match field {
            MapField::AccessToken => pointers.access_token = Some(pointer),
            MapField::RefreshToken => pointers.refresh_token = Some(pointer),
            MapField::ExpiresAt => pointers.expires_at = Some(pointer),
            MapField::Scope => pointers.scope = Some(pointer),
            MapField::ClientId => pointers.client_id = Some(pointer),
            MapField::ClientSecret => pointers.client_secret = Some(pointer),
        }
    }
    pointers
}

fn source(program: Option<&str>, path: Option<String>, format: ImportFormat, pointers: &Pointers) -> ImportSource {
    ImportSource {
        program: program.map(str::to_owned),
        path,
        format,
        access_token: pointers.access_token.clone(),
        expires_at: pointers.expires_at.clone(),
        scope: pointers.scope.clone(),
    }
}

/// As said, as the name says, or as the first character does: JSON's documents of several parts begin with a brace, and a
/// token alone on a line is YAML.
fn format(args: &ImportArgs, extension: Option<&str>, text: &str) -> ImportFormat {
    match (args.format, extension) {
        (Some(format), _) => format.into(),
        (None, Some("json")) => ImportFormat::Json,
        (None, Some("yaml" | "yml")) => ImportFormat::Yaml,
        (None, Some("toml")) => ImportFormat::Toml,
        (None, _) if text.trim_start().starts_with(['{', '[', '"']) => ImportFormat::Json,
        (None, _) => ImportFormat::Yaml,
    }
}

impl From<FileFormat> for ImportFormat {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Json => ImportFormat::Json,
            FileFormat::Yaml => ImportFormat::Yaml,
            FileFormat::Toml => ImportFormat::Toml,
        }
    }
}

fn unreadable(shown: &str, error: &ImportError) -> Failure {
    unfit(ErrorKind::Misconfigured, &format!("{shown}: {error}"))
}

fn unfit(kind: ErrorKind, message: &str) -> Failure {
    Failure::new(kind, message)
}
