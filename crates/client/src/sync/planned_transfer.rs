//! From an action of the plan to the transfer of its file, and to what follows the transfer.

use sftp_wire::{Attributes, Times};

use super::compare::Action;
use super::entry::{EntryKind, TreeEntry};
use super::finish::Finish;
use super::list::below;
use super::options::{SyncOptions, Trees};
use super::report::reason_of;
use crate::names::join;
use crate::plan::ExistingEntry;
use crate::transfer::{Direction, Job, temporary_name};

/// The type of a regular file in a mode.
const REGULAR: u32 = 0o100_000;

/// The transfer of one file.
pub(super) struct PlannedTransfer {
    pub(super) job: Job,
    /// What is done when the file has arrived.
    pub(super) finish: Finish,
}

impl PlannedTransfer {
    /// The transfer that an action needs. `attrs` are those that the file gets at the end.
    pub(super) fn new(trees: &Trees, options: &SyncOptions, action: &Action<'_>, attrs: Attributes) -> Self {
        let source = action.source;
        let existing = action.target.map(|target| target.kind);
        let backed_up = options.backup_dir.is_some() && existing.is_some();
        let temporary = backed_up || existing == Some(EntryKind::Link);
        let arriving = match temporary {
            true => temporary_name(&source.path),
            false => source.path.to_vec(),
        };
        let (local, remote) = match trees.direction {
            Direction::Up => (&source.path[..], &arriving[..]),
            Direction::Down => (&arriving[..], &source.path[..]),
        };
        let size = match source.kind {
            EntryKind::File(size) => size,
            _ => 0,
        };
        let known = Attributes {
            size: Some(size),
            permissions: source.mode.map(|mode| mode | REGULAR),
            times: times(source),
            ..Attributes::default()
        };
        let job = Job {
            direction: trees.direction,
            local: below(&trees.local, local),
            remote: join(&trees.remote, remote),
            size,
            destination: match (temporary, existing) {
                (false, None) => Some(ExistingEntry::Nothing),
                (false, Some(EntryKind::File(size))) => Some(ExistingEntry::File(size)),
                _ => None,
            },
            known: (trees.direction == Direction::Down).then_some(known),
        };
        let finish = Finish {
            path: source.path.to_vec(),
            temporary,
            backed_up,
            attrs,
            reason: reason_of(action.change),
        };
        Self { job, finish }
    }
}

/// The times of a name of the source, as the target gets them.
pub(super) fn times(source: &TreeEntry) -> Option<Times> {
    source.modified.map(|modified| Times {
        accessed: modified,
        modified,
    })
}
