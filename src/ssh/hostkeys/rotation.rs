//! Replacing host keys without a warning at clients that connect in between.
//!
//! A new key lies beside the one in use first: it is announced to clients and proved ([`crate::ssh::announcement`]), so
//! that they learn it, but no key exchange uses it. Later it takes the place of the old one, which is kept, unused,
//! until it is removed.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use russh::keys::PrivateKey;

use super::key_file::{public_file, read, read_one, write_public};
use super::{Kind, create};
use crate::store::Store;
use base::error::{Error, Result};

/// How far a host key has come in its life. Each stage has a file name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStage {
    /// The key is announced, and will replace the one in use.
    Next,
    /// Key exchanges use the key.
    InUse,
    /// The key was in use, and is neither used nor announced any more.
    Retired,
}

impl KeyStage {
    /// All stages, in the order of a list.
    pub const ALL: [KeyStage; 3] = [KeyStage::InUse, KeyStage::Next, KeyStage::Retired];

    /// Returns the name in JSON and in lists.
    pub fn name(self) -> &'static str {
        match self {
            KeyStage::Next => "next",
            KeyStage::InUse => "in_use",
            KeyStage::Retired => "retired",
        }
    }

    /// Returns the path of the file with the private key.
    pub fn file(self, kind: Kind, directory: &Path) -> PathBuf {
        let mut file = kind.file(directory).into_os_string();
        match self {
            KeyStage::InUse => {}
            KeyStage::Next | KeyStage::Retired => file.push(format!(".{}", self.name())),
        }
        file.into()
    }

    /// Reads the key of this stage; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`super::load`].
    pub fn key(self, kind: Kind, directory: &Path) -> Result<Option<PrivateKey>> {
        let file = self.file(kind, directory);
        read(&file).map_err(|unusable| unusable.about(&file))
    }

    fn exists(self, kind: Kind, directory: &Path) -> bool {
        self.file(kind, directory).symlink_metadata().is_ok()
    }
}

/// The host keys of a server.
#[derive(Debug, Clone)]
pub struct HostKeys {
    /// The keys that key exchanges use, most preferred first.
    pub in_use: Vec<PrivateKey>,
    /// The keys that will replace some of them, and are only announced.
    pub next: Vec<PrivateKey>,
}

impl HostKeys {
    /// Returns the keys in a directory. Those of a new server are created, and new keys in use are recorded.
    ///
    /// # Errors
    /// Returns an error if a key cannot be used, or if one that was recorded is gone or has become another.
    pub async fn ensure(directory: &Path, store: &dyn Store) -> Result<Self> {
        // This fails before anything is created.
        let next = next(directory)?;
        let in_use = super::ensure(directory, store).await?;
        Ok(Self { in_use, next })
    }
}

/// Returns the keys that will replace some of those in use.
///
/// # Errors
/// Returns an error if one cannot be used.
pub fn next(directory: &Path) -> Result<Vec<PrivateKey>> {
    let read = |kind| KeyStage::Next.key(kind, directory).transpose();
    Kind::ALL.into_iter().filter_map(read).collect()
}

/// Creates the key that will replace the one in use, unless it exists. Returns whether it was created.
///
/// # Errors
/// Returns an error if there is no usable key to replace, or if the new one cannot be created or used.
pub fn prepare(kind: Kind, directory: &Path) -> Result<bool> {
    if !KeyStage::InUse.exists(kind, directory) {
        let name = kind.name();
        return Err(
            Error::new(format!("there is no {name} host key that could be replaced"))
                .hint(format!("make one: homeportd hostkey generate --type {name}"))
                .not_found(),
        );
    }
    read_one(&KeyStage::InUse.file(kind, directory))?;
    if KeyStage::Next.key(kind, directory)?.is_some() {
        return Ok(false);
    }
    create(&KeyStage::Next.file(kind, directory), kind)?;
    Ok(true)
}

/// Puts the new key in the place of the one in use, which is retired. There is a key in use at every moment, and what
/// an interruption has left undone is done by the next call. Returns the new key; `None` if there is none.
///
/// # Errors
/// Returns an error if the new key cannot be used, if an earlier retired key is still there, or if the files cannot be
/// changed.
pub fn switch(kind: Kind, directory: &Path) -> Result<Option<PrivateKey>> {
    let Some(key) = KeyStage::Next.key(kind, directory)? else {
        return Ok(None);
    };
    let [next, in_use, retired] =
        [KeyStage::Next, KeyStage::InUse, KeyStage::Retired].map(|stage| stage.file(kind, directory));
    keep_as_retired(kind, &in_use, &retired)?;
    std::fs::rename(&next, &in_use).map_err(|e| cannot_change(&in_use, e))?;
    if let Ok(Some(old)) = KeyStage::Retired.key(kind, directory) {
        write_public(&retired, &old)?;
    }
    write_public(&in_use, &key)?;
    remove_if_there(&public_file(&next))?;
    sync(directory)?;
    Ok(Some(key))
}

/// Takes the key in use out of use without another one. Returns it; `None` if there is none.
///
/// # Errors
/// Returns an error if a new key waits to replace it, if an earlier retired key is still there, or if the files cannot
/// be changed.
pub fn put_away(kind: Kind, directory: &Path) -> Result<Option<PrivateKey>> {
    let name = kind.name();
    if KeyStage::Next.exists(kind, directory) {
        return Err(Error::new(format!(
            "a new {name} host key waits in \"{}\"",
            KeyStage::Next.file(kind, directory).display()
        ))
        .hint(format!(
            "switch to it: homeportd hostkey retire --type {name}; or remove its file first"
        )));
    }
    let Some(key) = KeyStage::InUse.key(kind, directory)? else {
        return Ok(None);
    };
    let [in_use, retired] = [KeyStage::InUse, KeyStage::Retired].map(|stage| stage.file(kind, directory));
    keep_as_retired(kind, &in_use, &retired)?;
    write_public(&retired, &key)?;
    remove_if_there(&in_use)?;
    remove_if_there(&public_file(&in_use))?;
    sync(directory)?;
    Ok(Some(key))
}

/// Deletes the retired key. Returns whether there was one.
///
/// # Errors
/// Returns an error if it cannot be deleted.
pub fn remove_retired(kind: Kind, directory: &Path) -> Result<bool> {
    let file = KeyStage::Retired.file(kind, directory);
    let removed = remove_if_there(&file)?;
    remove_if_there(&public_file(&file))?;
    if removed {
        sync(directory)?;
    }
    Ok(removed)
}

/// Gives the key in use the name of a retired one, too. If there is no key in use, nothing is to be kept.
fn keep_as_retired(kind: Kind, in_use: &Path, retired: &Path) -> Result<()> {
    let error = match std::fs::hard_link(in_use, retired) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => error,
    };
    if error.kind() != io::ErrorKind::AlreadyExists {
        return Err(cannot_change(retired, error));
    }
    // An interrupted call has linked it already.
    if is_same_file(in_use, retired).map_err(|e| cannot_change(retired, e))? {
        return Ok(());
    }
    Err(cannot_change(retired, error).hint(format!(
        "an earlier key is kept there; delete it first: homeportd hostkey remove --type {}",
        kind.name()
    )))
}

fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn cannot_change(file: &Path, cause: io::Error) -> Error {
    Error::new(format!("cannot change host key \"{}\"", file.display())).because(cause)
}

fn remove_if_there(file: &Path) -> Result<bool> {
    match std::fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot_change(file, error)),
    }
}

fn sync(directory: &Path) -> Result<()> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|e| cannot_change(directory, e))
}
