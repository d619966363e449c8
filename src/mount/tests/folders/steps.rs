//! The operations of users, and how they are done.

use proptest::prelude::*;

use crate::storage::conformance::{self, REFUSE, REPLACE, how, path};
use crate::storage::{Links, Metadata, Result, SetAttrs, Storage, Wait};

/// The paths that users ask for. Those of folders begin with their names.
const PREFIXES: [&str; 5] = ["", "/in", "/team", "/in/../team", "/a/../in"];
const NAMES: [&str; 24] = [
    "",
    "/x",
    "/y",
    "/a",
    "/a/x",
    "/a/y",
    "/a/d",
    "/a/d/x",
    "/b",
    "/b/x",
    "/b/n",
    "/l",
    "/l/x",
    "/l/d",
    "/k",
    "/a/up",
    "/a/up/x",
    "/b/out",
    "/b/out/secret",
    "/a/../b/x",
    "/l/../x",
    "/l/../../team/x",
    "/no/../x",
    "/a/d/..",
];

/// The ways to open a file.
const FLAGS: [&str; 11] = [
    "r", "w", "rw", "rc", "wc", "wct", "wcx", "wa", "wac", "rt", "rwct",
];

const TARGETS: [&str; 6] = ["a", "../b", "/a/x", "/in/x", "../../../team/x", "/"];

/// What is done with a file once it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterOpen {
    Nothing,
    Read,
    Write,
    Cut,
    Chmod,
}

/// One operation of a user. Paths are as a client sends them.
#[derive(Debug, Clone)]
pub(super) enum TreeStep {
    Open(String, &'static str, AfterOpen),
    List(String),
    Stat(String, bool),
    RealPath(String),
    ReadLink(String),
    Remove(String),
    Mkdir(String),
    Rmdir(String),
    Rename(String, String, bool),
    Symlink(&'static str, String),
    HardLink(String, String),
    Resize(String, u64),
    Chmod(String, u32, bool),
    /// Copies the content of one file to another one, as copy-data does.
    Copy(String, String),
}

pub(super) fn any_path() -> impl Strategy<Value = String> {
    let prefix = prop_oneof![4 => Just(0_usize), 3 => Just(1), 3 => Just(2), 1 => 3..PREFIXES.len()];
    (prefix, 0..NAMES.len()).prop_map(|(prefix, name)| format!("{}{}", PREFIXES[prefix], NAMES[name]))
}

pub(super) fn any_step() -> impl Strategy<Value = TreeStep> {
    let at = any_path;
    let after = prop_oneof![
        1 => Just(AfterOpen::Nothing),
        4 => Just(AfterOpen::Read),
        6 => Just(AfterOpen::Write),
        2 => Just(AfterOpen::Cut),
        2 => Just(AfterOpen::Chmod),
    ];
    let mode = prop_oneof![Just(0o600), Just(0o640), Just(0o700), Just(0o750)];
    let flags = prop::sample::select(FLAGS.to_vec());
    let target = prop::sample::select(TARGETS.to_vec());
    prop_oneof![
        14 => (at(), flags, after).prop_map(|(at, flags, after)| TreeStep::Open(at, flags, after)),
        4 => at().prop_map(TreeStep::List),
        2 => (at(), any::<bool>()).prop_map(|(at, follow)| TreeStep::Stat(at, follow)),
        2 => at().prop_map(TreeStep::RealPath),
        5 => at().prop_map(TreeStep::ReadLink),
        3 => at().prop_map(TreeStep::Remove),
        3 => at().prop_map(TreeStep::Mkdir),
        2 => at().prop_map(TreeStep::Rmdir),
        10 => (at(), at(), any::<bool>()).prop_map(|(from, to, over)| TreeStep::Rename(from, to, over)),
        3 => (target, at()).prop_map(|(target, at)| TreeStep::Symlink(target, at)),
        4 => (at(), at()).prop_map(|(from, to)| TreeStep::HardLink(from, to)),
        3 => (at(), 0..9_u64).prop_map(|(at, size)| TreeStep::Resize(at, size)),
        3 => (at(), mode, any::<bool>()).prop_map(|(at, mode, follow)| TreeStep::Chmod(at, mode, follow)),
        4 => (at(), at()).prop_map(|(from, to)| TreeStep::Copy(from, to)),
    ]
}

impl TreeStep {
    /// Returns the paths of the step.
    pub(super) fn paths(&self) -> Vec<&str> {
        match self {
            Self::Open(at, ..)
            | Self::List(at)
            | Self::Stat(at, _)
            | Self::RealPath(at)
            | Self::ReadLink(at)
            | Self::Remove(at)
            | Self::Mkdir(at)
            | Self::Rmdir(at)
            | Self::Symlink(_, at)
            | Self::Resize(at, _)
            | Self::Chmod(at, ..) => vec![at.as_str()],
            Self::Rename(from, to, _) | Self::HardLink(from, to) | Self::Copy(from, to) => {
                vec![from.as_str(), to.as_str()]
            }
        }
    }

    /// Returns the kind of the step, for counting.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Open(_, _, AfterOpen::Read) => "read",
            Self::Open(..) => "open",
            Self::List(_) => "list",
            Self::Stat(..) => "stat",
            Self::RealPath(_) => "real path",
            Self::ReadLink(_) => "read link",
            Self::Remove(_) => "remove",
            Self::Mkdir(_) => "mkdir",
            Self::Rmdir(_) => "rmdir",
            Self::Rename(..) => "rename",
            Self::Symlink(..) => "symlink",
            Self::HardLink(..) => "hard link",
            Self::Resize(..) => "resize",
            Self::Chmod(..) => "chmod",
            Self::Copy(..) => "copy",
        }
    }

