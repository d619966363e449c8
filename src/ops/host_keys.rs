//! The host keys of an installation: listing them, and creating new ones.

use std::path::PathBuf;

use super::admin;
use super::context::OpsContext;
use super::data_dir;
use super::installation::Installation;
use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::ssh::hostkeys::{self, Kind};
use base::error::Result;

/// A host key that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyView {
    /// The name of its algorithm in SSH.
    pub algorithm: String,
    /// Its fingerprint, `SHA256:…`, as clients show it.
    pub fingerprint: String,
    /// The file of the private key.
    pub file: PathBuf,
}

/// The key that [`generate`] has created or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedHostKey {
    /// The key, which is now recorded as this server's.
    pub key: HostKeyView,
    /// Whether the key was created; if not, it existed before.
    pub is_new: bool,
}

/// Creates a key unless it exists, and records the existing key as this server's.
///
/// # Errors
/// Returns an error if it cannot be created or used.
pub async fn generate(kind: Kind, context: &OpsContext<'_>) -> Result<GeneratedHostKey> {
    let directory = &context.installation.host_keys;
    let file = kind.file(directory);
    let is_new = file.symlink_metadata().is_err();
    if is_new {
        hostkeys::generate(directory, kind)?;
    }
    // Read it again in the same way as the server will.
    let key = view(file)?;
    context
        .store
        .record_host_key(&key.algorithm, &key.fingerprint)
        .await?;
    let setting = |name: &str, text: &str| Setting {
        name: name.to_owned(),
        value: SettingValue::Text(text.to_owned()),
    };
    let act = AdminAct {
        what: "hostkey generate".to_owned(),
        name: key.file.display().to_string(),
        before: Vec::new(),
        after: vec![
            setting("algorithm", &key.algorithm),
            setting("fingerprint", &key.fingerprint),
        ],
    };
    admin::record(act, context).await;
    Ok(GeneratedHostKey { key, is_new })
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

/// Returns the keys that exist, most preferred first.
///
/// # Errors
/// Returns an error if one cannot be used.
pub fn list(installation: &Installation) -> Result<Vec<HostKeyView>> {
    let files = Kind::ALL.map(|kind| kind.file(&installation.host_keys));
    files
        .into_iter()
        .filter(|file| file.symlink_metadata().is_ok())
        .map(view)
        .collect()
}

fn view(file: PathBuf) -> Result<HostKeyView> {
    let key = hostkeys::read_one(&file)?;
    Ok(HostKeyView {
        algorithm: key.algorithm().to_string(),
        fingerprint: hostkeys::fingerprint(&key),
        file,
    })
}
