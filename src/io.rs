//! Decides which thread a call on a file system takes, so that a file system that hangs does not delay the others.
//!
//! Requests that are expected to be quick run on the event loop's own threads, since a change of threads costs more
//! than most of them. The file system may hang, and then its thread hangs with it. Therefore:
//! - Only a limited number of threads may be inside a file system at once ([`IoScheduler::new`]); the event loop has
//!   more. A call that finds no free slot takes the slow way: a thread of the blocking pool.
//! - A watchdog looks at the slots every [`TICK`]. While one is occupied for longer than that, the watchdog wakes
//!   another thread of the event loop, which takes over waiting for the network from the one that hangs.
//! - A thread that serves sessions ([`own_thread`]) has a slot of its own. If it serves one session alone, its calls
//!   take the slow way only while their file system hangs ([`HUNG`]), so that the session can still be ended.
//! - A slot that is occupied for [`STUCK_AFTER`] makes its file system slow: until [`SLOW_FOR`] after the watchdog last
//!   saw this, every call on that file system goes the slow way, on at most [`SLOW_AT_ONCE`] threads.
//!
//! Hashing is kept apart, since it costs CPU time instead of disk time: running hashes are counted for each home and
//! each file system, and their digests take [`cpu_slots`]. A small hash takes the slow way, without waiting for others.

mod clock;
pub mod cpu_slots;
pub mod descriptors;
mod filesystem_state;
mod inline_permit;
mod keyed_semaphore;
pub mod own_thread;
mod slots;
mod slow_permit;

use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use clock::{Clock, micros};
use cpu_slots::CpuSlots;
pub use filesystem_state::FilesystemState;
pub use inline_permit::InlinePermit;
pub use keyed_semaphore::KeyedSemaphore;
use slots::Slots;
pub use slow_permit::SlowPermit;

/// The watchdog's period while anything runs.
const TICK: Duration = Duration::from_millis(5);
/// A slot that is occupied for this long is stuck: a busy machine usually lets a thread run again before that.
const STUCK_AFTER: Duration = Duration::from_millis(25);
/// The same for a thread that serves one session alone: its calls may wait for a read and for locks, up to 20 ms each.
const THREAD_STUCK_AFTER: Duration = Duration::from_millis(100);
/// A slot that is occupied for this long is on a file system that hangs: a disk that is only busy answers sooner.
const HUNG: Duration = Duration::from_secs(2);
/// How long a file system stays slow after it was last seen stuck, or hung.
const SLOW_FOR: Duration = Duration::from_secs(1);
/// The number of threads of the blocking pool (512 in all) that one slow file system may hold.
const SLOW_AT_ONCE: usize = 64;
/// At most this many of these threads work for one home, so that one user's long operations cannot starve the others.
const SLOW_PER_HOME: usize = 16;
/// The number of threads that close files of one file system after a session's end: NFS and FUSE write on close.
const CLOSING_AT_ONCE: usize = 16;
/// The number of files of one file system that are hashed at once. Each holds one thread of the blocking pool and one
/// more.
const HASHING_AT_ONCE: usize = 32;
/// At most this many of these hashes belong to one home.
const HASHING_PER_HOME: usize = 4;
/// After this many idle ticks the watchdog sleeps until it is called.
const IDLE_TICKS: u32 = 20;

/// The file systems that hold homes, the slots that they share, and their watchdog, which ends when this is dropped.
pub struct IoScheduler {
    shared: Arc<SchedulerState>,
}

/// What the scheduler, its file systems and the threads in them share.
struct SchedulerState {
    clock: Clock,
    /// The slots that the threads of the event loop share.
    slots: Slots,
    /// The slots of the threads that serve one session each.
    thread_slots: Slots,
    filesystems: Mutex<HashMap<u64, Weak<Filesystem>>>,
    cpu_slots: CpuSlots,
    watchdog: Mutex<Option<std::thread::Thread>>,
    asleep: AtomicBool,
}

/// The slots of the threads that serve one session each, numbered from 0.
#[derive(Clone)]
pub struct ThreadSlots(Arc<SchedulerState>);

impl ThreadSlots {
    /// Returns the number of slots.
    pub fn capacity(&self) -> usize {
        self.0.thread_slots.len()
    }

    /// Returns whether the thread with this slot hangs in a file system.
    pub fn is_stuck(&self, number: usize) -> bool {
        let age = self.0.thread_slots.age_of(number, self.0.now());
        age.is_some_and(|age| age >= micros(THREAD_STUCK_AFTER))
    }
}

/// One file system, identified by its `st_dev`. If it hangs, all its homes hang together.
pub struct Filesystem {
    shared: Arc<SchedulerState>,
    device: u64,
    /// The end of the slow period, in microseconds since the start.
    slow_until: AtomicU64,
    /// The end of the time in which the file system is taken to hang, in microseconds since the start.
    hung_until: AtomicU64,
    slow_way: Arc<Semaphore>,
    slow_homes: KeyedSemaphore<PathBuf>,
    hashing: Arc<Semaphore>,
    hashing_homes: KeyedSemaphore<PathBuf>,
    closing: Arc<Semaphore>,
}

