//! The use of homes: showing it, and measuring it again.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::Timestamp;

use super::context::{OpsContext, find_folder};
use super::lock::DataLock;
use super::running::if_running;
use super::usage::{AccountHolder, HasAccount, HomeUsage, Remeasurement};
use crate::accounts::measure::measure_unused;
use crate::domain::folder::Folder;
use crate::storage::local::backend::LocalDisks;
use crate::store::UsageRecord;
use base::error::{Error, Result};
use base::regular::open_directory;

/// Returns the use of a user's home, or of a folder.
///
/// # Errors
/// Returns an error if there is no such user or folder, if a running server does not answer, or if the store cannot be
/// read.
pub async fn usage_of_one(holder: &AccountHolder, context: &OpsContext<'_>) -> Result<HomeUsage> {
    let usages = match holder {
        AccountHolder::User(name) => usage_of(&[context.user(name).await?], context).await?,
        AccountHolder::Folder(name) => usage_of(&[find_folder(context.store, name).await?], context).await?,
    };
    let usage = usages.into_iter().next();
    usage.ok_or_else(|| Error::new(format!("nothing is known of the {} of {holder}", holder.place())))
}

/// Returns the use of the folders that a user has; a folder has none.
///
/// # Errors
/// Returns an error if there is no such user, if a running server does not answer, or if the store cannot be read.
pub async fn usage_of_folders(holder: &AccountHolder, context: &OpsContext<'_>) -> Result<Vec<HomeUsage>> {
    let AccountHolder::User(name) = holder else {
        return Ok(Vec::new());
    };
    let folders = context.user(name).await?.folders().into_iter();
    let folders: Vec<Folder> = folders.map(|(folder, _)| folder).collect();
    usage_of(&folders, context).await
}

/// Returns the use of all homes, ordered by user, and of all folders, ordered by name.
///
/// # Errors
/// Returns an error if a running server does not answer, or if the store cannot be read.
pub async fn usage_of_all(context: &OpsContext<'_>) -> Result<Vec<HomeUsage>> {
    let (users, folders) = (context.store.users().await?, context.store.folders().await?);
    let answer = if_running(context.server.usage(None).await)?.unwrap_or_default();
    let mut usages = merged(&users, answer.clone(), context).await?;
    usages.extend(merged(&folders, answer, context).await?);
    Ok(usages)
}

/// Returns the use of these users' homes, or of these folders, in the same order: as the running server knows it, or else
/// as it was recorded last.
///
/// # Errors
/// Returns an error if a running server does not answer, or if the store cannot be read.
pub async fn usage_of<T: HasAccount>(records: &[T], context: &OpsContext<'_>) -> Result<Vec<HomeUsage>> {
    let only = match records {
        [] => return Ok(Vec::new()),
        [one] => Some(one.holder()),
        _ => None,
    };
    let answer = if_running(context.server.usage(only).await)?.unwrap_or_default();
    merged(records, answer, context).await
}

/// Returns the use of a few of many homes, like [`usage_of`]: the others are not asked about.
///
/// # Errors
/// Returns the errors of [`usage_of`].
pub async fn usage_of_few<T: HasAccount>(records: &[T], context: &OpsContext<'_>) -> Result<Vec<HomeUsage>> {
    let mut usages = Vec::with_capacity(records.len());
    for record in records {
        usages.extend(usage_of(std::slice::from_ref(record), context).await?);
    }
    Ok(usages)
}

/// Returns the use of these records from the server's answer, or else as it was recorded last.
async fn merged<T: HasAccount>(
    records: &[T],
    answer: Vec<HomeUsage>,
    context: &OpsContext<'_>,
) -> Result<Vec<HomeUsage>> {
    if answer.is_empty() {
        return HomeUsage::recorded(records, context.store).await;
    }
    let mut by_holder: HashMap<AccountHolder, HomeUsage> = answer
        .into_iter()
        .map(|usage| (usage.holder.clone(), usage))
        .collect();
    let mut usages = Vec::with_capacity(records.len());
    for record in records {
        match by_holder.remove(&record.holder()) {
            Some(usage) => usages.push(usage),
            // It was added a moment ago.
            None => usages.extend(HomeUsage::recorded(std::slice::from_ref(record), context.store).await?),
        }
    }
    Ok(usages)
}

/// A home or a folder that was measured, and the users who share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredHome {
    /// The users who share the home, or the folder.
    pub holders: Vec<AccountHolder>,
    /// The use before and after the measurement.
    pub measurement: Remeasurement,
}

