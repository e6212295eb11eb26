//! Power lost after each step: what a kill leaves is in the page cache, and what a power loss leaves is what was synced, with
//! any part of the rest.
//!
//! A copy of the tree is taken at every step. From the copies follow the operations, and from those every tree that a disk may
//! legally show afterwards: synced data and directories are there; of what was not synced, each creation, rename and removal
//! is there or not, and what was written into a file is there, is missing, or is zeros. In each the vault has to open, with the old
//! record or the new one, and never with the old one once an answer could have been given.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;

type Inode = u64;

/// What the tree shows at one moment.
#[derive(Clone, Default)]
struct Tree {
    names: BTreeMap<PathBuf, Inode>,
    data: BTreeMap<Inode, Option<Vec<u8>>>,
}

/// Keeps every file open, so that no inode is given twice.
fn tree(root: &Path, kept: &mut Vec<fs::File>) -> Tree {
    let mut tree = Tree::default();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (path, inode) = (entry.path(), entry.metadata().expect("metadata").ino());
            let is_directory = path.is_dir();
            tree.names.insert(path.strip_prefix(root).expect("inside").to_owned(), inode);
            kept.extend(fs::File::open(&path));
            tree.data.insert(inode, (!is_directory).then(|| fs::read(&path).expect("read")));
            waiting.extend(is_directory.then_some(path));
        }
    }
    tree
}

/// A change of directories that was not synced.
#[derive(Clone)]
struct Change {
    removed: Option<PathBuf>,
    added: Option<(PathBuf, Inode)>,
}

/// What is on the disk for certain, and what may be.
#[derive(Clone, Default)]
struct Disk {
    names: BTreeMap<PathBuf, Inode>,
    pending: Vec<Change>,
    synced: BTreeMap<Inode, Vec<u8>>,
    now: Tree,
    /// The file that was written last.
    written: Inode,
}

impl Disk {
    /// All of it is synced.
    fn settled(now: Tree) -> Self {
        let synced = now.data.iter().filter_map(|(inode, data)| Some((*inode, data.clone()?))).collect();
        Self { names: now.names.clone(), synced, now, ..Self::default() }
    }

    /// `point` was reached before, and this is what came of it.
    fn step(&mut self, point: &str, next: Tree) {
        // What is seen besides came after it.
        match point {
            "disk.sync" | "disk.allocate" => {
                let data = self.now.data.get(&self.written).cloned().flatten();
                self.synced.extend(data.map(|data| (self.written, data)));
            }
            "disk.sync_directory" => self.sync_directory(),
            _ => {}
        }
        for (path, inode) in next.names.iter().filter(|(path, inode)| self.now.names.get(*path) != Some(inode)) {
            let from = self.now.names.iter().find(|(from, was)| *was == inode && !next.names.contains_key(*from));
            let removed = from.map(|(from, _)| from.clone());
            self.pending.push(Change { removed, added: Some((path.clone(), *inode)) });
        }
        let moved: Vec<PathBuf> = self.pending.iter().filter_map(|change| change.removed.clone()).collect();
        for gone in self.now.names.keys().filter(|path| !next.names.contains_key(*path) && !moved.contains(path)) {
            self.pending.push(Change { removed: Some(gone.clone()), added: None });
        }
        if let Some((inode, _)) = next.data.iter().find(|(inode, data)| self.now.data.get(inode) != Some(data)) {
            self.written = *inode;
        }
        self.now = next;
    }

    /// Nothing else happens meanwhile, so it is the directory that was changed last.
    fn sync_directory(&mut self) {
        let last = self.pending.last().map(Change::directory);
        let (synced, left) =
            std::mem::take(&mut self.pending).into_iter().partition(|one| Some(one.directory()) == last);
        let _: &Vec<Change> = &left;
        self.pending = left;
        let synced: Vec<Change> = synced;
        synced.iter().for_each(|change| change.apply(&mut self.names));
    }

