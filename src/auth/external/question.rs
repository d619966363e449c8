//! What an outside source is asked.

use std::net::IpAddr;

use crate::auth::presented::PresentedKey;
use crate::domain::user::UserName;
use base::secret::Secret;

/// What a source is asked.
#[derive(Debug)]
pub struct ExternalQuestion {
    /// The name of the user, which no user has whom an operator has added.
    pub user: UserName,
    /// The address that the connection comes from.
    pub peer: IpAddr,
    /// What the peer has shown.
    pub proof: ExternalProof,
}

/// A proof that a source judges.
#[derive(Debug)]
pub enum ExternalProof {
    /// A password, which is UTF-8 and not empty: directories take an empty one for a sign-in without a user.
    Password(Secret),
    /// A key by which the peer has signed, as a line of authorized_keys without options and comment.
    Key(String),
}

impl ExternalProof {
    /// Returns the proof by a password, if a source can be asked about it.
    pub(super) fn of_password(password: &Secret) -> Option<Self> {
        (!password.reveal().is_empty()).then(|| ExternalProof::Password(password.clone()))
    }

    /// Returns the proof by a key, if a source can be asked about it: not with a certificate, which this server judges.
    pub(super) fn of_key(key: &PresentedKey) -> Option<Self> {
        let mut plain = key.key().clone();
        plain.set_comment("");
        let line = plain.to_openssh().ok()?;
        key.certificate().is_none().then_some(ExternalProof::Key(line))
    }
}
