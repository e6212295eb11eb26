//! What is not set up, and not changed either: what is said then.

use super::super::super::exit::USAGE;
use super::{Stage, wish};

#[test]
fn a_file_with_a_fault_or_with_anothers_setting_is_left_and_named_with_its_line() {
    for (tool, words, file, text, said) in [
        ("docker", "--host a.example", ".docker/config.json", "{\n \"canary\": ,\n}", "line 2: this is not valid JSON"),
        (
            "docker",
            "--all-hosts",
            ".docker/config.json",
            "{\n\n\"credsStore\": \"canary\"}",
            "line 3: credsStore is set already",
        ),
        (
            "claude",
            "",
            ".claude/settings.json",
            "{\"apiKeyHelper\": \"echo canary\"}",
            "line 1: apiKeyHelper is set already",
        ),
        ("kubectl", "", ".kube/config", "contexts:\n- name: canary\n\tx: y\n", "this is not valid YAML"),
        ("cargo", "--host a.example", ".cargo/config.toml", "a = 1\n[canary\n", "line 2: this is not valid TOML"),
        ("codex", "", ".codex/config.toml", "canary\n", "line 1: this is not valid TOML"),
        (
            "claude",
            "--host mcp.example --name docs",
            ".claude.json",
            "{\"mcpServers\": {\n\"docs\": {\"type\": \"http\", \"url\": \"https://mcp.example\",\n\"headersHelper\": \"canary\"}}}",
            "line 3: mcpServers.docs.headersHelper is set already",
        ),
        (
            "claude",
            "--host mcp.example --name docs",
            ".claude.json",
            "{\"mcpServers\": {\"docs\": {\"type\": \"http\", \"url\": \"https://canary.example\"}}}",
            "another MCP server of that name",
        ),
        (
            "claude",
            "--host mcp.example --name docs",
            ".claude.json",
            "{\"mcpServers\": {\"docs\": {\"command\": \"canary\"}}}",
            "another MCP server of that name",
        ),
        (
            "claude",
            "--host mcp.example --name docs",
            ".claude.json",
            "{\"mcpServers\": {\"docs\": {\"url\": \"https://mcp.example\", \"x\": \"canary\"}}}",
            "another MCP server of that name",
        ),
        (
            "claude",
            "--host mcp.example --name docs",
            ".claude.json",
            "{\n\"canary\": // x\n1}",
            "line 2: this is not valid JSON",
        ),
        ("uv", "", ".config/uv/uv.toml", "a = 1\ncanary\n", "line 2: this is not valid TOML"),
        (
            "terraform",
            "",
            ".terraformrc",
            "\ncredentials_helper \"canary\" {}\n",
            "line 2: a credentials_helper is set already",
        ),
        ("goauth", "", ".config/go/env", "GOAUTH=canary\n", "line 1: GOAUTH is set already"),
    ] {
        if !cfg!(target_os = "linux") && [".config/uv/uv.toml", ".terraformrc", ".config/go/env"].contains(&file) {
            continue;
        }
        let stage = Stage::new();
        stage.write(file, text);
        let untouched = stage.all();
        let failure = stage.add(tool, &wish(words)).expect_err(tool);
        let message = failure.message().unwrap_or_default();
        assert!(
            message.contains(said) && file.rsplit('/').next().is_some_and(|name| message.contains(name)),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
        assert_eq!(stage.all(), untouched, "{tool}");
    }
}

/// They split what they start at spaces, and know no quotes.
#[test]
#[cfg(target_os = "linux")]
fn a_path_with_a_space_is_not_for_every_tool_and_a_link_helps() {
    for (tool, words, file, text, written) in [
        (
            "rclone",
            "--name cloud --account work",
            ".config/rclone/rclone.conf",
            "[cloud]\ntype = webdav\n",
            "links/cred-helper get-token",
        ),
        ("pnpm", "--host npm.example.com", ".npmrc", "", "links/pnpm-token-cred-helper@npm.example.com"),
        ("pnpm", "--host npm.example.com/team", ".npmrc", "", "links/cred-helper helper pnpm"),
    ] {
        let stage = Stage::with_program_in("my programs");
        stage.write(file, text);
        let (untouched, wish) = (stage.all(), wish(words));
        let failure = stage.add(tool, &wish).expect_err(tool);
        assert!(failure.message().is_some_and(|said| said.contains("make a link to it")), "{tool}: {failure:?}");
        assert_eq!(stage.all(), untouched, "{tool}");
        std::fs::create_dir(stage.at("links")).expect("a directory");
        std::os::unix::fs::symlink(stage.at("my programs/cred-helper"), stage.at("links/cred-helper")).expect("a link");
        assert_eq!(stage.add(tool, &wish).ok().as_deref(), Some("set_up"), "{tool}");
        let now = std::fs::read_to_string(stage.at(file)).expect("a file");
        assert!(now.contains(written) && !now.contains(['\'', ';']), "{now}");
    }
    let failure = Stage::new().with(|machine| machine.bare_command("x", &["a b"])).expect_err("a space");
    assert_eq!(failure.code(), USAGE);
}

#[test]
fn a_wish_that_a_tool_cannot_fulfil_says_what_it_takes() {
    for (tool, words) in [
        ("git", "--account work"),
        ("git", "--name x"),
        ("git", "-- x"),
        ("git", "--host a/b?c"),
        ("docker", ""),
        ("cargo", ""),
        ("cargo", "--host unknown.example"),
        ("cargo", "--name x --account work"),
        ("cargo", "--all-hosts --account work"),
        ("claude", "--host a.example"),
        ("claude", "--name x"),
        ("claude", "--all-hosts"),
        ("claude", "--host a.example --name a.b"),
        ("terraform", "-- ${x}"),
        ("terraform", "-- %{x}"),
        ("codex", ""),
        ("rclone", "--name x"),
        ("rclone", "--name x --account work"),
        ("pnpm", ""),
        ("goauth", "--host 127.0.0.1:8081"),
        ("kubectl", ""),
        ("bazel", ""),
        ("aws", "--account work"),
    ] {
        let failure = Stage::new().add(tool, &wish(words)).expect_err(tool);
        assert_eq!(failure.code(), USAGE, "{tool} {words}: {failure:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_opentofu_reads_instead_is_named() {
    let stage = Stage::new();
    let doubts = || {
        let tool = super::super::tool("terraform").expect("it");
        stage.with(|machine| (tool.doubts)(machine, &wish("")))
    };
    assert_eq!(doubts(), []);
    stage.write(".tofurc", "");
    assert!(
        matches!(&doubts()[..], [said] if said.what.contains("~/.tofurc") && said.what.contains("credentials_helper"))
    );
}
