//! What a user can lose between a sign-in and a later look at the record.

use crate::domain::user::Permission;

/// What a user has lost since the sign-in. The session must end because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    /// No record has this name any more.
    #[error("the user was removed or renamed")]
    User,
    /// Another record has this name now.
    #[error("the user was removed, and another one has the name now")]
    Incarnation,
    /// The record is disabled now.
    #[error("the user was disabled")]
    Enabled,
    /// The user's account has expired.
    #[error("the user's account has expired")]
    Time,
    /// The user's record names another home now.
    #[error("the user's home was moved")]
    Home,
    /// The record lacks a permission that the session has.
    #[error("the user may not {} any more", .0.name())]
    Permission(Permission),
    /// The record has a folder no more that the session has.
    #[error("the user does not have one of the folders any more")]
    Folder,
    /// A folder of the session lies elsewhere now.
    #[error("one of the user's folders was moved")]
    FolderMoved,
    /// The record lacks a permission that the session has in a folder.
    #[error("the user may not {} in one of the folders any more", .0.name())]
    FolderPermission(Permission),
    /// The key was removed from the record, or is not accepted any more for this peer or at this time.
    #[error("the key of this sign-in is not accepted any more")]
    Key,
    /// The certificate has ended or is revoked, or its authority is not trusted any more.
    #[error("the certificate of this sign-in is not accepted any more")]
    Certificate,
    /// The user's password was changed or removed.
    #[error("the password of this sign-in is not accepted any more")]
    Password,
    /// The secret of the user's one-time codes was replaced or taken away.
    #[error("the second factor of this sign-in is not accepted any more")]
    Totp,
    /// The token was removed, or has expired.
    #[error("the token of this sign-in is not accepted any more")]
    Token,
    /// The token is for administrators, and its user is not one any more.
    #[error("the user is not an administrator any more")]
    Admin,
    /// The password or the second factor of a remembered sign-in is not the one that was proven.
    #[error("the password or the second factor of this sign-in was changed")]
    Secrets,
    /// No method takes the factors of a remembered sign-in any more.
    #[error("the method of this sign-in is switched off now")]
    Method,
    /// The record does not allow the peer's address.
    #[error("the user may not come from this address any more")]
    Address,
    /// The share has expired.
    #[error("the share has expired")]
    Share,
    /// The record requires factors that were not passed.
    #[error("more factors are required of this user now to sign in")]
    Factors,
}
