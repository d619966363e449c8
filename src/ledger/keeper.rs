//! Writes accounts down: new ceilings as soon as they are wanted, exact numbers once nothing has changed for a while.
//!
//! One task for all accounts, so that a round costs one transaction, however many homes it is about; and so that no
//! two writers of one account exist. What may go wrong: the store is locked or full. Then what fits under the old
//! ceilings goes on, what does not waits for a while and fails, and the keeper tries again every second.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::UsageRecord;

use super::Ledger;
use super::account::Account;

/// How often the keeper looks for accounts that have come to rest, and tries again what has failed.
const TICK: Duration = Duration::from_secs(1);
/// So many ticks without a change make an account worth an exact number.
const REST_TICKS: u32 = 10;

/// How long an account has been at rest.
#[derive(Default)]
struct Rest {
    activity: u64,
    ticks: u32,
}

/// The keeper's task.
pub(super) async fn keep(ledger: Arc<Ledger>, quit: CancellationToken) {
    let mut resting: HashMap<PathBuf, Rest> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = quit.cancelled() => break,
            () = ledger.helpers.keeper.notified() => raise_ceilings(&ledger).await,
            _ = tick.tick() => {
                raise_ceilings(&ledger).await;
                let rested = rested(&ledger, &mut resting);
                settle(&ledger, rested).await;
                ledger.measure_doubted();
            }
        }
    }
    // Nobody is signed in any more: everything is at rest.
    raise_ceilings(&ledger).await;
    settle(&ledger, ledger.all()).await;
}

async fn raise_ceilings(ledger: &Arc<Ledger>) {
    let wanting: Vec<(Arc<Account>, UsageRecord)> = ledger
        .all()
        .into_iter()
        .filter_map(|account| account.wanted_record().map(|record| (account, record)))
        .collect();
    if wanting.is_empty() {
        return;
    }
    let records: Vec<UsageRecord> = wanting.iter().map(|(_, record)| record.clone()).collect();
    match ledger.store.record_usage(&records).await {
        Ok(()) => {
            wanting
                .iter()
                .for_each(|(account, record)| account.ceiling_written(record));
            ledger.look_at_markers(wanting.into_iter().map(|(account, _)| account).collect());
        }
        Err(error) => {
            tracing::error!(%error, "cannot write down the use of homes; growth stops at what is written down");
            wanting.iter().for_each(|(account, _)| account.not_written());
        }
    }
}

fn rested(ledger: &Ledger, resting: &mut HashMap<PathBuf, Rest>) -> Vec<Arc<Account>> {
    let open: Vec<Arc<Account>> = ledger
        .all()
        .into_iter()
        .filter(|account| !account.is_clean())
        .collect();
    resting.retain(|home, _| open.iter().any(|account| account.home() == home));
    open.into_iter()
        .filter(|account| {
            let rest = resting.entry(account.home().to_owned()).or_default();
            let activity = account.activity();
            rest.ticks = if rest.activity == activity {
                rest.ticks + 1
            } else {
                0
            };
            rest.activity = activity;
            rest.ticks >= REST_TICKS
        })
        .collect()
}

/// Writes exact numbers down. First everything that they count goes to the disks, so that a power cut cannot take back
/// what the number says.
async fn settle(ledger: &Ledger, accounts: Vec<Arc<Account>>) {
    let closed: Vec<(Arc<Account>, UsageRecord)> = accounts
        .into_iter()
        .filter_map(|account| account.close_for_exact().map(|record| (account, record)))
        .collect();
    if closed.is_empty() {
        return;
    }
    let homes: Vec<PathBuf> = closed
        .iter()
        .map(|(account, _)| account.home().to_owned())
        .collect();
    let synced = tokio::task::spawn_blocking(move || sync_file_systems(&homes)).await;
    let records: Vec<UsageRecord> = closed.iter().map(|(_, record)| record.clone()).collect();
    let written = match synced {
        Ok(Ok(())) => ledger
            .store
            .record_usage(&records)
            .await
            .map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match written {
        Ok(()) => closed
            .iter()
            .for_each(|(account, record)| account.exact_written(record)),
        Err(error) => {
            tracing::warn!(
                error,
                "cannot write down the exact use of homes; trying again later"
            );
            closed.iter().for_each(|(account, _)| account.reopen());
        }
    }
}

/// syncfs(2), once for each file system.
fn sync_file_systems(homes: &[PathBuf]) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut done = Vec::new();
    for home in homes {
        let directory = match std::fs::File::open(home) {
            Ok(directory) => directory,
            // A home that is gone has nothing that could be lost.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let device = directory.metadata()?.dev();
        if !done.contains(&device) {
            rustix::fs::syncfs(&directory)?;
            done.push(device);
        }
    }
    Ok(())
}
