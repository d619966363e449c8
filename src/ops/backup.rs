//! Backups: copies of everything that makes a server what it is, except for the files of its users.
//!
//! A backup is a directory: the store, the configuration, the files that it names (host keys above all), and what else
//! the server keeps in the data directory. The store is one snapshot. The other files are read before it and compared
//! with it taken, so that a change in between is noticed and all is copied again. [`manifest`] says what is in it.
//!
//! Invariant: everything is on the disk before the backup has its name ([`unfinished`]).

pub mod manifest;
pub mod unfinished;

mod listing;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use self::listing::NamedPath;
use self::listing::{Exclusions, Listing, name_of};
use self::manifest::{BackupFile, Fingerprint, LeftOut, Manifest};
use self::unfinished::{cannot, sync_directory};
use super::admin;
use super::context::OpsContext;
use super::installation::Installation;
use crate::auth::secrets_key::SecretsKeyFile;
use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::store::snapshot::Snapshot;
use base::error::{Error, Result};
use base::paths::resolve;
use base::regular::{Links, open_regular};

/// How often the files are copied again if one of them was changed meanwhile.
const ATTEMPTS: usize = 3;

/// The configuration, as a backup needs it beside the [`Installation`]. It is read before root becomes the owner of the
/// data directory, who may not be able to read the file.
#[derive(Debug)]
pub struct ConfigurationFile {
    /// The text of the file.
    pub text: Vec<u8>,
    /// The permission bits of the file.
    pub mode: u32,
    /// The paths that it names.
    pub named: Vec<NamedPath>,
}

impl ConfigurationFile {
    /// Reads a configuration file, which is known to be valid.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn read(file: &Path, named: Vec<NamedPath>) -> Result<Self> {
        let failed = |e: io::Error| {
            let error = Error::new(format!("cannot read configuration \"{}\"", file.display()));
            base::advice::because(error, e, file, "u+r")
        };
        let mut opened = open_regular(file, OpenOptions::new().read(true), Links::Follow).map_err(failed)?;
        let mut text = Vec::new();
        opened.read_to_end(&mut text).map_err(failed)?;
        Ok(Self {
            text,
            mode: opened.metadata().map_err(failed)?.mode() & 0o777,
            named,
        })
    }
}

/// Copies everything into an empty directory, and writes it to the disk. `target` is the name that the backup will get.
///
/// # Errors
/// Returns an error if something cannot be read or written, or if files are being changed all the time.
pub async fn fill(
    directory: &Path,
    target: &Path,
    configuration: &ConfigurationFile,
    context: &OpsContext<'_>,
) -> Result<Manifest> {
    for _ in 0..ATTEMPTS {
        let mut backup = BackupWriter {
            directory,
            target,
            manifest: Manifest::new(Timestamp::now(), &context.installation.config_file),
            originals: Vec::new(),
        };
        backup.empty()?;
        backup.configuration(context.installation, configuration)?;
        let exclusions = Exclusions::new(context.installation, &configuration.named);
        backup.named(&configuration.named, &exclusions, context)?;
        backup.data(&exclusions, context)?;
        let snapshot = Snapshot::take(&context.installation.store.path).await?;
        backup.store(context.installation, &snapshot)?;
        if backup.is_current()? && backup.has_secrets_key(context.installation) {
            backup.left_out(context.installation);
            return backup.finish();
        }
    }
    Err(
        Error::new(format!("cannot make the backup \"{}\"", target.display()))
            .because("files that the configuration names are being changed all the time".to_owned())
            .hint("try again"),
    )
}

/// Records in the audit log that a backup was made.
pub async fn record(target: &Path, manifest: &Manifest, context: &OpsContext<'_>) {
    let setting = |name: &str, value: SettingValue| Setting {
        name: name.to_owned(),
        value,
    };
    let act = AdminAct {
        what: "backup".to_owned(),
        name: target.display().to_string(),
        before: Vec::new(),
        after: vec![
            setting("files", SettingValue::Number(manifest.files.len() as u64)),
            setting("bytes", SettingValue::Number(manifest.bytes())),
            setting("users", SettingValue::Number(manifest.users)),
        ],
    };
    admin::record(act, context).await;
}

