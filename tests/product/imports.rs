//! Logins of other programs: read where they are, or taken over; and those that leave.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cred_helper::demo::server::Server;
use serde_json::{Value, json};

use super::home::{Home, lasting_server};

/// When the tokens of these tests end.
fn later() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3600
}

/// Writes a file as other programs do: their user's alone, and long enough ago that its time tells.
fn write(path: &Path, text: &str, age: Duration) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// A home with a provider of this name at `server`, whose logins need no notice.
fn home_at(server: &Server, provider: &str) -> Home {
    let home = Home::with_vault();
    let (issuer, client) = (server.issuer(), server.client_id());
    home.configure(&format!(
        "[providers.{provider}]\nissuer = '{issuer}'\n[providers.{provider}.client]\nid = '{client}'\n"
    ));
    home.ok(&["agent", "restart"]);
    home
}

/// A login that another program has: what it would keep of it.
pub(crate) fn lent(server: &Server) -> Value {
    let home = Home::signed_in(server);
    home.json(&["export", "--force-refresh-token"])
}

fn one_account(home: &Home) -> Value {
    let accounts = &home.json(&["status", "--json"])["accounts"];
    assert_eq!(accounts.as_array().unwrap().len(), 1, "{accounts}");
    accounts[0].clone()
}

/// Each known program's file, as it writes it: provider, `--from`, path, text.
fn known(at: u64) -> Vec<(&'static str, &'static str, &'static str, String)> {
    let milliseconds = at * 1000;
    let entry = |name: &str| {
        format!(r#"{{"{name}":{{"type":"oauth","refresh":"rt-kept","access":"at-{name}","expires":{milliseconds}}}}}"#)
    };
    vec![
        (
            "anthropic",
            "claude-code",
            ".claude/.credentials.json",
            format!(
                r#"{{"claudeAiOauth":{{"accessToken":"at-1","refreshToken":"rt-kept","expiresAt":{milliseconds},
                    "scopes":["user:inference"],"subscriptionType":"max"}}}}"#
            ),
        ),
        ("anthropic", "pi", ".pi/agent/auth.json", entry("anthropic")),
        ("anthropic", "opencode", ".local/share/opencode/auth.json", entry("anthropic")),
        (
            "openai",
            "codex",
            ".codex/auth.json",
            r#"{"OPENAI_API_KEY":null,"tokens":{"id_token":"a.b.c","access_token":"at-2","refresh_token":"rt-kept",
                "account_id":"x"},"last_refresh":"2026-01-02T03:04:05.678Z"}"#
                .to_owned(),
        ),
        (
            "google",
            "gemini-cli",
            ".gemini/oauth_creds.json",
            format!(
                r#"{{"access_token":"at-3","refresh_token":"rt-kept","scope":"a b","token_type":"Bearer",
                    "id_token":"a.b.c","expiry_date":{milliseconds}}}"#
            ),
        ),
        (
            "github",
            "gh",
            ".config/gh/hosts.yml",
            "github.com:\n    git_protocol: https\n    users:\n        ada:\n            oauth_token: at-4\n    user: ada\n    \
             oauth_token: at-4\n"
                .to_owned(),
        ),
    ]
}

#[test]
fn every_known_program_is_read_where_it_writes() {
    let at = later();
    for (provider, program, file, text) in known(at) {
        let home = Home::with_vault();
        write(&home.path().join(file), &text, Duration::from_secs(60));
        let imported = home.run(&["import", "--from", program, "--accept-notice", "--json"]);
        assert_eq!(imported.code, 0, "{program}: {}", imported.stderr);
        assert!(!imported.stdout.contains("at-") && !imported.stdout.contains("rt-kept"), "{}", imported.stdout);
        assert!(!imported.stderr.contains("at-") && !imported.stderr.contains("rt-kept"), "{}", imported.stderr);
        let token = home.json(&["get-token", provider, "--format", "json"]);
        let expected = text.split("at-").nth(1).unwrap().split(['"', '\n']).next().unwrap();
        assert_eq!(
            token["token"].as_str().or(token["access_token"].as_str()),
            Some(&*format!("at-{expected}")),
            "{token}"
        );
        let account = one_account(&home);
        assert_eq!((&account["refreshable"], &account["imported"]["owned"]), (&json!(false), &json!(false)));
        assert_eq!(account["imported"]["program"], program);
        if text.contains(&(at * 1000).to_string()) {
            assert!(account["expires_at"].as_u64().unwrap().abs_diff(at) <= 2, "{program}: {account}");
        }
        assert!(home.ok(&["status"]).contains(&format!("Read from {program}")));
        assert_eq!(home.run(&["refresh"]).code, 10, "nothing is refreshed here");
    }
}

