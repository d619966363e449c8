//! Walks through two sorted listings at once.

use std::cmp::Ordering;

use super::changes::{Action, Change, Extra, Plan, Reason, Rules};
use crate::sync::entry::{EntryKind, TreeEntry, is_below, order};

/// What is done about everything in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subtree {
    /// Nothing in the directory is changed.
    Untouched,
    /// The target's names are deleted, and then the source's are transferred.
    Replaced,
}

/// A walk through two listings, and what it has found.
pub(super) struct Merge<'a, 'r> {
    rules: &'r Rules,
    pub(super) plan: Plan<'a>,
    /// Names that only the target has, and those that are in the way.
    pub(super) extra: Vec<Extra<'a>>,
    /// The excluded names of the target.
    pub(super) excluded: Vec<&'a [u8]>,
    /// The directory in which the walk is, if something is special about it.
    within: Option<(&'a [u8], Subtree)>,
}

impl<'a, 'r> Merge<'a, 'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            plan: Plan::default(),
            extra: Vec::new(),
            excluded: Vec::new(),
            within: None,
        }
    }

    pub(super) fn run(mut self, source: &'a [TreeEntry], target: &'a [TreeEntry]) -> Self {
        let (mut source, mut target) = (source.iter().peekable(), target.iter().peekable());
        loop {
            let next = match (source.peek(), target.peek()) {
                (None, None) => return self,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(ours), Some(theirs)) => order(&ours.path, &theirs.path),
            };
            let ours = if next.is_le() { source.next() } else { None };
            let theirs = if next.is_ge() { target.next() } else { None };
            self.take(ours, theirs);
        }
    }

    fn take(&mut self, ours: Option<&'a TreeEntry>, theirs: Option<&'a TreeEntry>) {
        let path = ours.or(theirs).map_or(&[][..], |entry| &entry.path);
        let subtree = match self.within {
            Some((directory, subtree)) if is_below(path, directory) => Some(subtree),
            _ => {
                self.within = None;
                None
            }
        };
        match (subtree, ours, theirs) {
            (_, None, None) => {}
            (Some(Subtree::Untouched), _, theirs) => self.leave(theirs),
            (subtree, Some(ours), None) => self.only_source(ours, subtree.is_some()),
            (_, None, Some(theirs)) => self.only_target(theirs),
            (_, Some(ours), Some(theirs)) => self.both(ours, theirs),
        }
    }

    /// Leaves a name of the target, and with it the directories that hold it.
    fn leave(&mut self, theirs: Option<&'a TreeEntry>) {
        self.excluded.extend(theirs.map(|theirs| &*theirs.path));
    }

    fn only_source(&mut self, ours: &'a TreeEntry, after_deleting: bool) {
        let change = match ours.kind {
            EntryKind::File(_) => Change::Send(Reason::New),
            EntryKind::Directory => Change::Make,
            EntryKind::Link if ours.link.is_some() => Change::Link,
            EntryKind::Link | EntryKind::Special => return self.plan.skipped.push(ours),
            EntryKind::Excluded => return,
        };
        let actions = match after_deleting {
            true => &mut self.plan.after,
            false => &mut self.plan.actions,
        };
        actions.push(Action {
            source: ours,
            target: None,
            change,
        });
    }

    fn only_target(&mut self, theirs: &'a TreeEntry) {
        match theirs.kind {
            EntryKind::Excluded => self.leave(Some(theirs)),
            _ => self.extra.push(Extra {
                entry: theirs,
                replaced: false,
            }),
        }
    }

    fn both(&mut self, ours: &'a TreeEntry, theirs: &'a TreeEntry) {
        let change = match (ours.kind, theirs.kind) {
            (EntryKind::Excluded, _) | (_, EntryKind::Excluded) => return self.untouched(theirs),
            (EntryKind::Link | EntryKind::Special, _) if ours.link.is_none() => {
                self.plan.skipped.push(ours);
                return self.untouched(theirs);
            }
            (EntryKind::File(size), EntryKind::File(other)) => self.file(ours, theirs, size == other),
            (EntryKind::Directory, EntryKind::Directory) => self.attributes(ours, theirs),
            (EntryKind::File(_), EntryKind::Link) => Some(Change::Send(Reason::Kind)),
            (EntryKind::Link, EntryKind::Link) if ours.link == theirs.link => {
                self.plan.unchanged += 1;
                None
            }
            (EntryKind::Link, EntryKind::Link | EntryKind::File(_)) => Some(Change::Link),
            _ if self.rules.delete => return self.replaced(ours, theirs),
            _ => {
                self.plan.conflicts.push((ours, theirs));
                return self.untouched(theirs);
            }
        };
        if let Some(change) = change {
            self.plan.actions.push(Action {
                source: ours,
                target: Some(theirs),
                change,
            });
        }
    }

    fn untouched(&mut self, theirs: &'a TreeEntry) {
        self.leave(Some(theirs));
        self.within = Some((&theirs.path, Subtree::Untouched));
    }

    /// The target's name is deleted, with all that is in it, before the source's is transferred.
    fn replaced(&mut self, ours: &'a TreeEntry, theirs: &'a TreeEntry) {
        self.extra.push(Extra {
            entry: theirs,
            replaced: true,
        });
        let change = match ours.kind {
            EntryKind::Directory => Change::Make,
            EntryKind::Link => Change::Link,
            _ => Change::Send(Reason::Kind),
        };
        self.plan.after.push(Action {
            source: ours,
            target: None,
            change,
        });
        self.within = Some((&theirs.path, Subtree::Replaced));
    }

    fn file(&mut self, ours: &TreeEntry, theirs: &TreeEntry, same_size: bool) -> Option<Change> {
        let rules = self.rules;
        let same_time = rules.same_time(ours.modified, theirs.modified);
        match same_size {
            _ if rules.update && rules.is_newer(theirs, ours) => {
                self.plan.newer += 1;
                None
            }
            false => Some(Change::Send(Reason::Size)),
            true if rules.checksum || !same_time => Some(Change::Compare),
            true => {
                let change = self.attributes(ours, theirs);
                self.plan.unchanged += u64::from(change.is_none());
                change
            }
        }
    }

    fn attributes(&self, ours: &TreeEntry, theirs: &TreeEntry) -> Option<Change> {
        (self.rules.modes && ours.mode.is_some() && ours.mode != theirs.mode).then_some(Change::Attributes)
    }
}
