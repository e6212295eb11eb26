//! `completions`: made from the same definitions as the parser.

use clap::CommandFactory as _;
use clap_complete::shells;

use super::args::{Cli, CompletionsArgs, Shell};
use super::exit::Failure;
use super::output;

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    output::data(&script(args.shell))
}

fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    let mut out = Vec::new();
    let name = "cred-helper";
    match shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut command, name, &mut out),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut command, name, &mut out),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut command, name, &mut out),
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            assert!(script.contains("get-token") && script.contains("min-validity"), "{shell:?}");
        }
    }
}
