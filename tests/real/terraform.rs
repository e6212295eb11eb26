//! Terraform's own library for credentials helpers (terraform-svchost), as terraform and OpenTofu build it in: it asks us, stores
//! what `terraform login` would, and forgets it. Terraform itself is in no Debian.

use std::process::Command;

use crate::forge::Forge;
use crate::home::{Ended, ended};
use crate::support::programs::newer;

/// `PROGRAM HELPER get|store|forget HOST [TOKEN]`, as the library is used.
const PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"

	svchost "github.com/hashicorp/terraform-svchost"
	"github.com/hashicorp/terraform-svchost/auth"
)

func main() {
	source := auth.HelperProgramCredentialsSource(os.Args[1])
	host, err := svchost.ForComparison(os.Args[3])
	switch {
	case err != nil:
	case os.Args[2] == "store":
		err = source.StoreForHost(host, auth.HostCredentialsToken(os.Args[4]))
	case os.Args[2] == "forget":
		err = source.ForgetForHost(host)
	default:
		var found auth.HostCredentials
		if found, err = source.ForHost(host); found != nil {
			fmt.Print(found.Token())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"#;

struct Stage {
    forge: Forge,
    program: std::path::PathBuf,
    helper: std::path::PathBuf,
}

impl Stage {
    fn set() -> Option<Self> {
        let mut go = newer("go")?;
        let forge = Forge::new();
        forge.rules("'https://app.example' = 'forge'\n'https://gone.example' = 'gone'");
        let helper = forge.link("terraform-credentials-cred-helper");
        let source = forge.write("credentials.go", PROGRAM);
        let program = forge.home.path().join("credentials");
        let home = forge.home.path();
        go.args(["build", "-o"]).arg(&program).arg(source).current_dir(home).env_clear();
        go.envs([
            ("PATH", "/usr/bin:/bin"),
            ("GO111MODULE", "off"),
            ("GOPATH", "/usr/share/gocode"),
            ("CGO_ENABLED", "0"),
        ]);
        let built = ended(go.env("HOME", home).env("GOFLAGS", "-p=2").output().unwrap());
        assert_eq!(built.code, 0, "{}", built.stderr);
        Some(Self { forge, program, helper })
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(&self.program);
        command.arg(&self.helper).args(arguments).env_clear();
        command.envs(self.forge.command("", &[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        ended(command.output().unwrap())
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
        ended.stdout
    }
}

#[test]
fn terraforms_library_gets_an_accounts_token_and_one_that_it_stored() {
    let Some(stage) = Stage::set() else { return };
    let is_live = stage.forge.is_live();
    assert!(is_live(&stage.ok(&["get", "app.example"])));
    assert_eq!(stage.ok(&["get", "elsewhere.example"]), "");
    assert_eq!(stage.ok(&["store", "Elsewhere.Example:8443", "the-token"]), "");
    assert_eq!(stage.ok(&["get", "elsewhere.example"]), "");
    stage.forge.home.ok(&["agent", "stop"]);
    assert_eq!(stage.ok(&["get", "elsewhere.example:8443"]), "the-token");
    let git = "protocol=https\nhost=elsewhere.example:8443\n";
    assert_eq!(stage.forge.home.run_with(&["helper", "git", "get"], git).stdout, "", "it is terraform's alone");
    assert_eq!(stage.ok(&["forget", "elsewhere.example:8443"]), "");
    assert_eq!(stage.ok(&["get", "elsewhere.example:8443"]), "");

    let stored = stage.run(&["store", "app.example", "the-token"]);
    assert!(stored.code == 1 && stored.stderr.contains("forge answers for https://app.example"), "{}", stored.stderr);
    let gone = stage.run(&["get", "gone.example"]);
    assert!(gone.code == 1 && gone.stderr.contains("run `cred-helper login"), "{}", gone.stderr);
    // It doesn't say what a host refuses: a person has it renewed.
    stage.forge.server.expire_access_tokens();
    assert!(!is_live(&stage.ok(&["get", "app.example"])));
    stage.forge.home.ok(&["refresh", "forge"]);
    assert!(is_live(&stage.ok(&["get", "app.example"])));
}
