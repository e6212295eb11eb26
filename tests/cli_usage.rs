//! The command line on an empty home, without any agent: usage, exit codes, completions, the manual.

mod cli_support;

use cli_support::Home;

#[test]
fn a_wrong_command_line_exits_with_2_and_says_so_on_standard_error() {
    let home = Home::new();
    for arguments in [
        &["no-such-command"][..],
        &["get-token", "--no-such-flag"],
        &["get-token", "--min-validity", "soon"],
        &["get-token", "--format", "xml"],
        &["get-token", "--token-type", "refresh"],
        &["exec", "p"],
        &["exec", "p", "--env", "1=p", "--", "true"],
        &["login"],
        &["login", "p", "--device", "--paste"],
        &["login", "p", "--paste", "--no-browser"],
        &["logout", "p", "--all"],
        &["completions", "tcsh"],
        &["vault", "slot", "add", "usb-stick"],
        &["log", "--since", "last night"],
        &["log", "--follow", "--until", "1h"],
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn odd_account_names_are_refused_without_being_repeated() {
    let home = Home::new();
    for name in ["a b", "../canary", "canary/", "a/b/canary"] {
        for command in ["get-token", "refresh", "logout"] {
            let ran = home.run(&["--no-start", command, name]);
            assert!(!ran.failed_with(2).contains("canary"), "{name}");
        }
        let ran = home.run(&["exec", name, "--", "true"]);
        assert!(!ran.failed_with(2).contains("canary"), "{name}");
    }
}

#[test]
fn without_an_agent_and_with_no_start_everything_that_needs_one_exits_with_18() {
    let home = Home::new();
    for arguments in [
        &["get-token"][..],
        &["exec", "p", "--", "true"],
        &["status"],
        &["log"],
        &["account", "list"],
        &["login", "anthropic"],
        &["logout"],
        &["refresh"],
        &["lock"],
        &["unlock"],
        &["vault", "status"],
        &["vault", "slot", "list"],
        &["provider", "list"],
        &["agent", "status"],
    ] {
        let ran = home.run(&[&["--no-start"], arguments].concat());
        ran.failed_with(18);
    }
    home.run_with(&["--no-start", "reject"], "token").failed_with(18);
    assert_eq!(home.run(&["agent", "stop"]).code, 0, "there is nothing to stop");
}

#[test]
fn nothing_is_left_in_a_home_where_nothing_was_started() {
    let home = Home::new();
    home.run(&["--no-start", "get-token"]);
    home.run(&["config", "path"]);
    assert_eq!(std::fs::read_dir(home.path()).expect("the home").count(), 0);
}

#[test]
fn a_refused_token_comes_from_standard_input_only() {
    Home::new().run_with(&["--no-start", "reject"], " \n").failed_with(2);
}

#[test]
fn the_configurations_path_is_printed_alone() {
    let home = Home::new();
    let path = home.path().join(".config").join("cred-helper").join("config.toml");
    home.run(&["config", "path"]).printed(&format!("{}\n", path.display()));
    let variable = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
    let home = home.set(variable, "relative");
    assert!(home.run(&["config", "path"]).failed_with(19).contains(variable));
}

#[test]
fn a_broken_project_file_is_named_and_not_quoted() {
    let home = Home::new();
    std::fs::write(home.path().join(".cred-helper.toml"), "command = 'canary'").expect("a file");
    let ran = home.run(&["--no-start", "get-token"]);
    let message = ran.failed_with(19);
    assert!(message.contains(".cred-helper.toml") && !message.contains("canary"), "{message}");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Home::new().run(&["completions", shell]);
        assert!(ran.code == 0 && ran.err.is_empty() && ran.out.contains("get-token"), "{shell}: {ran:?}");
    }
}

#[test]
fn the_manual_goes_to_standard_output_or_into_a_directory() {
    let home = Home::new();
    let ran = home.run(&["man"]);
    assert!(ran.code == 0 && ran.out.contains(".TH CRED-HELPER 1"), "{}", &ran.out[..200]);
    let directory = home.path().join("man1");
    let ran = home.run(&["man", directory.to_str().expect("a path")]);
    assert_eq!(ran.code, 0);
    for path in ran.out.lines() {
        assert!(std::fs::metadata(path).expect(path).len() > 100, "{path}");
    }
    assert!(directory.join("cred-helper-get-token.1").exists() && directory.join("cred-helper.toml.5").exists());
}

#[test]
fn help_and_version_are_data() {
    let home = Home::new();
    let ran = home.run(&["--version"]);
    ran.printed(&format!("cred-helper {}\n", env!("CARGO_PKG_VERSION")));
    let ran = home.run(&["get-token", "--help"]);
    assert!(ran.code == 0 && ran.err.is_empty() && ran.out.contains("--min-validity"), "{ran:?}");
}

#[test]
fn the_help_of_one_helper_says_nothing_of_the_others() {
    let home = Home::new();
    for (words, own, others) in [
        (&["helper", "kubectl", "--help"][..], true, false),
        (&["helper", "kubectl", "-h"], true, false),
        (&["helper", "cargo", "--help"], false, false),
        (&["helper", "--help"], true, true),
        (&["help", "helper"], true, true),
    ] {
        let ran = home.run(words);
        assert!(ran.code == 0 && ran.err.is_empty() && ran.out.contains("[ARGUMENT]"), "{words:?}: {ran:?}");
        let says = |text: &str| ran.out.contains(text);
        assert_eq!((says("provideClusterInfo"), says("git-credential-cred-helper")), (own, others), "{words:?}");
    }
}

#[test]
fn doctor_says_what_is_not_well_and_exits_with_1() {
    let home = Home::new().set("CRED_HELPER_AGENT", "/nonexistent/cred-helper-agent");
    let ran = home.run(&["--no-start", "doctor"]);
    assert!(ran.code == 1 && ran.out.contains("✗ socket"), "{ran:?}");
    let ran = home.run(&["--no-start", "doctor", "--json"]);
    let checks: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(checks["checks"].as_array().is_some_and(|checks| checks.len() >= 5), "{ran:?}");
}
