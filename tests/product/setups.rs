//! `setup` beside an agent that judges its rules: what fails leaves everything as it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::home::Home;

/// A home with this program in its PATH, so that links land there.
fn home() -> Home {
    let mut home = Home::new();
    let bin = home.make_private("bin");
    symlink(env!("CARGO_BIN_EXE_cred-helper"), bin.join("cred-helper")).unwrap();
    home.set("PATH", bin.to_str().unwrap());
    home
}

/// Every file and link below a directory, and what is in it.
fn all_below(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap() {
            found if found.is_dir() => all.extend(all_below(&path)),
            found if found.is_file() => all.push((path.clone(), fs::read(&path).unwrap())),
            _ => all.push((path, Vec::new())),
        }
    }
    all.sort();
    all
}

#[test]
fn what_cannot_be_set_up_leaves_nothing_behind() {
    let mut home = home();
    home.configure("[targets]\n'https://a.example' = 'forge'\n");
    // The name of what is written first beside it is too long for a directory.
    let npmrc = home.path().join("n".repeat(245));
    fs::write(&npmrc, "a=b\n").unwrap();
    home.set("NPM_CONFIG_USERCONFIG", npmrc.to_str().unwrap());
    let before = all_below(home.path());
    for (tool, host, said) in
        [("git", "b.example:99999", "; nothing was changed\n"), ("pnpm", "c.example", "cannot be written")]
    {
        let ended = home.run(&["setup", tool, "--host", host, "--account", "forge", "--yes"]);
        assert!(ended.code == 1 && ended.stderr.contains(said), "{tool}: {}", ended.stderr);
        assert_eq!(all_below(home.path()), before, "{tool}");
    }
    let listed = home.ok(&["setup"]);
    assert!(!listed.contains("changed since"), "{listed}");
}