/// Measures the home of one user, one folder, or all homes and folders, each once. `on_measured` is called after each.
/// If one cannot be measured, the others still are.
///
/// # Errors
/// Returns an error if there is no such user or folder, if some could not be measured, or if `on_measured` fails.
pub async fn measure(
    only: Option<&AccountHolder>,
    context: &OpsContext<'_>,
    on_measured: &mut dyn FnMut(&MeasuredHome) -> Result<()>,
) -> Result<()> {
    let store = context.store;
    let (users, folders) = match only {
        Some(AccountHolder::User(name)) => (vec![context.user(name).await?], Vec::new()),
        Some(AccountHolder::Folder(name)) => (Vec::new(), vec![find_folder(context.store, name).await?]),
        None => (store.users().await?, store.folders().await?),
    };
    let mut homes: BTreeMap<&Path, Vec<&dyn HasAccount>> = BTreeMap::new();
    for user in &users {
        homes.entry(&user.home).or_default().push(user);
    }
    for folder in &folders {
        homes.entry(&folder.path).or_default().push(folder);
    }
    let mut measurer = ScanRun { context, lock: None };
    let mut failed = Vec::new();
    for sharers in homes.values() {
        let Some(first) = sharers.first() else { continue };
        match measurer.measure(*first).await {
            Ok(measurement) => on_measured(&MeasuredHome {
                holders: sharers.iter().map(|record| record.holder()).collect(),
                measurement,
            })?,
            Err(error) => failed.push(error),
        }
    }
    failure(failed, homes.len())
}

/// Returns one error for those of `all` homes that could not be measured.
fn failure(mut failed: Vec<Error>, all: usize) -> Result<()> {
    match failed.pop() {
        None => Ok(()),
        Some(error) if all == 1 => Err(error),
        Some(error) => {
            failed.push(error);
            let causes: String = failed.iter().map(|error| format!("\n  {error}")).collect();
            let bad = failed.len();
            Err(Error::new(format!(
                "{bad} of {all} homes and folders could not be measured:{causes}"
            )))
        }
    }
}

struct ScanRun<'a> {
    context: &'a OpsContext<'a>,
    /// The lock of the data directory, taken if no server is running, so that none starts until all homes are measured.
    lock: Option<DataLock>,
}

impl ScanRun<'_> {
    /// Measures a home. A running server does it, since only the server knows what is being written; without one, this
    /// process does.
    async fn measure(&mut self, record: &dyn HasAccount) -> Result<Remeasurement> {
        let (holder, directory) = (record.holder(), record.directory());
        let place = holder.place();
        let OpsContext {
            server, installation, ..
        } = self.context;
        if self.lock.is_none() {
            if let Some(measurement) = if_running(server.measure(holder.clone()).await)? {
                return Ok(measurement);
            }
            let lock = DataLock::take(installation.data_dir()).map_err(|e| {
                Error::new(format!("cannot measure the {place} {directory:?}"))
                    .because(e.hint("no server answers; a server is starting or ending; try again"))
            })?;
            self.lock = Some(lock);
        }
        let store = self.context.store;
        let before = HomeUsage::of_record(record, store.usage(directory).await?.as_ref());
        must_exist(place, directory)?;
        let measured_at = Timestamp::now();
        let sum = measure_unused(&LocalDisks, &holder.location(directory))?;
        // Flush the files before recording the numbers: after a power cut, the numbers must not describe files that are
        // lost.
        sync(directory)?;
        let measured = UsageRecord {
            home: directory.to_owned(),
            bytes: sum.bytes,
            files: sum.files,
            exact: true,
            measured_at: Some(measured_at),
        };
        store.record_usage(&[measured]).await?;
        let after = HomeUsage::measured(record, &sum);
        Ok(Remeasurement { before, after })
    }
}

/// Checks that a home or a folder, which `place` says, exists before it is measured: a missing one is not empty.
///
/// # Errors
/// Returns an error if it does not exist, or cannot be accessed.
pub fn must_exist(place: &str, directory: &Path) -> Result<()> {
    match directory.metadata() {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::new(format!(
            "the {place} {directory:?} is missing"
        ))
        .hint(match place {
            "home" => "is its disk mounted? the server makes a missing home at sign-in",
            _ => "is its disk mounted? the server makes no folders",
        })),
        Err(e) => Err(Error::new(format!("cannot measure the {place} {directory:?}")).because(e)),
    }
}

fn sync(directory: &Path) -> Result<()> {
    open_directory(directory)
        .and_then(|opened| Ok(rustix::fs::syncfs(opened)?))
        .map_err(|e| Error::new(format!("cannot flush {directory:?} to its disk")).because(e))
}
