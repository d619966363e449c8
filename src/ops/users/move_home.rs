//! Moves the home of a user, with the files in it, for all users who share it.
//!
//! At each moment the recorded path leads to all files, so that the users can sign in whenever a move is interrupted:
//! - On one file system, the home changes places with a symbolic link to its new path. Then the store gets the new path,
//!   and then the link is removed.
//! - To another file system, the home is copied under another name and compared. The copy gets its name, then the store
//!   gets the new path, and then the original is deleted.
//!
//! A [`MoveRecord`] says what is under way, so that the same command finishes it. No session works in the home
//! meanwhile: see [`home_lock`](crate::storage::home_lock).

mod record;
mod steps;
mod tree;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

pub use self::record::{FoundMove, MoveRecord, unfinished_moves};
use self::steps::{HomePaths, cannot};
use self::tree::CopiedTree;
use super::change::{ConfirmedChange, StoredChange, UserChange};
use crate::domain::user::{User, UserName};
use crate::ops::context::OpsContext;
use crate::ops::running::{DisconnectTarget, if_running};
use crate::ops::usage::AccountHolder;
use crate::ops::{admin, adopt, homes, quota};
use crate::storage::home_lock::HomeLock;
use crate::storage::marker;
use crate::store::{Changed, UsageRecord};
use base::advice;
use base::error::Result;

/// How long sessions are ended that use the home. A client may sign in again and again.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(10);

/// How often the home is tried while sessions end.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Moves the home of a user to another directory, which must not exist or be empty. Sessions in the home are ended.
///
/// # Errors
/// Returns an error if the home may not lie there, if there is something already, or if it cannot be moved. The users
/// have all their files in one of the two directories then.
pub async fn move_home(name: &UserName, dir: &Path, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let data = context.installation.data_dir();
    let user = context.user(name).await?;
    let to = homes::choose(context.installation, name, Some(dir))?;
    if let Some(other) = MoveRecord::find_other(data, &user.home, &to)? {
        give_up(&other, &user, data)?;
    }
    let record = MoveRecord::find(data, &to)?;
    let one = HomeMove {
        name,
        paths: HomePaths {
            from: match &record {
                Some(record) if user.home == to => record.from.clone(),
                _ => user.home.clone(),
            },
            to,
            data_dir: data.to_owned(),
        },
        context,
    };
    match record {
        _ if user.home != one.paths.to => one.run(record).await,
        Some(record) => one.finish_interrupted(&user, &record).await,
        None => {
            let what = UserChange::Set { left_home: None };
            StoredChange::new(name, what, false).confirm(context.server).await
        }
    }
}

/// Gives up an interrupted move of the home to another target, if it has changed nothing.
fn give_up(other: &MoveRecord, user: &User, data_dir: &Path) -> Result<()> {
    let paths = HomePaths {
        from: other.from.clone(),
        to: other.to.clone(),
        data_dir: data_dir.to_owned(),
    };
    let may = user.home == other.from && paths.is_at_old_path(other)?;
    match may.then(|| HomeLock::take(&other.from)).transpose() {
        Ok(Some(Some(_lock))) => {
            // Its disk may be gone, which is why another target was chosen.
            let _ = paths.take_back(other);
            other.remove(data_dir)
        }
        Err(error) => Err(paths.failed(error)),
        Ok(_) => Err(cannot(&other.from, &other.to)
            .because("it was interrupted, or another command is doing it".to_owned())
            .hint(format!(
                "finish that first: homeportd user set {} --home {} --move",
                user.name,
                advice::quoted(&other.to)
            ))),
    }
}

/// One home that is moved.
struct HomeMove<'a> {
    name: &'a UserName,
    paths: HomePaths,
    context: &'a OpsContext<'a>,
}

