//! Watches how full homes and folders are, and emits an event when the use passes a percentage of the quota, in either
//! direction.
//!
//! The accounts are looked at once a second, so that no write has to do it. A use that is above a percentage for less
//! than that is not reported.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::accounts::account::{Account, Usage, UsageAccuracy};
use crate::accounts::id::AccountId;
use crate::domain::event::{Event, QuotaCrossing, QuotaKind};
use crate::domain::folder::FolderName;
use crate::domain::user::UserName;
use crate::ssh::service::Service;
use crate::storage::location::PlaceKind;
use crate::store::Store;

/// How often the accounts are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A use must fall this many percent below a percentage before it counts as below it. Otherwise a home whose use stays
/// there would have many events.
const MARGIN: u8 = 1;

/// Watches the homes in use until `quit` is cancelled.
pub async fn watch(service: Arc<Service>, store: Arc<dyn Store>, warn_at: Vec<u8>, quit: CancellationToken) {
    let mut known: HashMap<AccountId, HomeLevels> = HashMap::new();
    loop {
        tokio::select! {
            () = quit.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let accounts = service.accounts.in_memory();
        let mut now = HashMap::with_capacity(accounts.len());
        for account in &accounts {
            let before = known.remove(account.id());
            let usage = account.usage();
            if usage.accuracy != UsageAccuracy::Exact {
                now.extend(before.map(|levels| (account.id().clone(), levels)));
                continue;
            }
            let mut levels = before.unwrap_or_else(|| HomeLevels::at_load(account, &usage, &warn_at));
            let crossings = levels.update(&usage, &warn_at);
            if !crossings.is_empty() {
                let folder = folder_of(&*store, account).await;
                let user = only_user(&service, account);
                for crossing in crossings {
                    service.events.emit(&Event::NearQuota {
                        user: user.clone(),
                        home: account.location().directory().into(),
                        folder: folder.clone(),
                        crossing,
                    });
                }
            }
            now.insert(account.id().clone(), levels);
        }
        known = now;
    }
}

/// Returns the name of the folder that an account is of; `None` for a home.
async fn folder_of(store: &dyn Store, account: &Account) -> Option<FolderName> {
    if account.location().kind() == PlaceKind::Home {
        return None;
    }
    let folders = match store.folders().await {
        Ok(folders) => folders,
        Err(error) => {
            tracing::warn!(%error, "cannot look up the folder that fills up");
            return None;
        }
    };
    let place = account.location().directory();
    let found = folders.into_iter().find(|folder| folder.path == place);
    found.map(|folder| folder.name)
}

/// Returns the user who is signed in and has this home or folder, if it is one.
fn only_user(service: &Service, account: &Account) -> Option<UserName> {
    let sessions = service.sessions.list();
    let mut users = sessions
        .iter()
        .map(|session| &session.login)
        .filter(|login| {
            let place = account.location().directory();
            login.home() == place || login.folders().iter().any(|(folder, _)| folder.path == place)
        })
        .map(|login| login.user());
    let first = users.next()?;
    users.all(|user| user == first).then(|| first.clone())
}

/// How many percentages the use of a home has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct HomeLevels {
    bytes: usize,
    files: usize,
}

impl HomeLevels {
    /// Returns the levels when the account was loaded, which were reported before the server was started. After a crash
    /// they are not known, and the present ones are taken.
    fn at_load(account: &Account, now: &Usage, warn_at: &[u8]) -> Self {
        let mut levels = Self::default();
        levels.update(&account.at_load.unwrap_or(*now), warn_at);
        levels
    }

    /// Sets the levels, and returns what was passed since.
    fn update(&mut self, usage: &Usage, warn_at: &[u8]) -> Vec<QuotaCrossing> {
        let bytes = Filling {
            kind: QuotaKind::Bytes,
            used: usage.bytes,
            limit: usage.quota.bytes,
        };
        let files = Filling {
            kind: QuotaKind::Files,
            used: usage.files,
            limit: usage.quota.files,
        };
        let mut crossings = bytes.crossings(&mut self.bytes, warn_at);
        crossings.extend(files.crossings(&mut self.files, warn_at));
        crossings
    }
}

/// How full a home is.
struct Filling {
    kind: QuotaKind,
    used: u64,
    limit: Option<u64>,
}

impl Filling {
    fn is_at(&self, percent: u8) -> bool {
        self.limit
            .is_some_and(|limit| u128::from(self.used) * 100 >= u128::from(limit) * u128::from(percent))
    }

    /// Returns the percentages that were passed, and sets their number. `warn_at` is in ascending order.
    fn crossings(&self, level: &mut usize, warn_at: &[u8]) -> Vec<QuotaCrossing> {
        let before = *level;
        let reached = warn_at.iter().filter(|percent| self.is_at(**percent)).count();
        let kept = warn_at
            .iter()
            .filter(|percent| self.is_at(percent.saturating_sub(MARGIN)))
            .count();
        *level = if reached >= before {
            reached
        } else {
            before.min(kept.max(reached))
        };
        let (rising, passed) = match *level >= before {
            true => (true, before..*level),
            false => (false, *level..before),
        };
        let passed = warn_at.get(passed).unwrap_or_default();
        let crossing = |percent: &u8| QuotaCrossing {
            kind: self.kind,
            percent: *percent,
            rising,
            used: self.used,
            limit: self.limit,
        };
        passed.iter().map(crossing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percentage_is_passed_once_in_each_direction() {
        let mut level = 0;
        let mut check = |used: u64, limit: Option<u64>, expected: &[(u8, bool)]| {
            let filling = Filling {
                kind: QuotaKind::Bytes,
                used,
                limit,
            };
            let seen = filling.crossings(&mut level, &[80, 95]);
            let seen: Vec<(u8, bool)> = seen.iter().map(|one| (one.percent, one.rising)).collect();
            assert_eq!(seen, expected, "{used} of {limit:?}");
        };
        let limit = Some(1000);
        check(0, limit, &[]);
        check(799, limit, &[]);
        check(800, limit, &[(80, true)]);
        check(900, limit, &[]);
        // Just below it is not below it.
        check(795, limit, &[]);
        check(805, limit, &[]);
        check(789, limit, &[(80, false)]);
        check(789, limit, &[]);
        check(1000, limit, &[(80, true), (95, true)]);
        check(941, limit, &[]);
        check(939, limit, &[(95, false)]);
        check(2000, limit, &[(95, true)]);
        check(2000, Some(10_000), &[(80, false), (95, false)]);
        check(u64::MAX, Some(u64::MAX), &[(80, true), (95, true)]);
        check(u64::MAX, None, &[(80, false), (95, false)]);
        // A home without any room is full from the beginning.
        check(0, Some(0), &[(80, true), (95, true)]);
    }
}
