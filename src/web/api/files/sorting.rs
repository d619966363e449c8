//! The order of a listing, and the part of it that one answer has. It is pure: entries come from the caller.
//!
//! Only the entries of the part are kept while a directory is read, so that a directory of any size costs the same memory,
//! and is sorted all the same. The cursor says behind which entry the next part begins; what is made or removed in between
//! shifts nothing.

use std::cmp::Ordering;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use crate::storage::DirEntry;

/// What a listing is sorted by. Entries that are equal in it are sorted by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortKey {
    /// The name, without regard to the case of ASCII letters first.
    #[default]
    Name,
    /// The size in bytes.
    Size,
    /// The time of the last change.
    Mtime,
}

/// The direction of a sorted listing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortDirection {
    /// The smallest first.
    #[default]
    Asc,
    /// The largest first.
    Desc,
}

/// How a listing is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SortOrder {
    /// What it is sorted by.
    pub key: SortKey,
    /// The direction.
    pub direction: SortDirection,
}

/// Where an entry stands in a sorted listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortPlace {
    number: i64,
    name: Vec<u8>,
}

/// The part of a sorted listing behind a place, while the directory is read.
pub struct SortedPart {
    order: SortOrder,
    after: Option<SortPlace>,
    limit: usize,
    /// At most twice as many entries as the part has.
    kept: Vec<DirEntry>,
    has_more: bool,
}

/// The entries of a part, in their order.
#[derive(Debug)]
pub struct SortedEntries {
    /// The entries.
    pub entries: Vec<DirEntry>,
    /// The cursor of the next part; `None` if this is the last one.
    pub next: Option<String>,
}

/// The length in bytes of the number in a cursor.
const NUMBER: usize = 8;

impl SortKey {
    /// Returns the word of addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Mtime => "mtime",
        }
    }
}

impl SortDirection {
    /// Returns the word of addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

impl SortPlace {
    /// Parses a cursor; `None` if it is none of ours.
    pub fn parse(cursor: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (number, name) = bytes.split_at_checked(NUMBER)?;
        Some(Self {
            number: i64::from_be_bytes(number.try_into().ok()?),
            name: name.to_vec(),
        })
    }

    fn cursor(&self) -> String {
        let bytes = [&self.number.to_be_bytes()[..], &self.name].concat();
        BASE64URL_NOPAD.encode(&bytes)
    }
}

impl SortOrder {
    fn number(self, entry: &DirEntry) -> i64 {
        match self.key {
            SortKey::Name => 0,
            SortKey::Size => i64::try_from(entry.meta.size).unwrap_or(i64::MAX),
            SortKey::Mtime => entry.meta.mtime,
        }
    }

    fn place(self, entry: &DirEntry) -> SortPlace {
        SortPlace {
            number: self.number(entry),
            name: entry.name.clone(),
        }
    }

    fn compare(self, one: &DirEntry, other: &DirEntry) -> Ordering {
        let numbers = self.number(one).cmp(&self.number(other));
        self.directed(numbers.then_with(|| by_name(&one.name, &other.name)))
    }

    fn is_behind(self, entry: &DirEntry, place: &SortPlace) -> bool {
        let numbers = self.number(entry).cmp(&place.number);
        self.directed(numbers.then_with(|| by_name(&entry.name, &place.name))) == Ordering::Greater
    }

    fn directed(self, ordering: Ordering) -> Ordering {
        match self.direction {
            SortDirection::Asc => ordering,
            SortDirection::Desc => ordering.reverse(),
        }
    }
}

/// Compares names as people sort them, and those that differ in case alone by their bytes.
fn by_name(one: &[u8], other: &[u8]) -> Ordering {
    let first = one.iter().map(u8::to_ascii_lowercase);
    let second = other.iter().map(u8::to_ascii_lowercase);
    first.cmp(second).then_with(|| one.cmp(other))
}

impl SortedPart {
    /// Begins a part of at most `limit` entries.
    pub fn new(order: SortOrder, after: Option<SortPlace>, limit: usize) -> Self {
        Self {
            order,
            after,
            limit: limit.max(1),
            kept: Vec::new(),
            has_more: false,
        }
    }

