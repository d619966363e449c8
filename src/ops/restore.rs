//! Makes a server from a backup.
//!
//! Everything is checked before anything is written: the files of the backup, that nothing is overwritten, and that no
//! server runs. The store comes last, and under another name until it is complete. So an interrupted restore leaves no
//! store, and can be repeated: what it has written by then is found to be the same. A [`RestoreRecord`] tells `check` of it.
//!
//! As root, the files that belong to root's directories are written first; the rest is written as the owner of the data
//! directory (see [`data_dir`]), who need not be able to read the backup.

mod absent;
mod file;
mod mapping;
mod plan;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use self::absent::{Absence, AbsentPlace};
pub use self::mapping::{MappedPlaces, PlaceMapping};
pub use self::plan::{Backup, RestorePlan};

use self::file::{FileOwner, FileToWrite};
use self::plan::PlannedFile;
use super::adopt::{Adoptions, adopt};
use super::backup::manifest::{self, Manifest, Origin, damaged};
use super::context::{OnWarning, OpsContext};
use super::installation::Installation;
use super::lock::DataLock;
use super::restoring::RestoreRecord;
use super::running::RunningServer;
use super::{admin, data_dir, init, store};
use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::ssh::hostkeys;
use crate::store::relocate::relocate;
use crate::store::snapshot::begin_anew;
use crate::store::{GroupStore as _, Store as _};
use base::error::{Error, Result};
use base::paths::{from_here, resolve};

/// The most bytes that are restored beside the store. They are read into memory before root gives up its rights.
const MOST_BESIDE_STORE: u64 = 256 << 20;

/// How to restore.
#[derive(Clone, Copy)]
pub struct RestoreOptions<'a> {
    /// Whether the homes are taken over from the server that was backed up, or from another one.
    pub take_over: bool,
    /// The server of the installation, which does not run.
    pub server: &'a dyn RunningServer,
    /// The function that is called for warnings.
    pub warn: OnWarning,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What was in the backup.
    pub manifest: Manifest,
    /// The configuration file.
    pub configuration: PathBuf,
    /// The places of homes, and whether the new server lets homes grow there.
    pub places: Adoptions,
    /// The directories of homes that have other paths than before.
    pub mapped: Vec<MappedPlaces>,
    /// The homes and folders that the server cannot open here.
    pub absent: Vec<AbsentPlace>,
}

/// Restores everything as planned. Root becomes the owner of the data directory for good.
///
/// # Errors
/// Returns an error if something cannot be written. The store is missing then, and the command can be repeated.
pub async fn restore(plan: RestorePlan, options: RestoreOptions<'_>) -> Result<Restored> {
    let installation = &plan.installation;
    let mut contents = Contents::read(&plan)?;
    let config_dir = installation.config_file.parent().unwrap_or(Path::new("/"));
    init::make_public(config_dir)?;
    data_dir::make_data_dir(installation)?;
    contents.write_roots_files(installation)?;
    data_dir::become_owner(installation.data_dir())?;
    let _lock = DataLock::take(installation.data_dir())?;
    let record = RestoreRecord {
        backup: from_here(&plan.backup.directory)?,
        take_over: options.take_over,
        keep_config: plan.keeps_config(),
        map: plan.mappings.named().iter().map(ToString::to_string).collect(),
    };
    record.write(installation.data_dir())?;
    contents.write_rest()?;
    let mapped = write_store(&plan, &mut contents.store).await?;
    finish(&plan, mapped, options).await
}

/// What is written, read from the backup.
struct Contents {
    /// The files that do not exist yet, without the store.
    files: Vec<FileToWrite>,
    store: File,
}

impl Contents {
    fn read(plan: &RestorePlan) -> Result<Self> {
        let mut files = Vec::new();
        let mut left = MOST_BESIDE_STORE;
        for planned in plan.missing() {
            let size = planned.file.bytes;
            left = left.checked_sub(size).ok_or_else(|| {
                Error::new(format!("cannot restore \"{}\"", plan.backup.directory.display()))
                    .because(format!(
                        "its files beside the store have more than {}",
                        base::size::Size(MOST_BESIDE_STORE)
                    ))
                    .hint("copy the largest of them to their places yourself, and run the same command again")
            })?;
            let mut content = Vec::new();
            copy_whole(plan, planned, &mut content)?;
            files.push(FileToWrite {
                path: planned.target.clone(),
                mode: planned.file.permission_bits()?,
                is_configuration: planned.origin == Origin::Configuration,
                content,
            });
        }
        let store = manifest::open(&plan.backup.directory, &plan.store()?.file)?;
        Ok(Self { files, store })
    }

