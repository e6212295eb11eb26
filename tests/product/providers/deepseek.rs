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
fn deepseeks_own_variable_answers_where_no_key_is_stored() {
    let mut home = Home::with_vault();
    home.set("DEEPSEEK_API_KEY", "sk-of-the-caller");
    let answer = home.json(&["get-token", "deepseek", "--format", "json"]);
    assert_eq!((&answer["token"], &answer["method"]), (&"sk-of-the-caller".into(), &"api_key".into()), "{answer}");
    assert_eq!(answer["source"], "environment variable DEEPSEEK_API_KEY");
    assert!(home.ok(&["get-token", "deepseek", "--format", "header"]).contains("Bearer sk-of-the-caller"));
    assert_eq!(home.run_with(&["api-key", "set", "deepseek"], "sk-stored\n").code, 0);
    assert_eq!(home.ok(&["get-token", "deepseek"]), "sk-stored", "a stored key comes first");
}

#[test]
fn a_google_key_goes_in_googles_own_header() {
    let home = Home::with_vault();
    let set = home.run_with(&["api-key", "set", "google"], "AIza-mine\n");
    assert_eq!(set.code, 0, "{}", set.stderr);
    let header = home.ok(&["get-token", "google", "--format", "header"]);
    assert_eq!(header.to_ascii_lowercase(), "x-goog-api-key: aiza-mine");
}
