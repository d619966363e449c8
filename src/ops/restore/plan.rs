//! Checks a backup, and where each of its files goes. Nothing is written here.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use super::mapping::{PlaceMapping, PlaceMappings};
use crate::ops::backup::NamedPath;
use crate::ops::backup::manifest::{self, BackupFile, Manifest, Origin, damaged};
use crate::ops::installation::Installation;
use crate::ops::lock::{self, Holder};
use crate::ops::store;
use base::advice;
use base::error::{Error, Result};
use base::paths::Resolver;
use base::regular::{Links, open_regular};

/// A backup whose files all are as they were made.
#[derive(Debug)]
pub struct Backup {
    /// The directory of the backup.
    pub directory: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
}

impl Backup {
    /// Opens a backup, and compares all of its files with the manifest.
    ///
    /// # Errors
    /// Returns an error if it is not a backup, or if a file is missing or damaged.
    pub fn open(directory: &Path) -> Result<Self> {
        let manifest = Manifest::read(directory)?;
        for file in &manifest.files {
            file.origin()?;
            file.permission_bits()?;
            let mut opened = manifest::open(directory, file)?;
            let found = manifest::copy(&mut opened, &mut io::sink())
                .map_err(|e| damaged(directory, format!("cannot read \"{}\": {e}", file.name)))?;
            if (found.bytes, &found.sha256) != (file.bytes, &file.sha256) {
                return Err(damaged(
                    directory,
                    format!(
                        "the SHA-256 of \"{}\" is not that in {}",
                        file.name,
                        manifest::FILE
                    ),
                ));
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            manifest,
        })
    }

    /// Returns the path of the configuration file in the backup.
    ///
    /// # Errors
    /// Returns an error if the backup has none.
    pub fn configuration(&self) -> Result<PathBuf> {
        let file = self.only(&Origin::Configuration)?;
        Ok(self.directory.join(&file.name))
    }

    /// Returns the one file of this kind.
    fn only(&self, origin: &Origin) -> Result<&BackupFile> {
        let is_it = |file: &&BackupFile| file.origin().is_ok_and(|its| its == *origin);
        let mut found = self.manifest.files.iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(file), None) => Ok(file),
            _ => Err(damaged(
                &self.directory,
                "it must have one store and one configuration".to_owned(),
            )),
        }
    }
}

/// What a restore will write, and where.
#[derive(Debug)]
pub struct RestorePlan {
    pub(super) backup: Backup,
    pub(super) installation: Installation,
    /// Where homes and folders are that lie elsewhere on this machine.
    pub(super) mappings: PlaceMappings,
    files: Vec<PlannedFile>,
}

/// A file of the backup, and where it goes.
#[derive(Debug)]
pub(super) struct PlannedFile {
    pub file: BackupFile,
    pub origin: Origin,
    pub target: PathBuf,
    /// The target with links resolved, by which two spellings of it are known to be one place.
    place: PathBuf,
    /// Whether the same file is there already.
    is_there: bool,
}

impl PlannedFile {
    /// Takes in another file of the backup that belongs at the same place.
    ///
    /// # Errors
    /// Returns an error if the two differ.
    fn merge(&mut self, other: Self, backup: &Backup) -> Result<()> {
        if (self.file.bytes, &self.file.sha256) != (other.file.bytes, &other.file.sha256) {
            return Err(cannot(backup)
                .because(format!(
                    "\"{}\" and \"{}\" both belong at {:?}, and their content differs",
                    self.file.name, other.file.name, self.target
                ))
                .hint(
                    "nothing was changed; write a configuration that names two files, and restore with --keep-config",
                ));
        }
        self.is_there |= other.is_there;
        // The store and the configuration are written in ways of their own.
        if matches!(other.origin, Origin::Store | Origin::Configuration) {
            (self.file, self.origin) = (other.file, other.origin);
        }
        Ok(())
    }
}

impl RestorePlan {
    /// Plans to restore a backup as this installation. `keep_config` says that the configuration stays as it is, and `maps`
    /// which directories of homes have other paths than before.
    ///
    /// # Errors
    /// Returns an error if a server runs, if a file would be overwritten, if two files with different content belong at
    /// one place, if the data directory has other files, or if no home may lie where a directory is mapped to.
    pub fn new(
        backup: Backup,
        installation: Installation,
        named: &[NamedPath],
        keep_config: bool,
        maps: Vec<PlaceMapping>,
    ) -> Result<Self> {
        let data = installation.data_dir();
        if let Holder::Process(pid) = lock::current_holder(data)? {
            let pid = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            return Err(cannot(&backup)
                .because(format!("a server{pid} uses the data directory {data:?}"))
                .hint("stop it, or restore with another configuration file: -c FILE"));
        }
        let mappings = PlaceMappings::new(maps, &backup.manifest, &installation, keep_config)?;
        let files = planned_files(&backup, &installation, named, keep_config)?;
        let plan = Self {
            backup,
            installation,
            mappings,
            files,
        };
        plan.store()?;
        plan.must_not_overwrite()?;
        let files = plan.files.iter();
        let targets: Vec<&Path> = files
            .flat_map(|planned| [&*planned.target, &*planned.place])
            .collect();
        store::must_be_new_except_for(&plan.installation, &targets)?;
        Ok(plan)
    }

