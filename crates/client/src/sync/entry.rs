//! What is known about one name of a tree, and the order of the names.

use std::cmp::Ordering;

/// One name of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The path below the top of the tree, without a slash at its beginning or its end.
    pub path: Box<[u8]>,
    /// The kind of what has the name.
    pub kind: EntryKind,
    /// The permissions, without the type of the file.
    pub mode: Option<u32>,
    /// The time of the last modification, in seconds since 1970. `None`: it is unknown, or SFTP cannot express it.
    pub modified: Option<u32>,
    /// The path to which a link points that takes part as a link.
    pub link: Option<Box<[u8]>>,
}

/// What has a name of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file of this many bytes. In a source it may be one that a link points to.
    File(u64),
    /// A directory, which may have names below it.
    Directory,
    /// A symbolic link. In a source it is one that is not followed.
    Link,
    /// A device, a socket, or a named pipe.
    Special,
    /// A name that takes no part: an option excludes it, or a directory that could not be listed. Nothing at or below
    /// it is changed.
    Excluded,
}

impl EntryKind {
    /// The word for this kind in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Directory => "directory",
            Self::Link => "link",
            Self::Special => "special file",
            Self::Excluded => "excluded name",
        }
    }
}

/// The order of paths in a listing: what is in a directory follows it at once.
pub fn order(left: &[u8], right: &[u8]) -> Ordering {
    // No name contains a NUL, so a slash that counts as one comes before everything.
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    left.iter().map(rank).cmp(right.iter().map(rank))
}

/// Whether a path lies in the directory, at any depth.
pub fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// A path and the directories in which it lies, the outermost first.
pub fn from_outermost(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let ends = slashes.map(|(at, _)| at).chain([path.len()]);
    ends.filter_map(|end| path.get(..end))
}

/// Sorts the entries of a tree. Of a name that was listed twice, one remains.
pub fn sorted(mut entries: Vec<TreeEntry>) -> Vec<TreeEntry> {
    entries.sort_by(|left, right| order(&left.path, &right.path));
    entries.dedup_by(|later, first| later.path == first.path);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contents_of_a_directory_follow_it_at_once() {
        let mut paths: Vec<&[u8]> = vec![b"a.txt", b"a/b", b"a", b"a!", b"b", b"a/b/c"];
        paths.sort_by(|left, right| order(left, right));
        assert_eq!(paths, [&b"a"[..], b"a/b", b"a/b/c", b"a!", b"a.txt", b"b"]);
        assert!(is_below(b"a/b", b"a") && is_below(b"a/b/c", b"a"));
        assert!(!is_below(b"a", b"a") && !is_below(b"a.txt", b"a") && !is_below(b"b/a", b"a"));
    }
}
