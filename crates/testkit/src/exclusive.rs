//! Locks for tests that must not run at the same time. All other tests run in parallel.

use parking_lot::{Mutex, MutexGuard};

/// The reasons why some tests must not run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A file system is frozen: `sync` of the whole machine and the removal of other loop devices wait for it, so that
    /// two such tests would wait for each other.
    FrozenFileSystem,
}

/// Waits until no other test holds the lock of this reason, and holds it until the guard is dropped.
pub fn lock(reason: Reason) -> MutexGuard<'static, ()> {
    static FROZEN: Mutex<()> = Mutex::new(());
    let mutex = match reason {
        Reason::FrozenFileSystem => &FROZEN,
    };
    mutex.lock()
}
