//! Moves a file from one account to another: from a home to a folder, or the other way round.

use super::QuotaStorage;
use crate::accounts::account::NamesGuard;
use crate::accounts::inode::InodeOwner as _;
use crate::domain::path::VirtualPath;
use crate::storage::{InodeId, Result, Wait};

/// A file that is to be moved.
#[derive(Debug, Clone, Copy)]
pub struct MovedFile<'a> {
    /// The identity of the file, which has one name.
    pub inode: InodeId,
    /// The size in bytes.
    pub size: u64,
    /// The name that it gets in the target.
    pub to: &'a VirtualPath,
}

/// Moves a file with `rename`, if no handle may write it and `is_unchanged` says so, and charges it to the target
/// instead of the source. Until that is done, no session can open it for writing or change a name in either of them.
/// Returns whether it was moved. A file that is replaced is given back to the target only afterwards, so there must
/// be room for both.
///
/// # Errors
/// Fails if the target has no room for the file, or as `is_unchanged` or `rename` does.
pub fn move_unwritten(
    source: &QuotaStorage,
    target: &QuotaStorage,
    file: MovedFile<'_>,
    is_unchanged: impl Fn() -> Result<bool>,
    rename: impl Fn() -> Result<()>,
) -> Result<bool> {
    source.account.retry_until(Wait::Allowed, || {
        let leaving = source.account.begin()?;
        // Its errors are the target's, for which the source has nothing to wait for.
        Ok(target.account.retry_until(Wait::Allowed, || {
            let arriving = target.account.begin()?;
            let _names = lock_both(source, target)?;
            // Dropping a record takes the lock of the records, so it must outlive the guard.
            let open = source.account.lock_inodes().get(file.inode);
            if open.is_some_and(|open| open.has_writers()) || !is_unchanged()? {
                return Ok(false);
            }
            let victim = target.victim(file.to)?;
            let was = victim.as_ref().map(|victim| victim.stat()).transpose()?;
            target.account.reserve_file(&arriving)?;
            let reserved = match file.size {
                // An empty file fits in every account that may have another file.
                0 => Ok(()),
                size => target.account.reserve_bytes(&arriving, size),
            };
            let moved = reserved
                .and_then(|()| rename().inspect_err(|_| target.account.release_bytes(&arriving, file.size)));
            moved.inspect_err(|_| target.account.release_file(&arriving))?;
            if let (Some(victim), Some(was)) = (victim, was) {
                target.release_name(&arriving, &*victim, &was);
            }
            source.account.name_gone(&leaving, file.inode, || file.size);
            Ok(true)
        }))
    })?
}

/// Locks the names of both accounts, in the order of their ids, so that two moves do not wait for each other.
fn lock_both<'a>(source: &'a QuotaStorage, target: &'a QuotaStorage) -> Result<[NamesGuard<'a>; 2]> {
    let (source, target) = (&source.account, &target.account);
    let (first, second) = match source.id().store_key() < target.id().store_key() {
        true => (source, target),
        false => (target, source),
    };
    let first = first.names.lock_to_change(Wait::Allowed)?;
    Ok([first, second.names.lock_to_change(Wait::Allowed)?])
}
