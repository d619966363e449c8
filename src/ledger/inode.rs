//! One record for each inode that is open, shared by all its handles: the size that was charged for it.
//!
//! Its size changes under its lock, so that two growths cannot each count the same bytes, and a growth that fails is
//! settled before the next one begins. A removed inode counts until its last handle is closed, which is when its
//! record is dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use crate::vfs::{Error, InodeId, Metadata, Result, Wait};

use super::account::Account;

/// The records of an account, and those that a measure keeps.
#[derive(Default)]
pub(super) struct Inodes {
    open: HashMap<InodeId, Weak<Inode>>,
    /// Counts the ends of records: what was seen of an inode before the last one may be out of date.
    closed: u64,
    /// Records that have not ended: those in `open`, and removed ones whose number another file has by now.
    records: usize,
    /// While a measure runs: every record that there was since it began, so that none ends meanwhile.
    pinned: Option<Vec<Pinned>>,
}

/// A record that a measure keeps.
#[derive(Clone)]
pub(super) struct Pinned {
    pub(super) inode: Arc<Inode>,
    /// The size at which it was opened after the measure began; `None`: it was open before.
    pub(super) opened_at: Option<u64>,
}

impl Inodes {
    fn add(&mut self, account: &Arc<Account>, meta: &Metadata) -> Arc<Inode> {
        let inode = Arc::new(Inode {
            account: Arc::clone(account),
            id: meta.inode,
            size: Mutex::new(meta.size),
            removed: AtomicBool::new(false),
        });
        self.open.insert(meta.inode, Arc::downgrade(&inode));
        self.records += 1;
        if let Some(pinned) = &mut self.pinned {
            pinned.push(Pinned {
                inode: Arc::clone(&inode),
                opened_at: Some(meta.size),
            });
        }
        inode
    }

    /// Has somebody this inode open? `None` if nobody has. To be dropped after the lock.
    pub(super) fn get(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.open.get(&id).and_then(Weak::upgrade)
    }

    /// Begins to keep records; `false`: one is just ending, try again.
    pub(super) fn pin(&mut self) -> bool {
        let open: Vec<Pinned> = self
            .open
            .values()
            .filter_map(Weak::upgrade)
            .map(|inode| Pinned {
                inode,
                opened_at: None,
            })
            .collect();
        let all = open.len() == self.records;
        // If not all, what was upgraded ends with the lock still held unless it is kept.
        self.pinned = Some(open);
        all
    }

    /// All records kept so far.
    pub(super) fn pinned(&self) -> Vec<Pinned> {
        self.pinned.clone().unwrap_or_default()
    }

    pub(super) fn pinned_count(&self) -> usize {
        self.pinned.as_ref().map_or(0, Vec::len)
    }

    /// Ends the keeping; to be dropped after the lock.
    pub(super) fn unpin(&mut self) -> Option<Vec<Pinned>> {
        self.pinned.take()
    }
}

/// An open inode of an account.
pub struct Inode {
    account: Arc<Account>,
    id: InodeId,
    /// The size that is charged.
    size: Mutex<u64>,
    removed: AtomicBool,
}

impl Inode {
    /// The record of an inode; made, if nobody has it open. `stat` looks at it, perhaps more than once.
    pub fn of(account: &Arc<Account>, stat: impl Fn() -> Result<Metadata>) -> Result<Arc<Self>> {
        loop {
            let closed_before = account.lock_inodes().closed;
            let meta = stat()?;
            let mut inodes = account.lock_inodes();
            let known = inodes.open.get(&meta.inode).and_then(Weak::upgrade);
            let unchanged = inodes.closed == closed_before;
            match known {
                Some(inode) if !inode.is_removed() => return Ok(inode),
                // Its number may mean another file by now, once it is closed.
                known if unchanged => {
                    let inode = inodes.add(account, &meta);
                    drop(inodes);
                    // Outside of the lock: its end takes it.
                    drop(known);
                    return Ok(inode);
                }
                // Somebody may have changed its size, and left, after we looked.
                known => {
                    drop(inodes);
                    drop(known);
                }
            }
        }
    }

    /// Which one.
    pub fn id(&self) -> InodeId {
        self.id
    }

    /// Whose.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The charged size, to be changed. With [`Wait::Never`]: only if nobody else is at it.
    pub fn lock(&self, wait: Wait) -> Result<MutexGuard<'_, u64>> {
        match wait {
            Wait::Allowed => Ok(self.size.lock().unwrap_or_else(PoisonError::into_inner)),
            Wait::Never => match self.size.try_lock() {
                Ok(guard) => Ok(guard),
                Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => Err(Error::WouldBlock),
            },
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let mut inodes = self.account.lock_inodes();
        inodes.closed += 1;
        inodes.records -= 1;
        // A successor under the same number stays.
        if inodes
            .open
            .get(&self.id)
            .is_some_and(|open| open.strong_count() == 0)
        {
            inodes.open.remove(&self.id);
        }
        if *self.removed.get_mut() {
            let size = *self.size.get_mut().unwrap_or_else(PoisonError::into_inner);
            // With the inodes locked: a measure that is about to end must see both or neither.
            self.account.orphan_gone(size);
        }
    }
}

impl Account {
    /// The last name of an inode is gone. What it held is given back now, or when its last handle is closed.
    pub fn name_gone(&self, change: &super::account::Change<'_>, meta: &Metadata) {
        // Its end takes the lock again, so it must outlive this one.
        let open = self.lock_inodes().open.get(&meta.inode).and_then(Weak::upgrade);
        match open {
            Some(inode) if !inode.is_removed() => {
                self.orphaned();
                inode.removed.store(true, Ordering::SeqCst);
            }
            _ => {
                self.release_bytes(change, meta.size);
                self.release_file(change);
            }
        }
    }
}