    /// Writes the files whose directories are root's, if the rest is written as another user.
    fn write_roots_files(&mut self, installation: &Installation) -> Result<()> {
        let Some(owner) = FileOwner::other_than_root(installation.data_dir())? else {
            return Ok(());
        };
        let (roots, rest) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|file: &FileToWrite| data_dir::parent_is_roots(&file.path));
        self.files = rest;
        let roots: Vec<FileToWrite> = roots;
        roots.iter().try_for_each(|file| file.write(Some(&owner)))
    }

    fn write_rest(&self) -> Result<()> {
        self.files.iter().try_for_each(|file| file.write(None))
    }
}

/// Copies a file of the backup, and checks once more that it is the one in the manifest.
fn copy_whole(plan: &RestorePlan, planned: &PlannedFile, to: &mut impl std::io::Write) -> Result<()> {
    let mut file = manifest::open(&plan.backup.directory, &planned.file)?;
    copy_opened(plan, planned, &mut file, to)
}

fn copy_opened(
    plan: &RestorePlan,
    planned: &PlannedFile,
    from: &mut File,
    to: &mut impl std::io::Write,
) -> Result<()> {
    let copied = manifest::copy(from, to).map_err(|e| file::cannot(&planned.target, e))?;
    if copied.sha256 != planned.file.sha256 {
        let changed = format!("\"{}\" was changed while it was read", planned.file.name);
        return Err(damaged(&plan.backup.directory, changed));
    }
    Ok(())
}

/// Writes the store under another name, makes it that of a new server on this machine, and gives it its name.
async fn write_store(plan: &RestorePlan, from: &mut File) -> Result<Vec<MappedPlaces>> {
    let planned = plan.store()?;
    let temporary = file::temporary(&planned.target);
    // SQLite keeps these beside it.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = temporary.clone().into_os_string();
        name.push(suffix);
        file::remove_if_there(Path::new(&name))?;
    }
    let mut new = file::create(&temporary)?;
    let written = copy_opened(plan, planned, from, &mut new);
    drop(new);
    let prepared = match written {
        Ok(()) => prepare_store(plan, &temporary).await,
        Err(error) => Err(error),
    };
    prepared
        .and_then(|mapped| file::give_name(&temporary, &planned.target).map(|()| mapped))
        .inspect_err(|_| drop(file::remove_if_there(&temporary)))
}

/// Makes the copy of a store that of a new server, whose homes and folders lie where the plan says.
async fn prepare_store(plan: &RestorePlan, store: &Path) -> Result<Vec<MappedPlaces>> {
    begin_anew(store).await?;
    if plan.mappings.is_empty() {
        return Ok(Vec::new());
    }
    let homes = resolve(&plan.installation.storage.homes);
    let relocated = relocate(store, &homes, |place| plan.mappings.relocated(place)).await?;
    Ok(plan.mappings.counted(&relocated))
}

/// Marks the places of homes, and records what was done.
async fn finish(
    plan: &RestorePlan,
    mapped: Vec<MappedPlaces>,
    options: RestoreOptions<'_>,
) -> Result<Restored> {
    let installation = &plan.installation;
    // What cannot be marked is reported below, in one list.
    let store = store::open(installation, |_| {}).await?;
    let context = OpsContext {
        installation,
        store: &store,
        server: options.server,
        warn: options.warn,
    };
    let places = adopt(&[], options.take_over, &context).await?;
    let keys = hostkeys::load(&installation.host_keys).unwrap_or_default();
    if let Err(error) = hostkeys::verify(&installation.host_keys, &keys, &store.host_keys().await?) {
        (options.warn)(&error);
    }
    let manifest = plan.backup.manifest.clone();
    admin::record(act(plan, &manifest), &context).await;
    let absent = absent::find(installation, &store.users().await?, &store.folders().await?);
    store.close().await;
    // Homes that could not be adopted are reported, and `check` knows them.
    RestoreRecord::remove(installation.data_dir())?;
    Ok(Restored {
        manifest,
        configuration: installation.config_file.clone(),
        places,
        mapped,
        absent,
    })
}

/// Returns what the audit log says of a restore.
fn act(plan: &RestorePlan, manifest: &Manifest) -> AdminAct {
    AdminAct {
        what: "restore".to_owned(),
        name: plan.backup.directory.display().to_string(),
        before: Vec::new(),
        after: vec![
            Setting {
                name: "time".to_owned(),
                value: SettingValue::Text(manifest.time.clone()),
            },
            Setting {
                name: "users".to_owned(),
                value: SettingValue::Number(manifest.users),
            },
        ],
    }
}
