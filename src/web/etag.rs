//! Entity tags of files (RFC 9110, section 8.8.3): what a client remembers of a file, so that it can ask whether the
//! file is still the same. It is made of metadata alone, without reading the file.

use std::fmt;

use base::visible::hex;
use sha2::{Digest as _, Sha256};

use crate::storage::Metadata;

/// The longest list of tags in bytes that is read.
const LONGEST: usize = 4096;

/// The most tags in one list.
const MOST_TAGS: usize = 64;

/// How many seconds a file must have been left alone before its tag is strong. Times of files are whole seconds here,
/// so a file that has just been written can be written again without a change of its time and size. One more second is
/// for file systems that round.
const SETTLED_AFTER: i64 = 2;

/// The number of hexadecimal digits in a tag: 128 bits.
const DIGITS: usize = 32;

/// An entity tag: `"abc"`, or `W/"abc"` if it is weak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag {
    /// The bytes between the quotes.
    opaque: Vec<u8>,
    /// Whether two files with the same tag may differ in their bytes.
    is_weak: bool,
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: any file at all.
    Any,
    /// The tags.
    Tags(Vec<ETag>),
}

impl ETag {
    /// Returns the tag of a file whose metadata was read at `now`, in seconds since 1970.
    ///
    /// The tag is a hash over the inode, the size and the time of the last change, so that it says nothing about the
    /// server. If the file has been changed within the last two seconds, or has a time in the future, the tag is weak
    /// and contains `now`: then no part of a download is put together with that of another, and nobody takes the file
    /// for unchanged later. A file that was changed and given its former time by the user is not noticed; the times
    /// that could tell are not in [`Metadata`].
    pub fn of(file: &Metadata, now: i64) -> Self {
        let is_weak = file.mtime > now.saturating_sub(SETTLED_AFTER);
        let mut hash = Sha256::new();
        hash.update(file.inode.device.to_be_bytes());
        hash.update(file.inode.number.to_be_bytes());
        hash.update(file.size.to_be_bytes());
        hash.update(file.mtime.to_be_bytes());
        if is_weak {
            hash.update(now.to_be_bytes());
        }
        let mut opaque = hex(&hash.finalize());
        opaque.truncate(DIGITS);
        Self {
            opaque: opaque.into_bytes(),
            is_weak,
        }
    }

    /// Parses one tag; `None` if it does not have the form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (is_weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let is_valid = opaque
            .iter()
            .all(|&byte| byte > b' ' && byte != b'"' && byte != 0x7f);
        is_valid.then(|| Self {
            opaque: opaque.to_vec(),
            is_weak,
        })
    }

    /// Whether files with this tag certainly have the same bytes.
    pub fn is_strong(&self) -> bool {
        !self.is_weak
    }

    /// Whether both are strong and the same, so that the files have the same bytes (section 8.8.3.2).
    pub fn is_same_bytes(&self, other: &Self) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// Whether both are the same, weak or not: enough for showing what was fetched before.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.is_weak { "W/" } else { "" };
        // Tags of ours are hexadecimal digits.
        write!(f, "{prefix}\"{}\"", self.opaque.escape_ascii())
    }
}

impl TagList {
    /// Parses the values of a header, which may occur several times; `None` if one is malformed, or if they are too
    /// long.
    pub fn parse<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut tags = Vec::new();
        let mut length = 0usize;
        for value in values {
            length = length.saturating_add(value.len());
            if length > LONGEST {
                return None;
            }
            if value.trim_ascii() == b"*" {
                return Some(Self::Any);
            }
            for tag in elements(value) {
                if tags.len() == MOST_TAGS {
                    return None;
                }
                tags.push(ETag::parse(tag)?);
            }
        }
        (!tags.is_empty()).then_some(Self::Tags(tags))
    }

    /// Whether the list has the tag by `is_same`; `*` has that of every file.
    pub fn has(&self, tag: &ETag, is_same: fn(&ETag, &ETag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|one| is_same(one, tag)),
        }
    }
}

/// Splits a list at its commas, but not at those within quotes. Empty elements are left out.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    list.split(move |&byte| {
        if byte == b'"' {
            is_quoted = !is_quoted;
        }
        byte == b',' && !is_quoted
    })
    .map(|element| element.trim_ascii())
    .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{FileKind, InodeId};

    fn file(size: u64, mtime: i64) -> Metadata {
        Metadata {
            kind: FileKind::File,
            mode: 0o100_644,
            size,
            uid: 0,
            gid: 0,
            links: 1,
            inode: InodeId { device: 1, number: 7 },
            atime: 0,
            mtime,
        }
    }

    #[test]
    fn a_file_that_was_left_alone_has_a_strong_tag() {
        let tag = ETag::of(&file(5, 100), 102);
        let shown = tag.to_string();
        assert!(shown.starts_with('"') && shown.len() == DIGITS + 2, "{shown}");
        assert_eq!(ETag::parse(shown.as_bytes()), Some(tag.clone()));
        assert!(tag.is_same_bytes(&ETag::of(&file(5, 100), 5000)));
        assert!(!tag.is_equivalent(&ETag::of(&file(6, 100), 5000)));
        assert!(!tag.is_equivalent(&ETag::of(&file(5, 101), 5000)));
        let mut other = file(5, 100);
        other.inode.number = 8;
        assert!(!tag.is_equivalent(&ETag::of(&other, 5000)));
    }

    #[test]
    fn a_file_that_has_just_changed_has_a_weak_tag_of_that_second() {
        let tag = ETag::of(&file(5, 100), 101);
        assert!(tag.to_string().starts_with("W/\""));
        assert!(!tag.is_same_bytes(&tag) && tag.is_equivalent(&tag));
        assert!(!tag.is_equivalent(&ETag::of(&file(5, 100), 100)));
        assert!(!tag.is_equivalent(&ETag::of(&file(5, 100), 200)));
        let future = ETag::of(&file(5, i64::MAX), 100);
        assert!(future.to_string().starts_with("W/"));
    }

    #[test]
    fn lists_are_read() {
        let list = |texts: &[&str]| TagList::parse(texts.iter().map(|text| text.as_bytes()));
        let tags = |texts: &[&str]| {
            let tags = texts.iter().map(|text| ETag::parse(text.as_bytes()).unwrap());
            Some(TagList::Tags(tags.collect()))
        };
        assert_eq!(list(&["*"]), Some(TagList::Any));
        assert_eq!(list(&["\"a\""]), tags(&["\"a\""]));
        assert_eq!(list(&["\"a,b\" , ,W/\"c\""]), tags(&["\"a,b\"", "W/\"c\""]));
        assert_eq!(list(&["\"a\"", "\"\""]), tags(&["\"a\"", "\"\""]));
        for malformed in [
            "",
            ",",
            "a",
            "\"a",
            "\"a\" \"b\"",
            "w/\"a\"",
            "\"a b\"",
            "\"a\",*",
        ] {
            assert_eq!(list(&[malformed]), None, "{malformed}");
        }
        let many = "\"a\",".repeat(MOST_TAGS);
        assert!(list(&[&many]).is_some());
        assert_eq!(list(&[&many, "\"a\""]), None);
        assert_eq!(list(&["*", &" ".repeat(LONGEST + 1)]), Some(TagList::Any));
        assert_eq!(list(&[&" ".repeat(LONGEST + 1)]), None);
    }
}
