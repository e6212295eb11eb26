//! Systemd itself: a user's manager of the test's own, whose units load tokens as credentials.
//!
//! It takes root, for a mount namespace in which the machine looks booted by systemd, and a control group of its own.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cred_helper::demo::server::Server;

use crate::home::{Ended, Home, ended, lasting_server};
use crate::support::programs::skip;

const SYSTEMD: &str = "/usr/lib/systemd/systemd";
/// What it mounts is seen in this namespace alone.
const BOOTED: &str = "mount --make-rshared / && mount -t tmpfs none /run && mkdir -p /run/systemd/system && \
                      for group in $GROUPS; do echo $$ > $group/cgroup.procs || exit 1; done; exec \"$@\"";
const LIMIT: Duration = Duration::from_secs(60);

/// A user's manager, until this is dropped.
struct Manager<'a> {
    home: &'a Home,
    process: Child,
    groups: Vec<PathBuf>,
}

impl<'a> Manager<'a> {
    /// `None` where this machine lets none run.
    fn start(home: &'a Home) -> Option<Self> {
        let groups = own_groups()?;
        let notify = home.path().join("run/notify");
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(LIMIT)).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", BOOTED, "sh", SYSTEMD, "--user", "--unit=basic.target"]);
        let listed: Vec<_> = groups.iter().map(|group| group.to_str().unwrap()).collect();
        let log = std::fs::File::create(home.path().join("systemd.log")).unwrap();
        command.env_clear().envs(variables(home)).env("GROUPS", listed.join(" ")).env("NOTIFY_SOCKET", &notify);
        command.env("SYSTEMD_LOG_TARGET", "console").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut manager = Self { home, process: command.spawn().unwrap(), groups };
        let mut message = [0; 4096];
        loop {
            match ready.recv(&mut message) {
                Ok(length) if String::from_utf8_lossy(&message[..length]).contains("READY=1") => return Some(manager),
                Ok(_) if matches!(manager.process.try_wait(), Ok(None)) => {}
                _ => return None,
            }
        }
    }

    /// A unit that prints its credential; its status is the unit's.
    fn runs(&self, unit: &str, credential: &str) -> Ended {
        let socket = self.home.path().join("run/cred-helper/systemd.sock");
        let mut command = Command::new("systemd-run");
        command.args(["--user", "--quiet", "--wait", "--pipe", "--unit", unit]);
        command.arg(format!("--property=LoadCredential={credential}:{}", socket.display()));
        command.args(["sh", "-c", &format!("cat \"$CREDENTIALS_DIRECTORY/{credential}\"")]);
        ended(command.env_clear().envs(variables(self.home)).stdin(Stdio::null()).output().unwrap())
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        let own = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = own.map(|own| rustix::process::kill_process(own, rustix::process::Signal::TERM));
        let _ = self.process.wait();
        self.groups.iter().for_each(|group| remove_groups(group));
    }
}

fn variables(home: &Home) -> Vec<(&'static str, PathBuf)> {
    let path = PathBuf::from(std::env::var_os("PATH").unwrap());
    vec![("HOME", home.path().to_owned()), ("XDG_RUNTIME_DIR", home.path().join("run")), ("PATH", path)]
}

/// A control group in each hierarchy that systemd uses.
fn own_groups() -> Option<Vec<PathBuf>> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = match root.join("cgroup.controllers").exists() {
        true => vec![root.to_owned()],
        false => vec![root.join("systemd"), root.join("unified")],
    };
    let name = format!("cred-helper-test-{}", std::process::id());
    let groups: Vec<_> = hierarchies.into_iter().map(|hierarchy| hierarchy.join(&name)).collect();
    groups.iter().all(|group| std::fs::create_dir(group).is_ok()).then_some(groups)
}

/// Those below first.
fn remove_groups(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

fn signed_in(server: &Server) -> Home {
    let home = Home::with_vault();
    home.configure(&format!(
        "[systemd]\nenabled = true\n[systemd.credentials]\ntoken = 'forge'\n'other.service/token' = 'forge/nobody'\n\
         [providers.forge]\nissuer = '{}'\nclient.id = '{}'\n",
        server.issuer(),
        server.client_id()
    ));
    home.ok(&["agent", "stop"]);
    let ended = home.log_in_with(&["login", "forge", "--no-browser"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    home
}

#[test]
fn a_unit_loads_a_fresh_token_and_one_that_there_is_none_for_does_not_start() {
    if !Path::new(SYSTEMD).exists() {
        return skip("there is no systemd");
    }
    let server = lasting_server();
    let home = signed_in(&server);
    let Some(manager) = Manager::start(&home) else {
        return skip("a manager of its own takes root and a control group");
    };
    let first = manager.runs("one.service", "token");
    assert_eq!((first.code, first.stdout.as_str()), (0, home.token().as_str()), "{}", first.stderr);
    assert!(server.is_live(&first.stdout));
    // It has nothing to say of a refusal: what is reported, the next start mends.
    server.expire_access_tokens();
    assert_eq!(home.run_with(&["reject"], &first.stdout).code, 0);
    let second = manager.runs("two.service", "token");
    assert!(server.is_live(&second.stdout), "{}", second.stderr);
    for (unit, credential) in [("other.service", "token"), ("three.service", "unnamed")] {
        let refused = manager.runs(unit, credential);
        assert_eq!((refused.code, refused.stdout.as_str()), (243, ""), "{unit}: {}", refused.stderr);
    }
    let log = home.ok(&["log", "--json"]);
    assert!(log.contains("unit other.service") && log.contains("login_required"), "{log}");
}
