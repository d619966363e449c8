//! The public keys in users' records.

use super::change::{ConfirmedChange, StoredChange, UserChange, require_local};
use crate::domain::user::{User, UserName};
use crate::ops::admin;
use crate::ops::context::OpsContext;
use crate::ops::keys::{self, KeyView};
use base::error::Result;

/// Adds public keys, as lines of authorized_keys, to a user's.
///
/// # Errors
/// Returns an error if there is no such user, if there would be too many keys, or if the store refuses.
pub async fn add_keys(
    name: &UserName,
    lines: Vec<String>,
    context: &OpsContext<'_>,
) -> Result<ConfirmedChange> {
    let fingerprints = lines.iter().map(|line| KeyView::new(line).fingerprint).collect();
    let change = move |user: &mut User| {
        require_local(user)?;
        keys::add(user, &lines).map(drop)
    };
    let changed = context.store.change_user(name, Box::new(change)).await?;
    let act = admin::user_changed("user key add", Some(&changed.before), Some(&changed.after));
    StoredChange::new(name, UserChange::KeysAdded(fingerprints), changed.is_change())
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// Returns the public keys of a user.
///
/// # Errors
/// Returns an error if there is no such user, or if the store cannot be read.
pub async fn list_keys(name: &UserName, context: &OpsContext<'_>) -> Result<Vec<KeyView>> {
    let user = context.user(name).await?;
    Ok(user.keys.iter().map(|line| KeyView::new(line)).collect())
}

/// Removes the public key with this fingerprint, if the user has it.
///
/// # Errors
/// Returns an error if there is no such user, if this cannot be a fingerprint, or if the store refuses.
pub async fn remove_key(
    name: &UserName,
    fingerprint: &str,
    context: &OpsContext<'_>,
) -> Result<ConfirmedChange> {
    let wanted = fingerprint.to_owned();
    let change = move |user: &mut User| keys::remove(user, &wanted);
    let changed = context.store.change_user(name, Box::new(change)).await?;
    let act = admin::user_changed("user key remove", Some(&changed.before), Some(&changed.after));
    StoredChange::new(
        name,
        UserChange::KeyRemoved(fingerprint.to_owned()),
        changed.is_change(),
    )
    .recorded_as(act, context)
    .confirm(context.server)
    .await
}