impl HomeMove<'_> {
    async fn run(&self, interrupted: Option<MoveRecord>) -> Result<ConfirmedChange> {
        self.check_places().await?;
        let paths = &self.paths;
        // A record of another home that had this target has no meaning any more.
        let interrupted = interrupted.filter(|record| record.from == paths.from);
        let is_renamed = match &interrupted {
            Some(record) => paths.is_renamed(record)?,
            None => false,
        };
        let home = if is_renamed { &paths.to } else { &paths.from };
        let (lock, ended) = self.lock(home).await?;
        let mut record = match interrupted {
            Some(record) if is_renamed => {
                paths.restore_link()?;
                record
            }
            other => paths.begin(other.as_ref())?,
        };
        let renamed = is_renamed || paths.rename().inspect_err(|_| paths.forget(&record))?;
        let copied = match renamed {
            true => None,
            false => Some(paths.copy(&mut record)?),
        };
        let changes = match self.commit(copied.as_ref()).await {
            Ok(changes) => changes,
            Err(error) if copied.is_some() => {
                paths.take_back(&record)?;
                record.remove(&paths.data_dir)?;
                return Err(error);
            }
            Err(error) => {
                return Err(error.hint("run the same command again; the user can sign in meanwhile"));
            }
        };
        let mut confirmed = self.confirm(&changes).await?;
        paths.remove_original(&record)?;
        drop(lock);
        if let Some(effect) = &mut confirmed.effect {
            effect.sessions_ended += ended;
        }
        self.measure().await;
        Ok(confirmed)
    }

    /// Refuses a place in which the home may not lie, or from which it may not be taken. Nothing is changed.
    async fn check_places(&self) -> Result<()> {
        let (from, to) = (&self.paths.from, &self.paths.to);
        let refused = |why: String| Err(cannot(from, to).because(why));
        if to.starts_with(from) || from.starts_with(to) {
            return refused("one of them lies in the other".to_owned());
        }
        if let Some(other) = self.context.store.overlapping_user(to, self.name).await? {
            return refused(format!("{other} has files there"));
        }
        let id = self.context.store.id().await?;
        if let Some(place) = homes::place_of(self.context.installation, from) {
            marker::require(place, &id).map_err(|error| cannot(from, to).because(error))?;
        }
        adopt::take_if_new(self.context.installation, to, self.context.store)
            .await
            .map_err(|error| cannot(from, to).because(error))
    }

    /// Takes the lock on the home, and ends the sessions that have it. Returns how many.
    async fn lock(&self, home: &Path) -> Result<(HomeLock, usize)> {
        let deadline = Instant::now() + SESSIONS_END_WITHIN;
        let mut ended = 0;
        loop {
            match HomeLock::take(home) {
                Ok(Some(lock)) => return Ok((lock, ended)),
                Ok(None) if Instant::now() < deadline => {}
                Ok(None) => {
                    return Err(cannot(&self.paths.from, &self.paths.to)
                        .because("it is still in use".to_owned())
                        .hint(format!(
                            "its sessions come back, a disk hangs, or another command moves it: homeportd user disable {}, and \
                             try again",
                            self.name
                        )));
                }
                Err(error) => return Err(self.paths.failed(error)),
            }
            for user in self.users().await? {
                let answer = self.context.server.disconnect(DisconnectTarget::User(user)).await;
                ended += if_running(answer)?.unwrap_or(0);
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// Returns the users who share the home.
    async fn users(&self) -> Result<Vec<UserName>> {
        let users = self.context.store.users().await?.into_iter();
        let sharers = users.filter(|user| user.home == self.paths.from);
        Ok(sharers.map(|user| user.name).collect())
    }

    /// Stores the new path for all users of the home.
    async fn commit(&self, copied: Option<&CopiedTree>) -> Result<Vec<Changed<User>>> {
        let measured = copied.map(|copied| UsageRecord {
            home: self.paths.to.clone(),
            bytes: copied.bytes,
            files: copied.files,
            exact: true,
            measured_at: Some(Timestamp::now()),
        });
        let store = self.context.store;
        store
            .move_home(&self.paths.from, &self.paths.to, measured.as_ref())
            .await
    }

    /// Waits until the running server knows the new path, and records the change of each user.
    async fn confirm(&self, changes: &[Changed<User>]) -> Result<ConfirmedChange> {
        let what = UserChange::Moved {
            from: self.paths.from.clone(),
            to: self.paths.to.clone(),
        };
        let mut ours = StoredChange::new(self.name, what.clone(), true);
        let mut others = 0;
        for Changed { before, after } in changes {
            let act = admin::user_changed("user set", Some(before), Some(after));
            if after.name == *self.name {
                ours = ours.recorded_as(act, self.context);
                continue;
            }
            let change = StoredChange::new(&after.name, what.clone(), true).recorded_as(act, self.context);
            let confirmed = change.confirm(self.context.server).await?;
            others += confirmed.effect.unwrap_or_default().sessions_ended;
        }
        let mut confirmed = ours.confirm(self.context.server).await?;
        if let Some(effect) = &mut confirmed.effect {
            effect.sessions_ended += others;
        }
        Ok(confirmed)
    }

    /// Finishes a move whose new path is stored.
    async fn finish_interrupted(&self, user: &User, record: &MoveRecord) -> Result<ConfirmedChange> {
        let before = User {
            home: record.from.clone(),
            ..user.clone()
        };
        let change = Changed {
            before,
            after: user.clone(),
        };
        let confirmed = self.confirm(&[change]).await?;
        self.paths.remove_original(record)?;
        self.measure().await;
        Ok(confirmed)
    }

    /// Measures the home if the stored use is not exact.
    async fn measure(&self) {
        let stored = self.context.store.usage(&self.paths.to).await;
        let holder = AccountHolder::User(self.name.clone());
        if !matches!(&stored, Ok(Some(usage)) if usage.exact)
            && let Err(error) = quota::measure(Some(&holder), self.context, &mut |_| Ok(())).await
        {
            (self.context.warn)(&error);
        }
    }
}

#[cfg(test)]
mod tests;
