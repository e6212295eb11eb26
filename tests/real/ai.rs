//! Claude Code and Codex themselves, against stubs of what they talk to: they run us for a token, for an MCP server's headers,
//! and again where that is refused.
//!
//! They are large and talkative: they come from npm (`tests/ai`), run with `CRED_HELPER_TESTS_LONG=1`, in a home of their own and
//! a network that has nothing but itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cred_helper::demo::server::Server;
use serde_json::{Value, json};

use crate::clocks::{Agent, FakeClock};
use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::programs::{say_and_skip, skip};
use crate::support::site::{Judge, Request, Response, Shown, Site};

/// Set where there is no way out.
const INSIDE: &str = "CRED_HELPER_TESTS_INSIDE";
const SAID: &str = "hello from the stub";

/// Runs this test once more in a network namespace; what is true inside it.
fn is_inside(test: &str, tool: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let alone = ["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        skip("AI tools are tried with CRED_HELPER_TESTS_LONG=1");
    } else if !program(tool).exists() {
        say_and_skip("npm ci was not run in tests/ai");
    } else if !Command::new("unshare").args(alone).arg("true").output().is_ok_and(|done| done.status.success()) {
        skip("a network namespace takes root, unshare and ip");
    } else {
        let own = std::env::current_exe().unwrap();
        let mut inside = Command::new("unshare");
        inside.args(alone).arg(own).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
        assert!(inside.status().unwrap().success());
    }
    false
}

fn program(tool: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ai/node_modules/.bin").join(tool)
}

/// An account whose token is two minutes old, and an agent with a clock of the test's.
struct Stage<'a> {
    server: Arc<Server>,
    home: &'a Home,
    _agent: Agent<'a>,
}

