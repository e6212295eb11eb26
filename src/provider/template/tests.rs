//! What is laid over what, and what may be filled in.

use super::*;

fn table(text: &str) -> Table {
    toml::from_str(text).expect("TOML")
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const OPEN: &str = "token_endpoint = 'https://{host}/{tenant}/token'\nauthorization_endpoint = 'https://{host}/auth'\n\
    title = 'T ({host})'\nclient = { id = '{host}', secret = '{tenant}' }\nother_token_endpoints = ['https://{host}/old']\n\
    parameters = { host = 'a.example', tenant = 'common' }\ntoken.parameters = { t = '{tenant}', u = '{unknown}' }\n";

#[test]
fn a_table_completes_its_preset_field_by_field() {
    let own = "preset = 'anthropic'\ntoken_endpoint = 'http://127.0.0.1:1/token'\nscopes = ['a']\n[token]\nbody = 'form'\n\
               [api.headers]\nx-mine = '1'\n";
    let provider = Template::configured("work", table(own)).unwrap().fill(&given(&[])).unwrap();
    let preset = Preset::named("anthropic").unwrap().provider().unwrap();
    assert_eq!(provider.token_endpoint.as_deref(), Some("http://127.0.0.1:1/token"));
    assert_eq!((provider.scopes.len(), provider.token.body), (1, crate::provider::schema::Body::Form));
    // What is not said is the preset's, beside it in the same table too.
    assert_eq!(
        (provider.client.id, provider.authorization_endpoint),
        (preset.client.id, preset.authorization_endpoint)
    );
    assert!(provider.token.send_state && provider.notice.is_some());
    assert_eq!(provider.api.headers.len(), preset.api.headers.len() + 1);
}

#[test]
fn a_table_of_a_presets_name_completes_it_unless_it_names_a_server() {
    let title = |text: &str| Template::configured("anthropic", table(text)).unwrap().fill(&given(&[])).unwrap().title;
    assert!(title("client.id = 'mine'").starts_with("Anthropic"));
    assert_eq!(title("issuer = 'https://id.example'"), "");
    assert_eq!(title("token_endpoint = 'https://id.example/t'"), "");
    assert!(title("preset = 'anthropic'\nissuer = 'https://id.example'").starts_with("Anthropic"));
}

#[test]
fn an_unknown_preset_is_told_the_nearest() {
    let error = |name: &str| {
        let table = table(&format!("preset = '{name}'"));
        Template::configured("x", table).expect_err("refused").to_string()
    };
    assert!(error("antropic").ends_with("did you mean `anthropic`?"), "{}", error("antropic"));
    assert!(error("hunter2").contains("there are ") && !error("hunter2").contains("hunter2"));
}

#[test]
fn open_places_are_filled_everywhere_but_in_the_clients_own_names() {
    let template = Template::configured("x", table(OPEN)).unwrap();
    let provider = template.fill(&given(&[("host", "Git.example:8443")])).unwrap();
    assert_eq!(provider.token_endpoint.as_deref(), Some("https://Git.example:8443/common/token"));
    assert_eq!(provider.other_token_endpoints, ["https://Git.example:8443/old"]);
    assert_eq!(provider.token.parameters["t"], "common");
    assert_eq!(provider.token.parameters["u"], "{unknown}");
    assert_eq!(provider.client.id.as_deref(), Some("{host}"));
    assert_eq!(&*provider.client.secret.unwrap().expose(), "{tenant}");
    assert_eq!(provider.parameters, given(&[("host", "Git.example:8443"), ("tenant", "common")]));
    assert!(!format!("{template:?}").contains("a.example"), "{template:?}");
}

#[test]
fn a_value_fills_its_place_and_nothing_besides() {
    let template = Template::configured("x", table(OPEN)).unwrap();
    let fill = |name: &str, value: &str| template.fill(&given(&[(name, value)]));
    for host in ["git.example.com", "git.example.com:8443", "127.0.0.1:80", "[::1]:8080", "localhost"] {
        assert!(fill("host", host).is_ok(), "{host}");
    }
    let hosts = [
        "a.example/x",
        "a@b.example",
        "a.example:",
        "a.example:0x",
        "a.example?",
        "a.example#",
        "a b",
        "é.example",
        "a.example\\x",
        "%61.example",
        "http://a",
        ":8080",
        "a.example:443",
        "0x7f.1",
        "a.example\n",
    ];
    for host in hosts {
        assert!(matches!(fill("host", host), Err(TemplateError::Value(..))), "{host}");
    }
    for word in ["common", "contoso.onmicrosoft.com", "0-9_a"] {
        assert!(fill("tenant", word).is_ok(), "{word}");
    }
    for word in ["..", ".", "a/b", "a%2fb", "-a", "a b", "é", "a?b", "a#b", "{host}", &"a".repeat(254)] {
        assert!(matches!(fill("tenant", word), Err(TemplateError::Value(..))), "{word}");
    }
    let unknown = fill("port", "hunter2").expect_err("refused").to_string();
    assert_eq!(unknown, "it has no parameter `port`; it takes host, tenant");
}

#[test]
fn a_parameter_without_a_place_is_mistyped() {
    let template = Template::configured("x", table(&OPEN.replace("tenant = 'common'", "tenent = 'common'"))).unwrap();
    let error = template.fill(&given(&[])).expect_err("refused").to_string();
    assert_eq!(error, "it has no parameter `tenent`; it takes host");
}
