//! What each tool takes before it asks us, as it stands in its files and variables; and that nothing is said where nothing does.

use std::ffi::OsString;

use super::*;

/// A tool, what is wanted of it, a file beside its own, a variable, and what is said; first the URL that it holds for alone.
type Case = (&'static str, &'static str, (&'static str, &'static str), (&'static str, &'static str), &'static str);

const NONE: (&str, &str) = ("", "");
const ROLE: &str = "--account work -- --role-arn r";
const REGISTRIES: &str =
    "[registries.acme]\nindex = 'sparse+https://c.example/i/'\ncredential-provider = ['cargo:token']\n";

const CASES: &[Case] = &[
    ("aws", ROLE, ("", ""), ("AWS_ACCESS_KEY_ID", "x"), ""),
    (
        "aws",
        "--account work --name default -- --role-arn r",
        NONE,
        ("AWS_ACCESS_KEY_ID", "canary"),
        "AWS_ACCESS_KEY_ID is set, and aws takes that unless --profile is said: unset it",
    ),
    (
        "aws",
        ROLE,
        (".aws/credentials", "[cred-helper]\naws_access_key_id = canary\n"),
        NONE,
        "~/.aws/credentials, line 2: aws takes aws_access_key_id before credential_process: take it out",
    ),
    ("aws", ROLE, (".aws/credentials", "[other]\naws_access_key_id = canary\n"), NONE, ""),
    (
        "aws",
        ROLE,
        (".aws/config", "[profile cred-helper]\nsso_session = canary\n"),
        NONE,
        "~/.aws/config, line 2: aws takes sso_session before credential_process: take it out",
    ),
    (
        "bazel",
        "--host b.example",
        (".bazelrc", "build --credential_helper=b.example=/canary\nbuild --credential_helper=c.example=/x\n"),
        NONE,
        "~/.bazelrc, line 1: bazel takes that credential_helper: take it out",
    ),
    // Ours comes after it.
    ("bazel", "--host b.example", (".bazelrc", "common --credential_helper=*.example=/x\n"), NONE, ""),
    (
        "bazel",
        "--all-hosts",
        (".bazelrc", "common --credential_helper=b.example=/x\n"),
        NONE,
        "https://b.example: ~/.bazelrc, line 1: bazel takes that credential_helper: take it out",
    ),
    (
        "cargo",
        "--name acme-x",
        NONE,
        ("CARGO_REGISTRIES_ACME_X_CREDENTIAL_PROVIDER", "canary"),
        "CARGO_REGISTRIES_ACME_X_CREDENTIAL_PROVIDER is set, and cargo takes that provider: unset it",
    ),
    (
        "cargo",
        "--all-hosts",
        (".cargo/config.toml", REGISTRIES),
        NONE,
        "https://c.example/i/: the registry acme has another credential-provider in ~/.cargo/config.toml: take it out",
    ),
    (
        "docker",
        "--all-hosts",
        (".docker/config.json", "{\"credHelpers\": {\"r.example\": \"canary\"}}"),
        NONE,
        "https://r.example: docker asks another helper for r.example: take it out of credHelpers in ~/.docker/config.json",
    ),
    (
        "docker",
        "--host r.example",
        (
            "run/containers/auth.json",
            "{\"auths\": {\"r.example/team\": {\"auth\": \"canary\"}, \"s.example\": {\"auth\": \"\"}}}",
        ),
        ("XDG_RUNTIME_DIR", "HOME/run"),
        "podman and skopeo have a login of their own for r.example and take that: `podman logout r.example`",
    ),
    ("goauth", "", NONE, ("GOAUTH", "canary"), "GOAUTH is set, and outranks go's file: unset it"),
    (
        "rclone",
        "--name dav --account work",
        (".config/rclone/rclone.conf", "[dav]\nuser = canary\n"),
        NONE,
        "~/.config/rclone/rclone.conf, line 2: rclone takes user before the command: take it out",
    ),
    (
        "terraform",
        "--host my-tf.example",
        NONE,
        ("TF_TOKEN_my__tf_example", "canary"),
        "TF_TOKEN_my__tf_example is set, and terraform takes that: unset it",
    ),
    (
        "terraform",
        "--host tf.example",
        (".terraformrc", "\ncredentials \"tf.example\" {\n  token = \"canary\"\n}\ncredentials \"b.example\" {}\n"),
        NONE,
        "~/.terraformrc, line 2: terraform takes that token: take it out",
    ),
    (
        "terraform",
        "",
        (".terraform.d/credentials.tfrc.json", "{\"credentials\": {\"tf.example\": {\"token\": \"canary\"}}}"),
        NONE,
        "https://tf.example: terraform has a login of its own for tf.example and takes that: `terraform logout tf.example`",
    ),
];

#[test]
fn what_a_tool_takes_before_us_is_named_with_what_to_do_and_never_repeated() {
    for (tool, words, (file, text), (variable, value), expected) in CASES {
        let (stage, wish, context) = (Stage::new(), wish(words), format!("{tool} {words}"));
        if !file.is_empty() {
            stage.write(file, text);
        }
        assert_eq!(stage.add(tool, &wish).ok().as_deref(), Some("set_up"), "{context}");
        let home = stage.at("");
        let value = value.replace("HOME", &home.display().to_string());
        let set = |name: &str| (name == *variable).then(|| OsString::from(&value));
        let paths = Paths::from_variables(|_| None, Some(home)).expect("paths");
        let machine = Machine::new(&paths, stage.at("bin/cred-helper"), &set);
        let said = (super::super::tool(tool).expect(tool).doubts)(&machine, &wish);
        let said: Vec<String> =
            said.into_iter().map(|doubt| doubt.at.map(|url| url + ": ").unwrap_or_default() + &doubt.what).collect();
        let expected: &[String] = if expected.is_empty() { &[] } else { &[(*expected).to_owned()] };
        assert_eq!(said, expected, "{context}");
    }
}

#[test]
fn a_tool_that_is_too_old_to_ask_us_is_named() {
    let of_kubectl = |minor: &str| format!("{{\"clientVersion\": {{\"major\": \"1\", \"minor\": \"{minor}\"}}}}");
    for (tool, program, says, is_old) in [
        ("goauth", "go", String::new(), true),
        ("goauth", "go", "netrc".to_owned(), false),
        ("kubectl", "kubectl", of_kubectl("20"), true),
        ("kubectl", "kubectl", of_kubectl("32+"), false),
        ("kubectl", "kubectl", "canary".to_owned(), false),
    ] {
        let stage = Stage::new();
        fs::create_dir(stage.at("links")).expect("a directory");
        // Written by another program: one that a test beside this one starts could hold it open.
        let script = format!("cat > '{0}'; chmod 755 '{0}'", stage.at("links").join(program).display());
        let shell = Command::new("sh").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn();
        let mut shell = shell.expect("a shell");
        let text = format!("#!/bin/sh\necho '{says}'\n");
        std::io::Write::write_all(&mut shell.stdin.take().expect("a pipe"), text.as_bytes()).expect("written");
        assert!(shell.wait().expect("ends").success());
        let doubts = stage.with(|machine| (super::super::tool(tool).expect(tool).doubts)(machine, &Wish::default()));
        let said: String = doubts.into_iter().map(|doubt| doubt.what).collect();
        assert_eq!(said.contains("install"), is_old, "{tool} {says}: {said}");
        assert!(is_old || said.is_empty(), "{said}");
    }
}
