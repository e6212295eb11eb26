//! A container registry as Debian packages it (CNCF's distribution), on a port of its own, and an image to put there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::realm::{self, Realm};

/// The user and password that the registry takes that asks for those.
pub const USER: &str = "ada";
pub const PASSWORD: &str = "right";
/// The same, as bcrypt has it.
const HTPASSWD: &str = "ada:$2b$05$abcdefghijklmnopqrstuu8xaCxxL82bnl.UY74PMksDxIJShppPC\n";

/// Ends when it is dropped.
pub struct Registry {
    process: Child,
    pub host: String,
}

impl Registry {
    /// Takes USER with PASSWORD.
    pub fn with_password(directory: &Path) -> Self {
        let file = directory.join("htpasswd");
        fs::write(&file, HTPASSWD).unwrap();
        Self::start(directory, &json!({ "htpasswd": { "realm": "a-registry", "path": file } }))
    }

    /// Takes what the token server signs.
    pub fn with_realm(directory: &Path, realm: &Realm) -> Self {
        let file = directory.join("realm.pem");
        fs::write(&file, &realm.certificate).unwrap();
        let auth =
            json!({ "realm": realm.url(), "service": realm::NAME, "issuer": realm::NAME, "rootcertbundle": file });
        Self::start(directory, &json!({ "token": auth }))
    }

    fn start(directory: &Path, auth: &Value) -> Self {
        let config = json!({
            "version": "0.1", "auth": auth, "http": { "addr": "127.0.0.1:0", "secret": "of-a-test" },
            "storage": { "filesystem": { "rootdirectory": directory.join("registry") } },
            "log": { "accesslog": { "disabled": true } },
        });
        // JSON is YAML.
        let file = directory.join("registry.yml");
        fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(file).env_clear().env("OTEL_TRACES_EXPORTER", "none");
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let host = lines.by_ref().find_map(|line| {
            let host =
                line.split_once("listening on ").and_then(|(_, rest)| rest.split(['"', ' ']).next().map(str::to_owned));
            said.push(line);
            host
        });
        // A pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let host = host.unwrap_or_else(|| panic!("{}", said.join("\n")));
        Self { process, host }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The smallest image there can be, as an OCI layout.
pub fn image(directory: &Path) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |kind: &str, content: &Value| {
        let text = content.to_string();
        let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(blobs.join(&digest), &text).unwrap();
        json!({ "mediaType": format!("application/vnd.oci.image.{kind}+json"), "digest": format!("sha256:{digest}"), "size": text.len() })
    };
    let config =
        json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [] } });
    let config = blob("config.v1", &config);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [] });
    let manifest = blob("manifest.v1", &manifest);
    fs::write(directory.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string())
        .unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}
