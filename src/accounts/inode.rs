//! One record for each inode that is open, shared by all its handles: the size that was charged for it.
//!
//! Its size changes under its lock, so that two growths cannot each count the same bytes, and a growth that fails is
//! settled before the next one begins. A removed inode counts until its last handle is closed, which is when its
//! record is dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use crate::storage::{Error, InodeId, Metadata, OpenFile, Result, Wait};

use super::account::Account;

/// The records of an account, and those that a measure keeps.
#[derive(Default)]
pub(super) struct Inodes {
    open: HashMap<InodeId, Weak<Inode>>,
    /// Counts the ends of records and of names: what was seen of an inode before may be out of date.
    ended: u64,
    /// Records that have not ended: those in `open`, and removed ones whose number another file has by now.
    records: usize,
    /// While a measure runs: every record that there was since it began, so that none ends meanwhile.
    retained: Option<Vec<RetainedRecord>>,
}

/// A record that a measure keeps.
#[derive(Clone)]
pub(super) struct RetainedRecord {
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
            stray: AtomicBool::new(false),
            unsure: Mutex::new(None),
            handles: Mutex::default(),
        });
        self.open.insert(meta.inode, Arc::downgrade(&inode));
        self.records += 1;
        if let Some(retained) = &mut self.retained {
            retained.push(RetainedRecord {
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

    /// Every record. To be dropped after the lock.
    pub(super) fn open(&self) -> Vec<Arc<Inode>> {
        self.open.values().filter_map(Weak::upgrade).collect()
    }

    /// Begins to keep records; `false`: one is just ending, try again.
    pub(super) fn retain(&mut self) -> bool {
        let open: Vec<RetainedRecord> = self
            .open
            .values()
            .filter_map(Weak::upgrade)
            .map(|inode| RetainedRecord {
                inode,
                opened_at: None,
            })
            .collect();
        let all = open.len() == self.records;
        // If not all, what was upgraded ends with the lock still held unless it is kept.
        self.retained = Some(open);
        all
    }

    /// All records kept so far.
    pub(super) fn retained(&self) -> Vec<RetainedRecord> {
        self.retained.clone().unwrap_or_default()
    }

    pub(super) fn retained_count(&self) -> usize {
        self.retained.as_ref().map_or(0, Vec::len)
    }

    /// Ends the keeping; to be dropped after the lock.
    pub(super) fn release(&mut self) -> Option<Vec<RetainedRecord>> {
        self.retained.take()
    }
}

/// An open inode of an account.
pub struct Inode {
    account: Arc<Account>,
    id: InodeId,
    /// The size that is charged.
    size: Mutex<u64>,
    removed: AtomicBool,
    /// A measure has not met it in any directory, though it has a name: somebody else has moved it, and it counts until
    /// its record ends.
    stray: AtomicBool,
    /// The size could not be looked at after a failure; this handle may tell later.
    unsure: Mutex<Option<Arc<dyn OpenFile>>>,
    /// Its handles, one of which can be asked for its attributes.
    handles: Mutex<Vec<Weak<dyn OpenFile>>>,
}

impl Inode {
    /// The record of an open file; made, if nobody else has it open. `stat` looks at it, perhaps more than once.
    /// `None`: its last name was gone before there was a record, so it is not counted any more.
    ///
    /// A file that may be written needs names frozen from its opening until here: else it could lose its last name in
    /// between.
    pub fn of(account: &Arc<Account>, stat: impl Fn() -> Result<Metadata>) -> Result<Option<Arc<Self>>> {
        loop {
            let ended_before = account.lock_inodes().ended;
            let meta = stat()?;
            let mut inodes = account.lock_inodes();
            let known = inodes.get(meta.inode);
            let unchanged = inodes.ended == ended_before;
            let record = match known {
                // A removed one may stand for another file of the same number, one that was removed as well: then
                // its end waits for ours, and that is all.
                Some(inode) if meta.links == 0 || !inode.is_removed() => Some(inode),
                _ if !unchanged => {
                    // Somebody may have changed its size, and left, after we looked.
                    drop(inodes);
                    continue;
                }
                _ if meta.links == 0 => None,
                // What is known was removed and closed; its number means this file now.
                old => {
                    let inode = inodes.add(account, &meta);
                    drop(inodes);
                    // Outside of the lock: its end takes it.
                    drop(old);
                    return Ok(Some(inode));
                }
            };
            return Ok(record);
        }
    }

    /// The record of a file that was just made, with names locked: whatever is known of its number is of another one.
    pub fn of_new(account: &Arc<Account>, meta: &Metadata) -> Arc<Self> {
        let mut inodes = account.lock_inodes();
        let old = inodes.get(meta.inode);
        let inode = inodes.add(account, meta);
        drop(inodes);
        drop(old);
        inode
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

    /// What became of a change is not known: the charge stays, and a measure will look at the file again.
    pub fn invalidate(&self, file: &Arc<dyn OpenFile>) {
        *self.unsure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(file));
        self.account.invalidate();
    }

    /// A handle of it was opened.
    pub fn opened(&self, file: &Arc<dyn OpenFile>) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| handle.strong_count() > 0);
        handles.push(Arc::downgrade(file));
    }

    /// Its attributes as they are, if they can be looked at now. The caller has locked its size.
    pub(super) fn look_again(&self) -> Option<Metadata> {
        let unsure = self.unsure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(file) = unsure {
            if let Ok(meta) = file.stat() {
                return Some(meta);
            }
            *self.unsure.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        }
        let handles = self
            .handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        handles
            .iter()
            .filter_map(Weak::upgrade)
            .find_map(|file| file.stat().ok())
    }

    /// A measure has, or has not, met it in a directory. All that could change it is locked.
    pub(super) fn set_stray(&self, stray: bool) {
        match (self.stray.swap(stray, Ordering::SeqCst), stray) {
            (false, true) => self.account.orphaned(),
            (true, false) => self.account.stray_found(),
            (true, true) | (false, false) => {}
        }
    }

    /// Its last name is gone: it counts until its record ends.
    pub(super) fn set_removed(&self) {
        self.account.orphaned();
        self.removed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let mut inodes = self.account.lock_inodes();
        inodes.ended += 1;
        inodes.records -= 1;
        // A successor under the same number stays.
        if inodes
            .open
            .get(&self.id)
            .is_some_and(|open| open.strong_count() == 0)
        {
            inodes.open.remove(&self.id);
        }
        if *self.stray.get_mut() {
            self.account.stray_gone();
        }
        if *self.removed.get_mut() {
            let size = *self.size.get_mut().unwrap_or_else(PoisonError::into_inner);
            // With the inodes locked: a measure that is about to end must see both or neither.
            self.account.orphan_gone(size);
        }
    }
}

impl Account {
    /// The last name of an inode is gone. What it held is given back now, or when its last handle is closed. `size` is
    /// asked for where nobody has it open, and so nobody changes it.
    pub fn name_gone(&self, change: &super::account::Change<'_>, id: InodeId, size: impl FnOnce() -> u64) {
        // Its end takes the lock again, so it must outlive this one.
        let open = self.lock_inodes().open.get(&id).and_then(Weak::upgrade);
        match open {
            Some(inode) if !inode.is_removed() => inode.set_removed(),
            old => {
                drop(old);
                // Who has just opened it, and has no record yet, looks again.
                self.lock_inodes().ended += 1;
                self.release_bytes(change, size());
                self.release_file(change);
            }
        }
    }
}
