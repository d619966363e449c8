//! `homeportd hostkey …`

use serde::Serialize;

use super::show;
use crate::config::Config;
use crate::ssh::hostkeys::{self, Kind};
use crate::store::Store;
use base::error::Result;

/// A host key as `--json` shows it.
#[derive(Debug, Serialize)]
struct HostKeyView {
    algorithm: String,
    fingerprint: String,
    file: String,
}

/// Makes a key unless it is there, and records what is there as this server's; returns what to print.
///
/// # Errors
/// When it cannot be made or used.
pub async fn generate(kind: Kind, config: &Config, store: &dyn Store) -> Result<String> {
    let directory = &config.server.host_keys;
    let file = kind.file(directory);
    let there = file.symlink_metadata().is_ok();
    if !there {
        hostkeys::generate(directory, kind)?;
    }
    // Read back as the server will read it.
    let key = hostkeys::read_one(&file)?;
    let print = hostkeys::fingerprint(&key);
    store.record_host_key(key.algorithm().as_str(), &print).await?;
    let verb = if there { "kept" } else { "made" };
    Ok(format!(
        "{verb} \"{}\"\n{} {print} is this server's\n",
        file.display(),
        key.algorithm()
    ))
}

/// The keys that are there.
///
/// # Errors
/// When one cannot be used.
pub fn list(json: bool, config: &Config) -> Result<String> {
    let mut views = Vec::new();
    for kind in Kind::ALL {
        let file = kind.file(&config.server.host_keys);
        if file.symlink_metadata().is_ok() {
            let key = hostkeys::read_one(&file)?;
            views.push(HostKeyView {
                algorithm: key.algorithm().to_string(),
                fingerprint: hostkeys::fingerprint(&key),
                file: file.display().to_string(),
            });
        }
    }
    if json {
        return show::json(&views);
    }
    Ok(views
        .into_iter()
        .map(|v| format!("{} {} {}\n", v.algorithm, v.fingerprint, v.file))
        .collect())
}
