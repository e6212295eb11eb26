//! Hostile words on every page that a browser is shown, in Debian's Chromium: they are text, whatever they are made of. A page is
//! what it is with harmless words, element by element.

use std::collections::BTreeMap;

use cred_helper::demo::server::{Options, RedirectBehaviour, Server, User};
use url::Url;

use crate::browser::at_the_redirect;
use crate::home::{Home, ended, first_line, lasting_server};
use crate::support::chromium::Chromium;
use crate::support::programs::missing;

/// The first are harmless.
const WORDS: [(&str, &str); 10] = [
    ("harmless", "quite harmless"),
    ("title", "</title><title>owned</title><script>document.title='owned'</script>"),
    ("quotes", "\"><svg onload=\"document.title='owned'\">' onmouseover='document.title=1' x=`"),
    ("javascript", "javascript:document.title='owned'//"),
    ("entities", "&lt;script&gt;document.title=&#39;owned&#39;&lt;/script&gt;&#60;b&#62;&quot; onload=x"),
    (
        "style",
        "</style><style>main{display:none}</style><base href=//a.example/><meta http-equiv=refresh content=0;url=//a.example/>",
    ),
    ("comment", "<!-- --><![CDATA[ ]]><?x ?></main><textarea><plaintext>"),
    ("template", "{{next}}{{details}}{{title}}${7*7}<%= 1 %>"),
    ("bidi", "safe\u{202e}elpmaxe.a\u{2066}\u{200b}\u{feff}\u{2028}"),
    ("frame", "<iframe srcdoc=\"<script>parent.document.title=1</script>\"></iframe><object data=x><a href=x ping=y>"),
];
/// Every kind of element of the page, with the names of its attributes: what no words may change.
const SHAPE: &str = "return [...new Set([...document.querySelectorAll('*')].map(\
    e => e.tagName + [...e.attributes].map(a => ' ' + a.name).join('')))].sort().join('\\n')";
const TITLE: &str = "return document.title";
const TEXT: &str = "return document.body.innerText";

/// What is seen, and what a page was like with harmless words.
struct Reader {
    chromium: Chromium,
    shapes: BTreeMap<&'static str, String>,
}

impl Reader {
    fn reads(&mut self, page: &'static str, name: &str) {
        let shape = self.chromium.evaluate(SHAPE);
        let harmless = self.shapes.entry(page).or_insert_with(|| shape.clone());
        assert_eq!(&shape, harmless, "{page}, {name}");
        let title = self.chromium.evaluate(TITLE);
        assert!(title.len() < 60 && !title.contains("owned"), "{page}, {name}: {title}");
    }

    /// One of the program's own: nothing is on it that turns a line around, and it does not go on and on.
    fn reads_own(&mut self, page: &'static str, name: &str) {
        self.reads(page, name);
        let text = self.chromium.evaluate(TEXT);
        let odd =
            |c: char| (c.is_control() && c != '\n') || ('\u{200b}'..='\u{2069}').contains(&c) && c != '’' && c != '…';
        assert!(!text.contains(odd) && text.len() < 2000, "{page}, {name}: {text:?}");
    }
}

fn query(url: &str, pairs: &[(&str, &str)]) -> String {
    Url::parse_with_params(url, pairs).unwrap().into()
}

#[test]
fn hostile_words_are_text_on_every_page() {
    if missing(&["chromium", "chromedriver"]) {
        return;
    }
    let home = Home::with_vault();
    let mut reader = Reader { chromium: Chromium::start(), shapes: BTreeMap::new() };
    // Three of them fit into the longest request that the redirect reads; a longer one is no answer, and the login goes on.
    let long = "<b>x</b>".repeat(200);
    for (name, words) in WORDS.into_iter().chain([("long", long.as_str())]) {
        providers_words(&mut reader, &home, name, words);
        redirects_of_strangers_making(&mut reader, &home, name, words);
        a_persons_name(&mut reader, &home, name, words);
        demonstration_server(&mut reader, name, words);
    }
}