/// Writes the files of one backup.
struct BackupWriter<'a> {
    directory: &'a Path,
    target: &'a Path,
    manifest: Manifest,
    /// The files that must be the same when the store has been copied.
    originals: Vec<Original>,
}

/// A file that was copied.
struct Original {
    path: PathBuf,
    fingerprint: Fingerprint,
}

impl BackupWriter<'_> {
    /// Removes what an attempt before has written.
    fn empty(&self) -> Result<()> {
        for entry in self.directory.read_dir().map_err(|e| self.cannot(e))? {
            let path = entry.map_err(|e| self.cannot(e))?.path();
            std::fs::remove_dir_all(path).map_err(|e| self.cannot(e))?;
        }
        Ok(())
    }

    fn configuration(&mut self, installation: &Installation, file: &ConfigurationFile) -> Result<()> {
        let name = format!("configuration/{}", name_of(&installation.config_file));
        let fingerprint = self.write(&name, file.mode, &mut &*file.text)?;
        self.originals.push(Original {
            path: installation.config_file.clone(),
            fingerprint,
        });
        Ok(())
    }

    /// Copies the files that the configuration names, and those in the directories that it names.
    fn named(
        &mut self,
        named: &[NamedPath],
        exclusions: &Exclusions<'_>,
        context: &OpsContext<'_>,
    ) -> Result<()> {
        let is_elsewhere = |path: &Path| exclusions.excludes(path);
        for NamedPath { setting, path } in named {
            let name = format!("settings/{setting}");
            match path.metadata() {
                Ok(meta) if meta.is_dir() => {
                    let mut listing = Listing::new(Links::Follow, &is_elsewhere);
                    listing.add(&resolve(path)).map_err(|e| unreadable(path, e))?;
                    for file in listing.files {
                        self.original(&format!("{name}/{}", file.inside), &file.path)?;
                    }
                }
                Ok(_) => self.original(&name, path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    (context.warn)(&Error::new(format!(
                        "{setting} in the configuration is {path:?}, which does not exist and is not in the backup"
                    )));
                }
                Err(error) => return Err(unreadable(path, error)),
            }
        }
        Ok(())
    }

    /// Copies a file that must not change meanwhile.
    fn original(&mut self, name: &str, path: &Path) -> Result<()> {
        let opened = open_regular(path, OpenOptions::new().read(true), Links::Follow)
            .map_err(|e| unreadable(path, e))?;
        let fingerprint = self.copy(name, path, opened)?;
        self.originals.push(Original {
            path: path.to_owned(),
            fingerprint,
        });
        Ok(())
    }

    /// Copies what the server keeps in the data directory beside the store. Files may come and go there.
    fn data(&mut self, exclusions: &Exclusions<'_>, context: &OpsContext<'_>) -> Result<()> {
        let data = exclusions.data();
        let key = secrets_key(context.installation);
        let is_elsewhere = |path: &Path| exclusions.excludes(path);
        let mut listing = Listing::new(Links::Refuse, &is_elsewhere);
        listing.add(data).map_err(|e| unreadable(data, e))?;
        for file in listing.files {
            let path = &file.path;
            match open_regular(path, OpenOptions::new().read(true), Links::Refuse) {
                Ok(opened) => {
                    let fingerprint = self.copy(&format!("data/{}", file.inside), path, opened)?;
                    if *path == key {
                        let path = path.clone();
                        self.originals.push(Original { path, fingerprint });
                    }
                }
                // A file that is gone by now was done with.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // The server could not read it either.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && *path != key => {
                    self.manifest.left_out.push(entry("other", path));
                    (context.warn)(&Error::new(format!("{path:?} is not in the backup")).because(error));
                }
                Err(error) => return Err(unreadable(path, error)),
            }
        }
        Ok(())
    }

    fn store(&mut self, installation: &Installation, snapshot: &Snapshot) -> Result<()> {
        self.manifest.store_version = snapshot.version;
        self.manifest.users = snapshot.users;
        let name = format!("store/{}", name_of(&installation.store.path));
        self.write(&name, 0o600, &mut snapshot.bytes()).map(|_| ())
    }

    /// Whether all originals still are what was copied.
    fn is_current(&self) -> Result<bool> {
        for Original { path, fingerprint } in &self.originals {
            let now = open_regular(path, OpenOptions::new().read(true), Links::Follow)
                .and_then(|mut file| manifest::copy(&mut file, &mut io::sink()));
            match now {
                Ok(now) if now == *fingerprint => {}
                Ok(_) => return Ok(false),
                // Root has read the configuration, whose owner this process is not.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(unreadable(path, e)),
            }
        }
        Ok(true)
    }

    /// Whether the key for secrets is in the backup, if there is one. It is made with the first secret, and so may be
    /// newer than the list of files, and older than the store.
    fn has_secrets_key(&self, installation: &Installation) -> bool {
        let key = secrets_key(installation);
        !key.exists() || self.originals.iter().any(|original| original.path == key)
    }

    /// Copies one file, with its permission bits.
    fn copy(&mut self, name: &str, path: &Path, mut file: File) -> Result<Fingerprint> {
        let mode = file.metadata().map_err(|e| unreadable(path, e))?.mode() & 0o777;
        self.write(name, mode, &mut file)
    }

    /// Writes one file of the backup to the disk (0600), and adds it to the manifest with the mode of the original.
    fn write(&mut self, name: &str, mode: u32, content: &mut impl Read) -> Result<Fingerprint> {
        let path = self.directory.join(name);
        let parent = path.parent().unwrap_or(self.directory);
        let written = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .and_then(|()| new_file(&path))
            .and_then(|mut file| {
                let fingerprint = manifest::copy(content, &mut file)?;
                file.sync_all()?;
                Ok(fingerprint)
            });
        let fingerprint = written.map_err(|e| self.cannot(e))?;
        self.manifest.files.push(BackupFile {
            name: name.to_owned(),
            mode: format!("{mode:04o}"),
            bytes: fingerprint.bytes,
            sha256: fingerprint.sha256.clone(),
        });
        Ok(fingerprint)
    }

    /// Names what the server uses and the backup does not have.
    fn left_out(&mut self, installation: &Installation) {
        let storage = &installation.storage;
        let list = &mut self.manifest.left_out;
        list.push(entry("homes", &storage.homes));
        list.extend(storage.roots.iter().map(|root| entry(manifest::ROOT, root)));
        list.extend(installation.audit.iter().map(|audit| entry("audit log", audit)));
    }

    /// Writes the manifest, and all directories to the disk.
    fn finish(self) -> Result<Manifest> {
        let text = self.manifest.text()?;
        let sum = manifest::sum_line(text.as_bytes());
        for (name, content) in [(manifest::FILE, &text), (manifest::SUM_FILE, &sum)] {
            let written = new_file(&self.directory.join(name)).and_then(|mut file| {
                io::Write::write_all(&mut file, content.as_bytes())?;
                file.sync_all()
            });
            written.map_err(|e| self.cannot(e))?;
        }
        let mut directories = std::collections::BTreeSet::from([self.directory.to_owned()]);
        for file in &self.manifest.files {
            let above = Path::new(&file.name).ancestors().skip(1);
            directories.extend(above.map(|path| self.directory.join(path)));
        }
        for directory in directories {
            sync_directory(&directory).map_err(|e| self.cannot(e))?;
        }
        Ok(self.manifest)
    }

    fn cannot(&self, cause: io::Error) -> Error {
        cannot(self.target, cause)
    }
}

/// Returns the file of the key for secrets, with links above it resolved.
fn secrets_key(installation: &Installation) -> PathBuf {
    SecretsKeyFile::in_directory(&resolve(installation.data_dir()))
        .path()
        .to_owned()
}

fn entry(what: &str, path: &Path) -> LeftOut {
    LeftOut {
        what: what.to_owned(),
        path: path.display().to_string(),
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    let error = Error::new(format!("cannot read {path:?} for the backup"));
    base::advice::because(error, cause, path, "u+r")
}
