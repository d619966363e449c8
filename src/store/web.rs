//! What the store keeps for the web page and the API: sign-ins of browsers, tokens, shares and unfinished uploads.
//!
//! Each record belongs to one record of a user, by name and incarnation. It goes along when the user is renamed, and away
//! with the user. The store has hashes of what browsers, programs and visitors present, never the thing itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::domain::token::TokenScope;
use crate::domain::user::{Factor, PasswordHash, UserName};
use base::error::Result;

/// The most browsers in which a user is signed in. Another one signs out the one that was used least recently.
pub const MOST_BROWSER_SESSIONS: u32 = 100;
/// The most tokens of a user: more than anybody can tell apart.
pub const MOST_TOKENS: u32 = 100;
/// The most shares of a user, so that a page shows all of them.
pub const MOST_SHARES: u32 = 1000;
/// The most unfinished uploads of a user, those by way of shares included. A folder is sent with a few at once.
pub const MOST_UPLOADS: u32 = 1000;
/// The longest name of a browser that is kept, in bytes.
pub const LONGEST_CLIENT: usize = 200;
/// How long the records of expired tokens and shares are kept, so that their users see why they do not work.
pub const KEPT_AFTER_EXPIRY_HOURS: i64 = 30 * 24;

/// The sign-in of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSessionRecord {
    /// The SHA-256 of the id that the browser has in a cookie.
    pub id_hash: [u8; 32],
    /// The name of the user.
    pub user: UserName,
    /// The incarnation of the user's record.
    pub incarnation: i64,
    /// The factors that were passed.
    pub factors: BTreeSet<Factor>,
    /// The fingerprint of the secrets that were proven.
    pub fingerprint: [u8; 32],
    /// The time of the sign-in.
    pub created_at: Timestamp,
    /// The time of the last request.
    pub last_used_at: Timestamp,
    /// The time at which the sign-in ends.
    pub expires_at: Timestamp,
    /// The address of the last request.
    pub address: IpAddr,
    /// What the browser says that it is. The store cuts it to [`LONGEST_CLIENT`].
    pub client: String,
}

/// A token of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The number by which commands name the token. The store chooses it.
    pub id: i64,
    /// The name of the user.
    pub user: UserName,
    /// The incarnation of the user's record.
    pub incarnation: i64,
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// What the token allows.
    pub scope: TokenScope,
    /// A remark for operators.
    pub comment: String,
    /// The time at which the token was made.
    pub created_at: Timestamp,
    /// The time from which the token is not accepted; `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
    /// The time at which the token was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether the token has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }
}

/// A file or a directory that a user shares by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRecord {
    /// The number of the share. The store chooses it.
    pub id: i64,
    /// The SHA-256 of the token in the link.
    pub hash: [u8; 32],
    /// The name of the user who shares.
    pub user: UserName,
    /// The incarnation of the user's record.
    pub incarnation: i64,
    /// What visitors read above the share.
    pub title: String,
    /// The absolute path as the user sees it.
    pub path: Vec<u8>,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Whether visitors may download.
    pub allows_download: bool,
    /// Whether visitors may upload.
    pub allows_upload: bool,
    /// The hash of the password that visitors need, if they need one.
    pub password_hash: Option<PasswordHash>,
    /// The time from which the share is not open; `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
    /// How often it can still be used; `None` if there is no limit.
    pub uses_left: Option<u64>,
    /// How many bytes can still be transferred; `None` if there is no limit.
    pub bytes_left: Option<u64>,
    /// The time at which the share was made.
    pub created_at: Timestamp,
    /// How often it was used.
    pub used: u64,
}

/// An upload that is not complete. How much of it has arrived is the size of the file, so a part of it writes nothing
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRecord {
    /// The id, shown as 32 hexadecimal digits.
    pub id: [u8; 16],
    /// The name of the user in whose home or folder the file lies.
    pub user: UserName,
    /// The incarnation of the user's record.
    pub incarnation: i64,
    /// The share by way of which it comes; `None` if the user sends it.
    pub share: Option<i64>,
    /// The absolute path that the file gets, as the user sees it.
    pub path: Vec<u8>,
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The modification time that the file gets, in seconds since 1970.
    pub mtime: Option<i64>,
    /// The digest that the file must have.
    pub sha256: Option<[u8; 32]>,
    /// The time at which the upload was begun.
    pub created_at: Timestamp,
    /// The time from which the upload cannot go on.
    pub expires_at: Timestamp,
}

