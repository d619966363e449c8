//! Users whom an outside source judges (`[auth.external]`): a directory, or the users of another program.
//!
//! The source is asked about proofs alone, never about keys that are only offered, and never about users whom an operator
//! has added. It says no, or answers with the user's record, which is then in the store ([`ExternalSource`] puts it there):
//! limits, audit and revocation work as for all users. A record of such a user in the store alone allows no sign-in.
//!
//! Whether a name is the source's, an operator's or nobody's, a failure looks the same: the source is asked about every name
//! that no operator has added, and every failure is answered at a time that covers the source ([`super::failure_floor`]).

mod cache;
pub(super) mod check;
mod question;
pub mod settings;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::cache::AcceptedProofs;
pub use self::question::{ExternalProof, ExternalQuestion};
use self::settings::ExternalSettings;
use self::turns::{ExternalTurn, ExternalTurns};
use super::denial::DenialReason;
use super::verifier::{QueueFull, QueuedAttempt};
use crate::domain::user::{Factor, User, UserName, UserSource};
use crate::store::Store;
use base::error::Error;

/// A source of users.
#[async_trait]
pub trait ExternalSource: Send + Sync {
    /// Judges a proof. Returns the user's record as it is in the store now; `None` if the source refuses the name or the
    /// proof. It ends in time by itself.
    ///
    /// # Errors
    /// Returns why the source could not be asked, or why its answer cannot be used. The error contains no secret.
    async fn judge(&self, question: ExternalQuestion) -> base::error::Result<Option<User>>;
}

/// The source of users of a server, which a reload can replace.
#[derive(Default)]
pub struct ExternalUsers {
    current: RwLock<Option<Arc<ActiveSource>>>,
    /// The questions that are being asked. A peer that leaves does not end its question: it would make room for another one
    /// while the source still works on it. Dropping the set ends them all.
    asked: Mutex<JoinSet<()>>,
}

/// A source with its settings, and what goes with them.
pub(super) struct ActiveSource {
    settings: ExternalSettings,
    source: Arc<dyn ExternalSource>,
    accepted: AcceptedProofs,
    turns: ExternalTurns,
}

impl ExternalUsers {
    /// Replaces the source; `None` if there is none any more. What was accepted before is forgotten.
    pub fn replace(&self, source: Option<(ExternalSettings, Arc<dyn ExternalSource>)>) {
        let active = source.map(|(settings, source)| {
            Arc::new(ActiveSource {
                accepted: AcceptedProofs::new(Duration::from_secs(settings.cache_secs)),
                turns: ExternalTurns::new(settings.timeout()),
                settings,
                source,
            })
        });
        *self.current.write() = active;
    }

    /// Returns the source, if it judges this factor.
    pub(super) fn for_factor(&self, factor: Factor) -> Option<Arc<ActiveSource>> {
        let current = self.current.read();
        let judges = |active: &&Arc<ActiveSource>| active.settings.judges(factor);
        current.as_ref().filter(judges).map(Arc::clone)
    }

    /// Has the source judge a proof. The turn ends with the answer, even if this future is dropped before.
    pub(super) async fn judge(
        &self,
        active: Arc<ActiveSource>,
        question: ExternalQuestion,
        turn: ExternalTurn,
        store: &dyn Store,
    ) -> Result<User, DenialReason> {
        let digest = active.accepted.digest(&question);
        if digest.is_some_and(|digest| active.accepted.knows(&digest, Instant::now()))
            && let Some(user) = store.user(&question.user).await.map_err(DenialReason::Store)?
            && user.source == UserSource::External
        {
            return Ok(user);
        }
        let (sender, answer) = oneshot::channel();
        let source = Arc::clone(&active.source);
        let asking = async move {
            let judged = source.judge(question).await;
            drop(turn);
            // The peer may have left.
            let _ = sender.send(judged);
        };
        {
            let mut asked = self.asked.lock();
            // There are as many as there are turns, and those that have just ended.
            while asked.try_join_next().is_some() {}
            asked.spawn(asking);
        }
        match answer.await {
            Ok(Ok(Some(user))) => {
                if let Some(digest) = digest {
                    active.accepted.remember(digest, Instant::now());
                }
                Ok(user)
            }
            Ok(Ok(None)) => Err(DenialReason::ExternalRefused),
            Ok(Err(error)) => Err(DenialReason::External(error)),
            Err(_) => Err(DenialReason::External(Error::new(
                "the outside source was not asked to the end",
            ))),
        }
    }
}

impl ActiveSource {
    /// Waits for a turn to ask.
    ///
    /// # Errors
    /// Returns an error if too many wait, or if it takes too long.
    pub(super) async fn take_turn(&self, attempt: QueuedAttempt) -> Result<ExternalTurn, QueueFull> {
        self.turns.take(attempt).await
    }
}

/// Returns whether a source is asked about a user: about one without a record, or whose record is the source's, under a name
/// that can be given.
pub(super) fn is_asked_about(name: &UserName, record: Option<&User>) -> bool {
    name.is_assignable() && record.is_none_or(|user| user.source == UserSource::External)
}
