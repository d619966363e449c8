//! Checks for what an operator has begun, and what was interrupted: moves of homes, and a restore.

use std::path::Path;

use super::report::Report;
use crate::domain::user::User;
use crate::ops::installation::Installation;
use crate::ops::restoring::RestoreRecord;
use crate::ops::users::{FoundMove, MoveRecord, unfinished_moves};
use base::advice::quoted;

/// Reports homes whose move is not finished, with the command that finishes it.
pub fn moves(installation: &Installation, users: &[User], report: &mut Report) {
    let found = match unfinished_moves(installation.data_dir()) {
        Ok(found) => found,
        Err(error) => return report.warn(error),
    };
    for found in found {
        match found {
            FoundMove::Record(record) => report.warn(unfinished_move(installation, users, &record)),
            FoundMove::Damaged(file) => report.warn(format!(
                "the record of a move of a home {file:?} cannot be read (hint: see that the homes of all users are complete, then: \
                 rm {})",
                quoted(&file)
            )),
        }
    }
}

fn unfinished_move(installation: &Installation, users: &[User], record: &MoveRecord) -> String {
    let MoveRecord { from, to, .. } = record;
    let what = format!("the move of the home {from:?} to {to:?} is not finished");
    let owner = users.iter().find(|user| user.home == *from || user.home == *to);
    match owner {
        Some(user) => format!(
            "{what}: it was interrupted, or a command does it now (hint: homeportd user set {} --home {} --move)",
            user.name,
            quoted(to)
        ),
        None => format!(
            "{what}, and no user has one of them (hint: look at both, then: rm {})",
            quoted(&record.file(installation.data_dir()))
        ),
    }
}

/// Reports a restore that is not finished.
pub fn restore(installation: &Installation, report: &mut Report) {
    let record = match RestoreRecord::find(installation.data_dir()) {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(error) => return report.warn(error),
    };
    let take_over = if record.take_over { " --take-over" } else { "" };
    let keep_config = if record.keep_config { " --keep-config" } else { "" };
    let maps = record.map.iter().map(Path::new);
    let maps: String = maps.map(|map| format!(" --map {}", quoted(map))).collect();
    let backup = &record.backup;
    // The store comes last, so that without it the command can be repeated.
    let hint = match exists(&installation.store.path) {
        false => format!(
            "repeat it: homeportd -c {} restore{take_over}{keep_config}{maps} {}",
            quoted(&installation.config_file),
            quoted(backup)
        ),
        true => format!("only the homes are not taken in yet: homeportd storage adopt{take_over}"),
    };
    report.warn(format!(
        "the restore of {backup:?} is not finished: it was interrupted, or runs now (hint: {hint})"
    ));
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
