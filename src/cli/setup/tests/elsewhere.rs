//! What was set up is taken back by what was done, not by what would be done now: variables lead elsewhere by then, this program
//! lies elsewhere, and the tool's own file names things anew.

use super::*;

/// Each with what a person has changed meanwhile: nothing can be taken back byte by byte.
#[test]
fn what_was_set_up_under_other_variables_by_a_program_that_lay_elsewhere_is_taken_back() {
    let kube = "# mine\nclusters:\n- name: c\n  cluster: {server: 'https://k8s.example:6443'}\ncontexts:\n\
                - {name: dev, context: {cluster: c, user: a}}\ncurrent-context: dev\nusers:\n- {name: a, user: {token: x}}\n";
    for (tool, words, variable, leads_to, file, before) in [
        (
            "aws",
            "--account work -- --role-arn x",
            "AWS_CONFIG_FILE",
            "far/aws",
            "far/aws",
            "# mine\n[default]\na = b\n",
        ),
        ("cargo", "--name work", "CARGO_HOME", "far", "far/config.toml", "# mine\n[registries.work]\nindex = 'x'\n"),
        ("claude", "", "CLAUDE_CONFIG_DIR", "far", "far/settings.json", "{\"theme\": \"mine\"}"),
        ("codex", "--name p", "CODEX_HOME", "far", "far/config.toml", "# mine\n[model_providers.p]\nname = 'x'\n"),
        (
            "docker",
            "--host a.example",
            "DOCKER_CONFIG",
            "far",
            "far/config.json",
            "{\"HttpHeaders\": {\"a\": \"mine\"}}",
        ),
        ("git", "--host a.example", "GIT_CONFIG_GLOBAL", "far/git", "far/git", "# mine\n[user]\n\tname = x\n"),
        ("kubectl", "", "KUBECONFIG", "far/kube", "far/kube", kube),
    ] {
        let mut stage = Stage::new();
        stage.write(file, before);
        stage.variables.insert(variable, leads_to);
        assert_eq!(stage.add(tool, &wish(words)).ok().as_deref(), Some("set_up"), "{tool}");
        let set_up = fs::read_to_string(stage.at(file)).expect(tool);
        assert_ne!(set_up, before, "{tool}");
        stage.write(file, &set_up.replace("mine", "mine, still"));
        stage.variables.clear();
        fs::rename(stage.at("bin"), stage.at("opt")).expect("moved");
        stage.bin = "opt";
        assert_eq!(stage.remove(tool, &Wish::default()), "removed", "{tool}");
        assert_eq!(fs::read_to_string(stage.at(file)).expect(tool), before.replace("mine", "mine, still"), "{tool}");
        assert!(!fs::exists(stage.at(".local/state/cred-helper/setup.json")).expect(tool), "{tool}");
    }
}

/// What one setup put in stays as long as another one needs it, wherever both would be put now.
#[test]
#[cfg(target_os = "linux")]
fn what_two_setups_share_stays_for_the_second_under_other_variables() {
    let mut stage = Stage::new();
    stage.variables.insert("XDG_CONFIG_HOME", "far");
    for host in ["a.example", "b.example"] {
        stage.add("pip", &wish(&format!("--host {host}"))).expect("set up");
    }
    let (file, set_up) = (stage.at("far/pip/pip.conf"), stage.all());
    let text = fs::read_to_string(&file).expect("a file");
    stage.variables.clear();
    assert_eq!(stage.remove("pip", &wish("--host a.example")), "removed");
    assert_eq!(fs::read_to_string(&file).expect("still there"), text);
    assert!(set_up.keys().filter(|path| path.contains("keyring")).all(|path| stage.all().contains_key(path)));
    assert_eq!(stage.remove("pip", &Wish::default()), "removed");
    assert!(!file.exists());
}
