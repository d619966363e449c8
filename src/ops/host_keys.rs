//! The host keys of an installation: listing them, creating them, and replacing them without a warning at clients.
//!
//! Each change is reported to the running server, which reads its configuration and host keys again.

use std::path::PathBuf;

use super::admin;
use super::context::OpsContext;
use super::data_dir;
use super::installation::Installation;
use super::running::if_running;
use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::ssh::algorithms;
use crate::ssh::hostkeys::rotation::{self, KeyStage};
use crate::ssh::hostkeys::{self, Kind};
use crate::ssh::settings::SshSettings;
use base::error::{Error, Result};

/// A host key that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyView {
    /// The name of its algorithm in SSH.
    pub algorithm: String,
    /// Its fingerprint, `SHA256:…`, as clients show it.
    pub fingerprint: String,
    /// The file of the private key.
    pub file: PathBuf,
    /// How far it has come in its life.
    pub stage: KeyStage,
}

/// The result of a command that changes host keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedHostKeys {
    /// The key that was created, put in use, retired or removed, or that was there already.
    pub key: Option<HostKeyView>,
    /// Whether anything was changed.
    pub is_change: bool,
    /// Whether a server is running and has read its keys again.
    pub confirmed: bool,
}

/// What a key is to be replaced by when it is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// The key that was created to replace it.
    Next,
    /// No key of its type.
    None,
}

/// Creates a key unless it exists, and records the existing key as this server's.
///
/// # Errors
/// Returns an error if it cannot be created or used, or if the running server does not confirm it.
pub async fn generate(kind: Kind, context: &OpsContext<'_>) -> Result<ChangedHostKeys> {
    let directory = &context.installation.host_keys;
    let is_new = KeyStage::InUse.key(kind, directory)?.is_none();
    if is_new {
        hostkeys::generate(directory, kind)?;
    }
    let key = existing(kind, KeyStage::InUse, context)?;
    let is_change = record(key.as_ref(), kind, context).await? || is_new;
    finish(
        HostKeyChange {
            what: "generate",
            key,
            is_change,
        },
        context,
    )
    .await
}

/// Creates the key that will replace the one in use, unless it exists. The server announces it from now on.
///
/// # Errors
/// Returns an error if there is no key to replace, if the new one cannot be created or used, or if the running server
/// does not confirm it.
pub async fn rotate(kind: Kind, context: &OpsContext<'_>) -> Result<ChangedHostKeys> {
    let is_change = rotation::prepare(kind, &context.installation.host_keys)?;
    let key = existing(kind, KeyStage::Next, context)?;
    finish(
        HostKeyChange {
            what: "rotate",
            key,
            is_change,
        },
        context,
    )
    .await
}

/// Takes the key in use out of use. From now on clients are shown its successor, or no key of this type.
///
/// # Errors
/// Returns an error if clients would be shown no key at all, if the files or the store cannot be changed, or if the
/// running server does not confirm it.
pub async fn retire(
    kind: Kind,
    successor: Successor,
    ssh: &SshSettings,
    context: &OpsContext<'_>,
) -> Result<ChangedHostKeys> {
    let directory = &context.installation.host_keys;
    let moved = match successor {
        Successor::Next => rotation::switch(kind, directory)?,
        Successor::None => {
            others_suffice(kind, ssh, context)?;
            rotation::put_away(kind, directory)?
        }
    };
    let stage = match successor {
        Successor::Next => KeyStage::InUse,
        Successor::None => KeyStage::Retired,
    };
    let in_use = existing(kind, KeyStage::InUse, context)?;
    if successor == Successor::Next && in_use.is_none() {
        return Err(nothing_to_use(kind));
    }
    // An interrupted call may have moved the files and not recorded it.
    let recorded = may_record(kind, in_use.as_ref(), moved.is_some(), context).await?
        && record(in_use.as_ref(), kind, context).await?;
    let is_change = moved.is_some() || recorded;
    let key = existing(kind, stage, context)?;
    finish(
        HostKeyChange {
            what: "retire",
            key,
            is_change,
        },
        context,
    )
    .await
}

/// Deletes the retired key.
///
/// # Errors
/// Returns an error if it cannot be deleted, or if the running server does not confirm it.
pub async fn remove(kind: Kind, context: &OpsContext<'_>) -> Result<ChangedHostKeys> {
    // A key that cannot be read any more must be removable, too.
    let key = existing(kind, KeyStage::Retired, context).unwrap_or_default();
    let is_change = rotation::remove_retired(kind, &context.installation.host_keys)?;
    finish(
        HostKeyChange {
            what: "remove",
            key,
            is_change,
        },
        context,
    )
    .await
}

/// Creates the keys of a new server if it has none, and returns all that it has, which are then recorded.
///
/// # Errors
/// Returns an error if a key cannot be created or used, or if one that was recorded is gone or has become another.
pub async fn ensure(installation: &Installation, context: &OpsContext<'_>) -> Result<Vec<HostKeyView>> {
    data_dir::make_key_dir(installation)?;
    hostkeys::ensure(&installation.host_keys, context.store).await?;
    list(installation)
}

/// Returns the keys that exist: those in use, then those that will replace them, then the retired ones; each most
/// preferred first.
///
/// # Errors
/// Returns an error if one cannot be used.
pub fn list(installation: &Installation) -> Result<Vec<HostKeyView>> {
    let of_stage = |stage| Kind::ALL.map(|kind| (kind, stage));
    KeyStage::ALL
        .into_iter()
        .flat_map(of_stage)
        .filter_map(|(kind, stage)| view(kind, stage, installation).transpose())
        .collect()
}

