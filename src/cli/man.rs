//! `man`: the manual, made from the parser's definitions and the table of exit codes, so that it cannot lag behind.
//!
//! The pages about the configuration, the wire and the vault are written by hand and carried along; a test holds that none is left out.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::args::{Cli, ManArgs};
use super::exit::{self, Failure};
use super::output;

/// Pages written by hand.
const WRITTEN: &[(&str, &str)] = &[
    ("cred-helper.toml.5", include_str!("../../man/cred-helper.toml.5")),
    ("cred-helper-http.7", include_str!("../../man/cred-helper-http.7")),
    ("cred-helper-protocol.7", include_str!("../../man/cred-helper-protocol.7")),
    ("cred-helper-vault.7", include_str!("../../man/cred-helper-vault.7")),
];

const FILES: &[(&str, &str)] = &[
    ("$XDG_CONFIG_HOME/cred-helper/config.toml", "The configuration, see cred-helper.toml(5). It need not exist."),
    (".cred-helper.toml", "In a project's directory, within your home: names the account that is meant there."),
    (
        "$XDG_DATA_HOME/cred-helper/vault/",
        "The vault: the sealed logins and the wrapped key, see cred-helper-vault(7). Back it up like a key.",
    ),
    ("$XDG_STATE_HOME/cred-helper/", "What this installation remembers beside the vault."),
    (
        "$XDG_STATE_HOME/cred-helper/setup.json",
        "What cred-helper-setup(1) changed in other tools' files, to take it back.",
    ),
    ("$XDG_STATE_HOME/cred-helper/audit.jsonl", "Who asked for which token, see cred-helper-log(1)."),
    ("$XDG_RUNTIME_DIR/cred-helper/agent.sock", "The agent's socket."),
    ("$XDG_RUNTIME_DIR/cred-helper/http.json", "Where the HTTP door is, and its secret, see cred-helper-http(7)."),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("CRED_HELPER_SOCK", "Another socket, e.g. a forwarded one. No agent is started for it."),
    ("CRED_HELPER_AGENT", "The agent's executable."),
    ("BROWSER", "The browser that login opens."),
    ("NO_COLOR", "If it is set and not empty, there are no colours."),
    ("XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR", "Where files are; absolute paths."),
];

pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let pages = pages()?;
    let Some(directory) = &args.dir else {
        return pages.first().map_or(Ok(()), |(_, page)| output::data(page));
    };
    fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
    for (name, page) in &pages {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| cannot_write(&path, &error))?;
        output::line(&path.display().to_string())?;
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::System(format!("{} cannot be written: {error}", path.display()))
}

/// Every page, cred-helper(1) first.
fn pages() -> Result<Vec<(String, String)>, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, "cred-helper".to_owned(), &mut pages)?;
    pages.extend(WRITTEN.iter().map(|(name, page)| ((*name).to_owned(), (*page).to_owned())));
    Ok(pages)
}

fn add_pages(command: &Command, name: String, pages: &mut Vec<(String, String)>) -> Result<(), Failure> {
    pages.push((format!("{name}.1"), page(command, &name)?));
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        add_pages(subcommand, format!("{name}-{}", subcommand.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> Result<String, Failure> {
    let main = name == "cred-helper";
    // What the page is called on disk is what it is called in itself; the usage line keeps its blanks.
    let man = Man::new(command.clone().display_name(name.to_owned()).disable_help_subcommand(true))
        .title(name.to_uppercase())
        .section("1")
        .source(format!("cred-helper {}", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|subcommand| subcommand.get_name() != "help") {
        man.render_subcommands_section(&mut page)?;
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut page)?;
    }
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page.push_str(&exit_status());
    page.push_str(&definitions("FILES", FILES));
    page.push_str(&definitions("ENVIRONMENT", ENVIRONMENT));
    page.push_str(".SH SEE ALSO\n");
    page.push_str(if main {
        "cred\\-helper.toml(5), cred\\-helper\\-protocol(7)\n"
    } else {
        "cred\\-helper(1), cred\\-helper.toml(5)\n"
    });
    Ok(page)
}

fn exit_status() -> String {
    let rows: Vec<(String, &str)> = exit::table().into_iter().map(|(code, what)| (code.to_string(), what)).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(code, what)| (code.as_str(), *what)).collect();
    definitions("EXIT STATUS", &rows)
}

fn definitions(heading: &str, rows: &[(&str, &str)]) -> String {
    let mut out = format!(".SH \"{heading}\"\n");
    for (name, text) in rows {
        out.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", escaped(name), escaped(text)));
    }
    out
}

/// Text as roff takes it: a dash is a minus, and no line starts a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_exit_codes_files_and_environment() {
        let pages = pages().expect("pages");
        for name in ["cred-helper.1", "cred-helper-get-token.1", "cred-helper-vault-slot-add.1", "cred-helper.toml.5"] {
            assert!(pages.iter().any(|(page, _)| page == name), "{name}");
        }
        for (name, page) in pages.iter().filter(|(name, _)| name.ends_with(".1")) {
            for section in ["EXIT STATUS", "FILES", "ENVIRONMENT", "SYNOPSIS"] {
                assert!(page.contains(section), "{name}: {section}");
            }
            for (code, _) in exit::table() {
                assert!(page.contains(&format!("\\fB{code}\\fR")), "{name}: exit code {code}");
            }
        }
    }

    #[test]
    fn every_page_written_by_hand_is_carried_along() {
        let written = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/man")).expect("the pages").flatten();
        let mut written: Vec<String> = written.map(|page| page.file_name().to_string_lossy().into_owned()).collect();
        let mut carried: Vec<String> = WRITTEN.iter().map(|(name, _)| (*name).to_owned()).collect();
        written.sort();
        carried.sort();
        assert_eq!(carried, written);
    }

    #[test]
    fn every_flag_is_on_its_page() {
        let pages = pages().expect("pages");
        let (_, page) = pages.iter().find(|(name, _)| name == "cred-helper-login.1").expect("login");
        for flag in ["device", "paste", "no\\-browser", "redirect\\-port", "accept\\-notice", "client\\-secret\\-stdin"]
        {
            assert!(page.contains(&format!("\\-\\-{flag}")), "{flag}");
        }
    }

    /// The loader and the page are read side by side here: a key that is added to one is missed in the other.
    #[test]
    fn the_configurations_page_names_every_key_of_a_provider() {
        let tables = [include_str!("../provider/client.rs"), include_str!("../provider/grants.rs")];
        let schema = [&tables[..], &[include_str!("../provider/schema.rs")]].concat().join("\n");
        let page = include_str!("../../man/cred-helper.toml.5").replace("\\-", "-");
        let described = schema.split("/// What is wrong with a provider").next().unwrap_or_default();
        let keys: Vec<&str> = described
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": ").map(|(name, _)| name))
            .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .collect();
        assert!(keys.len() > 40, "the schema is read: {keys:?}");
        for key in keys {
            assert!(page.contains(&format!("\\fB{key}\\fR")), "{key}");
        }
    }

    #[test]
    fn no_text_starts_a_request() {
        assert_eq!(escaped(".cred-helper"), "\\&.cred\\-helper");
        assert_eq!(escaped("a\\b"), "a\\eb");
    }
}
