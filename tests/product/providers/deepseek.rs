//! DeepSeek: API keys and no login. Google's keys, which have a header of their own.

use super::super::home::Home;

#[test]
fn a_provider_of_keys_alone_says_so_and_keeps_one() {
    let home = Home::with_vault();
    let login = home.run(&["login", "deepseek", "--no-browser"]);
    assert_eq!(login.code, 19, "{}", login.stderr);
    assert!(login.stderr.contains("cred-helper api-key set deepseek"), "{}", login.stderr);
    let set = home.run_with(&["api-key", "set", "deepseek"], "sk-of-deepseek\n");
    assert_eq!(set.code, 0, "{}", set.stderr);
    assert_eq!(home.ok(&["get-token", "deepseek"]), "sk-of-deepseek");
    assert!(home.ok(&["get-token", "deepseek", "--format", "header"]).contains("Bearer sk-of-deepseek"));
}

#[test]
fn a_google_key_goes_in_googles_own_header() {
    let home = Home::with_vault();
    let set = home.run_with(&["api-key", "set", "google"], "AIza-mine\n");
    assert_eq!(set.code, 0, "{}", set.stderr);
    let header = home.ok(&["get-token", "google", "--format", "header"]);
    assert_eq!(header.to_ascii_lowercase(), "x-goog-api-key: aiza-mine");
}
