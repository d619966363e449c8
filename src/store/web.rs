//! What the store keeps for requests over HTTP: the browsers that have signed in, and tokens. None of it is a change of a
//! user's record.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::domain::token::TokenScope;
use crate::domain::user::{Factor, UserName};
use base::error::Result;

/// The SHA-256 of a secret that a request shows. The secret itself is stored nowhere.
pub type SecretHash = [u8; 32];

/// A browser that has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSessionRecord {
    /// The hash of the browser's cookie.
    pub id_hash: SecretHash,
    /// The name of the user.
    pub user: UserName,
    /// The incarnation of the user's record at the sign-in.
    pub incarnation: i64,
    /// The factors that were passed.
    pub factors: BTreeSet<Factor>,
    /// The SHA-256 of what was proven: see [`crate::auth::RememberedSignIn`].
    pub fingerprint: SecretHash,
    /// The time of the sign-in.
    pub created_at: Timestamp,
    /// The time at which a session of the browser has begun or ended last.
    pub last_used_at: Timestamp,
    /// The time from which the browser must sign in again.
    pub expires_at: Timestamp,
    /// The address that it came from last.
    pub address: IpAddr,
    /// What the browser says about itself.
    pub client: String,
}

/// A token that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The hash of the token.
    pub hash: SecretHash,
    /// The name of the user.
    pub user: UserName,
    /// What it may be used for.
    pub scope: TokenScope,
    /// What its owner says about it.
    pub comment: String,
    /// The time of its creation.
    pub created_at: Timestamp,
    /// The time from which it is not accepted any more; `None` if there is none.
    pub expires_at: Option<Timestamp>,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The number of the token, which is never used again.
    pub id: i64,
    /// The incarnation of the user's record for which it was made.
    pub incarnation: i64,
    /// The rest.
    pub token: NewToken,
    /// The time at which it was used last, to a minute; `None` if it never was.
    pub last_used_at: Option<Timestamp>,
}

/// The browsers that have signed in, and tokens. Rows that cannot be read are left out.
#[async_trait::async_trait]
pub trait WebStore {
    /// Adds a browser, and removes the user's oldest ones beyond a limit. Nothing is added if the user's record is another
    /// one by now.
    async fn add_browser_session(&self, record: &BrowserSessionRecord) -> Result<()>;
    /// Returns the browser with this hash.
    async fn browser_session(&self, id_hash: &SecretHash) -> Result<Option<BrowserSessionRecord>>;
    /// Returns the browsers of a user, the last used first.
    async fn browser_sessions_of(&self, user: &UserName) -> Result<Vec<BrowserSessionRecord>>;
    /// Stores when and from where a browser was used last.
    async fn touch_browser_session(&self, id_hash: &SecretHash, at: Timestamp, address: IpAddr)
    -> Result<()>;
    /// Removes a browser, and returns whether it was there.
    async fn remove_browser_session(&self, id_hash: &SecretHash) -> Result<bool>;
    /// Removes the browsers of a user except one, and returns how many.
    async fn remove_other_browser_sessions(
        &self,
        user: &UserName,
        except: Option<&SecretHash>,
    ) -> Result<u64>;
    /// Adds a token for the user's current record, and returns its number. Returns an error if there is no such user, or
    /// if the user has too many tokens.
    async fn add_token(&self, token: &NewToken) -> Result<i64>;
    /// Returns the token with this hash.
    async fn token_by_hash(&self, hash: &SecretHash) -> Result<Option<TokenRecord>>;
    /// Returns the tokens of a user, or all of them, in the order of their numbers.
    async fn tokens(&self, user: Option<&UserName>) -> Result<Vec<TokenRecord>>;
    /// Removes a token of a user, and returns whether it was there.
    async fn remove_token(&self, user: &UserName, id: i64) -> Result<bool>;
    /// Stores that a token was used.
    async fn token_used(&self, id: i64, at: Timestamp) -> Result<()>;
    /// Removes browsers and tokens that have expired by now, and returns how many.
    async fn forget_expired(&self, now: Timestamp) -> Result<u64>;
}
