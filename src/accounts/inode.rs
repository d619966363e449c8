//! One record for each open inode, shared by all its handles: the size that was charged for it.
//!
//! The size changes under the record's lock, so that two growths cannot both count the same bytes, and so that a
//! failed growth is corrected before the next one begins. A removed inode counts until its last handle is closed,
//! which drops its record.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::storage::{InodeId, Metadata, OpenFile, Result, Wait};

/// What the records of open inodes report to the account that is charged for them.
pub(super) trait InodeOwner: Send + Sync {
    /// Locks the records of the account's open inodes.
    fn lock_inodes(&self) -> MutexGuard<'_, Inodes>;
    /// Reports that the outcome of a change is unknown, so the account has to be measured again.
    fn invalidate(&self);
    /// Reports that an open inode has lost its last name, or was not found by a measurement.
    fn orphaned(&self);
    /// Reports that an inode without a name was closed, which releases this many bytes.
    fn orphan_gone(&self, bytes: u64);
    /// Reports that an inode that one measurement had not found was found by another.
    fn stray_found(&self);
    /// Reports that an inode that a measurement had not found was closed. It may still have a name, so a measurement
    /// is needed.
    fn stray_gone(&self);
}

/// The records of an account, and those that a measurement retains.
#[derive(Default)]
pub(super) struct Inodes {
    open: HashMap<InodeId, Weak<Inode>>,
    /// The number of records and names that have ended. When it changes, attributes that were read before may be out
    /// of date.
    ended: u64,
    /// The number of records that have not ended: those in `open`, and removed ones whose inode number another file
    /// has now.
    records: usize,
    /// While a measurement runs, every record that has existed since it began, so that none of them ends meanwhile.
    retained: Option<Vec<RetainedRecord>>,
}

/// A record that a measurement retains.
#[derive(Clone)]
pub(super) struct RetainedRecord {
    pub(super) inode: Arc<Inode>,
    /// The size when it was opened after the measurement began; `None` if it was open before.
    pub(super) opened_at: Option<u64>,
}

impl Inodes {
    fn add<O: InodeOwner + 'static>(&mut self, owner: &Arc<O>, meta: &Metadata) -> Arc<Inode> {
        let inode = Arc::new(Inode {
            owner: Arc::clone(owner) as Arc<dyn InodeOwner>,
            id: meta.inode,
            size: Mutex::new(meta.size),
            removed: AtomicBool::new(false),
            writers: AtomicUsize::new(0),
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

    /// Returns the record of an inode; `None` if it is not open. The caller must drop it after the lock.
    pub(super) fn get(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.open.get(&id).and_then(Weak::upgrade)
    }

    /// Notes that a name of an inode without a record is gone. A call that has just opened the inode, and has no
    /// record yet, reads its attributes again.
    pub(super) fn name_gone(&mut self) {
        self.ended += 1;
    }

    /// Returns every record. The caller must drop them after the lock.
    pub(super) fn open(&self) -> Vec<Arc<Inode>> {
        self.open.values().filter_map(Weak::upgrade).collect()
    }

    /// Begins to retain records. Returns `false` if a record is just ending, and the caller must try again.
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
        // If a record is missing, those that were upgraded must not be dropped here, where the lock is still held, so
        // retain them.
        self.retained = Some(open);
        all
    }

    /// Returns all records retained so far.
    pub(super) fn retained(&self) -> Vec<RetainedRecord> {
        self.retained.clone().unwrap_or_default()
    }

    pub(super) fn retained_count(&self) -> usize {
        self.retained.as_ref().map_or(0, Vec::len)
    }

    /// Stops retaining records, and returns them. The caller must drop them after the lock.
    pub(super) fn release(&mut self) -> Option<Vec<RetainedRecord>> {
        self.retained.take()
    }
}

/// An open inode of an account.
pub(super) struct Inode {
    owner: Arc<dyn InodeOwner>,
    id: InodeId,
    /// The size in bytes that is charged.
    size: Mutex<u64>,
    removed: AtomicBool,
    /// The number of handles that may write it.
    writers: AtomicUsize,
    /// Whether a measurement has not found it in any directory although it has a name: another program has moved it.
    /// It counts until its record ends.
    stray: AtomicBool,
    /// A handle whose attributes could not be read after a failure; it is asked again later.
    unsure: Mutex<Option<Arc<dyn OpenFile>>>,
    /// The handles of the inode, any of which can be asked for its attributes.
    handles: Mutex<Vec<Weak<dyn OpenFile>>>,
}

impl Inode {
    /// Returns the record of an open file, and makes one if there is none. `stat` reads its attributes, perhaps more
    /// than once. Returns `None` if its last name was gone before there was a record, so that it is not counted any
    /// more.
    ///
    /// For a file that may be written, the caller must freeze the names from before the opening until this returns.
    /// Otherwise the file could lose its last name in between.
    pub(super) fn of<O: InodeOwner + 'static>(
        owner: &Arc<O>,
        stat: impl Fn() -> Result<Metadata>,
    ) -> Result<Option<Arc<Self>>> {
        loop {
            let ended_before = owner.lock_inodes().ended;
            let meta = stat()?;
            let mut inodes = owner.lock_inodes();
            let known = inodes.get(meta.inode);
            let unchanged = inodes.ended == ended_before;
            let record = match known {
                // A removed record may belong to another file of the same number that was removed as well. Then the
                // end of that one only waits for this one.
                Some(inode) if meta.links == 0 || !inode.is_removed() => Some(inode),
                _ if !unchanged => {
                    // Another call may have changed the size, and closed the file, after the attributes were read.
                    drop(inodes);
                    continue;
                }
                _ if meta.links == 0 => None,
                // The known record is of a file that was removed and closed; the number now means this file.
                old => {
                    let inode = inodes.add(owner, &meta);
                    drop(inodes);
                    // Drop it outside the lock: the end of a record takes the lock.
                    drop(old);
                    return Ok(Some(inode));
                }
            };
            return Ok(record);
        }
    }

