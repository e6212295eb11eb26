//! Several accounts: which one is meant, and names for them.

use super::home::{Home, ended, lasting_server};

#[test]
fn with_two_accounts_one_has_to_be_named_or_made_the_default() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    let provider = super::tokens::account_of(&home, &server);
    home.log_in(&server, &["--account", "work"]);
    let work = format!("{provider}/work");

    let unclear = home.run(&["get-token"]);
    assert_eq!(unclear.code, 12, "{}", unclear.stderr);
    assert!(unclear.stderr.contains(&work), "the accounts are listed: {}", unclear.stderr);

    let (first, second) = (home.ok(&["get-token", &provider]), home.ok(&["get-token", &work]));
    assert_ne!(first, second);
    home.ok(&["account", "default", &work]);
    assert_eq!(home.token(), second);
    home.kill_agent();
    assert_eq!(home.token(), second, "the default survives a crash");
    home.ok(&["account", "default", &provider]);
    assert_eq!(home.token(), first);
}

#[test]
fn a_provider_with_two_labels_has_a_default_of_its_own() {
    let (server, other) = (lasting_server(), lasting_server());
    let home = Home::with_vault();
    home.log_in(&server, &["--account", "work"]);
    let work = super::tokens::account_of(&home, &server);
    let provider = work.strip_suffix("/work").unwrap();
    home.log_in(&server, &["--account", "home"]);
    home.log_in(&other, &[]);
    let unclear = home.run(&["get-token", provider]);
    assert_eq!((unclear.code, unclear.stdout.as_str()), (12, ""), "{}", unclear.stderr);
    assert!(unclear.stderr.contains(&format!("({provider}/home, {work})")), "{}", unclear.stderr);
    home.ok(&["account", "default", &work]);
    home.ok(&["account", "default", &super::tokens::account_of(&home, &other)]);
    assert_eq!(home.ok(&["get-token", provider]), home.ok(&["get-token", &work]), "the last choice at that provider");
    assert_eq!(home.token(), home.ok(&["get-token", &super::tokens::account_of(&home, &other)]));
}

#[test]
fn a_renamed_account_keeps_its_login() {
    let server = lasting_server();
    let home = Home::with_vault();
    home.log_in(&server, &["--account", "old"]);
    let account = super::tokens::account_of(&home, &server);
    let provider = account.strip_suffix("/old").unwrap();
    let token = home.token();
    home.ok(&["account", "rename", &account, "new"]);
    assert_eq!(home.ok(&["get-token", &format!("{provider}/new")]), token);
    assert_eq!(home.run(&["get-token", &account]).code, 10);
    assert_eq!(home.ok(&["get-token", provider]), token, "a provider's only account goes by the provider's name");
    home.kill_agent();
    home.ok(&["refresh", &format!("{provider}/new")]);
    let records = std::fs::read_dir(home.vault().join("records")).unwrap().count();
    assert_eq!(records, 1, "a rename replaces the record");
}

#[test]
fn a_name_that_is_taken_or_odd_is_refused_and_nothing_changes() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.log_in(&server, &["--account", "work"]);
    let provider = super::tokens::account_of(&home, &server);
    let provider = provider.split('/').next().unwrap();
    for name in ["work", "other/work", "a b", "../x"] {
        let ended = home.run(&["account", "rename", provider, name]);
        assert_eq!(ended.code, 2, "{name}: {}", ended.stderr);
    }
    assert_eq!(home.json(&["account", "list", "--json"])["accounts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_projects_file_names_its_account() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.log_in(&server, &["--account", "work"]);
    let provider = super::tokens::account_of(&home, &server);
    let work = home.ok(&["get-token", &format!("{provider}/work")]);
    let project = home.path().join("project/deep");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(home.path().join("project/.cred-helper.toml"), format!("account = '{provider}/work'\n")).unwrap();
    let inside = |arguments: &[&str]| ended(home.command(arguments).current_dir(&project).output().unwrap());
    let refused = inside(&["get-token"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (31, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("cred-helper account trust"), "{}", refused.stderr);
    assert_eq!(inside(&["account", "trust"]).code, 0);
    assert_eq!(inside(&["get-token"]).stdout.trim_end(), work);
    std::fs::write(home.path().join("project/.cred-helper.toml"), format!("account = '{provider}'\n")).unwrap();
    assert_eq!(inside(&["get-token"]).code, 31, "a file that changed is asked for again");
}

#[test]
fn logging_out_everything_leaves_nothing() {
    let server = lasting_server();
    let home = Home::signed_in(&server);
    home.log_in(&server, &["--account", "work"]);
    home.ok(&["logout", "--all"]);
    assert_eq!(home.json(&["status", "--json"])["accounts"].as_array().unwrap().len(), 0);
    assert!(server.families().iter().all(|family| family.ended.is_some()), "both were revoked");
}
