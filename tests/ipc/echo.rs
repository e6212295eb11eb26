//! A small service behind the real server, in a thread of its own: it echoes, waits, floods and fails on demand.

use std::future::Future;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cred_helper::Secret;
use cred_helper::ipc::message::login::{Progress, Stage};
use cred_helper::ipc::message::{Error, ErrorKind};
use cred_helper::ipc::server::{Answer, Call, Connections, Listener, Service, serve};
use tokio::sync::{Notify, oneshot};

/// Long enough for a loaded machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
    pub(crate) connections: Connections,
    _directory: tempfile::TempDir,
    service: Arc<Echo>,
    started: Mutex<mpsc::Receiver<()>>,
    dropped: Mutex<mpsc::Receiver<()>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) struct Echo {
    released: Notify,
    cancelled: Notify,
    started: mpsc::Sender<()>,
    dropped: mpsc::Sender<()>,
}

impl Echo {
    /// With what tells that a call has begun, and that one was dropped.
    pub(crate) fn new() -> (Self, mpsc::Receiver<()>, mpsc::Receiver<()>) {
        let ((started, has_started), (dropped, was_dropped)) = (mpsc::channel(), mpsc::channel());
        let echo = Self { released: Notify::new(), cancelled: Notify::new(), started, dropped };
        (echo, has_started, was_dropped)
    }
}

/// Tells when a call's future is dropped.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Service for Echo {
    fn call(self: Arc<Self>, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        Box::pin(async move {
            let text = |text: &str| Ok(Secret::from(text.to_owned()));
            match call.method.as_str() {
                "test.echo" => text(&call.params.expose()),
                "test.large" => text(&format!("\"{}\"", "x".repeat(200_000))),
                "test.slow" => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    text("{}")
                }
                "test.forever" => {
                    let _told = Told(self.dropped.clone());
                    let _ = self.started.send(());
                    std::future::pending().await
                }
                "test.wait" => {
                    let _ = self.started.send(());
                    self.released.notified().await;
                    text("{}")
                }
                "test.release" => {
                    self.released.notify_one();
                    text("{}")
                }
                "test.panic" => panic!("as asked"),
                "test.flood" => {
                    let _told = Told(self.dropped.clone());
                    while call.notifier.send(&Progress { login: "x".repeat(1000), stage: Stage::Waiting }) {
                        tokio::task::yield_now().await;
                    }
                    call.notifier.closed().await;
                    text("{}")
                }
                "token.get" => {
                    let params: serde_json::Value = serde_json::from_str(&call.params.expose()).expect("an object");
                    let account = params["account"].as_str().unwrap_or("nobody");
                    text(&format!(
                        r#"{{"account":"{account}","token":"token-of-{account}","kind":"access","token_type":"Bearer","method":"oauth","source":"login","min_validity_met":true,"persisted":true}}"#
                    ))
                }
                "login.start" => {
                    assert!(call.notifier.send(&Progress { login: "1".into(), stage: Stage::Waiting }));
                    self.cancelled.notified().await;
                    // The answer to the cancelling request goes first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Err(Error::new(ErrorKind::Cancelled, "cancelled"))
                }
                "login.cancel" => {
                    self.cancelled.notify_one();
                    text("{}")
                }
                _ => Err(Error::new(ErrorKind::MethodNotFound, "no such method")),
            }
        })
    }
}

impl Agent {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("run/agent.sock");
        let (service, started, dropped) = Echo::new();
        let service = Arc::new(service);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, listening) = mpsc::channel();
        let (path, echo) = (socket.clone(), service.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = Listener::bind(&path).expect("binds");
                ready.send(listener.connections()).expect("told");
                serve(listener, echo, stopped).await;
            });
        });
        let connections = listening.recv_timeout(PATIENCE).expect("listens");
        Self {
            socket,
            connections,
            _directory: directory,
            service,
            started: Mutex::new(started),
            dropped: Mutex::new(dropped),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.set_write_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    /// Waits for a call to have begun.
    pub(crate) fn started(&self) {
        self.started.lock().expect("lock").recv_timeout(PATIENCE).expect("a call began");
    }

    /// Waits for a call to have been dropped.
    pub(crate) fn dropped(&self) {
        self.dropped.lock().expect("lock").recv_timeout(PATIENCE).expect("a call was dropped");
    }

    pub(crate) fn works(&self) -> bool {
        let mut client = cred_helper::Client::connect(&self.socket).expect("connects");
        client.set_deadline(PATIENCE);
        client.call(&cred_helper::ipc::message::token::GetToken::default()).is_ok()
    }

    pub(crate) fn release(&self) {
        self.service.released.notify_one();
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("runs").send(()).expect("told");
    }

    pub(crate) fn join(&mut self) {
        self.thread.take().expect("runs").join().expect("no panic");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
