//! `completions`: made from the same definitions as the parser. Names of accounts and providers are asked for at each key
//! press (`complete.rs`), by a few lines of each shell's own around what is made.

use clap::CommandFactory as _;
use clap_complete::shells;

use super::args::{Cli, CompletionsArgs, Shell};
use super::exit::Failure;
use super::output;

/// Where there are names, they are all that is offered, but for an option that has begun. No name is expanded by the shell.
const BASH: &str = r#"
_cred_helper_or_name() {
    local cur="${COMP_WORDS[COMP_CWORD]}" name
    local -a names=()
    if [[ "$cur" != -* ]]; then
        while IFS= read -r name; do
            [[ "$name" == "$cur"* ]] && names+=("$name")
        done < <(command cred-helper __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
    fi
    if [[ ${#names[@]} -gt 0 ]]; then
        COMPREPLY=("${names[@]}")
    else
        _cred__helper "$@"
    fi
}
complete -F _cred_helper_or_name -o bashdefault -o default cred-helper
"#;

/// The same; what is made has its own name taken.
const ZSH: &str = r#"_cred-helper() {
    local -a names
    [[ "$PREFIX" == -* ]] || names=(${(f)"$(command cred-helper __complete "${(@)words[2,CURRENT-1]}" 2>/dev/null)"})
    if (( $#names )) && compadd -a names; then
        return 0
    fi
    _cred-helper_all "$@"
}

"#;

/// fish offers names beside the rest, and no files where there are names.
const FISH: &str = r#"
function __cred_helper_names
    set -l words (commandline -opc)
    set -e words[1]
    command cred-helper __complete $words 2>/dev/null
end
complete -c cred-helper -n 'count (__cred_helper_names) >/dev/null' -f -a '(__cred_helper_names)'
"#;

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
    let made = String::from_utf8_lossy(&out).into_owned();
    match shell {
        // clap_complete takes the dash in the program's own name for a subcommand in one of two places, so that no
        // subcommand's options are found.
        Shell::Bash => made.replace("cred__subcmd__helper__", "cred__helper__") + BASH,
        Shell::Zsh => made.replacen("_cred-helper() {\n", &format!("{ZSH}_cred-helper_all() {{\n"), 1),
        Shell::Fish => made + FISH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands_and_asks_for_names() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            assert!(script.contains("get-token") && script.contains("min-validity"), "{shell:?}");
            assert!(script.contains("cred-helper __complete"), "{shell:?}");
        }
        // What is around the made one needs it under its name.
        assert_eq!(script(Shell::Bash).matches("\n_cred__helper() {\n").count(), 0);
        assert!(script(Shell::Bash).starts_with("_cred__helper() {\n"));
        let bash = script(Shell::Bash);
        let chosen = bash.split("cmd=\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(name, _)| name);
        for name in chosen.filter(|name| !name.is_empty()) {
            assert!(bash.contains(&format!("\n        {name})\n")), "{name} is chosen and never answered");
        }
        assert_eq!(script(Shell::Zsh).matches("\n_cred-helper_all() {\n").count(), 1);
    }
}
