//! Checks the host keys: those that exist, those that clients were shown, and what the server would offer.

use std::path::Path;

use super::report::Report;
use crate::ssh::settings::SshSettings;
use crate::ssh::{algorithms, hostkeys, hostkeys::rotation};

/// Checks the keys in a directory. `recorded` are the algorithms and fingerprints that clients were shown.
pub fn check(directory: &Path, settings: &SshSettings, recorded: &[(String, String)], report: &mut Report) {
    let keys = match hostkeys::load(directory) {
        Ok(keys) => keys,
        Err(e) => return report.error(e),
    };
    if let Err(e) = rotation::next(directory) {
        report.error(e);
    }
    hostkeys::verify(directory, &keys, recorded).unwrap_or_else(|e| report.error(e));
    let mut algorithms: Vec<_> = keys.iter().map(|key| key.algorithm()).collect();
    algorithms
        .iter()
        .filter_map(hostkeys::notice)
        .for_each(|notice| report.warn(notice));
    if algorithms.is_empty() && recorded.is_empty() {
        report.plan(format!("make host keys in \"{}\"", directory.display()));
    }
    if algorithms.is_empty() {
        // These are the keys that the first start creates.
        algorithms.extend(hostkeys::Kind::MADE.map(hostkeys::Kind::algorithm));
    }
    algorithms::validate(settings, &algorithms).unwrap_or_else(|e| report.error(e));
}
