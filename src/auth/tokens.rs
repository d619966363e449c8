//! Tokens of the API: a text that a program presents in place of its user's factors.
//!
//! A token has 160 random bits, so a fast hash is enough, and it cannot be guessed. That is why a right one is accepted
//! however many failures its address has: to refuse it would protect nothing, and would let whoever shares the address
//! keep its program out. A wrong one counts as a failure of the address, as a wrong password does, and is answered as late.

use std::net::IpAddr;

use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::address::Source;
use super::denial::{Denial, DenialReason};
use super::login::{Login, may_sign_in};
use super::pacing::Pacing;
use super::proofs::Proofs;
use super::secret_hash::hash_of;
use crate::domain::token::TokenScope;
use crate::domain::user::UserSource;
use crate::store::Store;
use crate::store::web::TokenRecord;
use base::error::{Error, Result as BaseResult};
use base::secret::Secret;

/// What every token begins with, so that programs that look for leaked secrets know it.
const PREFIX: &str = "hpt_";
/// The number of random bytes of a token.
const RANDOM: usize = 20;
/// The number of characters behind the prefix: the random bytes in base32.
const LENGTH: usize = 32;
/// How precisely the last use of a token is stored.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// A token. `Debug` does not show it.
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// Creates a new random token.
    ///
    /// # Errors
    /// Returns an error if the kernel has no randomness.
    pub fn generate() -> BaseResult<Self> {
        let mut bytes = Zeroizing::new([0; RANDOM]);
        getrandom::fill(&mut *bytes)
            .map_err(|error| Error::new("cannot make a token").because(error.to_string()))?;
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + LENGTH));
        text.push_str(PREFIX);
        BASE32_NOPAD.encode_append(&*bytes, &mut text);
        text.make_ascii_lowercase();
        Ok(Self(text))
    }

    /// Reads what a program has presented. Returns `None` if it cannot be a token.
    pub fn parse(presented: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(presented).ok()?;
        let random = text.strip_prefix(PREFIX)?;
        let is_base32 = |b: u8| matches!(b, b'a'..=b'z' | b'2'..=b'7');
        let is_token = random.len() == LENGTH && random.bytes().all(is_base32);
        is_token.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the token itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the hash by which the store knows the token.
    pub fn hash(&self) -> [u8; 32] {
        hash_of(self.0.as_bytes())
    }
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessToken(***)")
    }
}

/// What is needed to judge tokens.
#[derive(Clone, Copy)]
pub(super) struct TokenCheck<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) pacing: &'a Pacing,
}

impl TokenCheck<'_> {
    /// Signs in the user of a token.
    pub(super) async fn sign_in(
        self,
        presented: &Secret,
        peer: IpAddr,
    ) -> Result<(Login, TokenRecord), Denial> {
        let start = Instant::now();
        self.find(presented, peer).await.map_err(|reason| {
            let delay = self.pacing.count(Source::from(peer), Some(None), &reason);
            let delay = self.pacing.floor.answer_after(start.elapsed(), delay);
            Denial::Failed {
                reason,
                answer_at: start + delay,
            }
        })
    }

    async fn find(self, presented: &Secret, peer: IpAddr) -> Result<(Login, TokenRecord), DenialReason> {
        let token = AccessToken::parse(presented.bytes()).ok_or(DenialReason::UnknownToken)?;
        let record = self.store.token_by_hash(&token.hash()).await;
        let record = record
            .map_err(DenialReason::Store)?
            .ok_or(DenialReason::UnknownToken)?;
        let user = self
            .store
            .user(&record.user)
            .await
            .map_err(DenialReason::Store)?
            .filter(|user| user.incarnation == record.incarnation)
            .ok_or(DenialReason::UnknownToken)?;
        let now = Timestamp::now();
        if record.is_expired(now) {
            return Err(DenialReason::TokenExpired);
        }
        // The record of an outside source's user alone allows nothing.
        if user.source == UserSource::External {
            return Err(DenialReason::ExternalOff);
        }
        may_sign_in(&user, peer, now)?;
        if record.scope == TokenScope::Admin && !user.is_admin {
            return Err(DenialReason::NotAdmin);
        }
        self.note_use(&record, now).await;
        let until = [user.expires_at, record.expires_at].into_iter().flatten().min();
        let proofs = Proofs::of_token(&user, &record);
        Ok((Login::new(user, proofs, until), record))
    }

    /// Notes the use of a token, at most once a minute. A store that cannot be written, as on a full disk, keeps nobody out.
    async fn note_use(self, record: &TokenRecord, now: Timestamp) {
        let is_noted = |at: Timestamp| now.duration_since(at) < USE_NOTED_EVERY;
        if record.last_used_at.is_some_and(is_noted) {
            return;
        }
        if let Err(error) = self.store.token_used(record.id, now).await {
            tracing::debug!(%error, "cannot record when a token was used");
        }
    }

    /// Returns whether the token of a login, if it has one, was not removed.
    pub(super) async fn is_still_there(self, login: &Login) -> BaseResult<bool> {
        let Some(id) = login.token() else {
            return Ok(true);
        };
        let tokens = self.store.tokens(Some(login.user())).await?;
        Ok(tokens.iter().any(|token| token.id == id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = AccessToken::generate().unwrap();
        let text = token.reveal();
        assert!(text.len() == 36 && text.starts_with("hpt_"), "{text}");
        assert_eq!(AccessToken::parse(text.as_bytes()).unwrap().hash(), token.hash());
        assert_ne!(AccessToken::generate().unwrap().hash(), token.hash());
        assert_eq!(format!("{token:?}"), "AccessToken(***)");
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        let right = "hpt_abcdefghijklmnopqrstuvwxyz234567";
        assert!(AccessToken::parse(right.as_bytes()).is_some());
        for wrong in [
            "",
            "hpt_",
            "abcdefghijklmnopqrstuvwxyz234567",
            "hpt_abcdefghijklmnopqrstuvwxyz23456",
            "hpt_abcdefghijklmnopqrstuvwxyz2345678",
            "hpt_Abcdefghijklmnopqrstuvwxyz234567",
            "hpt_abcdefghijklmnopqrstuvwxyz234561",
            " hpt_abcdefghijklmnopqrstuvwxyz23456",
        ] {
            assert!(AccessToken::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(AccessToken::parse(b"hpt_abcdefghijklmnopqrstuvwxyz23456\xe4").is_none());
    }
}
