//! Anthropic: a page that shows `code#state` for pasting, JSON bodies, names in the token answer, and a header of its own.

use std::io::Write as _;
use std::process::Stdio;

use cred_helper::demo::server::{Bodies, Endpoint, Options, RegisteredClient, Server};

use super::super::home::{Home, browse, ended, first_line};

/// The preset's own text with its endpoints on this machine: JSON bodies, `code#state` pasted, names from the answer.
#[test]
fn a_claude_login_works_as_its_preset_says() {
    let mut client = RegisteredClient::public("9d1c250a-e61b-44d9-88ed-5944d1962f5e");
    client.redirect_uris.push("http://127.0.0.1/code".into());
    let answer = serde_json::json!({
        "account": {"uuid": "acc-1", "email_address": "claude@example.org"},
        "organization": {"uuid": "org-1", "name": "Example Org"},
    });
    let server = Server::start(Options {
        clients: vec![client],
        bodies: Bodies::Json,
        send_iss: false,
        token_answer_extra: answer.as_object().unwrap().clone(),
        ..Options::default()
    })
    .unwrap();
    let home = Home::with_vault();
    let preset = cred_helper::provider::PRESETS.iter().find(|preset| preset.name == "anthropic").unwrap();
    let toml = preset
        .text
        .replace("https://claude.ai/oauth/authorize", &server.url("/authorize"))
        .replace("https://platform.claude.com/v1/oauth/token", &server.url("/token"))
        .replace("https://platform.claude.com/oauth/code/callback", &server.url("/code"));
    // Its tables become those of `[providers.anthropic]`.
    let toml = toml.replace("\n[", "\n[providers.anthropic.");
    home.configure(&format!("[providers.anthropic]\n{toml}"));
    home.ok(&["agent", "stop"]);

    let mut login = home.command(&["login", "anthropic", "--accept-notice", "--no-browser"]);
    let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
    let url = first_line(&mut login);
    assert!(url.contains("code=true"), "{url}");
    let page = browse(&url);
    let pasted = page.split("<code id=code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let mut input = login.stdin.take().unwrap();
    let code = pasted.split('#').next().unwrap();
    // Without its state, cut in the middle of it, and another login's: each is told, and the login goes on waiting.
    for wrong in [
        code.to_owned(),
        pasted[..pasted.len() - 3].to_owned(),
        format!("{code}#somebody-elses-state"),
        pasted[3..].to_owned(),
    ] {
        writeln!(input, "{wrong}").unwrap();
    }
    writeln!(input, "{pasted}").unwrap();
    drop(input);
    let ended = ended(login.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for words in ["paste the whole", "its end is missing", "another login", "copy the code again"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }

    let account = home.json(&["account", "show", "anthropic", "--json"]);
    assert_eq!(account["identity"]["organization"], "Example Org");
    assert_eq!(account["identity"]["email"], "claude@example.org");
    home.ok(&["refresh", "anthropic"]);
    let headers = home.json(&["get-token", "anthropic", "--format", "headers-json"]);
    assert_eq!(headers["anthropic-beta"], "oauth-2025-04-20");
    assert!(server.is_live(&home.token()));
    let agents: Vec<_> =
        server.log().into_iter().filter_map(|e| (e.endpoint == Endpoint::Token).then_some(e.user_agent)).collect();
    assert!(agents.iter().flatten().all(|agent| agent.starts_with("cred-helper/")), "{agents:?}");
}

#[test]
fn the_anthropic_preset_asks_for_what_its_documents_say() {
    let home = Home::with_vault();
    let mut login = home.command(&["login", "anthropic", "--accept-notice", "--no-browser"]);
    let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
    let url = first_line(&mut login);
    assert!(url.starts_with("https://claude.ai/oauth/authorize?"), "{url}");
    for part in [
        "code=true",
        "client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        "redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback",
        "code_challenge_method=S256",
        "response_type=code",
    ] {
        assert!(url.contains(part), "{part} in {url}");
    }
    drop(login.stdin.take());
    login.kill().unwrap();
    login.wait().unwrap();
}
