//! The space that `df` shows for an account and its disk.

use crate::accounts::account::Account;
use crate::storage::Space;

/// The block size that `df` shows, in bytes: a unit that every client can multiply.
const BLOCK: u64 = 4096;

/// Returns the space that `df` shows: the account's numbers where they are tighter than the disk's.
///
/// total = max(use, min(quota, use + free on disk)); free = max(0, min(quota − use, free on disk)).
pub(super) fn within_quota(disk: Space, account: &Account) -> Space {
    let usage = account.usage();
    let bytes = Room {
        used: usage.bytes,
        limit: usage.quota.bytes,
        on_disk: disk.blocks_available.saturating_mul(disk.fragment_size),
    };
    let files = Room {
        used: usage.files,
        limit: usage.quota.files,
        on_disk: disk.files_available,
    };
    Space {
        block_size: BLOCK,
        fragment_size: BLOCK,
        blocks: bytes.total() / BLOCK,
        blocks_free: bytes.free() / BLOCK,
        blocks_available: bytes.free() / BLOCK,
        files: files.total(),
        files_free: files.free(),
        files_available: files.free(),
        ..disk
    }
}

struct Room {
    used: u64,
    limit: Option<u64>,
    on_disk: u64,
}

impl Room {
    fn total(&self) -> u64 {
        let by_disk = self.used.saturating_add(self.on_disk);
        self.limit
            .map_or(by_disk, |limit| limit.min(by_disk))
            .max(self.used)
    }

    fn free(&self) -> u64 {
        self.limit.map_or(self.on_disk, |limit| {
            limit.saturating_sub(self.used).min(self.on_disk)
        })
    }
}
