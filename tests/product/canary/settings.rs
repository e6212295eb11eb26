//! Other tools' files, with a token wherever one can stand: `setup` changes them, and says and remembers nothing of it.

use super::{Home, Said};

/// Words after `setup`, a file and what is in it; `TOKEN` stands for one.
const FILES: &[(&[&str], &str, &str)] = &[
    (&["docker", "--all-hosts"], ".docker/config.json", r#"{"auths":{"h":{"auth":"TOKEN"}}}"#),
    (
        &["docker", "--host", "h.example"],
        ".docker/config.json",
        "{\"credHelpers\":\n{\"x\":\"TOKEN\"}, \"HttpHeaders\": \"TOKEN\"}",
    ),
    (&["docker", "--all-hosts"], ".docker/config.json", r#"{"credsStore":"TOKEN"}"#),
    (&["claude"], ".claude/settings.json", r#"{"apiKeyHelper":"echo TOKEN"}"#),
    (&["claude"], ".claude/settings.json", r#"{"env":{"ANTHROPIC_API_KEY":"TOKEN"}}"#),
    (
        &["claude", "--host", "h.example", "--name", "x"],
        ".claude.json",
        r#"{"mcpServers":{"x":{"type":"http","url":"https://h.example","headers":{"Authorization":"TOKEN"}}}}"#,
    ),
    (
        &["claude", "--host", "h.example", "--name", "x"],
        ".claude.json",
        r#"{"primaryApiKey":"TOKEN","mcpServers":{"x":{"type":"TOKEN","url":"https://TOKEN.example"}}}"#,
    ),
    (&["git"], ".gitconfig", "[credential]\n\thelper = \"!echo password=TOKEN\""),
    (&["pnpm", "--host", "h.example"], ".npmrc", "//h.example/:_authToken=TOKEN"),
    (&["cargo", "--name", "x"], ".cargo/config.toml", "[registries.x]\ntoken = 'TOKEN'\n"),
    (&["cargo", "--name", "x"], ".cargo/config.toml", "[registries]\nx = { token = 'TOKEN' }\n"),
    (&["goauth"], ".config/go/env", "GOAUTH=TOKEN\n"),
    (
        &["kubectl"],
        ".kube/config",
        "current-context: d\ncontexts: [{name: d, context: {cluster: c, user: a}}]\nusers: [{user: {token: TOKEN}}]",
    ),
    (&["kubectl"], ".kube/config", "current-context: TOKEN\n"),
    (&["terraform"], ".terraformrc", "credentials \"h\" {\n  token = \"TOKEN\"\n}"),
];

pub(super) fn with_secrets(home: &mut Home, token: &str, said: &mut Said) {
    // Links land beside the program as the PATH has it.
    let bin = home.make_private("bin");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("cred-helper")).unwrap();
    home.set("PATH", bin.to_str().unwrap());
    for (words, file, text) in FILES {
        let file = home.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text.replace("TOKEN", token)).unwrap();
        for more in [&[][..], &["--yes"], &["--remove", "--yes"]] {
            let words = [&["setup"], *words, more].concat();
            said.keep_both(&words.join(" "), home.run(&words));
            let remembered = home.state().join("setup.json");
            said.keep("setup.json", std::fs::read(remembered).unwrap_or_default());
            said.keep_both("setup", home.run(&["setup", "--json"]));
        }
        std::fs::remove_file(&file).unwrap();
    }
    said.keep_both("doctor", home.run(&["doctor"]));
    home.unset("PATH");
}