    /// Returns the files that are to be written, without the store.
    pub(super) fn missing(&self) -> impl Iterator<Item = &PlannedFile> {
        let is_missing = |planned: &&PlannedFile| !planned.is_there && planned.origin != Origin::Store;
        self.files.iter().filter(is_missing)
    }

    /// Returns whether the configuration stays as it is.
    pub(super) fn keeps_config(&self) -> bool {
        let mut origins = self.files.iter().map(|planned| &planned.origin);
        !origins.any(|origin| *origin == Origin::Configuration)
    }

    /// Returns the store.
    pub(super) fn store(&self) -> Result<&PlannedFile> {
        let file = self.backup.only(&Origin::Store)?;
        let mut files = self.files.iter();
        let store = files.find(|planned| planned.file.name == file.name);
        store.ok_or_else(|| cannot(&self.backup))
    }

    fn must_not_overwrite(&self) -> Result<()> {
        let is_other = |planned: &&PlannedFile| {
            let exists = planned.target.symlink_metadata().is_ok();
            exists && (!planned.is_there || planned.origin == Origin::Store)
        };
        let others: Vec<&PlannedFile> = self.files.iter().filter(is_other).collect();
        let Some(first) = others.first() else {
            return Ok(());
        };
        let more = match others.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let hint = match first.origin {
            Origin::Configuration => {
                "nothing was changed; move it away, keep it with --keep-config, or restore elsewhere: -c FILE"
            }
            _ => "nothing was changed; move it away, or restore elsewhere: -c FILE",
        };
        Err(cannot(&self.backup)
            .because(format!("{:?} exists already{more}", first.target))
            .hint(hint)
            .exists())
    }
}

/// Returns the files to restore, each place once: several settings may name one file, in several spellings.
fn planned_files(
    backup: &Backup,
    installation: &Installation,
    named: &[NamedPath],
    keep_config: bool,
) -> Result<Vec<PlannedFile>> {
    let mut resolver = Resolver::default();
    let configuration = resolver.resolve(&installation.config_file);
    let mut files: Vec<PlannedFile> = Vec::new();
    let mut by_place: HashMap<PathBuf, usize> = HashMap::new();
    for file in &backup.manifest.files {
        let origin = file.origin()?;
        let target = target(installation, named, &origin)
            .ok_or_else(|| cannot(backup).because(no_setting(&file.name)))?;
        let place = resolver.resolve(&target);
        if keep_config && place == configuration {
            continue;
        }
        let planned = PlannedFile {
            is_there: is_same(&target, &origin, file).map_err(|e| {
                let unreadable = Error::new(format!("cannot read {target:?}"));
                cannot(backup).because(advice::because(unreadable, e, &target, "u+r"))
            })?,
            file: file.clone(),
            origin,
            target,
            place,
        };
        if let Some(at) = by_place.get(&planned.place).copied()
            && let Some(other) = files.get_mut(at)
        {
            other.merge(planned, backup)?;
            continue;
        }
        by_place.insert(planned.place.clone(), files.len());
        files.push(planned);
    }
    Ok(files)
}

/// Returns where a file belongs in an installation; `None` if its configuration does not have the setting.
fn target(installation: &Installation, named: &[NamedPath], origin: &Origin) -> Option<PathBuf> {
    Some(match origin {
        Origin::Configuration => installation.config_file.clone(),
        Origin::Store => installation.store.path.clone(),
        Origin::Data(inside) => installation.data_dir().join(inside),
        Origin::Setting { setting, inside } => {
            let path = &named.iter().find(|named| named.setting == *setting)?.path;
            match inside {
                Some(inside) => path.join(inside),
                None => path.clone(),
            }
        }
    })
}

/// Whether a file exists that has this content. An operator may put a link where the configuration names a file.
fn is_same(path: &Path, origin: &Origin, file: &BackupFile) -> io::Result<bool> {
    let links = match origin {
        Origin::Configuration | Origin::Setting { .. } => Links::Follow,
        Origin::Store | Origin::Data(_) => Links::Refuse,
    };
    let mut opened = match open_regular(path, OpenOptions::new().read(true), links) {
        Ok(opened) => opened,
        // Something else has the name, which is found out when nothing may be overwritten.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if opened.metadata()?.len() != file.bytes {
        return Ok(false);
    }
    Ok(manifest::copy(&mut opened, &mut io::sink())?.sha256 == file.sha256)
}

fn no_setting(name: &str) -> Error {
    Error::new(format!("the configuration has no setting for \"{name}\""))
        .hint("--keep-config needs a configuration with the same settings")
}

fn cannot(backup: &Backup) -> Error {
    Error::new(format!("cannot restore \"{}\"", backup.directory.display()))
}

#[cfg(test)]
mod tests;
