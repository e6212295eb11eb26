//! Terraform's own libraries, as terraform and OpenTofu build them in: one reads what `setup` wrote (HCL), one starts credentials
//! helpers (terraform-svchost): it asks us, stores what `terraform login` would, and forgets it. Terraform itself is in no Debian.

use std::process::Command;

use crate::forge::Forge;
use crate::home::{Ended, ended};
use crate::setup::SetUp;
use crate::support::programs::newer;

/// `PROGRAM get|store|forget HOST [TOKEN]` as the libraries are used; `PROGRAM words` prints what the helper is started with.
/// The helper is looked for where terraform looks for it.
const PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/hcl"
	svchost "github.com/hashicorp/terraform-svchost"
	"github.com/hashicorp/terraform-svchost/auth"
)

type settings struct {
	Helpers map[string]*struct {
		Args []string `hcl:"args"`
	} `hcl:"credentials_helper"`
}

func helper() (string, []string, error) {
	home, read := os.Getenv("HOME"), settings{}
	text, err := os.ReadFile(home + "/.terraformrc")
	if err == nil {
		err = hcl.Decode(&read, string(text))
	}
	for name, helper := range read.Helpers {
		path := home + "/.terraform.d/plugins/terraform-credentials-" + name
		_, err := os.Stat(path)
		return path, helper.Args, err
	}
	if err == nil {
		err = fmt.Errorf("no credentials_helper")
	}
	return "", nil, err
}

func run() error {
	path, args, err := helper()
	if err != nil {
		return err
	}
	if os.Args[1] == "words" {
		for _, arg := range args {
			fmt.Println(arg)
		}
		return nil
	}
	source := auth.HelperProgramCredentialsSource(path, args...)
	host, err := svchost.ForComparison(os.Args[2])
	switch {
	case err != nil:
	case os.Args[1] == "store":
		err = source.StoreForHost(host, auth.HostCredentialsToken(os.Args[3]))
	case os.Args[1] == "forget":
		err = source.ForgetForHost(host)
	default:
		var found auth.HostCredentials
		if found, err = source.ForHost(host); found != nil {
			fmt.Print(found.Token())
		}
	}
	return err
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"#;

struct Stage {
    forge: Forge,
    program: std::path::PathBuf,
}

impl Stage {
    fn set() -> Option<Self> {
        let mut go = newer("go")?;
        let forge = Forge::new();
        let source = forge.write("credentials.go", PROGRAM);
        let program = forge.home.path().join("credentials");
        let home = forge.home.path();
        go.args(["build", "-o"]).arg(&program).arg(source).current_dir(home).env_clear();
        go.envs([
            ("PATH", "/usr/bin:/bin"),
            ("GO111MODULE", "off"),
            ("GOPATH", "/usr/share/gocode"),
            ("CGO_ENABLED", "0"),
            // Of all tests and runs: without it each one builds Go's own library, which takes minutes.
            ("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-build")),
        ]);
        let built = ended(go.env("HOME", home).env("GOFLAGS", "-p=2").output().unwrap());
        assert_eq!(built.code, 0, "{}", built.stderr);
        Some(Self { forge, program })
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear();
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
    let _set_up = SetUp::of(&stage.forge.home, &["terraform"]);
    stage.forge.rules("'https://app.example' = 'forge'\n'https://gone.example' = 'gone'");
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

#[test]
fn terraforms_libraries_find_the_helper_that_was_set_up() {
    let Some(stage) = Stage::set() else { return };
    stage
        .forge
        .write(".terraformrc", "plugin_cache_dir = \"x\" # mine\ncredentials \"a.example\" {\n  token = \"t\"\n}");
    let asks = || stage.run(&["get", "app.example"]);
    assert!(asks().stderr.contains("no credentials_helper"));
    let set_up = SetUp::of(&stage.forge.home, &["terraform", "--host", "app.example", "--account", "forge"]);
    assert!(stage.forge.is_live()(&stage.ok(&["get", "app.example"])));
    assert_eq!(stage.ok(&["get", "elsewhere.example"]), "");
    set_up.remove();
    assert!(asks().stderr.contains("no credentials_helper"));
    let words = ["--audience", "a \"b\" \\ $x {y} %z \u{e4}"];
    let set_up = SetUp::of(&stage.forge.home, &[&["terraform", "--"], &words[..]].concat());
    assert_eq!(stage.ok(&["words"]), words.join("\n") + "\n");
    set_up.remove();
}