    /// Every tree that may be found.
    fn legal(&self) -> Vec<BTreeMap<PathBuf, Option<Vec<u8>>>> {
        let mut all = BTreeSet::new();
        for chosen in 0..1_u32 << self.pending.len() {
            let mut names = self.names.clone();
            for (at, change) in self.pending.iter().enumerate() {
                if chosen & 1 << at != 0 {
                    change.apply(&mut names);
                }
            }
            // What is in a directory that is not there is not there either.
            let there = |path: &Path| path.ancestors().skip(1).all(|up| up == Path::new("") || names.contains_key(up));
            let mut found = vec![BTreeMap::new()];
            for (path, inode) in
                names.iter().filter(|(path, _)| there(path)).map(|(path, inode)| (path.clone(), *inode))
            {
                let choices = self.choices(inode);
                found = found
                    .into_iter()
                    .flat_map(|tree| {
                        let path = path.clone();
                        choices
                            .iter()
                            .map(move |data| {
                                let mut tree: BTreeMap<PathBuf, Option<Vec<u8>>> = tree.clone();
                                tree.insert(path.clone(), data.clone());
                                tree
                            })
                            .collect::<Vec<_>>()
                    })
                    .collect();
            }
            all.extend(found);
        }
        all.into_iter().collect()
    }

    /// What a file may hold; `None` is a directory.
    fn choices(&self, inode: Inode) -> Vec<Option<Vec<u8>>> {
        let Some(Some(now)) = self.now.data.get(&inode) else {
            // Gone by now, but perhaps not from the disk.
            return vec![
                self.synced.get(&inode).cloned().or_else(|| Some(Vec::new())).filter(|_| !self.is_directory(inode)),
            ];
        };
        let synced = self.synced.get(&inode);
        let mut choices = vec![Some(now.clone())];
        if synced != Some(now) {
            let synced = synced.cloned().unwrap_or_default();
            let mut zeros = synced.clone();
            zeros.resize(now.len().max(synced.len()), 0);
            choices.extend([Some(synced), Some(zeros)]);
        }
        choices
    }

    fn is_directory(&self, inode: Inode) -> bool {
        self.now.data.get(&inode).is_some_and(Option::is_none)
    }
}

impl Change {
    /// Where it happened: both ends of a rename are in one directory here.
    fn directory(&self) -> PathBuf {
        let path = self.added.as_ref().map(|(path, _)| path).or(self.removed.as_ref()).expect("one of them");
        path.parent().expect("a directory").to_owned()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Inode>) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        if let Some((path, inode)) = &self.added {
            names.insert(path.clone(), *inode);
        }
    }
}

/// What a disk went through.
struct Recording {
    disk: Disk,
    /// The step that is under way.
    step: String,
    moments: Vec<Disk>,
    kept: Vec<fs::File>,
}

impl Recording {
    /// Begins with what is there, which is synced.
    fn begin(home: &Home) -> Arc<Mutex<Self>> {
        let (root, mut kept) = (home.directory.path().to_owned(), Vec::new());
        let disk = Disk::settled(tree(&root, &mut kept));
        let recording = Arc::new(Mutex::new(Self { disk, step: String::new(), moments: Vec::new(), kept }));
        let watching = Arc::clone(&recording);
        home.faults.watch(move |point| watching.lock().expect("one thread").step(point, &root));
        recording
    }

    fn step(&mut self, point: &str, root: &Path) {
        let step = std::mem::replace(&mut self.step, point.to_owned());
        self.disk.step(&step, tree(root, &mut self.kept));
        self.moments.push(self.disk.clone());
    }

    /// Shows `check` every home that a loss of power may leave, with `true` where everything was done; how many there are.
    fn replay(&mut self, home: &Home, check: impl Fn(&Home, bool)) -> usize {
        self.step("", home.directory.path());
        let last = self.moments.len() - 1;
        let mut homes = 0;
        for (at, moment) in self.moments.iter().enumerate() {
            for tree in moment.legal() {
                let found = Home::new();
                tree.iter().for_each(|(path, data)| put(&found.directory.path().join(path), data.as_deref()));
                check(&found, at == last);
                homes += 1;
            }
        }
        homes
    }
}

