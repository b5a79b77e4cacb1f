//! A disk as it may be found after a power cut.
//!
//! What a file's last completed sync covered is there. Of everything later each write may be there, missing, or torn
//! at a border of sectors, independently of the order in which the writes were made; the file's length likewise. A
//! name that was made, changed or removed is sure only after a sync of its folder; later changes of names survive as
//! a beginning of their order, because filesystems keep that order in their own journal.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::record::{Change, Entry};

/// The smallest part of a write that reaches the disk whole.
const SECTOR: usize = 512;
/// A page of the cache and of many disks.
const PAGE: usize = 4096;

/// What a power cut leaves of writes that no sync covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Survival {
    /// Nothing.
    Nothing,
    /// Everything, as after SIGKILL.
    Everything,
    /// The first ones in their order, the last of them torn.
    Beginning,
    /// Any of them, whole.
    Writes,
    /// Any part of this size of any of them.
    Parts(usize),
    /// Any sector of any of them, and what was being written is noise.
    Noise,
}

impl Survival {
    const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Everything,
        Self::Beginning,
        Self::Writes,
        Self::Parts(SECTOR),
        Self::Parts(PAGE),
        Self::Noise,
    ];
}

#[derive(Debug)]
enum Pending {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Default)]
struct Object {
    durable: Vec<u8>,
    pending: Vec<(u64, Pending)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

type Names = BTreeMap<PathBuf, Node>;

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }

    fn is_in(&self, folder: &Path) -> bool {
        match self {
            Self::Add(path, _) | Self::Remove(path) => path.parent() == Some(folder),
            Self::Rename(from, to) => from.parent() == Some(folder) || to.parent() == Some(folder),
        }
    }
}

/// Whether the disk keeps what it promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honesty {
    /// A sync ends when everything is on the disk.
    Honest,
    /// A sync ends at once and means nothing. Nothing can be safe on such a disk: a check that finds nothing wrong on
    /// it cannot find anything.
    Lying,
}

/// The disk while the record is played.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    honesty: Honesty,
    objects: Vec<Object>,
    by_inode: HashMap<u64, usize>,
    names: Names,
    durable_names: Names,
    pending_names: Vec<(u64, NameChange)>,
}

impl Disk {
    /// An empty disk whose files stand under `root`.
    pub(super) fn new(root: &Path, honesty: Honesty) -> Self {
        Self {
            root: root.to_owned(),
            honesty,
            objects: Vec::new(),
            by_inode: HashMap::new(),
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: Vec::new(),
        }
    }

    /// Does what was recorded.
    pub(super) fn apply(&mut self, entry: &Entry) {
        match &entry.change {
            Change::Opened { path, is_new } => self.open(entry, path, *is_new),
            Change::Written { offset, data } => {
                let write = Pending::Write { offset: size(*offset), data: data.clone() };
                self.change(entry, write);
            }
            Change::Truncated { length } => self.change(entry, Pending::Length(size(*length))),
            Change::Synced { began } => self.sync(entry.inode, *began),
            Change::FolderSynced { folder, began } => self.sync_folder(folder, *began),
            Change::Removed { path } => self.rename(entry.at, NameChange::Remove(path.clone())),
            Change::Renamed { from, to } => self.rename(entry.at, NameChange::Rename(from.clone(), to.clone())),
            Change::FolderMade { path } => self.rename(entry.at, NameChange::Add(path.clone(), Node::Folder)),
        }
    }

    fn open(&mut self, entry: &Entry, path: &Path, is_new: bool) {
        match self.names.get(path) {
            Some(Node::File(object)) if !is_new => {
                self.by_inode.insert(entry.inode, *object);
            }
            _ => {
                let object = self.objects.len();
                self.objects.push(Object::default());
                self.by_inode.insert(entry.inode, object);
                self.rename(entry.at, NameChange::Add(path.to_owned(), Node::File(object)));
            }
        }
    }

    fn rename(&mut self, at: u64, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push((at, change));
    }

    fn change(&mut self, entry: &Entry, pending: Pending) {
        if let Some(object) = self.by_inode.get(&entry.inode) {
            self.objects[*object].pending.push((entry.at, pending));
        }
    }

    fn sync(&mut self, inode: u64, began: u64) {
        if self.honesty == Honesty::Lying {
            return;
        }
        let Some(object) = self.by_inode.get(&inode) else { return };
        let object = &mut self.objects[*object];
        let covered = object.pending.iter().take_while(|(at, _)| *at <= began).count();
        for (_, pending) in object.pending.drain(..covered) {
            apply(&mut object.durable, &pending, |_| true);
        }
    }

