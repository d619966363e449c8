//! Whether a plan may delete: the rules that protect a target from a source that is not what it should be.

use super::compare::Plan;
use super::options::SyncOptions;

/// What is done about the deletions of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// There is nothing to delete.
    Nothing,
    /// Everything in the plan is deleted, without a question.
    Allowed,
    /// The user is asked first.
    Ask,
    /// Nothing is deleted, because something could not be listed or is in the way. The rest is done.
    Withheld,
    /// Nothing is done at all, because the source is empty.
    EmptySource,
    /// Nothing is done at all, because more would be deleted than is allowed.
    TooMany(u64),
}

impl Deletion {
    /// Decides about the deletions of a plan. `source` is the number of names of the source that take part, and
    /// `failures` that of names that could not be listed.
    pub(super) fn of(plan: &Plan<'_>, options: &SyncOptions, source: usize, failures: u64) -> Self {
        let deletes = plan.deletes.len() as u64;
        match options.max_delete {
            _ if deletes == 0 => Self::Nothing,
            _ if failures > 0 || !plan.conflicts.is_empty() => Self::Withheld,
            Some(most) if deletes > most => Self::TooMany(most),
            None if source == 0 => Self::EmptySource,
            Some(_) => Self::Allowed,
            None if options.yes || options.dry_run => Self::Allowed,
            None => Self::Ask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::compare::Rules;
    use crate::sync::entry::{EntryKind, TreeEntry};
    use crate::sync::filter::Filter;
    use crate::transfer::Settings;

    #[test]
    fn a_strange_source_deletes_nothing() {
        let rules = Rules {
            delete: true,
            update: false,
            checksum: false,
            modes: false,
            window: 1,
        };
        let options = SyncOptions {
            rules,
            filter: Filter::default(),
            dry_run: false,
            yes: false,
            max_delete: None,
            backup_dir: None,
            settings: Settings::default(),
        };
        let yes = SyncOptions {
            yes: true,
            ..options.clone()
        };
        let most = |most| SyncOptions {
            max_delete: Some(most),
            ..options.clone()
        };
        let entry = TreeEntry {
            link: None,
            path: (*b"a").into(),
            kind: EntryKind::File(1),
            mode: None,
            modified: None,
        };
        let deleting = Plan {
            deletes: vec![&entry, &entry],
            ..Plan::default()
        };
        let conflicting = Plan {
            deletes: vec![&entry],
            conflicts: vec![(&entry, &entry)],
            ..Plan::default()
        };
        for (plan, options, source, failures, expected) in [
            (&Plan::default(), &options, 0, 0, Deletion::Nothing),
            (&deleting, &options, 1, 0, Deletion::Ask),
            (&deleting, &yes, 1, 0, Deletion::Allowed),
            (&deleting, &yes, 0, 0, Deletion::EmptySource),
            (&deleting, &most(2), 0, 0, Deletion::Allowed),
            (&deleting, &most(1), 1, 0, Deletion::TooMany(1)),
            (&deleting, &most(2), 1, 1, Deletion::Withheld),
            (&conflicting, &yes, 1, 0, Deletion::Withheld),
        ] {
            assert_eq!(Deletion::of(plan, options, source, failures), expected);
        }
    }
}
