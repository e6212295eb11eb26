//! Git over HTTP: git's own http-backend, and the server's half of git-lfs as far as its basic transfer goes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::site::{Judge, Request, Response, Site};

/// Serves the repositories below a directory.
pub fn start(root: &Path, judge: Judge) -> Site {
    let root = root.to_owned();
    Site::start(judge, move |request| match request.path.split_once("/info/lfs/") {
        Some((repository, rest)) => lfs(&root, request, repository, rest),
        None => backend(&root, request),
    })
}

/// RFC 3875, as far as http-backend needs it.
fn backend(root: &Path, request: &Request) -> Response {
    let mut backend = Command::new("git");
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("REMOTE_USER", "ada");
    backend.env("REQUEST_METHOD", &request.method).env("PATH_INFO", &request.path);
    backend.env("QUERY_STRING", &request.query).env("CONTENT_LENGTH", request.body.len().to_string());
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        backend.envs(request.header(name).map(|value| (variable, value)));
    }
    let mut backend = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = backend.stdin.take().unwrap();
    let body = request.body.clone();
    let writer = std::thread::spawn(move || drop(input.write_all(&body)));
    let output = backend.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut response = Response { body: output[end + 4..].to_vec(), ..Response::empty(200) };
    for (name, value) in String::from_utf8_lossy(&output[..end]).lines().filter_map(|line| line.split_once(": ")) {
        match name {
            "Status" => response.status = value[..3].parse().unwrap(),
            _ => response.headers.push((name.to_owned(), value.to_owned())),
        }
    }
    response
}

/// Where objects are, and the objects.
fn lfs(root: &Path, request: &Request, repository: &str, rest: &str) -> Response {
    const JSON: &str = "application/vnd.git-lfs+json";
    const BYTES: &str = "application/octet-stream";
    let object = |oid: &str| root.join("lfs").join(oid);
    match (request.method.as_str(), rest.split_once('/')) {
        ("POST", Some(("objects", "batch"))) => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            let operation = asked["operation"].as_str().unwrap();
            let objects = asked["objects"].as_array().unwrap().iter().map(|object| {
                let oid = object["oid"].as_str().unwrap();
                let href = format!("{}{repository}/info/lfs/objects/{oid}", request.here());
                json!({ "oid": oid, "size": object["size"], "actions": { operation: { "href": href } } })
            });
            let batch = json!({ "transfer": "basic", "objects": objects.collect::<Vec<_>>() });
            Response::new(200, JSON, batch.to_string())
        }
        ("PUT", Some(("objects", oid))) if oid.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            std::fs::create_dir_all(root.join("lfs")).unwrap();
            std::fs::write(object(oid), &request.body).unwrap();
            Response::new(200, BYTES, "")
        }
        ("GET", Some(("objects", oid))) if oid.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Response::new(200, BYTES, std::fs::read(object(oid)).unwrap())
        }
        _ => Response::new(404, JSON, "{\"message\":\"not here\"}"),
    }
}