    /// Makes the record of a file that was just made, with the names locked. An existing record of its number belongs
    /// to another file.
    pub(super) fn of_new<O: InodeOwner + 'static>(owner: &Arc<O>, meta: &Metadata) -> Arc<Self> {
        let mut inodes = owner.lock_inodes();
        let old = inodes.get(meta.inode);
        let inode = inodes.add(owner, meta);
        drop(inodes);
        drop(old);
        inode
    }

    /// Returns the identity of the inode.
    pub(super) fn id(&self) -> InodeId {
        self.id
    }

    /// Locks the charged size to change it. Fails with `WouldBlock` if it is locked for longer than the call may wait.
    pub(super) fn lock(&self, wait: Wait) -> Result<MutexGuard<'_, u64>> {
        wait.lock(&self.size)
    }

    /// Notes that the outcome of a change is unknown. The charge stays, and a measurement will check the file again.
    pub(super) fn invalidate(&self, file: &Arc<dyn OpenFile>) {
        *self.unsure.lock() = Some(Arc::clone(file));
        self.owner.invalidate();
    }

    /// Notes that a handle of the inode was opened.
    pub(super) fn opened(&self, file: &Arc<dyn OpenFile>) {
        let mut handles = self.handles.lock();
        handles.retain(|handle| handle.strong_count() > 0);
        handles.push(Arc::downgrade(file));
    }

    /// Notes that a handle was opened that may write the inode. The caller has frozen the names since before the opening.
    pub(super) fn writer_opened(&self) {
        self.writers.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that such a handle was closed.
    pub(super) fn writer_closed(&self) {
        self.writers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns whether a handle may write the inode.
    pub(super) fn has_writers(&self) -> bool {
        self.writers.load(Ordering::SeqCst) > 0
    }

    /// Returns the current attributes if they can be read now. The caller has locked the size.
    pub(super) fn current_metadata(&self) -> Option<Metadata> {
        let unsure = self.unsure.lock().take();
        if let Some(file) = unsure {
            if let Ok(meta) = file.stat() {
                return Some(meta);
            }
            *self.unsure.lock() = Some(file);
        }
        let handles = self.handles.lock().clone();
        handles
            .iter()
            .filter_map(Weak::upgrade)
            .find_map(|file| file.stat().ok())
    }

    /// Sets whether a measurement has not found the inode in any directory. The caller has locked everything that
    /// could change it.
    pub(super) fn set_stray(&self, stray: bool) {
        match (self.stray.swap(stray, Ordering::SeqCst), stray) {
            (false, true) => self.owner.orphaned(),
            (true, false) => self.owner.stray_found(),
            (true, true) | (false, false) => {}
        }
    }

    /// Notes that the last name is gone. The inode counts until its record ends.
    pub(super) fn set_removed(&self) {
        self.owner.orphaned();
        self.removed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let mut inodes = self.owner.lock_inodes();
        inodes.ended += 1;
        inodes.records -= 1;
        // A newer record under the same number stays.
        if inodes
            .open
            .get(&self.id)
            .is_some_and(|open| open.strong_count() == 0)
        {
            inodes.open.remove(&self.id);
        }
        if *self.stray.get_mut() {
            self.owner.stray_gone();
        }
        if *self.removed.get_mut() {
            let size = *self.size.get_mut();
            // This runs with the inodes locked: a measurement that is about to end must see both changes or neither.
            self.owner.orphan_gone(size);
        }
    }
}
