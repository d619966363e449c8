//! Checks whether users' files can get the group of `[storage] file_group`, and whether its members can reach them.

use std::os::unix::fs::MetadataExt as _;

use crate::config::Config;
use crate::ops::check::report::Report;
use crate::storage::creation::CreationRules;
use base::advice;

/// Checks the settings for new files, as the user that the server will be.
pub fn creation(config: &Config, report: &mut Report) {
    let storage = &config.storage;
    let rules = CreationRules::of(storage).and_then(|rules| rules.check_membership().map(|()| rules));
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => return report.error(format!("{}{error}", config.place_of("storage", "file_group"))),
    };
    for (name, mode) in [("file_mode", rules.file_mode), ("dir_mode", rules.dir_mode)] {
        if let Some(mode) = mode.filter(|mode| mode & 0o002 != 0) {
            report.warn(format!(
                "{}\"{name}\" in [storage] is {mode:04o}: every program on this machine could change what users upload \
                 (hint: name their group as \"file_group\" and take the last 2 away)",
                config.place_of("storage", name)
            ));
        }
    }
    if let Some(group) = rules.group {
        reachable(config, group, report);
    }
}

/// Warns of a directory above the homes that members of the group cannot pass.
fn reachable(config: &Config, group: u32, report: &mut Report) {
    for dir in config.storage.homes.ancestors() {
        let Ok(meta) = dir.metadata() else { continue };
        let is_passable = match meta.gid() == group {
            true => meta.mode() & 0o010 != 0,
            false => meta.mode() & 0o001 != 0,
        };
        if is_passable {
            continue;
        }
        let hint = match dir == config.data_dir() {
            // Others must stay out of there.
            true => "set \"homes\" in [storage] to a directory outside of the data directory".to_owned(),
            false => advice::chmod(dir, "o+x"),
        };
        report.warn(format!(
            "{}members of \"file_group\" cannot reach the homes: the mode of \"{}\" is {} (hint: {hint})",
            config.place_of("storage", "file_group"),
            dir.display(),
            advice::mode_text(&meta)
        ));
    }
}
