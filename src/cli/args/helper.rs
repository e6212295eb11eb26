//! `helper`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::helper::PROTOCOLS;

/// Arguments of `helper`.
#[derive(Debug, Args)]
#[command(after_help = "\
Which account answers is said by the URL that the program wants to reach: see TARGETS in cred-helper.toml(5). Where none \
does, the program is told that there is nothing here, in the words of its protocol, and goes on without. Errors are one \
line on standard error.

Programs that start a helper by a name of its own find this one where a link of that name leads to cred-helper: \
git-credential-cred-helper for git. `--no-start` may come before the program's own words there.

git: with such a link in the PATH, `git config --global credential.helper cred-helper`; without one, \
`git config --global credential.helper '!cred-helper helper git'`. Rules with a path need credential.useHttpPath. Git 2.46 \
and newer is given the token as Bearer, unless the server asks for Basic alone or the rule has a `username`; older git, \
and those, as a password. A token that the server refuses is renewed and sent once more without git's user noticing \
(2.46 and newer), or reported when git erases it. Passwords that git wants to store are not kept: name another helper for them.")]
pub struct HelperArgs {
    /// Whose protocol to speak
    #[arg(value_parser = PossibleValuesParser::new(PROTOCOLS.iter().map(|protocol| protocol.name)))]
    pub name: String,
    /// What that program says, such as get
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}
