//! The cargo that builds us, against a registry that wants a token for everything: it asks us, and people notice nothing.

use std::process::Command;

use crate::forge::Forge;
use crate::home::Ended;
use crate::support::cargo_registry;
use crate::support::site::{Judge, Shown, Site};

struct Stage {
    forge: Forge,
    registry: Site,
}

impl Stage {
    /// `rule` is the value of the index's URL under `[targets]`, `words` what follows the program's name in cargo's
    /// configuration.
    fn set(judge: impl FnOnce(&Forge) -> Judge, rule: &str, words: &[&str]) -> Self {
        let forge = Forge::new();
        let registry = cargo_registry::start(judge(&forge));
        forge.rules(&format!("'{}' = {rule}", registry.url("/index")));
        let words: String = words.iter().map(|word| format!(", '{word}'")).collect();
        let config = format!(
            "[registries.stub]\nindex = 'sparse+{}'\n[registry]\nglobal-credential-providers = ['cargo:token', 'ours']\n\
             [credential-alias]\nours = ['{}'{words}]\n[term]\ncolor = 'never'\n",
            registry.url("/index/"),
            env!("CARGO_BIN_EXE_cred-helper"),
        );
        forge.write(".cargo/config.toml", &config);
        for (name, more) in
            [("published", ""), ("using", "[dependencies]\npublished = { version = '0.1', registry = 'stub' }\n")]
        {
            let package = format!("[package]\nname = '{name}'\nversion = '0.1.0'\nedition = '2024'\n");
            forge.write(&format!("{name}/Cargo.toml"), &format!("{package}license = 'MIT'\ndescription = 'x'\n{more}"));
            forge.write(&format!("{name}/src/lib.rs"), "");
        }
        Self { forge, registry }
    }

    fn command(&self, directory: &str, arguments: &[&str]) -> Command {
        let mut command = self.forge.command(env!("CARGO"), arguments);
        let rustc = std::path::Path::new(env!("CARGO")).with_file_name("rustc");
        command.current_dir(self.forge.home.path().join(directory));
        command.env("RUSTC", rustc).env("CARGO_NET_RETRY", "0").env("CARGO_REGISTRY_DEFAULT", "stub");
        command
    }

    fn run(&self, directory: &str, arguments: &[&str]) -> Ended {
        self.forge.run(self.command(directory, arguments))
    }

    #[track_caller]
    fn ok(&self, directory: &str, arguments: &[&str]) -> Ended {
        let ended = self.run(directory, arguments);
        assert_eq!(ended.code, 0, "cargo {arguments:?}: {}", ended.stderr);
        ended
    }

    /// Publishes, fetches and yanks.
    #[track_caller]
    fn works(&self) {
        self.ok("published", &["publish", "--no-verify", "--allow-dirty"]);
        self.ok("using", &["fetch"]);
        self.ok("published", &["yank", "published@0.1.0"]);
        let seen = self.registry.seen();
        let live = seen.iter().filter(|shown| **shown == "live").count();
        assert!(live > 5 && !seen.contains(&"refused") && !seen.contains(&"odd"), "{seen:?}");
        assert_eq!(self.forge.refreshes(), 0);
    }
}

#[test]
fn cargo_publishes_fetches_and_yanks_with_a_token_as_bearer() {
    let stage = Stage::set(|forge| forge.judge(Shown::Bearer), "'forge'", &[]);
    stage.works();
    // Once for each command, however much it asks the registry.
    let log = stage.forge.home.ok(&["log", "--json", "--program", "cargo"]);
    let asked = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let times = asked.map(|entry| entry["count"].as_u64().unwrap_or(1)).sum::<u64>();
    assert_eq!(times, 3, "{log}");
}

#[test]
fn a_registry_may_take_the_token_as_it_is_or_as_a_password() {
    Stage::set(|forge| forge.judge(Shown::Bare), "'forge'", &["--bare"]).works();
    Stage::set(|forge| forge.judge(Shown::Basic("ada")), "{ account = 'forge', username = 'ada' }", &[]).works();
    // No rule, and an account that the configuration of cargo names.
    Stage::set(|forge| forge.judge(Shown::Bearer), "false", &["--account", "forge"]).works();
}

#[test]
fn a_refused_token_is_an_error_and_a_new_one_works() {
    let stage = Stage::set(|forge| forge.judge(Shown::Bearer), "'forge'", &[]);
    stage.works();
    stage.forge.server.expire_access_tokens();
    let refused = stage.run("published", &["yank", "published@0.1.0"]);
    assert_eq!(refused.code, 101, "{}", refused.stderr);
    assert!(refused.stderr.contains("token rejected for `stub`"), "{}", refused.stderr);
    // Cargo does not ask again, and says nothing to us.
    let seen = stage.registry.seen();
    assert!(seen.contains(&"refused") && !seen.contains(&"live") && seen.len() <= 3, "{seen:?}");
    assert_eq!(stage.forge.refreshes(), 0);
    stage.forge.home.ok(&["refresh", "forge"]);
    stage.ok("published", &["yank", "published@0.1.0"]);
}

#[test]
fn a_registry_that_nobody_named_is_left_to_the_next_provider() {
    let stage = Stage::set(|_| Judge::of(Shown::Bare, |value| value == "of-the-environment"), "false", &[]);
    let nobody = stage.run("using", &["fetch"]);
    assert_eq!(nobody.code, 101);
    assert!(nobody.stderr.contains("no token found for `stub`"), "{}", nobody.stderr);
    assert_eq!(stage.registry.seen(), ["nothing"]);
    let mut command = stage.command("published", &["publish", "--no-verify", "--allow-dirty"]);
    command.env("CARGO_REGISTRIES_STUB_TOKEN", "of-the-environment");
    let ended = stage.forge.run(command);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn cargos_user_is_told_which_command_signs_in_and_out() {
    let stage = Stage::set(|forge| forge.judge(Shown::Bearer), "'forge'", &[]);
    for (word, command) in [("login", "cred-helper login forge"), ("logout", "cred-helper logout forge")] {
        let ended = stage.run("using", &[word]);
        assert_eq!(ended.code, 101, "{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("forge answers for this registry: run `{command}`")),
            "{}",
            ended.stderr
        );
    }
    // crates.io is itself, by whichever index cargo knows it, and never the host that its index is at.
    stage.forge.rules("'https://crates.io' = 'forge'\n'https://github.com' = false");
    let ended = stage.run("using", &["logout", "--registry", "crates-io"]);
    assert!(ended.stderr.contains("run `cred-helper logout forge`"), "{}", ended.stderr);
    stage.forge.rules("'https://github.com' = 'forge'");
    stage.ok("using", &["logout", "--registry", "crates-io"]);
}

#[test]
fn cargos_user_is_told_once_who_has_to_sign_in() {
    let stage = Stage::set(|forge| forge.judge(Shown::Bearer), "'forge'", &[]);
    stage.forge.home.ok(&["logout", "forge"]);
    let ended = stage.run("using", &["fetch"]);
    assert_eq!(ended.code, 101);
    let ours = ended.stderr.lines().filter(|line| line.contains("cred-helper login forge")).count();
    assert_eq!(ours, 1, "{}", ended.stderr);
    assert!(stage.ok("using", &["logout"]).stderr.contains("not currently logged in"));
}
