//! The second factor of users: one-time codes, and recovery codes for a lost device.

use super::change::{ConfirmedChange, StoredChange, UserChange};
use crate::auth::recovery::{self, RecoveryCode};
use crate::auth::secrets_key::{SecretsKey, SecretsKeyFile};
use crate::auth::totp::TotpSecret;
use crate::domain::user::{User, UserName};
use crate::ops::admin;
use crate::ops::context::OpsContext;
use base::error::{Error, Result};

/// What an operator wants for a user's second factor.
#[derive(Debug, Default)]
pub struct EnrolmentRequest {
    /// Whether a second factor that the user has already is replaced.
    pub replace: bool,
    /// The secret of a device that has one already; `None` makes a new one.
    pub secret: Option<TotpSecret>,
}

/// A new second factor. It is shown once: the store has the secret encrypted, and only hashes of the codes.
#[derive(Debug)]
pub struct Enrolment {
    /// The secret of the user's device.
    pub secret: TotpSecret,
    /// The recovery codes.
    pub codes: Vec<RecoveryCode>,
    /// The change that is in force, or why the running server has not confirmed it. It is stored in any case.
    pub change: Result<ConfirmedChange>,
}

/// Gives a user a second factor, which is in force at once.
///
/// # Errors
/// Returns an error if there is no such user, if the user has one already, or if the key for secrets or the store
/// refuses.
pub async fn enroll_totp(
    name: &UserName,
    request: EnrolmentRequest,
    context: &OpsContext<'_>,
) -> Result<Enrolment> {
    let EnrolmentRequest { replace, secret } = request;
    let user = context.user(name).await?;
    may_enroll(&user, replace)?;
    let secret = match secret {
        Some(secret) => secret,
        None => TotpSecret::generate()?,
    };
    let sealed = key_for(&user, context).await?.seal(&secret, user.incarnation)?;
    let codes: Vec<RecoveryCode> = (0..recovery::COUNT)
        .map(|_| RecoveryCode::generate())
        .collect::<Result<_>>()?;
    let hashes: Vec<String> = codes.iter().map(|code| code.hash(user.incarnation)).collect();
    let incarnation = user.incarnation;
    let change = move |user: &mut User| {
        may_enroll(user, replace)?;
        if user.incarnation != incarnation {
            return Err(
                Error::new(format!("the user \"{}\" was replaced meanwhile", user.name)).hint("try again"),
            );
        }
        user.totp = Some(sealed.clone());
        Ok(())
    };
    let changed = context.store.change_user(name, Box::new(change)).await?;
    context.store.set_recovery_codes(name, &hashes).await?;
    let act = admin::user_changed("user totp enroll", Some(&changed.before), Some(&changed.after));
    let change = StoredChange::new(name, UserChange::TotpEnrolled, changed.is_change())
        .recorded_as(act, context)
        .confirm(context.server)
        .await;
    Ok(Enrolment {
        secret,
        codes,
        change,
    })
}

/// Takes a user's second factor away, with the recovery codes.
///
/// # Errors
/// Returns an error if there is no such user, or if the store refuses.
pub async fn reset_totp(name: &UserName, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let change = |user: &mut User| {
        user.totp = None;
        Ok(())
    };
    let changed = context.store.change_user(name, Box::new(change)).await?;
    context.store.set_recovery_codes(name, &[]).await?;
    let act = admin::user_changed("user totp reset", Some(&changed.before), Some(&changed.after));
    StoredChange::new(name, UserChange::TotpReset, changed.is_change())
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

fn may_enroll(user: &User, replace: bool) -> Result<()> {
    let name = &user.name;
    if user.totp.is_some() && !replace {
        return Err(
            Error::new(format!("the user \"{name}\" has a second factor already"))
                .because("another secret would make the codes of the user's device useless".to_owned())
                .hint(format!("homeportd user totp enroll {name} --replace"))
                .exists(),
        );
    }
    Ok(())
}

/// Returns the key for secrets. It is made unless secrets of other users need one that was lost: a new key would hide
/// that.
async fn key_for(user: &User, context: &OpsContext<'_>) -> Result<SecretsKey> {
    let file = SecretsKeyFile::in_directory(context.installation.data_dir());
    if !file.exists() {
        let users = context.store.users().await?;
        let others = users
            .iter()
            .filter(|other| other.totp.is_some() && other.name != user.name)
            .count();
        if others > 0 {
            return Err(
                Error::new(format!("the key for secrets {:?} is missing", file.path()))
                    .because(format!(
                        "the secrets of {others} other users are encrypted with it"
                    ))
                    .hint(
                        "restore it from a backup, or take theirs away first: homeportd user totp reset NAME",
                    ),
            );
        }
    }
    file.read_or_make()
}
