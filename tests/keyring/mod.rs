//! A D-Bus session and a gnome-keyring of the tests' own, in a temporary home: nothing of the user's is touched.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zbus::blocking::{Connection, connection, fdo};

const SERVICE: &str = "org.freedesktop.secrets";
const LIMIT: Duration = Duration::from_secs(20);

/// The private session. Dropped, its processes end.
pub(crate) struct Session {
    home: tempfile::TempDir,
    bus: Child,
    keyring: Option<Child>,
    pub(crate) address: String,
}

impl Session {
    /// A bus without services; `None` (and a line that says so) if the programs are not installed.
    pub(crate) fn start() -> Option<Self> {
        if let Some(missing) = ["dbus-daemon", "gnome-keyring-daemon"].into_iter().find(|name| !installed(name)) {
            let required = std::env::var_os("CRED_HELPER_TESTS_REQUIRE").is_some_and(|value| value == "1");
            assert!(!required, "{missing} is not installed, and CRED_HELPER_TESTS_REQUIRE=1");
            // Not `eprintln!`: the harness shows nothing of a test that passes.
            let _ = writeln!(std::io::stderr(), "skipped: {missing} is not installed");
            return None;
        }
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("services")).expect("a directory");
        let configuration = home.path().join("bus.conf");
        fs::write(&configuration, bus_configuration(home.path())).expect("written");
        let mut bus = command("dbus-daemon", home.path())
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon starts");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("a pipe")).read_line(&mut address).expect("its address");
        Some(Self { home, bus, keyring: None, address: address.trim().to_owned() })
    }

    /// A session whose keyring is open.
    pub(crate) fn with_keyring() -> Option<Self> {
        let mut session = Self::start()?;
        session.start_keyring(true);
        Some(session)
    }

    /// Starts the keyring, open or with its collection locked, and waits until it answers on the bus.
    pub(crate) fn start_keyring(&mut self, open: bool) {
        let mut command = command("gnome-keyring-daemon", self.home.path());
        command.args(["--foreground", "--components=secrets"]).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        if open {
            command.arg("--unlock");
        }
        let address = self.address.clone();
        let (connected, bus) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        thread::spawn(move || {
            let bus = fdo::DBusProxy::new(&connect(&address)).expect("the bus itself");
            let changes = bus.receive_name_owner_changed_with_args(&[(0, SERVICE)]).expect("subscribed");
            connected.send(()).expect("the test waits");
            let appeared = changes.filter_map(|change| change.args().ok()?.new_owner().as_ref().map(|_| ())).next();
            let _ = answer.send(appeared);
        });
        bus.recv_timeout(LIMIT).expect("the bus answers");
        let mut keyring = command.stdin(Stdio::piped()).spawn().expect("gnome-keyring-daemon starts");
        keyring.stdin.take().expect("a pipe").write_all(b"the keyring's own").expect("the password is taken");
        self.keyring = Some(keyring);
        answered.recv_timeout(LIMIT).expect("the keyring answers in time").expect("the bus goes on");
    }

    /// Ends the keyring; what it keeps stays on its disk.
    pub(crate) fn stop_keyring(&mut self) {
        if let Some(mut keyring) = self.keyring.take() {
            end(&mut keyring);
        }
    }

    /// What a person does who resets the keyring: its files are gone, and a new one is made.
    pub(crate) fn reset_keyring(&mut self) {
        self.stop_keyring();
        fs::remove_dir_all(self.home.path().join("data/keyrings")).expect("there were keyrings");
        self.start_keyring(true);
    }

    /// Locks the keyring's collection.
    pub(crate) fn lock_keyring(&self) {
        let path = zbus::zvariant::ObjectPath::try_from("/org/freedesktop/secrets/aliases/default").expect("a path");
        let interface = "org.freedesktop.Secret.Service";
        self.connect()
            .call_method(Some(SERVICE), "/org/freedesktop/secrets", Some(interface), "Lock", &(vec![path],))
            .expect("locked");
    }

    pub(crate) fn connect(&self) -> Connection {
        connect(&self.address)
    }

    /// From now on the bus starts this program for whoever asks for a service of that name.
    pub(crate) fn starts(&self, service: &str, program: &Path) {
        let file = self.directory("services").join(format!("{service}.service"));
        let text = format!("[D-BUS Service]\nName={service}\nExec={}\n", program.display());
        fs::write(file, text).expect("written");
    }

    pub(crate) fn starts_no_more(&self, service: &str) {
        fs::remove_file(self.directory("services").join(format!("{service}.service"))).expect("it did");
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop_keyring();
        end(&mut self.bus);
    }
}

fn connect(address: &str) -> Connection {
    connection::Builder::address(address).expect("an address").build().expect("the bus answers")
}

fn installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

fn command(name: &str, home: &Path) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    let directories = [("XDG_RUNTIME_DIR", "run"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")];
    for (variable, directory) in directories {
        let directory = home.join(directory);
        fs::create_dir_all(&directory).expect("a directory");
        command.env(variable, directory);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Nothing starts by itself but what [`Session::starts`] put there.
fn bus_configuration(home: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={0}</listen>
  <servicedir>{0}/services</servicedir>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        home.display()
    )
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