#[test]
fn the_only_login_is_found_without_a_word_and_several_are_listed() {
    let home = Home::with_vault();
    let none = home.run(&["import"]);
    assert!(none.code != 0 && none.stderr.contains("--from FILE"), "{}", none.stderr);
    for (.., file, text) in known(later()) {
        write(&home.path().join(file), &text, Duration::from_secs(60));
    }
    let several = home.run(&["import"]);
    assert_eq!(several.code, 2);
    assert!(several.stderr.contains("anthropic --from claude-code") && several.stderr.contains("github --from gh"));
    let dry = home.run(&["import", "github", "--dry-run"]);
    assert!(dry.code == 0 && dry.stderr.contains("GitHub CLI's login"), "{}", dry.stderr);
    assert!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().is_empty());
}

#[test]
fn a_notice_is_accepted_before_an_import_too() {
    let home = Home::with_vault();
    let (_, program, file, text) = known(later()).swap_remove(0);
    write(&home.path().join(file), &text, Duration::from_secs(60));
    let refused = home.run(&["import", "--from", program]);
    assert_eq!(refused.code, 22, "{}", refused.stderr);
    assert!(refused.stderr.contains("Anthropic restricts"));
    assert!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().is_empty());
}

#[test]
fn a_token_that_the_other_program_renews_is_served_from_then_on() {
    let home = Home::with_vault();
    let file = home.path().join("tool.toml");
    let text = |token: &str, at: u64| format!("[login]\naccess = '{token}'\nends = {at}\n");
    write(&file, &text("first", later()), Duration::from_secs(60));
    let path = file.display().to_string();
    let map = ["--map", "access_token=/login/access", "--map", "expires_at=/login/ends"];
    let arguments = [&["import", "github/tool", "--from", &path][..], &map].concat();
    home.ok(&arguments);
    assert_eq!(home.token(), "first");
    write(&file, &text("second", later()), Duration::from_secs(30));
    assert_eq!(home.token(), "second");
    // The agent that comes next knows it too, and one that has ended is no token.
    home.ok(&["agent", "restart"]);
    assert_eq!(home.token(), "second");
    write(&file, &text("third", 1_700_000_000), Duration::from_secs(20));
    let ended = home.run(&["get-token"]);
    assert_eq!(ended.code, 10, "{}", ended.stderr);
    assert!(ended.stderr.contains("has not renewed it") && ended.stderr.contains("--own"), "{}", ended.stderr);
    write(&file, &text("fourth", later()), Duration::from_secs(10));
    assert_eq!(home.token(), "fourth");
    // Half of a file is no reason to go without.
    write(&file, "[login\n", Duration::from_secs(5));
    let served = home.run(&["get-token"]);
    assert_eq!((served.code, served.stdout.trim_end()), (0, "fourth"));
    assert!(served.stderr.contains("tool.toml"), "{}", served.stderr);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(home.token(), "fourth");
    // A token that a server refused is looked for in the file first.
    write(&file, &text("fifth", later()), Duration::from_secs(3));
    assert_eq!(home.run_with(&["reject"], "fourth\n").code, 0);
    assert_eq!(home.token(), "fifth");
}

#[test]
fn a_login_that_is_only_read_is_neither_replaced_nor_revoked() {
    let server = lasting_server();
    let (home, lent) = (home_at(&server, "tool"), lent(&server));
    let file = home.path().join("tool.json");
    write(&file, &lent.to_string(), Duration::from_secs(60));
    let path = file.display().to_string();
    home.ok(&["import", "tool", "--from", &path]);
    home.ok(&["import", "tool", "--from", &path]);
    assert_eq!(home.token(), lent["access_token"]);
    home.ok(&["logout", "tool"]);
    assert!(server.is_live(lent["access_token"].as_str().unwrap()));
    assert!(server.is_active(lent["refresh_token"].as_str().unwrap()));
    home.log_in_with(&["login", "tool", "--no-browser"]);
    let refused = home.run(&["import", "tool", "--from", &path]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("signed in already"), "{}", refused.stderr);
    assert_eq!(server.count_grant("refresh_token"), 0, "nothing was redeemed");
}

