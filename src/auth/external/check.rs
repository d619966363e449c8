//! Has an outside source judge the proofs of attempts, at the pace of all sign-ins. What it is not asked about is checked
//! against the records.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{ActiveSource, ExternalProof, ExternalQuestion, ExternalTurn, ExternalUsers, is_asked_about};
use crate::auth::denial::DenialReason;
use crate::auth::login::Attempt;
use crate::auth::pacing::Applicant;
use crate::auth::presented::PresentedKey;
use crate::auth::proofs::Credential;
use crate::auth::record_check::RecordCheck;
use crate::domain::user::{Factor, User, UserName};

/// What is needed to have a source judge an attempt.
#[derive(Clone, Copy)]
pub(in crate::auth) struct ExternalCheck<'a> {
    pub(in crate::auth) users: &'a ExternalUsers,
    pub(in crate::auth) records: RecordCheck<'a>,
}

/// A question, and the source that it is for.
struct AddressedQuestion {
    active: Arc<ActiveSource>,
    question: ExternalQuestion,
}

impl ExternalCheck<'_> {
    /// Has a password judged, unless there were too many failures before; `None` if no source is asked about it. A refusal
    /// contains the time for which its answer must be held back.
    pub(in crate::auth) async fn password(
        &self,
        attempt: &Attempt<'_>,
        applicant: Applicant<'_>,
    ) -> Option<Result<User, (Duration, DenialReason)>> {
        let pacing = self.records.pacing;
        let Applicant { source, name, .. } = applicant;
        let addressed = match self.question(attempt, name).await {
            Ok(addressed) => addressed?,
            Err(reason) => return Some(Err((pacing.count(source, Some(name), &reason), reason))),
        };
        let admitted = pacing.admit(applicant, |queued| addressed.active.take_turn(queued));
        let turn = match admitted.await {
            Ok(turn) => turn,
            // The attempt has already waited in `admit`, so its answer is not delayed further.
            Err(reason) => return Some(Err((Duration::ZERO, reason))),
        };
        let judging = self.judge(addressed, attempt, turn);
        Some(pacing.judged(applicant, judging).await)
    }

    /// Judges a key by which the peer has signed. A refusal contains the time for which its answer must be held back.
    pub(in crate::auth) async fn key(
        &self,
        attempt: &Attempt<'_>,
        key: &PresentedKey,
        applicant: Applicant<'_>,
    ) -> Result<User, (Duration, DenialReason)> {
        let Applicant {
            source, name, start, ..
        } = applicant;
        let pacing = self.records.pacing;
        let judged = match self.question(attempt, name).await {
            Ok(Some(addressed)) => self.judge_key(addressed, attempt, key, applicant).await,
            Ok(None) => self.records.key(attempt, name, key).await,
            Err(reason) => Err(reason),
        };
        judged.map_err(|reason| {
            let delay = pacing.count(source, None, &reason);
            match self.users.for_factor(Factor::PublicKey) {
                Some(_) => (pacing.floor.answer_after(start.elapsed(), delay), reason),
                None => (delay, reason),
            }
        })
    }

    async fn judge_key(
        &self,
        addressed: AddressedQuestion,
        attempt: &Attempt<'_>,
        key: &PresentedKey,
        applicant: Applicant<'_>,
    ) -> Result<User, DenialReason> {
        self.records.keys.may_be_judged(key)?;
        let queued = self.records.pacing.queued(applicant.source, applicant.name);
        let turn = addressed.active.take_turn(queued).await;
        let turn = turn.map_err(|_| DenialReason::QueueFull)?;
        self.judge(addressed, attempt, turn).await
    }

    /// Returns the question about an attempt; `None` if no source is asked about this user and this proof.
    async fn question(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
    ) -> Result<Option<AddressedQuestion>, DenialReason> {
        let active = self.users.for_factor(attempt.credential.factor());
        let proof = match attempt.credential {
            Credential::Password(password) => ExternalProof::of_password(password),
            Credential::VerifiedKey(key) => ExternalProof::of_key(key),
            Credential::Code(_) => None,
        };
        let (Some(active), Some(name), Some(proof)) = (active, name, proof) else {
            return Ok(None);
        };
        let record = self.records.store.user(name).await.map_err(DenialReason::Store)?;
        Ok(is_asked_about(name, record.as_ref()).then(|| AddressedQuestion {
            active,
            question: ExternalQuestion {
                user: name.clone(),
                peer: attempt.peer,
                proof,
            },
        }))
    }

    async fn judge(
        &self,
        addressed: AddressedQuestion,
        attempt: &Attempt<'_>,
        turn: ExternalTurn,
    ) -> Result<User, DenialReason> {
        let AddressedQuestion { active, question } = addressed;
        let asked_at = Instant::now();
        let judged = self.users.judge(active, question, turn, self.records.store).await;
        let now = Instant::now();
        let took = now.saturating_duration_since(asked_at);
        self.records.pacing.floor.cover_answer(took, now.into_std());
        let user = judged?;
        attempt.admits(self.records.settings, &user, Timestamp::now())?;
        Ok(user)
    }
}
