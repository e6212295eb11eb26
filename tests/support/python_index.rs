//! A package index for Python (PEP 503) with one package, which takes uploads, too; and the place of the programs that use it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::programs::say_and_skip;
use super::site::{Judge, Request, Response, Shown, Site};

/// The package's only file.
pub const WHEEL: &str = "greeting-1.0-py3-none-any.whl";
/// Writes it.
const MAKE_WHEEL: &str = "
import sys, zipfile
info = 'greeting-1.0.dist-info/'
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('greeting.py', 'words = 1\\n')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\nSummary: x\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'greeting.py,,\\n' + ''.join(f'{info}{name},,\\n' for name in ('METADATA', 'WHEEL', 'RECORD')))
";

/// An index that demands Basic with a live token.
pub struct PythonIndex {
    pub server: Site,
    uploads: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl PythonIndex {
    /// `wheel` is where [`make_wheel`] has written it.
    pub fn start(wheel: &Path, user: &'static str, is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let (wheel, uploads) = (std::fs::read(wheel).unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let kept = Arc::clone(&uploads);
        let serve = move |request: &Request| serve(request, &wheel, &kept);
        Self { server: Site::start(Judge::of(Shown::Basic(user), is_live), serve), uploads }
    }

    /// The index's URL, with that before the host.
    pub fn simple(&self, user: &str) -> String {
        self.server.url("/simple/").replacen("http://", &format!("http://{user}"), 1)
    }

    pub fn uploads(&self) -> usize {
        self.uploads.lock().unwrap().len()
    }
}

fn serve(request: &Request, wheel: &[u8], uploads: &Mutex<Vec<Vec<u8>>>) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/upload/") => {
            uploads.lock().unwrap().push(request.body.clone());
            Response::new(200, "text/plain", "OK")
        }
        (_, "/simple/greeting/") => {
            let page =
                format!("<!DOCTYPE html><html><body><a href=\"/simple/files/{WHEEL}\">{WHEEL}</a></body></html>");
            Response::new(200, "text/html", page)
        }
        (_, path) if path.strip_prefix("/simple/files/") == Some(WHEEL) => {
            Response::new(200, "application/octet-stream", wheel)
        }
        _ => Response::empty(404),
    }
}

/// A program of the environment that tests/run makes of these requirements: its directory, if it is there.
pub fn clients(environment: &str) -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(environment);
    if directory.join("installed").exists() {
        return Some(directory.join("bin"));
    }
    say_and_skip(&format!("what the tests run is not installed in target/{environment}"));
    None
}

pub fn make_wheel(python: &Path, wheel: &Path) {
    let made = Command::new(python).args(["-c", MAKE_WHEEL]).arg(wheel).status().unwrap();
    assert!(made.success());
}