/// The access of one home to the scheduler of its file system. A clone shares the same scheduler and is cheap.
#[derive(Clone)]
pub struct HomeIo {
    filesystem: Arc<Filesystem>,
    slow: Arc<Semaphore>,
    hashing: Arc<Semaphore>,
}

impl std::fmt::Debug for HomeIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HomeIo({})", self.filesystem.device)
    }
}

impl IoScheduler {
    /// Allows at most `slots` threads of the event loop inside a file system at once. `runtime` must have more worker
    /// threads than that. Beside them, there may be `session_threads` threads that serve one session each.
    pub fn new(slots: usize, session_threads: usize, runtime: Handle) -> std::io::Result<Self> {
        let shared = Arc::new(SchedulerState::new(slots, session_threads));
        let watched = Arc::downgrade(&shared);
        let thread = std::thread::Builder::new()
            .name("io-watchdog".into())
            .spawn(move || watch(&watched, &runtime))?;
        *shared.watchdog.lock() = Some(thread.thread().clone());
        Ok(Self { shared })
    }

    /// Returns the access of a home to the file system that it lies on, by its `st_dev`.
    pub fn of_home(&self, device: u64, home: &Path) -> HomeIo {
        let filesystem = self.of_device(device);
        HomeIo {
            slow: filesystem.slow_homes.of(&home.to_owned()),
            hashing: filesystem.hashing_homes.of(&home.to_owned()),
            filesystem,
        }
    }

    /// Returns the slots of the threads that serve one session each.
    pub fn thread_slots(&self) -> ThreadSlots {
        ThreadSlots(Arc::clone(&self.shared))
    }

    /// Returns the state of each file system that is in use, in the order of their device numbers.
    pub fn file_systems(&self) -> Vec<FilesystemState> {
        let now = self.shared.now();
        let is_until = |time: &AtomicU64| now < time.load(Ordering::Relaxed);
        let filesystems = self.shared.filesystems.lock();
        let alive = filesystems.values().filter_map(Weak::upgrade);
        let mut states: Vec<_> = alive
            .map(|filesystem| FilesystemState {
                device: filesystem.device,
                is_slow: is_until(&filesystem.slow_until),
                hangs: is_until(&filesystem.hung_until),
            })
            .collect();
        drop(filesystems);
        states.sort_by_key(|state| state.device);
        states
    }

    fn of_device(&self, device: u64) -> Arc<Filesystem> {
        let mut filesystems = self.shared.filesystems.lock();
        if let Some(filesystem) = filesystems.get(&device).and_then(Weak::upgrade) {
            return filesystem;
        }
        filesystems.retain(|_, filesystem| filesystem.strong_count() > 0);
        let filesystem = Arc::new(Filesystem::new(&self.shared, device));
        filesystems.insert(device, Arc::downgrade(&filesystem));
        filesystem
    }
}

impl Drop for IoScheduler {
    fn drop(&mut self) {
        self.shared.call_watchdog();
    }
}

impl Filesystem {
    fn new(shared: &Arc<SchedulerState>, device: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            device,
            slow_until: AtomicU64::new(0),
            hung_until: AtomicU64::new(0),
            slow_way: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            slow_homes: KeyedSemaphore::new(SLOW_PER_HOME),
            hashing: Arc::new(Semaphore::new(HASHING_AT_ONCE)),
            hashing_homes: KeyedSemaphore::new(HASHING_PER_HOME),
            closing: Arc::new(Semaphore::new(CLOSING_AT_ONCE)),
        }
    }

    /// Takes a slot, as [`HomeIo::enter`] describes.
    fn enter(&self) -> Option<InlinePermit<'_>> {
        let now = self.shared.now();
        let own = own_thread::slot();
        let alone = own.is_some_and(|slot| slot.alone);
        let closed_until = match alone {
            true => &self.hung_until,
            false => &self.slow_until,
        };
        if now < closed_until.load(Ordering::Relaxed) {
            return None;
        }
        let slot = match own {
            Some(own) => self.shared.thread_slots.take_nth(own.number, now, self.device),
            None => self.shared.slots.take(now, self.device),
        }?;
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.shared.call_watchdog();
        }
        Some(InlinePermit::new(slot, &self.shared.clock, alone))
    }

    /// Drops files on a thread that may wait, as [`HomeIo::close`] describes.
    fn close(&self, files: impl Send + 'static) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let places = Arc::clone(&self.closing);
        // The runtime owns this task: the files must be closed even though their session has ended.
        runtime.spawn(async move {
            let place = places.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                drop(files);
                drop(place);
            });
        });
    }
}

