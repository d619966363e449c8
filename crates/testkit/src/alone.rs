//! Lets tests that must not run beside each other take turns. Other tests run in parallel. Each kind has its reason.

use parking_lot::{Mutex, MutexGuard};

/// The reasons why some tests take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// A file system is frozen: `sync` of the whole machine and the removal of other loop devices wait for it, so that
    /// two such tests would wait for each other.
    FrozenFileSystem,
}

/// Waits until no other test of this kind runs. The turn lasts until the guard is dropped.
pub fn alone(kind: Alone) -> MutexGuard<'static, ()> {
    static FROZEN: Mutex<()> = Mutex::new(());
    let turn = match kind {
        Alone::FrozenFileSystem => &FROZEN,
    };
    turn.lock()
}