/// What the store keeps for the web page and the API. None of it is a change of a user's record, except that the removal
/// of a token counts as one, so that sessions end with it.
///
/// What is added for a user whose record is another one by now is an error, and records of earlier users of a name are
/// never returned.
#[async_trait::async_trait]
pub trait WebStore {
    /// Adds the sign-in of a browser. If the user has [`MOST_BROWSER_SESSIONS`] already, those that were used least recently
    /// are removed.
    async fn add_browser_session(&self, record: &BrowserSessionRecord) -> Result<()>;
    /// Returns the sign-in with this hash, expired or not.
    async fn browser_session(&self, id_hash: &[u8; 32]) -> Result<Option<BrowserSessionRecord>>;
    /// Returns the sign-ins of a user's browsers, the one that was used last first.
    async fn browser_sessions_of(&self, name: &UserName) -> Result<Vec<BrowserSessionRecord>>;
    /// Notes when and from where a browser has last asked. An earlier time never replaces a later one.
    async fn touch_browser_session(&self, id_hash: &[u8; 32], at: Timestamp, address: IpAddr) -> Result<()>;
    /// Removes the sign-in with this hash, and returns whether there was one.
    async fn remove_browser_session(&self, id_hash: &[u8; 32]) -> Result<bool>;
    /// Removes the sign-ins of a user's browsers except for one, and returns how many.
    async fn remove_browser_sessions_of(&self, name: &UserName, except: Option<&[u8; 32]>) -> Result<u64>;
    /// Removes sign-ins of browsers that have expired, and tokens and shares that have expired long ago
    /// ([`KEPT_AFTER_EXPIRY_HOURS`]). Uploads stay, because their files must be removed first.
    async fn remove_expired(&self, now: Timestamp) -> Result<()>;

    /// Adds a token, and returns its id. Returns an error if the user has [`MOST_TOKENS`] already.
    async fn add_token(&self, record: &TokenRecord) -> Result<i64>;
    /// Returns the token with this hash, expired or not.
    async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>>;
    /// Returns the tokens of a user, or of all users, in the order of their users' names and their ids.
    async fn tokens(&self, name: Option<&UserName>) -> Result<Vec<TokenRecord>>;
    /// Removes the token with this id if it is the user's, and returns whether it was.
    async fn remove_token(&self, name: &UserName, id: i64) -> Result<bool>;
    /// Notes when a token was last used. The caller does so at most once a minute for each token.
    async fn token_used(&self, id: i64, at: Timestamp) -> Result<()>;

    /// Adds a share, and returns its id. Returns an error if the user has [`MOST_SHARES`] already.
    async fn add_share(&self, record: &ShareRecord) -> Result<i64>;
    /// Returns the share with this hash, expired or not.
    async fn share_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ShareRecord>>;
    /// Returns the shares of a user, or of all users, in the order of their users' names and their ids.
    async fn shares(&self, name: Option<&UserName>) -> Result<Vec<ShareRecord>>;
    /// Removes the share with this id if it is the user's, and returns whether it was. Uploads by way of it stay until
    /// they are removed, because their files must be removed first.
    async fn remove_share(&self, name: &UserName, id: i64) -> Result<bool>;
    /// Counts a use of a share, and returns whether one was left.
    async fn take_share_use(&self, id: i64) -> Result<bool>;
    /// Subtracts bytes from what can be transferred by way of a share. Returns false, and subtracts nothing, if fewer are
    /// left.
    async fn take_share_bytes(&self, id: i64, bytes: u64) -> Result<bool>;

    /// Adds an upload. Returns an error if the user has [`MOST_UPLOADS`] already.
    async fn add_upload(&self, record: &UploadRecord) -> Result<()>;
    /// Returns the upload with this id, expired or not.
    async fn upload(&self, id: &[u8; 16]) -> Result<Option<UploadRecord>>;
    /// Returns the uploads of a user, those by way of shares included, the oldest first.
    async fn uploads_of(&self, name: &UserName) -> Result<Vec<UploadRecord>>;
    /// Removes an upload, and returns whether there was one.
    async fn remove_upload(&self, id: &[u8; 16]) -> Result<bool>;
    /// Returns uploads that have expired, at most `most`, the oldest first.
    async fn expired_uploads(&self, now: Timestamp, most: u32) -> Result<Vec<UploadRecord>>;
}
