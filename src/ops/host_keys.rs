//! The host keys of an installation: listing them, and making new ones.

use std::path::PathBuf;

use super::context::OpsContext;
use super::installation::Installation;
use crate::ssh::hostkeys::{self, Kind};
use base::error::Result;

/// A host key that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyView {
    /// The name of its algorithm, as SSH has it.
    pub algorithm: String,
    /// Its fingerprint, `SHA256:…`, as clients show it.
    pub fingerprint: String,
    /// The file of the private key.
    pub file: PathBuf,
}

/// The key that [`generate`] has made or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedHostKey {
    /// The key that is there now, and recorded as this server's.
    pub key: HostKeyView,
    /// Whether it was made; otherwise it was there before.
    pub is_new: bool,
}

/// Makes a key unless it is there, and records what is there as this server's.
///
/// # Errors
/// When it cannot be made or used.
pub async fn generate(kind: Kind, context: &OpsContext<'_>) -> Result<GeneratedHostKey> {
    let directory = &context.installation.host_keys;
    let file = kind.file(directory);
    let is_new = file.symlink_metadata().is_err();
    if is_new {
        hostkeys::generate(directory, kind)?;
    }
    // Read back as the server will read it.
    let key = view(file)?;
    context
        .store
        .record_host_key(&key.algorithm, &key.fingerprint)
        .await?;
    Ok(GeneratedHostKey { key, is_new })
}

/// The keys that are there, most preferred first.
///
/// # Errors
/// When one cannot be used.
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
