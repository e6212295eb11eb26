//! A cargo registry in memory: a sparse index, publishing, downloads and yanking (the Cargo Book, Registry Web API).

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::site::{Judge, Request, Response, Site};

/// What was published: the line of the index, and the package.
type Crates = BTreeMap<String, (Value, Vec<u8>)>;

/// A registry whose every answer wants a token, in the form that the judge knows.
pub fn start(judge: Judge) -> Site {
    let crates = Mutex::new(Crates::new());
    let judge = judge.challenging("Cargo login_url=\"http://127.0.0.1/me\"");
    Site::start(judge, move |request| serve(request, &mut crates.lock().unwrap()))
}

fn serve(request: &Request, crates: &mut Crates) -> Response {
    let segments: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["index", "config.json"]) => {
            let here = request.here();
            let config = json!({ "dl": format!("{here}/api/v1/crates"), "api": here, "auth-required": true });
            Response::json(200, &config)
        }
        ("GET", ["index", .., name]) => match crates.get(*name) {
            Some((line, _)) => Response::new(200, "text/plain", format!("{line}\n")),
            None => Response::empty(404),
        },
        ("GET", ["api", "v1", "crates", name, _, "download"]) => match crates.get(*name) {
            Some((_, package)) => Response::new(200, "application/gzip", package.clone()),
            None => Response::empty(404),
        },
        ("PUT", ["api", "v1", "crates", "new"]) => {
            publish(&request.body, crates);
            Response::json(200, &json!({ "warnings": null }))
        }
        ("DELETE", ["api", "v1", "crates", name, _, "yank"]) => {
            if let Some((line, _)) = crates.get_mut(*name) {
                line["yanked"] = true.into();
            }
            Response::json(200, &json!({ "ok": true }))
        }
        _ => Response::empty(404),
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
