//! Tells the running server that the store has changed, and waits until the change is in force.

use std::path::PathBuf;

use super::admin;
use super::context::{OnWarning, OpsContext};
use super::running::{Effect, RunningServer, Unanswered, if_running};
use crate::domain::event::{AdminAct, AdminRecord};
use crate::domain::user::UserName;
use base::error::{Error, Result};

/// The most users that one request names, so that it has less than 32 KiB beside the record.
const USERS_AT_ONCE: usize = 200;

/// A stored change that the running server has to put in force.
#[derive(Debug)]
pub struct Announcement {
    users: Vec<UserName>,
    is_change: bool,
    record: Option<ChangeRecord>,
}

/// What the audit log is to have about a change.
#[derive(Debug)]
struct ChangeRecord {
    act: AdminAct,
    /// The audit log, if it has a file of its own.
    log: Option<PathBuf>,
    warn: OnWarning,
}

impl Announcement {
    /// Creates the announcement of a change that concerns these users. `is_change` is `false` if the store already had
    /// these values.
    pub fn new(users: Vec<UserName>, is_change: bool) -> Self {
        Self {
            users,
            is_change,
            record: None,
        }
    }

    /// Returns whether the store was changed.
    pub fn is_change(&self) -> bool {
        self.is_change
    }

    /// Has the audit log record the change, if there was one.
    #[must_use]
    pub fn recorded_as(self, act: AdminAct, context: &OpsContext<'_>) -> Self {
        let record = ChangeRecord {
            act,
            log: context.installation.audit.clone(),
            warn: context.warn,
        };
        Self {
            record: self.is_change.then_some(record),
            ..self
        }
    }

    /// Waits until the running server, if there is one, has put the change in force, and returns the effect. This is
    /// necessary even if nothing was changed, since the server may not have applied an earlier change.
    ///
    /// # Errors
    /// Returns an error if the server does not confirm it.
    pub async fn confirm(mut self, server: &dyn RunningServer) -> Result<Option<Effect>> {
        // The first request puts the whole change in force; the others only look at the sessions of further users.
        let more = self.users.split_off(self.users.len().min(USERS_AT_ONCE));
        let first = self.announce(server).await?;
        let Some(mut effect) = first else {
            return Ok(None);
        };
        for users in more.chunks(USERS_AT_ONCE) {
            let answer = server.apply_changes(users.to_vec(), None).await;
            let further = if_running(answer).map_err(|error| self.unconfirmed(error))?;
            let further = further.unwrap_or_default();
            effect.sessions_ended += further.sessions_ended;
            // Sessions that were busy at first are counted again.
            effect.still_busy = effect.still_busy.max(further.still_busy);
        }
        Ok(Some(effect))
    }

    async fn announce(&self, server: &dyn RunningServer) -> Result<Option<Effect>> {
        let record = self.record.as_ref().map(|record| AdminRecord {
            by: server.operator(),
            act: record.act.clone(),
        });
        let answer = server.apply_changes(self.users.clone(), record.clone()).await;
        if let (Err(Unanswered::NotRunning(_)), Some(record), Some(wanted)) = (&answer, record, &self.record)
            && let Err(error) = admin::append(wanted.log.as_deref(), vec![record])
        {
            (wanted.warn)(&error);
        }
        if_running(answer).map_err(|error| self.unconfirmed(error))
    }

    fn unconfirmed(&self, error: Error) -> Error {
        let what = match self.is_change {
            true => "the change is stored, and the server has not confirmed it",
            false => "the store needed no change, and the server has not confirmed it",
        };
        Error::new(what).because(error)
    }
}