/// Returns a key as the server will read it; `None` if there is none.
fn view(kind: Kind, stage: KeyStage, installation: &Installation) -> Result<Option<HostKeyView>> {
    let directory = &installation.host_keys;
    let key = stage.key(kind, directory)?;
    Ok(key.map(|key| HostKeyView {
        algorithm: key.algorithm().to_string(),
        fingerprint: hostkeys::fingerprint(&key),
        file: stage.file(kind, directory),
        stage,
    }))
}

fn existing(kind: Kind, stage: KeyStage, context: &OpsContext<'_>) -> Result<Option<HostKeyView>> {
    view(kind, stage, context.installation)
}

/// Returns whether the key in use may be recorded as the server's by `retire`: if the files were moved, or if the key
/// that is recorded is the retired one. Any other difference is not for `retire` to accept.
async fn may_record(
    kind: Kind,
    in_use: Option<&HostKeyView>,
    moved: bool,
    context: &OpsContext<'_>,
) -> Result<bool> {
    if moved || in_use.is_none() {
        return Ok(true);
    }
    let retired = existing(kind, KeyStage::Retired, context).unwrap_or_default();
    let recorded = context.store.host_keys().await?;
    let is_recorded = |key: HostKeyView| {
        recorded
            .iter()
            .any(|(_, fingerprint)| *fingerprint == key.fingerprint)
    };
    Ok(retired.is_some_and(is_recorded))
}

/// Records the key in use as the only one of its type that clients know. Without one, none is recorded. Returns whether
/// the record has changed.
async fn record(in_use: Option<&HostKeyView>, kind: Kind, context: &OpsContext<'_>) -> Result<bool> {
    let recorded = context.store.host_keys().await?;
    let of_kind = recorded
        .iter()
        .filter(|(name, _)| hostkeys::kind_of(name) == kind);
    let algorithm = in_use.map(|key| &key.algorithm);
    let mut changed = false;
    for (name, _) in of_kind.filter(|(name, _)| Some(name) != algorithm) {
        context.store.forget_host_key(name).await?;
        changed = true;
    }
    if let Some(key) = in_use
        && !recorded.contains(&(key.algorithm.clone(), key.fingerprint.clone()))
    {
        context
            .store
            .record_host_key(&key.algorithm, &key.fingerprint)
            .await?;
        changed = true;
    }
    Ok(changed)
}

/// Checks that clients can be shown a key of another type.
fn others_suffice(kind: Kind, ssh: &SshSettings, context: &OpsContext<'_>) -> Result<()> {
    let keys = list(context.installation)?;
    let others = keys
        .iter()
        .filter(|key| key.stage == KeyStage::InUse && hostkeys::kind_of(&key.algorithm) != kind);
    let algorithms: Vec<_> = others.filter_map(|key| key.algorithm.parse().ok()).collect();
    let name = kind.name();
    if algorithms.is_empty() {
        return Err(Error::new(format!("the {name} host key is the only one"))
            .hint(format!("replace it: homeportd hostkey rotate --type {name}")));
    }
    algorithms::validate(ssh, &algorithms)
}

fn nothing_to_use(kind: Kind) -> Error {
    let name = kind.name();
    Error::new(format!("there is no {name} host key to switch to")).hint(format!(
        "make one: homeportd hostkey generate --type {name}; or do without: homeportd hostkey retire --type {name} \
         --without-successor"
    ))
    .not_found()
}

/// A change of host keys that was made on the disk.
struct HostKeyChange {
    what: &'static str,
    key: Option<HostKeyView>,
    is_change: bool,
}

/// Has the running server read the keys again, and records the change. If nothing was changed, the server is asked even
/// so, since an earlier call may have failed to reach it.
async fn finish(change: HostKeyChange, context: &OpsContext<'_>) -> Result<ChangedHostKeys> {
    let HostKeyChange { what, key, is_change } = change;
    if is_change {
        admin::record(act(what, key.as_ref()), context).await;
    }
    let reloaded = if_running(context.server.reload().await).map_err(|cause| {
        Error::new("the host keys are changed, but the running server has not taken them in")
            .because(cause)
            .hint("homeportd reload, once that is solved")
    })?;
    Ok(ChangedHostKeys {
        key,
        is_change,
        confirmed: reloaded.is_some(),
    })
}

fn act(what: &str, key: Option<&HostKeyView>) -> AdminAct {
    let setting = |name: &str, text: &str| Setting {
        name: name.to_owned(),
        value: SettingValue::Text(text.to_owned()),
    };
    let describe = |key: &HostKeyView| {
        vec![
            setting("algorithm", &key.algorithm),
            setting("fingerprint", &key.fingerprint),
        ]
    };
    let described = key.map(describe).unwrap_or_default();
    let (before, after) = match key.map(|key| key.stage) {
        Some(KeyStage::Retired) | None => (described, Vec::new()),
        Some(KeyStage::InUse | KeyStage::Next) => (Vec::new(), described),
    };
    AdminAct {
        what: format!("hostkey {what}"),
        name: key.map(|key| key.file.display().to_string()).unwrap_or_default(),
        before,
        after,
    }
}