impl HomeIo {
    /// Creates the access of a home without a scheduler: its calls take the slow way, and no watchdog observes them.
    pub fn unscheduled() -> Self {
        let shared = Arc::new(SchedulerState::new(0, 0));
        let filesystem = Filesystem::new(&shared, 0);
        Self {
            slow: Arc::new(Semaphore::new(SLOW_PER_HOME)),
            hashing: Arc::new(Semaphore::new(HASHING_PER_HOME)),
            filesystem: Arc::new(filesystem),
        }
    }

    /// Takes a slot for a call on the event loop's own thread. `None` means that the call has to take the slow way.
    pub fn enter(&self) -> Option<InlinePermit<'_>> {
        self.filesystem.enter()
    }

    /// Waits for the right to be inside the file system on a thread of the blocking pool, as part of the home's share.
    pub async fn slow_way(&self) -> SlowPermit {
        SlowPermit::wait(&self.slow, &self.filesystem.slow_way).await
    }

    /// Waits for the right to hash a file, as part of the home's share.
    pub async fn hash_way(&self) -> SlowPermit {
        SlowPermit::wait(&self.hashing, &self.filesystem.hashing).await
    }

    /// Returns the number that identifies the file system, its `st_dev`.
    pub fn device(&self) -> u64 {
        self.filesystem.device
    }

    /// Whether the other one is the access of the same home.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slow, &other.slow)
    }

    /// Returns the CPU slots that all hashing on this machine shares.
    pub fn cpu_slots(&self) -> &CpuSlots {
        &self.filesystem.shared.cpu_slots
    }

    /// Drops something that holds files of this file system on a thread that may wait, [`CLOSING_AT_ONCE`] at a time.
    pub fn close(&self, files: impl Send + 'static) {
        self.filesystem.close(files);
    }
}

impl SchedulerState {
    fn new(slots: usize, session_threads: usize) -> Self {
        Self {
            clock: Clock::start(),
            slots: Slots::new(slots),
            thread_slots: Slots::new(session_threads),
            filesystems: Mutex::default(),
            cpu_slots: CpuSlots::new(cpu_slots::cores()),
            watchdog: Mutex::default(),
            asleep: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn call_watchdog(&self) {
        self.asleep.store(false, Ordering::Relaxed);
        if let Some(thread) = &*self.watchdog.lock() {
            thread.unpark();
        }
    }

    /// Looks at every slot once.
    fn check_slots(&self) -> Occupancy {
        let now = self.now();
        let mut occupancy = Occupancy::default();
        let slots = self.slots.taken(now).map(|slot| (slot, true));
        let thread_slots = self.thread_slots.taken(now).map(|slot| (slot, false));
        for (slot, is_shared) in slots.chain(thread_slots) {
            occupancy.any = true;
            occupancy.late |= is_shared && slot.age >= micros(TICK);
            let stuck_after = if is_shared {
                STUCK_AFTER
            } else {
                THREAD_STUCK_AFTER
            };
            if slot.age >= micros(stuck_after) {
                self.slow_down(slot.device, now, slot.age >= micros(HUNG));
            }
        }
        occupancy
    }

    fn slow_down(&self, device: u64, now: u64, hangs: bool) {
        let filesystems = self.filesystems.lock();
        if let Some(filesystem) = filesystems.get(&device).and_then(Weak::upgrade) {
            if hangs {
                filesystem
                    .hung_until
                    .store(now + micros(SLOW_FOR), Ordering::Relaxed);
            }
            let before = filesystem
                .slow_until
                .swap(now + micros(SLOW_FOR), Ordering::Relaxed);
            if before < now {
                tracing::warn!(
                    device,
                    "a file system answers slowly; its requests leave the event loop"
                );
            }
        }
    }
}

/// Which slots the watchdog found occupied.
#[derive(Default)]
struct Occupancy {
    /// Whether any slot is occupied.
    any: bool,
    /// Whether a thread of the event loop has been inside a file system for longer than [`TICK`].
    late: bool,
}

fn watch(watched: &Weak<SchedulerState>, runtime: &Handle) {
    let mut idle_ticks = 0;
    while let Some(shared) = watched.upgrade() {
        let occupancy = shared.check_slots();
        idle_ticks = if occupancy.any { 0 } else { idle_ticks + 1 };
        if occupancy.late {
            // Any task is enough: the thread that runs it takes over waiting for the network.
            drop(runtime.spawn(async {}));
        }
        if idle_ticks >= IDLE_TICKS {
            shared.asleep.store(true, Ordering::SeqCst);
            let busy = shared.check_slots().any;
            drop(shared);
            if !busy {
                std::thread::park();
            }
            idle_ticks = 0;
        } else {
            drop(shared);
            std::thread::park_timeout(TICK);
        }
    }
}

#[cfg(test)]
mod tests;
