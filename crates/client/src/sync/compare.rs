//! Compares two sorted listings, and decides what makes the target like the source. It reads and writes nothing.
//!
//! What is never deleted: an excluded name, a directory that holds one, a name that equals one of the source after
//! [folding](super::fold), and the part under which a file of the source arrives. Something of another kind than in the
//! source is only replaced where deleting is allowed, and then after everything else.

mod changes;
mod merge;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::entry::{TreeEntry, from_outermost, is_below, order};
use super::fold::folded;
use changes::Extra;
use merge::Merge;

pub use changes::{Action, Change, KeptReason, Plan, Reason, Rules};

/// The ending of the name under which a download grows.
const PART: &[u8] = b".part";

/// Compares two listings, which are sorted by [`order`].
pub fn compare<'a>(source: &'a [TreeEntry], target: &'a [TreeEntry], rules: &Rules) -> Plan<'a> {
    let merged = Merge::new(rules).run(source, target);
    let mut plan = merged.plan;
    if !rules.delete {
        return plan;
    }
    let protected = Protected::of(source, &merged.extra, merged.excluded);
    for extra in merged.extra {
        match protected.why(extra.entry, extra.replaced) {
            None => plan.deletes.push(extra.entry),
            Some(why) => plan.kept.push((extra.entry, why)),
        }
    }
    // A directory that has to stay is in the way of the file of the source.
    let kept: HashMap<&[u8], &TreeEntry> = plan.kept.iter().map(|(kept, _)| (&*kept.path, *kept)).collect();
    plan.after.retain(|action| {
        let path = &*action.source.path;
        let Some(kept) = from_outermost(path).find_map(|above| kept.get(above)) else {
            return true;
        };
        if &*kept.path == path {
            plan.conflicts.push((action.source, kept));
        }
        false
    });
    let conflicts: HashSet<&[u8]> = plan.conflicts.iter().map(|(_, target)| &*target.path).collect();
    plan.kept.retain(|(kept, _)| !conflicts.contains(&*kept.path));
    plan.deletes.reverse();
    plan
}

/// The names of the target that stay.
struct Protected<'a> {
    /// Names that stay, with all that is in them.
    trees: Vec<&'a [u8]>,
    /// Names that stay, and so do the directories that hold them.
    holding: Vec<&'a [u8]>,
    files: HashSet<u64>,
    hasher: RandomState,
}

impl<'a> Protected<'a> {
    fn of(source: &[TreeEntry], extra: &[Extra<'a>], excluded: Vec<&'a [u8]>) -> Self {
        let hasher = RandomState::new();
        let mut protected = Self {
            trees: Vec::new(),
            holding: excluded,
            files: HashSet::new(),
            hasher,
        };
        if extra.is_empty() {
            return protected;
        }
        // Hashes need less memory than names. Two that are equal by chance only keep a name.
        let hash = |path: &[u8]| protected.hasher.hash_one(path);
        let folds: HashSet<u64> = source.iter().map(|entry| hash(&folded(&entry.path))).collect();
        let files = source.iter().map(|entry| hash(&entry.path)).collect();
        let almost =
            |extra: &&Extra<'_>| !extra.replaced && folds.contains(&hash(&folded(&extra.entry.path)));
        protected.trees = extra
            .iter()
            .filter(almost)
            .map(|extra| &*extra.entry.path)
            .collect();
        protected.files = files;
        protected.holding.extend(&protected.trees);
        protected.holding.sort_by(|left, right| order(left, right));
        protected
    }

    fn why(&self, entry: &TreeEntry, replaced: bool) -> Option<KeptReason> {
        let path = &*entry.path;
        if self.is_in_tree(path) {
            return Some(KeptReason::AlmostEqual);
        }
        let next = self.holding.partition_point(|held| order(held, path).is_lt());
        if self.holding.get(next).is_some_and(|held| is_below(held, path)) {
            return Some(KeptReason::HoldsKept);
        }
        let whole = path.strip_suffix(PART)?;
        let is_part = !replaced && self.files.contains(&self.hasher.hash_one(whole));
        is_part.then_some(KeptReason::Part)
    }

    /// Whether the path, or a directory that holds it, is one of the trees that stay.
    fn is_in_tree(&self, path: &[u8]) -> bool {
        from_outermost(path).any(|above| self.trees.binary_search_by(|tree| order(tree, above)).is_ok())
    }
}
