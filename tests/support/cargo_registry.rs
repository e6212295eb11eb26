//! A cargo registry in memory: a sparse index, publishing, downloads and yanking (the Cargo Book, Registry Web API).

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::guarded::{Answer, Asked, Guarded, Judge};

const JSON: &str = "application/json";

/// What was published: the line of the index, and the package.
type Crates = BTreeMap<String, (Value, Vec<u8>)>;

/// A registry whose every answer wants a token, in the form that the judge knows.
pub fn start(judge: Judge) -> Guarded {
    let crates = Mutex::new(Crates::new());
    Guarded::start("Cargo login_url=\"http://127.0.0.1/me\"", judge, move |here, asked| {
        serve(here, asked, &mut crates.lock().unwrap())
    })
}

fn serve(here: &str, asked: &Asked<'_>, crates: &mut Crates) -> Answer {
    let segments: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    match (asked.method, segments.as_slice()) {
        ("GET", ["index", "config.json"]) => {
            let config = json!({ "dl": format!("{here}/api/v1/crates"), "api": here, "auth-required": true });
            (200, JSON, config.to_string().into())
        }
        ("GET", ["index", .., name]) => match crates.get(*name) {
            Some((line, _)) => (200, "text/plain", format!("{line}\n").into()),
            None => (404, "text/plain", Vec::new()),
        },
        ("GET", ["api", "v1", "crates", name, _, "download"]) => match crates.get(*name) {
            Some((_, package)) => (200, "application/gzip", package.clone()),
            None => (404, "text/plain", Vec::new()),
        },
        ("PUT", ["api", "v1", "crates", "new"]) => {
            publish(asked.body, crates);
            (200, JSON, json!({ "warnings": null }).to_string().into())
        }
        ("DELETE", ["api", "v1", "crates", name, _, "yank"]) => {
            if let Some((line, _)) = crates.get_mut(*name) {
                line["yanked"] = true.into();
            }
            (200, JSON, json!({ "ok": true }).to_string().into())
        }
        _ => (404, "text/plain", Vec::new()),
    }
}

/// Length and JSON, length and package.
fn publish(body: &[u8], crates: &mut Crates) {
    let part = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let length = part(body);
    let said: Value = serde_json::from_slice(&body[4..4 + length]).unwrap();
    let package = &body[8 + length..8 + length + part(&body[4 + length..])];
    let cksum: String = Sha256::digest(package).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = said["name"].as_str().unwrap().to_owned();
    let line = json!({
        "name": name, "vers": said["vers"], "deps": [], "cksum": cksum, "features": {}, "yanked": false
    });
    crates.insert(name, (line, package.to_vec()));
}