    /// Whether a failure means that nothing was changed. A file may have been made or cut before its writer failed.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self, Self::Open(..) | Self::Copy(..))
    }
}

/// All kinds of steps that must have succeeded at some time.
pub(super) const KINDS: [&str; 15] = [
    "read",
    "open",
    "list",
    "stat",
    "real path",
    "read link",
    "remove",
    "mkdir",
    "rmdir",
    "rename",
    "symlink",
    "hard link",
    "resize",
    "chmod",
    "copy",
];

/// What a user has learned by a step.
#[derive(Debug)]
pub(super) enum SeenByUser {
    Nothing,
    Content(Vec<u8>),
    Names(Vec<String>),
    Target(Vec<u8>),
    Attributes(Metadata),
    RealPath(String),
}

/// What is written: longer than what is there, so that it shows.
pub(super) const WRITTEN: &[u8] = b"written by a user";

fn size(size: u64) -> SetAttrs {
    SetAttrs {
        size: Some(size),
        ..SetAttrs::default()
    }
}

fn mode(mode: u32) -> SetAttrs {
    SetAttrs {
        permissions: Some(mode),
        ..SetAttrs::default()
    }
}

fn links(follow: bool) -> Links {
    match follow {
        true => Links::Follow,
        false => Links::NoFollow,
    }
}

/// Does a step.
pub(super) fn take(storage: &dyn Storage, step: &TreeStep) -> Result<SeenByUser> {
    let wait = Wait::Allowed;
    match step {
        TreeStep::Open(at, flags, after) => return open(storage, at, flags, *after),
        TreeStep::List(at) => {
            let names = conformance::list(storage, at)?;
            return Ok(SeenByUser::Names(names.into_keys().collect()));
        }
        TreeStep::Stat(at, follow) => {
            return storage
                .stat(&path(at), links(*follow))
                .map(SeenByUser::Attributes);
        }
        TreeStep::RealPath(at) => {
            let real = storage.real_path(&path(at))?.absolute();
            return Ok(SeenByUser::RealPath(String::from_utf8(real).unwrap()));
        }
        TreeStep::ReadLink(at) => return storage.read_link(&path(at)).map(SeenByUser::Target),
        TreeStep::Remove(at) => storage.remove(&path(at), wait)?,
        TreeStep::Mkdir(at) => storage.mkdir(&path(at), 0o755, wait)?,
        TreeStep::Rmdir(at) => storage.rmdir(&path(at), wait)?,
        TreeStep::Rename(from, to, true) => storage.rename(&path(from), &path(to), REPLACE)?,
        TreeStep::Rename(from, to, false) => storage.rename(&path(from), &path(to), REFUSE)?,
        TreeStep::Symlink(target, at) => storage.symlink(target.as_bytes(), &path(at), wait)?,
        TreeStep::HardLink(from, to) => storage.hard_link(&path(from), &path(to), wait)?,
        TreeStep::Resize(at, wanted) => storage.set_attrs(&path(at), &size(*wanted), Links::Follow)?,
        TreeStep::Chmod(at, wanted, follow) => {
            storage.set_attrs(&path(at), &mode(*wanted), links(*follow))?;
        }
        TreeStep::Copy(from, to) => {
            let source = storage.open(&path(from), how("r"), wait)?;
            let target = storage.open(&path(to), how("wct"), wait)?;
            let mut buffer = vec![0; 100];
            let count = source.read_at(&mut buffer, 0, wait)?;
            target.write_at(&buffer[..count], 0, wait)?;
        }
    }
    Ok(SeenByUser::Nothing)
}

fn open(storage: &dyn Storage, at: &str, flags: &str, after: AfterOpen) -> Result<SeenByUser> {
    let file = storage.open(&path(at), how(flags), Wait::Allowed)?;
    match after {
        AfterOpen::Nothing => {}
        AfterOpen::Read => {
            let mut buffer = vec![0; 100];
            let count = file.read_at(&mut buffer, 0, Wait::Allowed)?;
            buffer.truncate(count);
            return Ok(SeenByUser::Content(buffer));
        }
        AfterOpen::Write => file.write_at(WRITTEN, 0, Wait::Allowed)?,
        AfterOpen::Cut => file.set_attrs(&size(1))?,
        AfterOpen::Chmod => file.set_attrs(&mode(0o600))?,
    }
    Ok(SeenByUser::Nothing)
}
