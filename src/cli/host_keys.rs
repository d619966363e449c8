//! `homeportd hostkey …`

use super::grammar::HostkeyCommand;
use super::json::HostKeyJson;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::ops::{data_dir, host_keys};
use base::error::Result;

/// Runs the command; returns the text to print.
///
/// # Errors
/// Returns an error if a key cannot be created or used.
pub fn run(command: HostkeyCommand, config: &Config) -> Result<String> {
    match command {
        HostkeyCommand::List { json } => {
            if config.data_dir().is_dir() {
                data_dir::become_owner(config.data_dir())?;
            }
            list(&host_keys::list(&config.installation())?, json)
        }
        HostkeyCommand::Generate { kind } => {
            let generated = with_store(config, IfMissing::Fail, async |context| {
                host_keys::generate(kind, context).await
            })?;
            let verb = if generated.is_new { "made" } else { "kept" };
            let key = generated.key;
            Ok(format!(
                "{verb} \"{}\"\n{} {} is this server's\n",
                key.file.display(),
                key.algorithm,
                key.fingerprint
            ))
        }
    }
}

fn list(keys: &[host_keys::HostKeyView], json: bool) -> Result<String> {
    if json {
        let keys: Vec<HostKeyJson> = keys.iter().map(Into::into).collect();
        return output::json(&keys);
    }
    let line = |key: &host_keys::HostKeyView| {
        format!("{} {} {}\n", key.algorithm, key.fingerprint, key.file.display())
    };
    Ok(keys.iter().map(line).collect())
}
