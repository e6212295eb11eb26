//! Git with us as its only helper, at a server that takes passwords: a person types one once. `GIT_ASKPASS` is the person.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::home::{Ended, Home, ended};
use crate::support::git_server;
use crate::support::programs::{missing, newer};
use crate::support::site::{Judge, Shown, Site};

struct Stage {
    server: Site,
    /// The password that the server takes.
    right: Arc<Mutex<String>>,
    home: Home,
    client: fn() -> Command,
}

impl Stage {
    fn set(client: fn() -> Command) -> Self {
        let home = Home::with_vault();
        let right = Arc::new(Mutex::new("right".to_owned()));
        let taken = Arc::clone(&right);
        let judge = Judge::of(Shown::Basic("ada"), move |password| *taken.lock().unwrap() == password);
        let server = git_server::start(&home.path().join("repositories"), judge);
        let bin = home.make_private("bin");
        symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("git-credential-cred-helper")).unwrap();
        let person = "#!/bin/sh\necho \"$1\" >>asked\ncase $1 in User*) echo ada ;; *) cat typed ;; esac\n";
        fs::write(bin.join("person"), person).unwrap();
        fs::set_permissions(bin.join("person"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(home.path().join(".gitconfig"), "[credential]\nhelper = cred-helper\n").unwrap();
        let stage = Self { server, right, home, client };
        assert_eq!(stage.git(&["init", "--quiet", "--bare", "repositories/x.git"]).code, 0);
        stage
    }

    fn git(&self, arguments: &[&str]) -> Ended {
        let mut command = (self.client)();
        command.args(arguments).env_clear().current_dir(self.home.path());
        command.envs(self.home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        let bin = self.home.path().join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(bin.clone()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("GIT_ASKPASS", bin.join("person"));
        ended(command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C").output().unwrap())
    }

    /// Lists what the server has, while a person is ready to type this.
    fn list(&self, typed: &str) -> Ended {
        fs::write(self.home.path().join("typed"), typed).unwrap();
        self.git(&["ls-remote", &self.server.url("/x.git")])
    }

    /// How often the person was asked since the last call.
    fn asked(&self) -> usize {
        let file = self.home.path().join("asked");
        let asked = fs::read_to_string(&file).unwrap_or_default().lines().count();
        let _ = fs::remove_file(file);
        asked
    }
}

fn a_password_is_typed_once_and_again_once_it_is_refused(client: fn() -> Command) {
    let stage = Stage::set(client);
    let wrong = stage.list("wrong");
    assert_eq!((wrong.code, stage.asked()), (128, 2), "{}", wrong.stderr);
    assert_eq!(stage.home.json(&["password", "list", "--json"])["passwords"], serde_json::json!([]));
    let typed = stage.list("right");
    assert_eq!((typed.code, stage.asked(), typed.stderr.as_str()), (0, 2, ""));
    stage.home.ok(&["agent", "stop"]);
    for _ in 0..2 {
        let kept = stage.list("nobody types");
        assert_eq!((kept.code, stage.asked(), kept.stderr.as_str()), (0, 0, ""));
    }
    let seen = stage.server.seen();
    assert_eq!(seen.iter().filter(|shown| **shown == "refused").count(), 1, "{seen:?}");

    *stage.right.lock().unwrap() = "new".to_owned();
    let refused = stage.list("nobody types");
    assert_eq!((refused.code, stage.asked()), (128, 0), "{}", refused.stderr);
    let ours: Vec<_> = refused.stderr.lines().filter(|line| line.starts_with("cred-helper: ")).collect();
    assert!(matches!(ours[..], [line] if line.contains("the server refused the password that was kept")), "{ours:?}");
    assert_eq!((stage.list("new").code, stage.asked()), (0, 2));
    assert_eq!((stage.list("nobody types").code, stage.asked()), (0, 0));
}

#[test]
fn git_has_a_password_typed_once_and_again_once_it_is_refused() {
    if !missing(&["git"]) {
        a_password_is_typed_once_and_again_once_it_is_refused(|| Command::new("git"));
    }
}

#[test]
fn the_newest_git_does_so_too() {
    if newer("git").is_some() {
        a_password_is_typed_once_and_again_once_it_is_refused(|| newer("git").unwrap());
    }
}