    fn sync_folder(&mut self, folder: &Path, began: u64) {
        if self.honesty == Honesty::Lying {
            return;
        }
        self.pending_names.retain(|(at, change)| {
            let is_covered = *at <= began && change.is_in(folder);
            if is_covered {
                change.apply(&mut self.durable_names);
            }
            !is_covered
        });
    }

    /// The disk after a power cut now: one of many ways in which it may be found.
    pub(super) fn cut(&self, random: &mut StdRng) -> Image {
        let mut names = self.durable_names.clone();
        let kept = match random.random_range(0..4) {
            0 => 0,
            1 => self.pending_names.len(),
            _ => random.random_range(0..=self.pending_names.len()),
        };
        self.pending_names.iter().take(kept).for_each(|(_, change)| change.apply(&mut names));
        let survival = Survival::ALL[random.random_range(0..Survival::ALL.len())];
        let mut image = Image { root: self.root.clone(), folders: Vec::new(), files: Vec::new() };
        let is_reachable = |path: &Path| {
            let above = path.ancestors().skip(1).take_while(|folder| *folder != self.root);
            above.into_iter().all(|folder| names.get(folder) == Some(&Node::Folder))
        };
        for (path, node) in names.iter().filter(|(path, _)| is_reachable(path)) {
            match node {
                Node::Folder => image.folders.push(path.clone()),
                Node::File(object) => {
                    image.files.push((path.clone(), self.objects[*object].survivor(survival, random)))
                }
            }
        }
        image
    }
}

impl Object {
    fn survivor(&self, survival: Survival, random: &mut StdRng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let last = match survival {
            Survival::Nothing => return bytes,
            Survival::Beginning => random.random_range(0..=self.pending.len()),
            _ => self.pending.len(),
        };
        for (at, (_, pending)) in self.pending.iter().take(last).enumerate() {
            match survival {
                Survival::Beginning if at + 1 == last => {
                    let until = random.random_range(0..=pending.parts());
                    apply(&mut bytes, pending, |part| part < until);
                }
                Survival::Nothing | Survival::Everything | Survival::Beginning => apply(&mut bytes, pending, |_| true),
                Survival::Writes => {
                    if random.random_bool(0.5) {
                        apply(&mut bytes, pending, |_| true);
                    }
                }
                Survival::Parts(size) => {
                    let kept = kept_parts(pending, size, random);
                    apply(&mut bytes, pending, |part| kept.get(part * SECTOR / size).copied().unwrap_or(false));
                }
                Survival::Noise => {
                    let kept = kept_parts(pending, SECTOR, random);
                    let noisy = match pending {
                        Pending::Write { offset, data } if random.random_bool(0.5) => {
                            let noise = data.iter().map(|_| random.random()).collect();
                            &Pending::Write { offset: *offset, data: noise }
                        }
                        _ => pending,
                    };
                    apply(&mut bytes, noisy, |part| kept.get(part).copied().unwrap_or(false));
                }
            }
        }
        bytes
    }
}

impl Pending {
    /// In how many sectors it falls.
    fn parts(&self) -> usize {
        match self {
            Self::Write { data, .. } => data.len().div_ceil(SECTOR),
            Self::Length(_) => 1,
        }
    }
}

fn kept_parts(pending: &Pending, size: usize, random: &mut StdRng) -> Vec<bool> {
    (0..=pending.parts() * SECTOR / size).map(|_| random.random_bool(0.5)).collect()
}

/// Applies the sectors of a change that `keeps` wants, counted from the change's beginning.
fn apply(bytes: &mut Vec<u8>, pending: &Pending, keeps: impl Fn(usize) -> bool) {
    match pending {
        Pending::Length(length) => {
            if keeps(0) {
                bytes.resize(*length, 0);
            }
        }
        Pending::Write { offset, data } => {
            for (part, sector) in data.chunks(SECTOR).enumerate().filter(|(part, _)| keeps(*part)) {
                let from = offset + part * SECTOR;
                if bytes.len() < from + sector.len() {
                    bytes.resize(from + sector.len(), 0);
                }
                bytes[from..from + sector.len()].copy_from_slice(sector);
            }
        }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Folders and files as they were found.
#[derive(Debug)]
pub(super) struct Image {
    root: PathBuf,
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Image {
    /// Writes everything under `folder`, which stands for the disk's root and must be empty.
    pub(super) fn write_to(&self, folder: &Path) -> anyhow::Result<()> {
        let place = |path: &Path| folder.join(path.strip_prefix(&self.root).unwrap_or(path));
        for path in &self.folders {
            std::fs::create_dir_all(place(path)).with_context(|| format!("making {} failed", path.display()))?;
        }
        for (path, bytes) in &self.files {
            std::fs::write(place(path), bytes).with_context(|| format!("writing {} failed", path.display()))?;
        }
        Ok(())
    }
}
