//! Where other programs keep their logins, as they write them: one row each.
//!
//! Each program's own variable is respected, as the program does it.

use std::path::{Path, PathBuf};

use crate::import::Pointers;
use crate::ipc::message::import::ImportFormat;

/// A program that keeps a login of its own.
pub(super) struct Place {
    /// What `--from` calls it.
    pub(super) name: &'static str,
    /// What people call it.
    pub(super) title: &'static str,
    /// How the file is written.
    pub(super) format: ImportFormat,
    /// A variable that names the file's directory.
    variable: Option<&'static str>,
    /// That directory without it, in the home; `XDG_DATA_HOME` and `XDG_CONFIG_HOME` count where they are its start.
    directory: &'static str,
    file: &'static str,
    /// The logins in it, by provider.
    logins: &'static [Login],
    /// What to say if there is none.
    pub(super) otherwise: &'static str,
}

/// A provider's login in a file: where it is, and the names of its fields.
struct Login {
    provider: &'static str,
    at: &'static str,
    access: &'static str,
    refresh: &'static str,
    expires: &'static str,
    scope: &'static str,
}

const fn login(provider: &'static str, at: &'static str) -> Login {
    Login { provider, at, access: "access", refresh: "refresh", expires: "expires", scope: "scope" }
}

pub(super) const PLACES: &[Place] = &[
    Place {
        name: "claude-code",
        title: "Claude Code",
        format: ImportFormat::Json,
        variable: Some("CLAUDE_CONFIG_DIR"),
        directory: ".claude",
        file: ".credentials.json",
        logins: &[Login {
            access: "accessToken",
            refresh: "refreshToken",
            expires: "expiresAt",
            scope: "scopes",
            ..login("anthropic", "/claudeAiOauth")
        }],
        otherwise: "on macOS Claude Code keeps its login in the Keychain, which is not read here",
    },
    Place {
        name: "pi",
        title: "pi",
        format: ImportFormat::Json,
        variable: Some("PI_CODING_AGENT_DIR"),
        directory: ".pi/agent",
        file: "auth.json",
        logins: &[
            login("anthropic", "/anthropic"),
            login("openai", "/openai-codex"),
            login("google", "/google-gemini-cli"),
            login("github-copilot", "/github-copilot"),
        ],
        otherwise: "sign in there with /login",
    },
    Place {
        name: "opencode",
        title: "opencode",
        format: ImportFormat::Json,
        variable: None,
        directory: ".local/share/opencode",
        file: "auth.json",
        logins: &[
            login("anthropic", "/anthropic"),
            login("openai", "/openai"),
            login("github-copilot", "/github-copilot"),
        ],
        otherwise: "sign in there with `opencode auth login`",
    },
    Place {
        name: "codex",
        title: "Codex",
        format: ImportFormat::Json,
        variable: Some("CODEX_HOME"),
        directory: ".codex",
        file: "auth.json",
        logins: &[Login { access: "access_token", refresh: "refresh_token", ..login("openai", "/tokens") }],
        otherwise: "Codex may keep its login in the keyring (cli_auth_credentials_store), which is not read here",
    },
    Place {
        name: "gemini-cli",
        title: "Gemini CLI",
        format: ImportFormat::Json,
        variable: None,
        directory: ".gemini",
        file: "oauth_creds.json",
        logins: &[Login {
            access: "access_token",
            refresh: "refresh_token",
            expires: "expiry_date",
            ..login("google", "")
        }],
        otherwise: "Gemini CLI may keep its login in the keyring or encrypted, which is not read here",
    },
    Place {
        name: "gh",
        title: "GitHub CLI",
        format: ImportFormat::Yaml,
        variable: Some("GH_CONFIG_DIR"),
        directory: ".config/gh",
        file: "hosts.yml",
        logins: &[Login { access: "oauth_token", refresh: "refresh_token", ..login("github", "/github.com") }],
        otherwise: "gh keeps its token in the keyring where it can: `gh auth token | cred-helper import github --from -`",
    },
];

impl Place {
    /// The place of that name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PLACES.iter().find(|place| place.name == name)
    }

    /// The file, with these variables in this home.
    pub(super) fn file(&self, variable: impl Fn(&str) -> Option<PathBuf>, home: &Path) -> PathBuf {
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        let below = |base: &str, name: &str| Some(absolute(name)?.join(self.directory.strip_prefix(base)?));
        let directory = self.variable.and_then(&variable).filter(|path| !path.as_os_str().is_empty());
        let directory = directory.or_else(|| below(".local/share/", "XDG_DATA_HOME"));
        let directory = directory.or_else(|| below(".config/", "XDG_CONFIG_HOME"));
        directory.unwrap_or_else(|| home.join(self.directory)).join(self.file)
    }

    /// Each provider whose login may be in it, and where.
    pub(super) fn logins(&self) -> impl Iterator<Item = (&'static str, Pointers)> {
        self.logins.iter().map(|login| {
            let Login { provider, at, access, refresh, expires, scope } = login;
            let pointer = |name: &str| format!("{at}/{name}");
            let pointers = Pointers {
                access_token: Some(pointer(access)),
                refresh_token: Some(pointer(refresh)),
                expires_at: Some(pointer(expires)),
                scope: Some(pointer(scope)),
                client_id: None,
                client_secret: None,
            };
            (*provider, pointers)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_looked_for_where_it_writes() {
        let table = [
            ("claude-code", None, "/h/.claude/.credentials.json"),
            ("claude-code", Some(("CLAUDE_CONFIG_DIR", "/c")), "/c/.credentials.json"),
            ("codex", Some(("CODEX_HOME", "/c")), "/c/auth.json"),
            ("codex", Some(("CODEX_HOME", "")), "/h/.codex/auth.json"),
            ("opencode", None, "/h/.local/share/opencode/auth.json"),
            ("opencode", Some(("XDG_DATA_HOME", "/d")), "/d/opencode/auth.json"),
            ("opencode", Some(("XDG_DATA_HOME", "relative")), "/h/.local/share/opencode/auth.json"),
            ("pi", None, "/h/.pi/agent/auth.json"),
            ("gemini-cli", Some(("XDG_CONFIG_HOME", "/x")), "/h/.gemini/oauth_creds.json"),
            ("gh", Some(("XDG_CONFIG_HOME", "/x")), "/x/gh/hosts.yml"),
            ("gh", Some(("GH_CONFIG_DIR", "/g")), "/g/hosts.yml"),
        ];
        // What is absolute elsewhere has a drive on Windows.
        let path = |path: &str| PathBuf::from(path.replacen('/', if cfg!(windows) { "C:/" } else { "/" }, 1));
        for (name, set, expected) in table {
            let variable = |asked: &str| set.filter(|(name, _)| *name == asked).map(|(_, value)| path(value));
            let place = Place::named(name).expect(name);
            assert_eq!(place.file(variable, &path("/h")), path(expected), "{name} {set:?}");
        }
    }
}