#[test]
fn a_login_that_is_taken_over_is_redeemed_at_once_and_renewed_here() {
    let server = lasting_server();
    let (home, lent) = (home_at(&server, "tool"), lent(&server));
    let file = home.path().join("tool.json");
    write(&file, &lent.to_string(), Duration::from_secs(60));
    let arguments = ["import", "tool", "--from", &file.display().to_string(), "--own"];
    let taken = home.run(&arguments);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    assert!(taken.stderr.contains("has to sign in again then"), "{}", taken.stderr);
    assert_eq!(server.count_grant("refresh_token"), 1);
    assert!(!server.is_active(lent["refresh_token"].as_str().unwrap()), "the copy in the file is dead");
    assert!(server.is_live(&home.token()));
    home.ok(&["refresh"]);
    assert!(server.is_live(&home.token()));
    assert!(home.ok(&["status"]).contains("Taken over from"));
    // The same again finds it done.
    assert_eq!(home.run(&arguments).code, 2, "its token is two rotations old");
    assert!(server.families().iter().all(|family| family.ended.is_none()));
    home.ok(&["logout", "tool"]);
}

#[test]
fn a_refresh_token_that_the_server_refuses_leaves_everything_as_it_was() {
    let server = lasting_server();
    let home = home_at(&server, "tool");
    let file = home.path().join("tool.json");
    let text = json!({"access_token": "at-1", "refresh_token": "rt-wrong", "expires_at": later()}).to_string();
    write(&file, &text, Duration::from_secs(60));
    let path = file.display().to_string();
    let own = ["import", "tool", "--from", &path, "--own"];
    let refused = home.run(&own);
    assert_eq!(refused.code, 10, "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was taken"), "{}", refused.stderr);
    assert!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().is_empty());
    home.ok(&["import", "tool", "--from", &path]);
    assert_eq!(home.run(&own).code, 10);
    assert_eq!(home.token(), "at-1", "what was read before is read again");
    assert!(server.listen(false));
    let unreachable = home.run(&own);
    assert_ne!(unreachable.code, 0);
    assert!(server.listen(true));
}

/// An agent that dies between keeping a refresh token and redeeming it leaves it to the next question.
#[test]
fn a_refresh_token_alone_can_only_be_owned_and_the_first_question_redeems_it() {
    let server = lasting_server();
    let (home, lent) = (home_at(&server, "tool").with_faults(), lent(&server));
    home.ok(&["agent", "stop"]);
    home.ok(&["agent", "start"]);
    let text = json!({"tool": {"refresh_token": lent["refresh_token"]}}).to_string();
    let refused = home.run_with(&["import", "tool", "--from", "-"], &text);
    assert_eq!(refused.code, 19, "{}", refused.stderr);
    assert!(refused.stderr.contains("no access token") && refused.stderr.contains("--own"), "{}", refused.stderr);
    let mapped = ["import", "tool", "--from", "-", "--own", "--map", "refresh_token=/tool/refresh_token"];
    home.arm("import.kept 1 kill");
    assert_ne!(home.run_with(&mapped, &text).code, 0);
    home.bury_agent();
    assert_eq!(server.count_grant("refresh_token"), 0);
    assert_eq!(one_account(&home)["imported"]["owned"], true);
    assert!(server.is_live(&home.token()));
    assert_eq!(server.count_grant("refresh_token"), 1);
    assert!(server.families().iter().all(|family| family.ended.is_none()));
}