impl<'a> Stage<'a> {
    /// With `url` as the account's target.
    fn set(home: &'a Home, server: &Arc<Server>, url: &str) -> Option<Self> {
        home.ok(&["agent", "stop"]);
        home.configure(&format!(
            "[providers.forge]\nissuer = '{}'\nclient.id = '{}'\n[targets]\n'{url}' = 'forge'\n",
            server.issuer(),
            server.client_id()
        ));
        let clock = FakeClock::new(home)?;
        let agent = clock.start_with(home, &[]);
        let ended = home.log_in_with(&["login", "forge", "--no-browser"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        clock.set(120);
        home.make_private("bin");
        Some(Self { server: Arc::clone(server), home, _agent: agent })
    }

    fn run(&self, tool: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(program(tool));
        command.args(arguments).env_clear().current_dir(self.home.path().join("bin"));
        command.env("HOME", self.home.path()).env("XDG_RUNTIME_DIR", self.home.path().join("run"));
        command.env("PATH", std::env::var_os("PATH").unwrap()).envs(variables.iter().copied());
        command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("DISABLE_AUTOUPDATER", "1");
        ended(command.stdin(Stdio::null()).output().unwrap())
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.home.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// It heals: what the site saw begins with a refusal and ends well, and cost one refresh, which the log calls a guess.
    #[track_caller]
    fn healed(&self, site: &Site) {
        let seen = site.seen();
        assert_eq!(seen.iter().find(|shown| **shown != "nothing"), Some(&"refused"), "{seen:?}");
        assert_eq!(seen.last(), Some(&"live"), "{seen:?}");
        assert_eq!(self.server.count_grant("refresh_token"), 1, "{seen:?}");
        let log = self.home.ok(&["log", "--json"]);
        assert!(log.contains("a guess: the program asked again"), "{log}");
    }
}

fn ours() -> &'static str {
    env!("CARGO_BIN_EXE_cred-helper")
}

fn for_claude() -> String {
    let settings = json!({
        "apiKeyHelper": format!("{} get-token --asks-again-when-refused forge", ours()),
        "env": { "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "86400000" }
    });
    settings.to_string()
}

fn for_codex(site: &Site) -> String {
    format!(
        "model = \"stub\"\nmodel_provider = \"stub\"\n[model_providers.stub]\nname = \"stub\"\nbase_url = \"{}\"\n\
         wire_api = \"responses\"\n[model_providers.stub.auth]\ncommand = \"{}\"\n\
         args = [\"get-token\", \"--asks-again-when-refused\", \"forge\"]\nrefresh_interval_ms = 0\n",
        site.url("/v1"),
        ours()
    )
}

/// Server-sent events, each with its name in its data.
fn events(events: &[Value]) -> Response {
    let line = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    Response::new(200, "text/event-stream", events.iter().map(line).collect::<String>())
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// Anthropic's messages.
fn messages(request: &Request) -> Response {
    if !(request.method == "POST" && request.path.starts_with("/v1/messages")) {
        return Response::json(404, &json!({}));
    }
    if request.path.contains("count_tokens") {
        return Response::json(200, &json!({ "input_tokens": 1 }));
    }
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    let text = json!([{ "type": "text", "text": SAID }]);
    let message = |content: &Value, stop: Option<&str>| {
        json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "stub", "content": content,
                "stop_reason": stop, "stop_sequence": null, "usage": usage })
    };
    if body(request)["stream"] != true {
        return Response::json(200, &message(&text, Some("end_turn")));
    }
    events(&[
        json!({ "type": "message_start", "message": message(&json!([]), None) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": SAID } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": usage }),
        json!({ "type": "message_stop" }),
    ])
}

/// OpenAI's responses.
fn responses(request: &Request) -> Response {
    if !(request.method == "POST" && request.path.ends_with("/responses")) {
        return Response::json(404, &json!({}));
    }
    let item = json!({ "type": "message", "role": "assistant", "id": "m1",
                       "content": [{ "type": "output_text", "text": SAID }] });
    let usage = json!({ "input_tokens": 1, "input_tokens_details": null, "output_tokens": 1,
                        "output_tokens_details": null, "total_tokens": 2 });
    events(&[
        json!({ "type": "response.created", "response": { "id": "r1" } }),
        json!({ "type": "response.output_item.done", "item": item }),
        json!({ "type": "response.completed", "response": { "id": "r1", "usage": usage } }),
    ])
}

/// An MCP server without tools.
fn mcp(request: &Request) -> Response {
    let asked = body(request);
    let Some(id) = asked.get("id").filter(|_| request.method == "POST") else {
        return Response::empty(if request.method == "POST" { 202 } else { 405 });
    };
    let result = match asked["method"].as_str() {
        Some("initialize") => json!({ "protocolVersion": asked["params"]["protocolVersion"], "capabilities": {},
                                      "serverInfo": { "name": "stub", "version": "1" } }),
        _ => json!({}),
    };
    Response::json(200, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

fn site(server: &Arc<Server>, serve: fn(&Request) -> Response) -> Site {
    let live = Arc::clone(server);
    Site::start(Judge::of(Shown::Bearer, move |token| live.is_live(token)), serve)
}

#[test]
fn claude_code_has_its_key_from_us_and_another_where_it_is_refused() {
    if !is_inside("ai::claude_code_has_its_key_from_us_and_another_where_it_is_refused", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, messages);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    stage.write(".claude/settings.json", &for_claude());
    let url = site.url("");
    let ask = || stage.run("claude", &["-p", "hello"], &[("ANTHROPIC_BASE_URL", &url)]);
    let first = ask();
    assert_eq!((first.code, first.stdout.trim()), (0, SAID), "{} {:?}", first.stderr, site.seen());
    assert!(!site.seen().contains(&"refused"));
    stage.server.expire_access_tokens();
    let second = ask();
    assert_eq!((second.code, second.stdout.trim()), (0, SAID), "{} {:?}", second.stderr, site.seen());
    stage.healed(&site);
}

/// It goes on asking a server that wants a token, as it does whatever is refused; how often is a setting of its own.
#[test]
fn claude_code_and_codex_say_what_to_do_without_a_login() {
    if !is_inside("ai::claude_code_and_codex_say_what_to_do_without_a_login", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let (claude, codex) = (site(&server, messages), site(&server, responses));
    let Some(stage) = Stage::set(&home, &server, &claude.url("")) else { return };
    home.ok(&["logout", "forge"]);
    stage.write(".claude/settings.json", &for_claude());
    stage.write(".codex/config.toml", &for_codex(&codex));
    let (url, hint) = (claude.url(""), "run `cred-helper login forge`");
    let said = stage.run("claude", &["-p", "hello"], &[("ANTHROPIC_BASE_URL", &url), ("CLAUDE_CODE_MAX_RETRIES", "2")]);
    assert!(said.code != 0 && said.stderr.contains(hint), "{} {}", said.stdout, said.stderr);
    let said = stage.run("codex", &["exec", "--skip-git-repo-check", "hello"], &[]);
    assert!(said.code != 0 && said.stderr.contains(hint), "{} {}", said.stdout, said.stderr);
    let shown = [claude.seen(), codex.seen()].concat();
    assert!(shown.iter().all(|shown| *shown != "live"), "{shown:?}");
}

#[test]
fn claude_code_shows_an_mcp_server_the_headers_that_we_say() {
    if !is_inside("ai::claude_code_shows_an_mcp_server_the_headers_that_we_say", "claude") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, mcp);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    let stub = json!({ "type": "http", "url": site.url("/mcp"),
                       "headersHelper": format!("{} helper headers --asks-again-when-refused", ours()) });
    stage.write(".claude.json", &json!({ "mcpServers": { "stub": stub } }).to_string());
    let listed = stage.run("claude", &["mcp", "list"], &[]);
    assert!(listed.stdout.contains("Connected"), "{} {} {:?}", listed.stdout, listed.stderr, site.seen());
    let seen = site.seen();
    assert!(seen.contains(&"live") && !seen.contains(&"refused"), "{seen:?}");
    let asked = || home.ok(&["log", "--json"]).matches(&format!("\"detail\":\"{}\"", site.url(""))).count();
    assert_eq!(asked(), 1);
    // It asks once for each connection, and shows what it was given until it gives up.
    let first = home.token();
    stage.server.expire_access_tokens();
    assert!(!stage.run("claude", &["mcp", "list"], &[]).stdout.contains("Connected"));
    let seen = site.seen();
    assert!(seen.iter().all(|shown| *shown == "refused") && asked() == 2, "{seen:?}");
    assert_eq!(home.run_with(&["reject"], &first).code, 0);
    assert!(stage.run("claude", &["mcp", "list"], &[]).stdout.contains("Connected"));
}

#[test]
fn codex_has_its_token_from_us_and_another_where_it_is_refused() {
    if !is_inside("ai::codex_has_its_token_from_us_and_another_where_it_is_refused", "codex") {
        return;
    }
    let (server, home) = (Arc::new(lasting_server()), Home::with_vault());
    let site = site(&server, responses);
    let Some(stage) = Stage::set(&home, &server, &site.url("")) else { return };
    stage.write(".codex/config.toml", &for_codex(&site));
    let ask = || stage.run("codex", &["exec", "--skip-git-repo-check", "hello"], &[]);
    let first = ask();
    assert_eq!((first.code, first.stdout.trim()), (0, SAID), "{} {:?}", first.stderr, site.seen());
    assert!(!site.seen().contains(&"refused"));
    stage.server.expire_access_tokens();
    let second = ask();
    assert_eq!((second.code, second.stdout.trim()), (0, SAID), "{} {:?}", second.stderr, site.seen());
    stage.healed(&site);
}
