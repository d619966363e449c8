//! What a comparison can find, and by which rules.

use crate::sync::contents::Contents;
use crate::sync::entry::TreeEntry;

/// What counts as different, and what may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether what the source does not have is deleted.
    pub delete: bool,
    /// Whether a file that is newer at the target stays.
    pub update: bool,
    /// Whether the content decides about files of the same size, whatever their times are.
    pub checksum: bool,
    /// Whether permissions are compared, and set where they differ.
    pub modes: bool,
    /// How far two times may be apart that count as equal, in seconds.
    pub window: u32,
}

impl Rules {
    /// Whether both times are known and count as equal.
    pub fn same_time(&self, source: Option<u32>, target: Option<u32>) -> bool {
        matches!((source, target), (Some(source), Some(target)) if source.abs_diff(target) <= self.window)
    }

    /// What is done about two files of equal size whose contents were compared.
    pub fn compared(&self, source: &TreeEntry, target: &TreeEntry, contents: Contents) -> Option<Change> {
        let same_time = self.same_time(source.modified, target.modified);
        let same_mode = !self.modes || source.mode.is_none() || source.mode == target.mode;
        match contents {
            Contents::Same if same_time && same_mode => None,
            Contents::Same => Some(Change::Attributes),
            Contents::Different => Some(Change::Send(Reason::Content)),
            Contents::Unknown if same_time => None,
            Contents::Unknown => Some(Change::Send(Reason::Time)),
        }
    }

    pub(super) fn is_newer(&self, target: &TreeEntry, source: &TreeEntry) -> bool {
        match (target.modified, source.modified) {
            (Some(target), Some(source)) => target > source.saturating_add(self.window),
            _ => false,
        }
    }
}

/// Why a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The target does not have the name.
    New,
    /// The two files have different sizes.
    Size,
    /// The times differ, and the contents may.
    Time,
    /// The two files have different contents.
    Content,
    /// The target has something of another kind.
    Kind,
}

/// What is done about one name of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The target gets the directory, without its contents.
    Make,
    /// The target gets the link, which is not followed.
    Link,
    /// The target gets the file, for this reason.
    Send(Reason),
    /// The contents of the two files of equal size decide whether the file is sent.
    Compare,
    /// The times, and the permissions where they are kept, are set.
    Attributes,
}

/// A change, and the names that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action<'a> {
    /// The name of the source.
    pub source: &'a TreeEntry,
    /// What the target has there.
    pub target: Option<&'a TreeEntry>,
    /// What is done about the name.
    pub change: Change,
}

/// Why a name that the source does not have stays at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptReason {
    /// A name of the source differs from it only by case or normalisation.
    AlmostEqual,
    /// It is a directory that holds something that stays.
    HoldsKept,
    /// It is the part under which a file of the source arrives.
    Part,
}

/// What makes a target like its source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// What is done about names of the source, in the order of the listing.
    pub actions: Vec<Action<'a>>,
    /// What is deleted after all actions have succeeded, with the contents of a directory before it.
    pub deletes: Vec<&'a TreeEntry>,
    /// What is done when the names that stand in the way are deleted.
    pub after: Vec<Action<'a>>,
    /// Names of the target that stay although the source does not have them, and deleting is allowed.
    pub kept: Vec<(&'a TreeEntry, KeptReason)>,
    /// Names of which source and target have something of different kinds, and that nothing is done about.
    pub conflicts: Vec<(&'a TreeEntry, &'a TreeEntry)>,
    /// Names of the source that cannot be transferred.
    pub skipped: Vec<&'a TreeEntry>,
    /// The number of files that stay because they are newer at the target.
    pub newer: u64,
    /// The number of files that are the same on both sides.
    pub unchanged: u64,
}

/// A name that only the target has, or that stands in the way of one of the source.
pub(super) struct Extra<'a> {
    pub(super) entry: &'a TreeEntry,
    /// Whether the source has something of another kind under the same name.
    pub(super) replaced: bool,
}
