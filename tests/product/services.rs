//! An agent under a service manager: what it tells it, played by a datagram socket; and one that somebody runs by hand.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::home::{Home, lasting_server};

/// An agent in the foreground, as a service manager starts it.
fn run(home: &Home, notify: Option<&str>) -> Child {
    let client = home.command(&[]);
    let variables = client.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let agent = home.path().join("bin/agent");
    let mut command = Command::new(agent);
    command.arg("run").env_clear().envs(variables).current_dir("/");
    command.envs(notify.map(|name| ("NOTIFY_SOCKET", name)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn told(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn a_service_manager_is_told_who_serves() {
    let mut home = Home::new();
    let in_file = home.path().join("notify").to_str().unwrap().to_owned();
    let abstract_name = format!("cred-helper-test-{}", std::process::id());
    let managers = [
        (in_file.clone(), UnixDatagram::bind(&in_file).unwrap()),
        (format!("@{abstract_name}"), {
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap()
        }),
    ];
    for (name, manager) in managers {
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        home.install("0.2.0");
        let mut first = run(&home, Some(&name));
        assert_eq!(told(&manager), "READY=1", "{name}");
        // Ready is ready: nobody has to wait any more.
        assert_eq!(home.agent_pid().unsigned_abs(), first.id());
        home.install("0.3.0");
        home.ok(&["agent", "restart"]);
        let successor = home.agent_pid();
        assert_eq!(told(&manager), format!("MAINPID={successor}"), "{name}");
        assert!(first.wait().unwrap().success(), "the first has ended as it should");
        home.ok(&["agent", "stop"]);
    }
}

#[test]
fn an_agent_that_somebody_runs_by_hand_is_restarted_there() {
    let server = lasting_server();
    let mut home = Home::new();
    home.install("0.2.0");
    home.ok(&["vault", "slot", "add", "machine", "--accept-weaker"]);
    home.log_in(&server, &[]);
    home.ok(&["agent", "stop"]);
    let mut agent = run(&home, None);
    // It says nothing to anybody here: a program that asks until it is there.
    while home.run(&["agent", "status", "--no-start"]).code != 0 {
        assert!(agent.try_wait().unwrap().is_none());
    }
    let refused = home.run(&["agent", "restart"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("foreground"), "{}", refused.stderr);
    assert_eq!(home.agent_pid().unsigned_abs(), agent.id());
    assert!(server.is_live(&home.token()));
    home.ok(&["agent", "stop"]);
    assert!(agent.wait().unwrap().success());
}
