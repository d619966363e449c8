//! The sign-in by public key, after the SSH library has verified the signature.

use russh::keys::{Algorithm, Certificate};
use russh::server::{Auth, VerifiedPublicKey};

use super::connection::Connection;
use super::refusal_reason::{RefusalReason, RefusedKey, weak_signature};
use crate::auth::{Credential, Method, PresentedKey};

/// Judges the sign-in by a key whose signature the SSH library has verified, and that of its certificate.
pub(super) async fn verified(
    connection: &mut Connection,
    user: &str,
    key: VerifiedPublicKey<'_>,
    certificate: Option<&Certificate>,
) -> Auth {
    let presented = PresentedKey::verified(key.public_key, certificate, key.security_key);
    if let Some(reason) = may_not_sign(connection, key.algorithm) {
        connection.key_refused(user, RefusedKey::Presented(&presented), reason);
        return connection.refuse();
    }
    let credential = Credential::VerifiedKey(&presented);
    connection.attempt(user, credential, Method::PublicKey).await
}

/// Returns why no user may sign with this algorithm, or `None` if a user may.
pub(super) fn may_not_sign(connection: &Connection, algorithm: &Algorithm) -> Option<RefusalReason<'static>> {
    match connection.has(Method::PublicKey) {
        true => weak_signature(algorithm),
        false => Some(RefusalReason::new("method_off", "the method is switched off")),
    }
}
