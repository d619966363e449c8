//! The directories above a place in a walk, so that a walk that follows links ends.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

/// What identifies a file of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity of a file with these attributes.
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
        }
    }
}

/// A directory on the way from the root of a walk, with those above it.
pub(crate) struct Branch<K> {
    /// What identifies the directory, whatever path leads to it.
    key: K,
    /// The number of directories above it.
    depth: usize,
    above: Option<Arc<Self>>,
}

impl<K: PartialEq> Branch<K> {
    /// The root of a walk.
    pub(crate) fn root(key: K) -> Arc<Self> {
        Arc::new(Self {
            key,
            depth: 0,
            above: None,
        })
    }

    /// A directory in this one.
    pub(crate) fn below(self: &Arc<Self>, key: K) -> Arc<Self> {
        Arc::new(Self {
            key,
            depth: self.depth + 1,
            above: Some(Arc::clone(self)),
        })
    }

    /// The number of directories above this one.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// What identifies the directory, whatever path leads to it.
    pub(crate) fn key(&self) -> &K {
        &self.key
    }

    /// Whether this directory, or one above it, is the one with this key.
    pub(crate) fn contains(&self, key: &K) -> bool {
        std::iter::successors(Some(self), |branch| branch.above.as_deref()).any(|branch| branch.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_contains_itself_and_what_is_above() {
        let root = Branch::root(1);
        let deep = root.below(2).below(3);
        assert_eq!((deep.depth(), *deep.key()), (2, 3));
        assert!([1, 2, 3].iter().all(|key| deep.contains(key)) && !deep.contains(&4));
        assert!(!root.contains(&2));
    }
}