/// The provider's own redirect: its error, and its words for it.
fn providers_words(reader: &mut Reader, home: &Home, name: &str, words: &str) {
    let server = lasting_server();
    for (page, error, description) in
        [("error", words, "so it is"), ("description", "server_error", words), ("declined", "access_denied", words)]
    {
        server.set_redirect(RedirectBehaviour::Error(error.to_owned(), description.to_owned()));
        let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
        reader.chromium.visit(&first_line(&mut login));
        at_the_redirect(&reader.chromium, &server);
        reader.reads_own(page, name);
        let ended = ended(login.wait_with_output().unwrap());
        assert!(ended.code != 0 && ended.stderr.trim_end().lines().last().is_some(), "{page}, {name}");
        assert!(!ended.stderr.contains(['\x1b', '\u{202e}', '\u{2066}']), "{page}, {name}: {}", ended.stderr);
    }
}

/// Every other parameter and path, and at last one with the right state.
fn redirects_of_strangers_making(reader: &mut Reader, home: &Home, name: &str, words: &str) {
    let server = lasting_server();
    let login = ["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"];
    let mut login = home.start(&login);
    let asked = Url::parse(&first_line(&mut login)).unwrap();
    let parameter = |name: &str| asked.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let (redirect, state) = (parameter("redirect_uri"), parameter("state"));
    let mut elsewhere = Url::parse(&redirect).unwrap();
    elsewhere.path_segments_mut().unwrap().push(words);
    for (page, url) in [
        ("other login", query(&redirect, &[("code", words), ("state", words), ("iss", words)])),
        ("no redirect", query(&redirect, &[(words, words)])),
        ("not found", elsewhere.into()),
        (
            "everything",
            query(
                &redirect,
                &[("error", words), ("error_description", words), ("error_uri", words), ("state", &state)],
            ),
        ),
    ] {
        reader.chromium.visit(&url);
        reader.reads_own(page, name);
    }
    assert!(!login.wait().unwrap().success());
}

/// Who signed in, as the server says.
fn a_persons_name(reader: &mut Reader, home: &Home, name: &str, words: &str) {
    let user = User { email: words.to_owned(), name: words.to_owned(), ..User::default() };
    let server = Server::start(Options { user, ..Options::default() }).unwrap();
    let mut login = home.start(&["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"]);
    reader.chromium.visit(&first_line(&mut login));
    at_the_redirect(&reader.chromium, &server);
    // Words that are no name are not shown at all.
    let page = if matches!(name, "bidi" | "long") { "signed in, nameless" } else { "signed in" };
    reader.reads_own(page, name);
    let ended = ended(login.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
    assert!(!ended.stderr.contains(['\x1b', '\u{202e}', '\u{2066}']), "{name}: {}", ended.stderr);
    home.ok(&["logout", "--all"]);
}

/// The demonstration's pages: consent, a device's code, a code to paste, and what it refuses.
fn demonstration_server(reader: &mut Reader, name: &str, words: &str) {
    let user = User { name: words.to_owned(), email: words.to_owned(), ..User::default() };
    let server = Server::start(Options { auto_approve: false, user, ..Options::default() }).unwrap();
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let client = server.client_id();
    let consent = [
        ("response_type", "code"),
        ("client_id", &client),
        ("redirect_uri", "http://127.0.0.1:1/callback"),
        ("scope", words),
        ("state", words),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    for (page, path, pairs) in [
        ("device", "/device", &[("user_code", words)][..]),
        ("paste", "/code", &[("code", words), ("state", words)]),
        ("consent", "/authorize", &consent),
        ("refused", "/authorize", &[("client_id", words), ("redirect_uri", words)]),
    ] {
        reader.chromium.visit(&query(&server.url(path), pairs));
        reader.reads(page, name);
    }
}
