//! Keys that are only offered, before anything is signed.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::denial::DenialReason;
use super::login::{Attempt, OfferedKey};
use super::presented::PresentedKey;
use super::proofs::{Credential, Proofs};
use super::record_check::RecordCheck;
use crate::domain::user::UserName;

/// The delay before a key that is not accepted is answered, counted from its arrival. It is far longer than the check
/// takes.
const PROBE: Duration = Duration::from_millis(3);

/// A key that a peer offers for a user.
pub(super) struct KeyOffer<'a> {
    /// The user name as the peer sent it.
    pub(super) user: &'a str,
    /// The address that the connection comes from.
    pub(super) peer: IpAddr,
    /// The key.
    pub(super) key: &'a PresentedKey,
}

impl KeyOffer<'_> {
    /// Checks whether the key would be accepted with a valid signature. If an outside source judges keys (`is_judged`), no
    /// offer is refused: `None` is one that no record accepts.
    pub(super) async fn check(
        self,
        records: RecordCheck<'_>,
        is_judged: bool,
    ) -> Result<Option<OfferedKey>, DenialReason> {
        let Self { user, peer, key } = self;
        let answer_at = Instant::now() + PROBE;
        let attempt = Attempt {
            user,
            peer,
            credential: Credential::VerifiedKey(key),
            passed: Proofs::default(),
            offered: None,
        };
        // A probe only asks: it creates no login, and nothing is counted.
        let name = UserName::stored(user).ok();
        let checked = records.key(&attempt, name.as_ref(), key).await;
        if checked.is_err() {
            sleep_until(answer_at).await;
        }
        let user = match checked {
            Ok(user) => user,
            Err(DenialReason::Store(error)) => return Err(DenialReason::Store(error)),
            Err(_) if is_judged => return Ok(None),
            Err(reason) => return Err(reason),
        };
        let (name, identity) = name.zip(key.identity()).ok_or(DenialReason::UnknownUser)?;
        Ok(Some(OfferedKey { name, identity, user }))
    }
}