    /// Takes an entry of the directory.
    pub fn push(&mut self, entry: DirEntry) {
        let order = self.order;
        if self
            .after
            .as_ref()
            .is_some_and(|after| !order.is_behind(&entry, after))
        {
            return;
        }
        self.kept.push(entry);
        if self.kept.len() >= self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    /// Drops the entries that stand behind the part.
    fn cut(&mut self) {
        let (order, limit) = (self.order, self.limit);
        if self.kept.len() > limit {
            self.kept
                .select_nth_unstable_by(limit, |one, other| order.compare(one, other));
            self.kept.truncate(limit);
            self.has_more = true;
        }
    }

    /// Ends the part, after the whole directory was read.
    pub fn finish(mut self) -> SortedEntries {
        self.cut();
        let order = self.order;
        self.kept.sort_unstable_by(|one, other| order.compare(one, other));
        let last = self.kept.last().filter(|_| self.has_more);
        SortedEntries {
            next: last.map(|last| order.place(last).cursor()),
            entries: self.kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{FileKind, InodeId, Metadata};

    fn entry(name: &str, size: u64, mtime: i64) -> DirEntry {
        let meta = Metadata {
            kind: FileKind::File,
            mode: 0o100_644,
            size,
            uid: 0,
            gid: 0,
            links: 1,
            inode: InodeId { device: 1, number: 1 },
            atime: 0,
            mtime,
        };
        DirEntry {
            name: name.as_bytes().to_vec(),
            meta,
        }
    }

    /// Reads all parts of a listing, of `limit` entries each.
    fn read(entries: &[DirEntry], order: SortOrder, limit: usize) -> String {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let mut part = SortedPart::new(order, after, limit);
            for entry in entries {
                part.push(entry.clone());
                assert!(part.kept.len() < 2 * limit);
            }
            let SortedEntries {
                entries: sorted,
                next,
            } = part.finish();
            assert!(sorted.len() <= limit);
            names.extend(
                sorted
                    .into_iter()
                    .map(|entry| String::from_utf8(entry.name).unwrap()),
            );
            match next {
                Some(next) => after = Some(SortPlace::parse(&next).unwrap()),
                None => return names.join(" "),
            }
        }
    }

    #[test]
    fn parts_together_are_the_sorted_listing() {
        let entries = [
            entry("b", 3, 30),
            entry("a", 3, -5),
            entry("C", 1, 20),
            entry("c", 2, 20),
            entry("d", u64::MAX, 10),
        ];
        let check = |key, direction, expected: &str| {
            for limit in 1..=6 {
                assert_eq!(
                    read(&entries, SortOrder { key, direction }, limit),
                    expected,
                    "{limit}"
                );
            }
        };
        check(SortKey::Name, SortDirection::Asc, "a b C c d");
        check(SortKey::Name, SortDirection::Desc, "d c C b a");
        check(SortKey::Size, SortDirection::Asc, "C c a b d");
        check(SortKey::Size, SortDirection::Desc, "d b a c C");
        check(SortKey::Mtime, SortDirection::Asc, "a d C c b");
        check(SortKey::Mtime, SortDirection::Desc, "b c C d a");
    }

    #[test]
    fn an_empty_directory_has_one_part() {
        let SortedEntries { entries, next } = SortedPart::new(SortOrder::default(), None, 10).finish();
        assert!(entries.is_empty() && next.is_none());
    }

    #[test]
    fn cursors_of_others_are_refused() {
        for text in ["", "abc", "!", "AAAAAAAAAA=="] {
            assert_eq!(SortPlace::parse(text), None, "{text}");
        }
        let place = SortPlace {
            number: -7,
            name: b"\xff".to_vec(),
        };
        assert_eq!(SortPlace::parse(&place.cursor()), Some(place));
    }
}