fn put(path: &Path, data: Option<&[u8]>) {
    match data {
        Some(data) => fs::write(path, data).expect("written"),
        None => fs::create_dir(path).expect("made"),
    }
}

/// Runs `work` on a vault with one record ("old"), and shows `check` the vault in every tree that a loss of power may leave
/// after each step; with `true` once `work` was done.
fn at_every_loss(before: impl Fn(&Vault), work: impl Fn(&Vault, &RecordId), check: impl Fn(&Vault, bool)) -> usize {
    let home = Home::new();
    let vault = home.ready();
    let id = vault.create(&record("old")).expect("created").id;
    before(&vault);
    let recording = Recording::begin(&home);
    work(&vault, &id);
    let mut recording = recording.lock().expect("one thread");
    recording.replay(&home, |found, done| {
        let vault = found.open();
        vault.unlock_at_start().expect("opens");
        check(&vault, done);
    })
}

#[test]
fn a_first_login_survives_every_loss_of_power() {
    let home = Home::new();
    let recording = Recording::begin(&home);
    home.ready().create(&record("first")).expect("created");
    recording.lock().expect("one thread").replay(&home, |found, done| {
        let vault = found.open();
        let opened = vault.unlock_at_start();
        assert!(opened.is_ok() || !done, "{opened:?}");
        let is_there = vault.state() == VaultState::Unlocked && tokens(&vault) == ["first"];
        assert!(is_there || !done);
    });
}

#[test]
fn a_refresh_survives_every_loss_of_power() {
    let mark = Mark { rotation: 0, at: Timestamp(5) };
    let trees = at_every_loss(
        |_| {},
        |vault, id| {
            let mut prepared = vault.prepare(id, 1, mark).expect("prepared");
            prepared.arrive(&record("new")).expect("written");
            prepared.commit(&record("new")).expect("kept");
        },
        |vault, done| {
            let tokens = tokens(vault);
            assert!(tokens == ["new"] || (tokens == ["old"] && !done), "{tokens:?}");
        },
    );
    assert!(trees > 20, "{trees}");
}

/// Once the request could go out, no loss of power makes the agent forget that it did.
#[test]
fn a_mark_survives_every_loss_of_power() {
    at_every_loss(
        |_| {},
        |vault, id| vault.prepare(id, 1, Mark { rotation: 0, at: Timestamp(5) }).expect("prepared").keep_mark(),
        |vault, done| {
            let loaded = vault.load().expect("loads");
            assert!(loaded.records[0].unanswered.is_some() || !done);
        },
    );
}

#[test]
fn a_new_login_and_a_removal_survive_every_loss_of_power() {
    at_every_loss(
        |_| {},
        |vault, _| drop(vault.create(&record("second")).expect("created")),
        |vault, done| {
            let tokens = tokens(vault);
            assert!(tokens == ["old", "second"] || (tokens == ["old"] && !done), "{tokens:?}");
        },
    );
    at_every_loss(
        |_| {},
        |vault, id| vault.remove(id).expect("removed"),
        |vault, done| {
            let tokens = tokens(vault);
            assert!(tokens.is_empty() || (tokens == ["old"] && !done), "{tokens:?}");
        },
    );
}

#[test]
fn a_new_epoch_survives_every_loss_of_power() {
    at_every_loss(
        |vault| drop(vault.add_slot(SlotKind::Machine, None, true).expect("a slot")),
        |vault, _| vault.remove_slot(&vault.report().slots[0].id).expect("removed"),
        |vault, done| {
            assert_eq!(tokens(vault), ["old"]);
            assert!(!done || (vault.report().epoch, vault.report().slots.len()) == (2, 1));
        },
    );
}
