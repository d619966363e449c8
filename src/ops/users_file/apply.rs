//! Makes the store have what a file declares, and then homes and folders.

use std::collections::BTreeMap;
use std::path::Path;

use super::changes::PlannedChange;
use super::declaration::Declaration;
use super::plan::{Plan, PlanOptions, PlannedDirectory, plan};
use crate::ops::context::OpsContext;
use crate::ops::installation::Installation;
use crate::ops::running::{Effect, if_running};
use crate::ops::users::claim;
use crate::ops::{admin, data_dir, homes};
use crate::store::sql::SqlStore;
use crate::store::{BatchStore as _, Records};
use base::error::{Error, Result};
use base::paths::resolve;

/// How often a plan is made again because records were changed meanwhile. Another command changes a record once.
const MOST_ATTEMPTS: usize = 10;

/// What was done.
#[derive(Debug)]
pub struct Applied {
    /// The changes that are stored.
    pub changes: Vec<PlannedChange>,
    /// The effect on the running server; `None` if no server is running.
    pub effect: Option<Effect>,
    /// The homes and folders that could not be made. Everything else is done.
    pub failed: Vec<Error>,
}

/// Returns what [`apply`] would do, and changes nothing. A store that does not exist yet is taken as empty.
///
/// # Errors
/// Returns an error with the mistakes of the file, or if the store cannot be read.
pub async fn preview(declaration: &Declaration, prune: bool, installation: &Installation) -> Result<Plan> {
    if installation.data_dir().is_dir() {
        data_dir::become_owner(installation.data_dir())?;
    }
    let records = match SqlStore::is_missing(&installation.store.path).await? {
        true => Records::default(),
        false => {
            let store = crate::ops::store::open_read_only(installation).await?;
            let records = store.records().await;
            store.close().await;
            records?
        }
    };
    plan_of(declaration, prune, installation, &records)
}

/// Refuses a file with mistakes before a store is made for it.
///
/// # Errors
/// Returns an error with the mistakes of the file, or if the store cannot be read.
pub async fn check_first(declaration: &Declaration, prune: bool, installation: &Installation) -> Result<()> {
    if !declaration.mistakes.is_empty() {
        return preview(declaration, prune, installation).await.map(drop);
    }
    // Beside a store, the same is found when the file is applied.
    if SqlStore::is_missing(&installation.store.path).await? {
        plan_of(declaration, prune, installation, &Records::default())?;
    }
    Ok(())
}

/// Returns the plan that is only shown.
fn plan_of(
    declaration: &Declaration,
    prune: bool,
    installation: &Installation,
    records: &Records,
) -> Result<Plan> {
    let homes = resolve(&installation.storage.homes);
    let options = PlanOptions {
        prune,
        installation,
        homes: &homes,
        hash: false,
    };
    plan(declaration, records, options)
}

/// Makes it so: records in one transaction, then the directories of new homes and folders, then the running server.
///
/// # Errors
/// Returns an error if the file has mistakes or the store refuses, and nothing is changed then; or if the running server
/// does not confirm the change, which is stored.
pub async fn apply(declaration: &Declaration, prune: bool, context: &OpsContext<'_>) -> Result<Applied> {
    let plan = store_plan(declaration, prune, context).await?;
    for warning in &declaration.warnings {
        (context.warn)(warning);
    }
    let failed = make_directories(&plan.directories, context).await;
    let acts = plan.changes.iter().map(|change| change.act.clone()).collect();
    if !plan.changes.is_empty() {
        admin::record_all(acts, context).await;
    }
    // The server finds by itself who was changed, also by a command that it was not told of.
    let answer = context.server.apply_changes(Vec::new(), None).await;
    let effect = if_running(answer).map_err(|error| {
        let what = match plan.changes.is_empty() {
            true => "the store needed no change, and the server has not confirmed it",
            false => "the changes are stored, and the server has not confirmed them",
        };
        Error::new(what).because(error)
    })?;
    Ok(Applied {
        changes: plan.changes,
        effect,
        failed,
    })
}

/// Plans and writes, until no other command comes in between.
async fn store_plan(declaration: &Declaration, prune: bool, context: &OpsContext<'_>) -> Result<Plan> {
    let homes = resolve(&context.installation.storage.homes);
    let options = PlanOptions {
        prune,
        installation: context.installation,
        homes: &homes,
        hash: true,
    };
    for _ in 0..MOST_ATTEMPTS {
        let records = context.store.records().await?;
        let plan = plan(declaration, &records, options)?;
        if plan.writes.is_empty()
            || context
                .store
                .write_records(records.revision, &plan.writes)
                .await?
        {
            return Ok(plan);
        }
    }
    Err(Error::new("cannot apply the file")
        .because("users are being changed by other commands all the time")
        .hint("try again"))
}

/// Claims the places of new homes and folders, and makes those directories that are missing, also those that an earlier
/// call could not make; returns what could not be made.
async fn make_directories(directories: &[PlannedDirectory], context: &OpsContext<'_>) -> Vec<Error> {
    let mut failed = Vec::new();
    // Each place is claimed once.
    let mut by_place: BTreeMap<Option<&Path>, Vec<&PlannedDirectory>> = BTreeMap::new();
    let is_missing = |directory: &PlannedDirectory| !directory.path.is_dir();
    for directory in directories.iter().filter(|one| one.is_new || is_missing(one)) {
        let place = homes::place_of(context.installation, &directory.path);
        by_place.entry(place).or_default().push(directory);
    }
    for mut directories in by_place.into_values() {
        // What is missing decides whether the place must be this server's.
        directories.sort_by_cached_key(|directory| !is_missing(directory));
        let Some(first) = directories.first() else {
            continue;
        };
        let claimed = claim(&first.path, context).await;
        let missing: Vec<&PlannedDirectory> = directories.into_iter().filter(|one| is_missing(one)).collect();
        if let Err(error) = claimed {
            let what = match missing.len() {
                1 => "1 home or folder was not made".to_owned(),
                count => format!("{count} homes and folders were not made"),
            };
            failed.push(Error::new(what).because(error));
            continue;
        }
        let made = missing.iter().map(|directory| {
            let PlannedDirectory { resident, path, .. } = directory;
            homes::make_with(context.installation, *resident, path, &directory.creation)
        });
        failed.extend(made.filter_map(Result::err));
    }
    failed
}
