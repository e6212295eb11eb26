//! Debian's Chromium without a screen, driven through chromedriver (WebDriver, https://www.w3.org/TR/webdriver2/).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::http;

/// `--no-sandbox`: the tests may run as root, where Chromium's sandbox refuses to start. The rest keeps it from talking
/// to anybody but the test's servers.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,720",
];
/// What WebDriver calls the member that names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Whether the page is to look as for a light or a dark desktop.
#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    Light,
    Dark,
}

/// One browser with a profile of its own.
#[derive(Debug)]
pub struct Chromium {
    driver: Child,
    session: String,
    _profile: TempDir,
}

impl Chromium {
    pub fn start() -> Self {
        let profile = TempDir::new().expect("a directory");
        let mut command = Command::new("chromedriver");
        // Chromium writes into HOME beside its profile, and asks the session bus for a keyring.
        command.arg("--port=0").env("HOME", profile.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = spawned.expect("chromedriver is not installed (chromium-driver): run tests/run");
        let stdout = BufReader::new(driver.stdout.take().expect("piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let ready = lines.find(|line| line.contains("started successfully on port")).expect("chromedriver starts");
        let port: u16 = ready.trim_end_matches('.').rsplit(' ').next().and_then(|p| p.parse().ok()).expect("a port");
        // It goes on writing, and a full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));

        let mut chromium = Self { driver, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", chromium._profile.path().join("profile").display()));
        let options = json!({"browserName": "chrome", "goog:chromeOptions": {"args": arguments}});
        let session = chromium.command("POST", "", &json!({"capabilities": {"alwaysMatch": options}}));
        let id = session["sessionId"].as_str().expect("a session").to_owned();
        chromium.session = format!("{}/{id}", chromium.session);
        chromium
    }

    /// Opens a URL and follows its redirects to a loaded page.
    pub fn visit(&self, url: &str) {
        self.command("POST", "/url", &json!({"url": url}));
    }

    /// Where it is.
    pub fn url(&self) -> Url {
        let url = self.command("GET", "/url", &Value::Null);
        Url::parse(url.as_str().expect("text")).expect("a URL")
    }

    /// The page as it is now.
    pub fn source(&self) -> String {
        self.command("GET", "/source", &Value::Null).as_str().expect("text").to_owned()
    }

    /// What a script in the page returns, as text.
    pub fn evaluate(&self, script: &str) -> String {
        let returned = self.command("POST", "/execute/sync", &json!({"script": script, "args": []}));
        returned.as_str().expect("text").to_owned()
    }

    /// Clicks what a CSS selector finds; returns when the page that this opens is loaded.
    pub fn click(&self, selector: &str) {
        let found = self.command("POST", "/element", &json!({"using": "css selector", "value": selector}));
        let element = found[ELEMENT].as_str().expect("an element");
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Waits until it is at a URL that satisfies a condition.
    pub fn wait_until_at(&self, limit: Duration, condition: impl Fn(&Url) -> bool) -> Url {
        let deadline = Instant::now() + limit;
        loop {
            // Every question is a round trip through the browser's main thread, so this does not spin.
            let url = self.url();
            if condition(&url) {
                return url;
            }
            assert!(Instant::now() < deadline, "the browser stays at {}", url.path());
        }
    }

    /// The page as a PNG.
    pub fn screenshot(&self, scheme: Scheme) -> Vec<u8> {
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let parameters = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.command("POST", "/goog/cdp/execute", &json!({"cmd": "Emulation.setEmulatedMedia", "params": parameters}));
        let encoded = self.command("GET", "/screenshot", &Value::Null);
        base64::engine::general_purpose::STANDARD.decode(encoded.as_str().expect("text")).expect("base64")
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = Url::parse(&format!("{}{path}", self.session)).expect("a URL");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = http::request(method, &url, &[("Content-Type", "application/json")], &body);
        assert_eq!(reply.status, 200, "WebDriver {method} {path}: {}", reply.text());
        reply.json()["value"].clone()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The session's end is what ends the browser; chromedriver alone would leave it behind.
        let url = Url::parse(&self.session).expect("a URL");
        let _ = http::try_request("DELETE", &url, &[], "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
