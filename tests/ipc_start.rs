//! Finding and starting the agent, with real processes: this program plays the test, its clients and the agent.
//!
//! The agent holds a lock all its life, as the real one does; a second one that was started would say so and fail the test.
#![cfg_attr(unix, expect(clippy::print_stdout, reason = "its processes tell each other where they stand"))]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::future::Future;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::path::Path;
    use std::pin::Pin;
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    use cred_helper::Secret;
    use cred_helper::agent::detach::prepare_process;
    use cred_helper::ipc::message::agent::StopAgent;
    use cred_helper::ipc::message::{Error, ErrorKind};
    use cred_helper::ipc::server::{Answer, Call, Listener, Service, serve};
    use cred_helper::ipc::start::{Start, connect_or_start};
    use cred_helper::paths::Paths;

    const PATIENCE: Duration = Duration::from_secs(60);

    pub(super) fn main() {
        match std::env::args().nth(1).as_deref() {
            Some("run") => agent(),
            Some("client") => client(Start::IfNeeded),
            Some("client-never") => client(Start::Never),
            Some("stop") => stop(),
            _ => tests(),
        }
    }

    fn tests() {
        let home = tempfile::tempdir().expect("a directory");
        never_means_never(home.path());
        fifty_clients_start_one_agent(home.path());
        another_environment_follows_the_owner_file(home.path());
        let stopped = play(home.path(), "stop").wait().expect("ended");
        assert!(stopped.success());
        println!("ipc_start: ok");
    }

    fn play(home: &Path, role: &str) -> Child {
        let own = std::env::current_exe().expect("this program");
        let mut command = Command::new(&own);
        command.arg(role).env_clear().env("HOME", home).env("CRED_HELPER_AGENT", &own).env("SECRET_OF_THE_CALLER", "1");
        command.env("XDG_RUNTIME_DIR", home.join("run")).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().expect("runs")
    }

    fn said(mut child: Child) -> String {
        let mut text = String::new();
        // Ends only when nobody holds the pipe: an agent that kept it would hang `$(...)`, and this.
        child.stdout.take().expect("piped").read_to_string(&mut text).expect("read");
        child.wait().expect("ended");
        text
    }

    fn never_means_never(home: &Path) {
        assert_eq!(said(play(home, "client-never")), "AgentUnreachable");
        assert!(!home.join("run").exists());
    }

    fn fifty_clients_start_one_agent(home: &Path) {
        // A descriptor that a careless caller leaks to all its children.
        let leaked = File::create(home.join("leaked")).expect("made");
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("set");
        let clients: Vec<_> = (0..50).map(|_| play(home, "client")).collect();
        let answers: Vec<_> = clients.into_iter().map(said).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer.starts_with("pid ")), "{answers:?}");
        let pid = answers[0].strip_prefix("pid ").expect("a pid");
        let proc = Path::new("/proc").join(pid);
        if !proc.exists() {
            return;
        }
        let inherited = format!("{}/fd/{}", proc.display(), leaked.as_raw_fd());
        assert_ne!(fs::read_link(inherited).ok(), Some(home.join("leaked")));
        assert_eq!(fs::read_link(proc.join("cwd")).expect("a directory"), Path::new("/"));
        let environment = fs::read(proc.join("environ")).expect("read");
        assert!(!String::from_utf8_lossy(&environment).contains("SECRET_OF_THE_CALLER"));
        let status = fs::read_to_string(proc.join("status")).expect("read");
        assert!(status.contains("Umask:\t0077"), "{status}");
        // proc_pid_stat(5): the sixth field is the session.
        let stat = fs::read_to_string(proc.join("stat")).expect("read");
        let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
        assert_eq!(session, Some(pid));
    }

    fn another_environment_follows_the_owner_file(home: &Path) {
        let own = std::env::current_exe().expect("this program");
        let mut command = Command::new(own);
        command.arg("client-never").env_clear().env("HOME", home).env("XDG_RUNTIME_DIR", home.join("elsewhere"));
        let answer = said(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("runs"));
        assert!(answer.starts_with("pid "), "{answer}");
    }

    fn client(start: Start) {
        let paths = Paths::from_env().expect("paths");
        match connect_or_start(&paths, start, PATIENCE) {
            Ok(mut client) => {
                client.set_deadline(PATIENCE);
                let error = client.call(&cred_helper::ipc::message::agent::AgentStatus {}).expect_err("says its pid");
                print!("{error}");
            }
            Err(error) => print!("{:?}", error.kind()),
        }
    }

    fn stop() {
        let paths = Paths::from_env().expect("paths");
        let mut client = connect_or_start(&paths, Start::Never, PATIENCE).expect("runs");
        client.call(&StopAgent {}).expect("stops");
    }

    struct Stoppable(tokio::sync::Notify);

    impl Service for Stoppable {
        fn call(self: Arc<Self>, call: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
            Box::pin(async move {
                if call.method == "agent.stop" {
                    self.0.notify_one();
                    return Ok(Secret::from("{}".to_owned()));
                }
                Err(Error::new(ErrorKind::Internal, format!("pid {}", std::process::id())))
            })
        }
    }

    fn agent() {
        let ready = prepare_process().expect("prepared");
        let paths = Paths::from_env().expect("paths");
        fs::create_dir_all(&paths.vault_dir).expect("made");
        let lock = File::create(paths.vault_dir.join("owner.lock")).expect("made");
        if lock.try_lock().is_err() {
            return ready.fail(&Error::new(ErrorKind::Internal, "a second agent was started"));
        }
        let owner = cred_helper::ipc::owner::Owner {
            host: cred_helper::ipc::owner::host_name(),
            pid: std::process::id(),
            socket: paths.socket.display().to_string(),
            ..Default::default()
        };
        fs::write(paths.owner_file(), serde_json::to_vec(&owner).expect("JSON")).expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = Listener::bind(&paths.socket).expect("binds");
            ready.ok(&paths.socket);
            let service = Arc::new(Stoppable(tokio::sync::Notify::new()));
            // Ends by itself where a test died.
            let stop = tokio::time::timeout(PATIENCE, async { service.0.notified().await });
            serve(listener, service.clone(), stop).await;
        });
    }
}
