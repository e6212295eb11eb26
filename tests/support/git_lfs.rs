//! The server's half of git-lfs, as far as its basic transfer goes: where objects are, and the objects.

use std::path::Path;

use serde_json::{Value, json};

/// The answer's status, type and body; `path` is a request's path below which git-lfs begins, `here` the server's own URL.
pub fn answer(root: &Path, here: &str, method: &str, path: &str, body: &[u8]) -> (&'static str, &'static str, Vec<u8>) {
    const JSON: &str = "application/vnd.git-lfs+json";
    const BYTES: &str = "application/octet-stream";
    let (repository, rest) = path.split_once("/info/lfs/").unwrap();
    let object = |oid: &str| root.join("lfs").join(oid);
    match (method, rest.split_once('/')) {
        ("POST", Some(("objects", "batch"))) => {
            let asked: Value = serde_json::from_slice(body).unwrap();
            let operation = asked["operation"].as_str().unwrap();
            let objects = asked["objects"].as_array().unwrap().iter().map(|object| {
                let href = format!("{here}{repository}/info/lfs/objects/{}", object["oid"].as_str().unwrap());
                json!({ "oid": object["oid"], "size": object["size"], "actions": { operation: { "href": href } } })
            });
            let batch = json!({ "transfer": "basic", "objects": objects.collect::<Vec<_>>() });
            ("200 OK", JSON, batch.to_string().into_bytes())
        }
        ("PUT", Some(("objects", oid))) if oid.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            std::fs::create_dir_all(root.join("lfs")).unwrap();
            std::fs::write(object(oid), body).unwrap();
            ("200 OK", BYTES, Vec::new())
        }
        ("GET", Some(("objects", oid))) if oid.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            ("200 OK", BYTES, std::fs::read(object(oid)).unwrap())
        }
        _ => ("404 Not Found", JSON, b"{\"message\":\"not here\"}".to_vec()),
    }
}
