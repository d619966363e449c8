//! One record for each inode that is open, shared by all its handles: the size that was charged for it.
//!
//! Its size changes under its lock, so that two growths cannot each count the same bytes, and a growth that fails is
//! settled before the next one begins. A removed inode counts until its last handle is closed, which is when its
//! record is dropped.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crate::storage::{Error, InodeId, Metadata, OpenFile, Result, Wait};

/// What the records of open inodes tell the account that pays for them.
pub(super) trait InodeOwner: Send + Sync {
    /// Locks the records.
    fn lock_inodes(&self) -> MutexGuard<'_, Inodes>;
    /// What became of a change is not known: the account is to be measured again.
    fn invalidate(&self);
    /// An inode that is still open has lost its last name, or was not met by a measure.
    fn orphaned(&self);
    /// An inode without a name was closed, and gives back so many bytes.
    fn orphan_gone(&self, bytes: u64);
    /// An inode that a measure had not met was met by another one.
    fn stray_found(&self);
    /// An inode that a measure had not met was closed: perhaps it still has a name, and a measure will tell.
    fn stray_gone(&self);
}

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
    fn add<O: InodeOwner + 'static>(&mut self, owner: &Arc<O>, meta: &Metadata) -> Arc<Inode> {
        let inode = Arc::new(Inode {
            owner: Arc::clone(owner) as Arc<dyn InodeOwner>,
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

    /// A name of an inode without a record is gone: somebody who has just opened it, and has no record yet, looks again.
    pub(super) fn name_gone(&mut self) {
        self.ended += 1;
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
pub(super) struct Inode {
    owner: Arc<dyn InodeOwner>,
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
                    let inode = inodes.add(owner, &meta);
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
    pub(super) fn of_new<O: InodeOwner + 'static>(owner: &Arc<O>, meta: &Metadata) -> Arc<Self> {
        let mut inodes = owner.lock_inodes();
        let old = inodes.get(meta.inode);
        let inode = inodes.add(owner, meta);
        drop(inodes);
        drop(old);
        inode
    }

    /// Which one.
    pub(super) fn id(&self) -> InodeId {
        self.id
    }

    /// The charged size, to be changed. With [`Wait::Never`]: only if nobody else is at it.
    pub(super) fn lock(&self, wait: Wait) -> Result<MutexGuard<'_, u64>> {
        match wait {
            Wait::Allowed => Ok(self.size.lock()),
            Wait::Never => self.size.try_lock().ok_or(Error::WouldBlock),
        }
    }

    /// What became of a change is not known: the charge stays, and a measure will look at the file again.
    pub(super) fn invalidate(&self, file: &Arc<dyn OpenFile>) {
        *self.unsure.lock() = Some(Arc::clone(file));
        self.owner.invalidate();
    }

    /// A handle of it was opened.
    pub(super) fn opened(&self, file: &Arc<dyn OpenFile>) {
        let mut handles = self.handles.lock();
        handles.retain(|handle| handle.strong_count() > 0);
        handles.push(Arc::downgrade(file));
    }

    /// Its attributes as they are, if they can be looked at now. The caller has locked its size.
    pub(super) fn look_again(&self) -> Option<Metadata> {
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

    /// A measure has, or has not, met it in a directory. All that could change it is locked.
    pub(super) fn set_stray(&self, stray: bool) {
        match (self.stray.swap(stray, Ordering::SeqCst), stray) {
            (false, true) => self.owner.orphaned(),
            (true, false) => self.owner.stray_found(),
            (true, true) | (false, false) => {}
        }
    }

    /// Its last name is gone: it counts until its record ends.
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
        // A successor under the same number stays.
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
            // With the inodes locked: a measure that is about to end must see both or neither.
            self.owner.orphan_gone(size);
        }
    }
}