#[test]
fn standard_input_is_a_document_or_a_token_and_nothing_to_own_is_said() {
    let home = Home::with_vault();
    let piped = home.run_with(&["import", "github", "--from", "-"], "gho_token\n");
    assert_eq!(piped.code, 0, "{}", piped.stderr);
    assert_eq!(home.token(), "gho_token");
    let text = r#"{"credentials":{"access_token":"at-5","expires_at":"2020-01-02T03:04:05Z"}}"#;
    home.run_with(&["import", "github", "--from", "-"], text);
    let ended = home.run(&["get-token"]);
    assert!(ended.code == 10 && ended.stderr.contains("import a new one"), "{}", ended.stderr);
    let own = home.run_with(&["import", "github", "--from", "-", "--own"], "gho_token\n");
    assert!(own.code != 0 && own.stderr.contains("no refresh token to own"), "{}", own.stderr);
    for (input, said) in [("{}", "usual name"), ("{", "not JSON"), (r#"{"token":"a b"}"#, "is a token")] {
        let refused = home.run_with(&["import", "github", "--from", "-"], input);
        assert!(refused.code != 0 && refused.stderr.contains(said), "{input}: {}", refused.stderr);
    }
}

/// What `get-token` says of a refresh token in a variable is done as it stands.
#[cfg(unix)]
#[test]
fn a_refresh_token_in_a_variable_is_adopted_by_the_line_that_is_said() {
    let server = lasting_server();
    let (mut home, lent) = (Home::with_vault(), lent(&server));
    let (issuer, client) = (server.issuer(), server.client_id());
    home.configure(&format!(
        "[providers.tool]\nissuer = '{issuer}'\nclient.id = '{client}'\nvariables = {{ oauth_token = ['TOOL_TOKEN'], refresh_token = ['TOOL_REFRESH_TOKEN'] }}\n"
    ));
    home.ok(&["agent", "restart"]);
    home.set("TOOL_REFRESH_TOKEN", lent["refresh_token"].as_str().unwrap());
    let nobody = home.run(&["get-token", "tool"]);
    assert_eq!((nobody.code, server.count_grant("refresh_token")), (10, 0), "{}", nobody.stderr);
    let line = nobody.stderr.lines().find_map(|line| Some(&line[line.find("printf '")?..])).unwrap();
    assert!(!line.contains("access_token"), "{line}");
    let program = home.command(&[]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = Path::new(program.get_program()).parent().unwrap();
    let adopted = shell.env("PATH", path).args(["-c", line]).output().unwrap();
    assert!(adopted.status.success(), "{line}: {}", String::from_utf8_lossy(&adopted.stderr));
    assert!(server.is_live(&home.token()));
    assert_eq!(server.count_grant("refresh_token"), 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_write_is_refused_and_a_link_is_named() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::with_vault();
    let file = home.path().join("tool.json");
    write(&file, r#"{"token":"at-6"}"#, Duration::from_secs(60));
    let link = home.path().join("link.json");
    symlink(&file, &link).unwrap();
    let followed = home.run(&["import", "github", "--from", "link.json"]);
    assert!(followed.code == 0 && followed.stderr.contains("is a link to"), "{}", followed.stderr);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let refused = home.run(&["import", "github/other", "--from", "tool.json"]);
    assert!(refused.code != 0 && refused.stderr.contains("written by others"), "{}", refused.stderr);
    let served = home.run(&["get-token"]);
    assert!(served.code == 0 && served.stderr.contains("written by others"), "{}", served.stderr);
}

#[test]
fn an_export_has_no_refresh_token_unless_the_login_goes_with_it() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let kept = home.run(&["export"]);
    let document: Value = serde_json::from_str(&kept.stdout).unwrap();
    assert_eq!(document["access_token"], home.token());
    assert!(document["expires_at"].is_u64() && document.get("refresh_token").is_none());
    assert!(kept.stderr.contains("stays with the agent"), "{}", kept.stderr);
    home.ok(&["refresh"]);
    let given = home.run(&["export", "--force-refresh-token"]);
    assert!(given.stderr.contains("renews and revokes it no more"), "{}", given.stderr);
    let document: Value = serde_json::from_str(&given.stdout).unwrap();
    let refresh = document["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(home.token(), document["access_token"], "it is served until it ends");
    assert_eq!(home.run(&["refresh"]).code, 10);
    assert_eq!(home.json(&["status", "--json"])["accounts"][0]["state"], "reauthorization_required");
    home.ok(&["logout"]);
    assert!(server.is_active(&refresh), "it was neither redeemed nor revoked");
}

/// Where a test's file is.
pub(crate) fn write_lent(home: &Home, lent: &Value) -> PathBuf {
    let file = home.path().join("lent.json");
    write(&file, &lent.to_string(), Duration::from_secs(60));
    file
}
