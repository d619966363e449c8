//! Checks passwords and codes, by an outside source or by the record, at the pace of all sign-ins.

use std::time::Duration;

use super::denial::DenialReason;
use super::external::check::ExternalCheck;
use super::login::Attempt;
use super::pacing::Applicant;
use super::password::MAX_PASSWORD;
use super::proofs::{AcceptedUser, Credential};
use base::secret::Secret;

/// Waits for a permit and verifies the password or the code. A refusal contains the time for which its answer must be held
/// back.
pub(super) async fn check_secret(
    external: ExternalCheck<'_>,
    attempt: &Attempt<'_>,
    secret: &Secret,
    applicant: Applicant<'_>,
) -> Result<AcceptedUser, (Duration, DenialReason)> {
    let records = external.records;
    let pacing = records.pacing;
    let Applicant { source, name, .. } = applicant;
    // The length is not secret, and a long password must not use memory in the queue.
    if secret.bytes().len() > MAX_PASSWORD {
        let reason = DenialReason::PasswordTooLong;
        return Err((pacing.count(source, Some(name), &reason), reason));
    }
    if let Some(judged) = external.password(attempt, applicant).await {
        return judged.map(AcceptedUser::from);
    }
    let permit = pacing
        .admit(applicant, |queued| pacing.verifier.acquire(queued))
        .await
        // The attempt has already waited in `admit`, so its answer is not delayed further.
        .map_err(|reason| (Duration::ZERO, reason))?;
    let checking = async {
        match attempt.credential {
            Credential::Code(_) => records.code(attempt, name, secret).await,
            _ => {
                let checked = records.password(attempt, name, secret, &permit).await;
                checked.map(AcceptedUser::from)
            }
        }
    };
    // The failure is counted before the permit is released, so that no other attempt runs in between.
    pacing.judged(applicant, checking).await
}
