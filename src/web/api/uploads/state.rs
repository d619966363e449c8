//! The state of an upload, as it follows from its row, its part and its target.

use jiff::Timestamp;

use crate::storage::{FileKind, Metadata};
use crate::store::web::UploadRecord;

/// The state of an upload that has a row. See [`super`] for what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadState {
    /// Nothing has arrived.
    Created,
    /// Some bytes have arrived.
    Growing {
        /// The number of bytes that are there: fewer than the file has.
        offset: u64,
    },
    /// All bytes are there, and the file is not published.
    Complete,
    /// The file is published, although the row is still there.
    Published,
    /// The upload was not finished in time.
    Expired,
    /// The part is not there any more.
    Gone,
}

/// What the disk says about an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartFacts {
    /// The part is there and has this many bytes.
    Size(u64),
    /// The part is not there. The attributes of what has the target's name are known, if there is anything.
    Missing {
        /// The attributes of the target.
        target: Option<Metadata>,
    },
}

impl UploadState {
    /// Returns the state of an upload.
    pub(super) fn of(record: &UploadRecord, facts: PartFacts, now: Timestamp) -> Self {
        match facts {
            PartFacts::Missing { target } if target.is_some_and(|target| is_result(record, &target)) => {
                Self::Published
            }
            _ if now >= record.expires_at => Self::Expired,
            PartFacts::Missing { .. } => Self::Gone,
            PartFacts::Size(0) if record.size > 0 => Self::Created,
            PartFacts::Size(offset) if offset < record.size => Self::Growing { offset },
            PartFacts::Size(size) if size == record.size => Self::Complete,
            // Somebody else has written to the part, on the server's disk.
            PartFacts::Size(_) => Self::Gone,
        }
    }
}

/// Whether the target is the file that was uploaded: see [`super`] about crashes.
fn is_result(record: &UploadRecord, target: &Metadata) -> bool {
    let is_of_upload = target.mtime >= record.created_at.as_second() || record.mtime == Some(target.mtime);
    target.kind == FileKind::File && target.size == record.size && is_of_upload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::InodeId;

    fn record(size: u64, mtime: Option<i64>) -> UploadRecord {
        UploadRecord {
            id: [7; 16],
            user: "alice".parse().unwrap(),
            incarnation: 1,
            share: None,
            path: b"/f".to_vec(),
            size,
            mtime,
            sha256: None,
            created_at: Timestamp::from_second(1000).unwrap(),
            expires_at: Timestamp::from_second(2000).unwrap(),
        }
    }

    fn target(kind: FileKind, size: u64, mtime: i64) -> PartFacts {
        let meta = Metadata {
            kind,
            mode: 0o100_644,
            size,
            uid: 0,
            gid: 0,
            links: 1,
            inode: InodeId { device: 1, number: 1 },
            atime: 0,
            mtime,
        };
        PartFacts::Missing { target: Some(meta) }
    }

    #[test]
    fn the_state_follows_from_the_row_the_part_and_the_target() {
        let check = |record: &UploadRecord, facts: PartFacts, second: i64, expected: UploadState| {
            let now = Timestamp::from_second(second).unwrap();
            assert_eq!(
                UploadState::of(record, facts, now),
                expected,
                "{facts:?} at {second}"
            );
        };
        let ten = record(10, Some(5));
        check(&ten, PartFacts::Size(0), 1500, UploadState::Created);
        check(&ten, PartFacts::Size(9), 1500, UploadState::Growing { offset: 9 });
        check(&ten, PartFacts::Size(10), 1500, UploadState::Complete);
        check(&ten, PartFacts::Size(11), 1500, UploadState::Gone);
        check(&ten, PartFacts::Size(9), 2000, UploadState::Expired);
        check(&ten, PartFacts::Size(10), 1999, UploadState::Complete);
        check(&record(0, None), PartFacts::Size(0), 1500, UploadState::Complete);
        let missing = PartFacts::Missing { target: None };
        check(&ten, missing, 1500, UploadState::Gone);
        check(&ten, missing, 2500, UploadState::Expired);
        check(&ten, target(FileKind::File, 10, 5), 1500, UploadState::Published);
        check(&ten, target(FileKind::File, 10, 5), 2500, UploadState::Published);
        check(
            &ten,
            target(FileKind::File, 10, 1000),
            1500,
            UploadState::Published,
        );
        check(&ten, target(FileKind::File, 10, 999), 1500, UploadState::Gone);
        check(&ten, target(FileKind::File, 9, 5), 1500, UploadState::Gone);
        check(&ten, target(FileKind::Directory, 10, 5), 1500, UploadState::Gone);
        check(
            &record(10, None),
            target(FileKind::File, 10, 5),
            1500,
            UploadState::Gone,
        );
    }
}
