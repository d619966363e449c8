//! The use of homes: showing it, and measuring it again.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::Timestamp;

use super::context::OpsContext;
use super::lock::DataLock;
use super::running::if_running;
use super::usage::{HomeUsage, Remeasurement};
use crate::accounts::measure::measure_unused;
use crate::domain::user::{User, UserName};
use crate::storage::local::backend::LocalDisks;
use crate::storage::location::Location;
use crate::store::UsageRecord;
use base::error::{Error, Result};

/// Returns the use of a user's home.
///
/// # Errors
/// Returns an error if there is no such user, if a running server does not answer, or if the store cannot be read.
pub async fn usage_of_user(name: &UserName, context: &OpsContext<'_>) -> Result<HomeUsage> {
    let user = context.user(name).await?;
    let usages = usage_of(std::slice::from_ref(&user), context).await?;
    let usage = usages.into_iter().next();
    usage.ok_or_else(|| Error::new(format!("nothing is known of the home of {name}")))
}

/// Returns the use of all homes, ordered by user.
///
/// # Errors
/// Returns an error if a running server does not answer, or if the store cannot be read.
pub async fn usage_of_all(context: &OpsContext<'_>) -> Result<Vec<HomeUsage>> {
    usage_of(&context.store.users().await?, context).await
}

/// Returns the use of these users' homes, in the same order: as the running server knows it, or else as it was recorded
/// last.
///
/// # Errors
/// Returns an error if a running server does not answer, or if the store cannot be read.
pub async fn usage_of(users: &[User], context: &OpsContext<'_>) -> Result<Vec<HomeUsage>> {
    let only = match users {
        [one] => Some(one.name.clone()),
        _ => None,
    };
    let answer = if_running(context.server.usage(only).await)?.unwrap_or_default();
    if answer.is_empty() {
        return HomeUsage::recorded(users, context.store).await;
    }
    let mut by_name: HashMap<UserName, HomeUsage> = answer
        .into_iter()
        .map(|usage| (usage.name.clone(), usage))
        .collect();
    let mut usages = Vec::with_capacity(users.len());
    for user in users {
        match by_name.remove(&user.name) {
            Some(usage) => usages.push(usage),
            // The user was added a moment ago.
            None => usages.extend(HomeUsage::recorded(std::slice::from_ref(user), context.store).await?),
        }
    }
    Ok(usages)
}

/// A home that was measured, and the users who share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredHome {
    /// The users who share the home.
    pub users: Vec<UserName>,
    /// The use before and after the measurement.
    pub measurement: Remeasurement,
}

/// Measures the home of one user, or all homes, each once. `on_measured` is called after each home. If a home cannot be
/// measured, the others still are.
///
/// # Errors
/// Returns an error if there is no such user, if homes could not be measured, or if `on_measured` fails.
pub async fn measure(
    name: Option<&UserName>,
    context: &OpsContext<'_>,
    on_measured: &mut dyn FnMut(&MeasuredHome) -> Result<()>,
) -> Result<()> {
    let users = match name {
        Some(name) => vec![context.user(name).await?],
        None => context.store.users().await?,
    };
    let mut homes: BTreeMap<&Path, Vec<&User>> = BTreeMap::new();
    for user in &users {
        homes.entry(&user.home).or_default().push(user);
    }
    let mut measurer = ScanRun { context, lock: None };
    let mut failed = Vec::new();
    for sharers in homes.values() {
        let Some(user) = sharers.first() else { continue };
        match measurer.measure(user).await {
            Ok(measurement) => on_measured(&MeasuredHome {
                users: sharers.iter().map(|user| user.name.clone()).collect(),
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
                "{bad} of {all} homes could not be measured:{causes}"
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
    async fn measure(&mut self, user: &User) -> Result<Remeasurement> {
        let OpsContext {
            server, installation, ..
        } = self.context;
        if self.lock.is_none() {
            if let Some(measurement) = if_running(server.measure(user.name.clone()).await)? {
                return Ok(measurement);
            }
            let lock = DataLock::take(installation.data_dir()).map_err(|e| {
                Error::new(format!("cannot measure the home {:?}", user.home))
                    .because(e.hint("no server answers; a server is starting or ending; try again"))
            })?;
            self.lock = Some(lock);
        }
        let store = self.context.store;
        let before = HomeUsage::of_record(user, store.usage(&user.home).await?.as_ref());
        must_exist(&user.home)?;
        let measured_at = Timestamp::now();
        let sum = measure_unused(&LocalDisks, &Location::of_directory(&user.home))?;
        // Flush the files before recording the numbers: after a power cut, the numbers must not describe files that are
        // lost.
        sync(&user.home)?;
        let record = UsageRecord {
            home: user.home.clone(),
            bytes: sum.bytes,
            files: sum.files,
            exact: true,
            measured_at: Some(measured_at),
        };
        store.record_usage(&[record]).await?;
        let after = HomeUsage::measured(user, &sum);
        Ok(Remeasurement { before, after })
    }
}

/// Checks that a home exists before it is measured: a missing home is not the same as an empty one.
///
/// # Errors
/// Returns an error if it does not exist, or cannot be accessed.
pub fn must_exist(home: &Path) -> Result<()> {
    match home.metadata() {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::new(format!("the home {home:?} is missing"))
                .hint("is its disk mounted? the server makes a missing home at sign-in"))
        }
        Err(e) => Err(Error::new(format!("cannot measure the home {home:?}")).because(e)),
    }
}

fn sync(home: &Path) -> Result<()> {
    std::fs::File::open(home)
        .and_then(|directory| Ok(rustix::fs::syncfs(directory)?))
        .map_err(|e| Error::new(format!("cannot flush the home {home:?} to its disk")).because(e))
}
