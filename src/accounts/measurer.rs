//! Starts measures, so many at once for each file system: one that hangs, or is large and slow, delays no other.
//!
//! What a client waits for has slots of its own, so that it does not stand behind the homes that are measured after a
//! start. A measure that takes long (another file system is mounted in the home, and hangs) gives its slot back and goes
//! on. A home is measured once at a time (`account/patience.rs` says when again), so a user occupies one slot, and with
//! a home that is full and measured again and again a twentieth of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::io::KeyedSemaphore;

use super::Accounts;
use super::account::Account;
use super::measure::measure;

/// Homes of one file system that are measured at once because somebody waits for it.
const ASKED_AT_ONCE: usize = 4;

/// A measure keeps its slot so long while somebody waits for it, or for others.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// How long a measure that nobody waits for keeps its slot: disks need their rest.
const BACKGROUND_FOR: Duration = Duration::from_secs(5 * 60);

/// Why a home is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Nobody waits for it.
    Background,
    /// A client would be refused.
    Refusal,
}

/// Who may measure now, by mount point.
pub(super) struct Slots {
    background: KeyedSemaphore<PathBuf>,
    asked: KeyedSemaphore<PathBuf>,
}

impl Default for Slots {
    fn default() -> Self {
        // Sessions need the processors, too.
        let half = std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2));
        Self {
            background: KeyedSemaphore::new(half),
            asked: KeyedSemaphore::new(ASKED_AT_ONCE),
        }
    }
}

/// Starts what refusals ask for, until the server ends.
pub(super) async fn serve(accounts: Arc<Accounts>) {
    loop {
        tokio::select! {
            () = accounts.helpers.quit.cancelled() => return,
            () = accounts.helpers.measurer.notified() => {}
        }
        for account in accounts.all() {
            if account.take_asked() {
                accounts.measure_later(account, Why::Refusal);
            }
        }
    }
}

impl Accounts {
    /// Measures a home on a thread of the blocking pool. Owned by the accounts: the end of the server waits for it.
    pub(super) fn measure_later(&self, account: Arc<Account>, why: Why) {
        if why == Why::Background && !account.queue_measure() {
            return;
        }
        let slots = Arc::clone(&self.slots);
        self.tasks.spawn(async move {
            let mount = mount_point(account.home());
            let (semaphore, limit) = match why {
                Why::Background => (slots.background.of(&mount), BACKGROUND_FOR),
                Why::Refusal => (slots.asked.of(&mount), ASKED_FOR),
            };
            let Ok(slot) = semaphore.acquire().await else {
                return;
            };
            if why == Why::Background && !account.is_queued() {
                // Somebody could not wait for it.
                return;
            }
            let mut measuring = tokio::task::spawn_blocking(move || measure(&account));
            // An error is logged, and the account knows.
            if tokio::time::timeout(limit, &mut measuring).await.is_err() {
                drop(slot);
                let _ = measuring.await;
            }
        });
    }

    /// Measures again what is invalidated, as often as an account may be measured.
    pub(super) fn measure_invalidated(&self) {
        for account in self.all() {
            if account.is_invalidated() && account.may_be_measured() {
                self.measure_later(account, Why::Background);
            }
        }
    }
}

fn mount_point(path: &Path) -> PathBuf {
    MountPoints::now().above(path).to_owned()
}

/// The mount points of this machine. From what the kernel knows of mounts: no file system is asked, since one that hangs
/// would keep whoever asks. A path that leads elsewhere by a link shares the slots of where the link is.
pub(super) struct MountPoints(Vec<PathBuf>);

impl MountPoints {
    /// As they are now.
    pub(super) fn now() -> Self {
        let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        let points = table.split(|&b| b == b'\n').filter_map(|line| {
            // ID, parent, device, root, mount point: proc(5).
            let point = line.split(|&b| b == b' ').nth(4)?;
            Some(PathBuf::from(OsString::from_vec(unescaped(point))))
        });
        Self(points.collect())
    }

    /// The one above a path. The root of a chroot need not be a mount point; what lies above no other is taken together.
    pub(super) fn above(&self, path: &Path) -> &Path {
        let above = self.0.iter().filter(|point| path.starts_with(point));
        above
            .max_by_key(|point| point.as_os_str().len())
            .map_or(Path::new("/"), PathBuf::as_path)
    }
}

/// A blank is `\040` there.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.first_chunk::<3>().filter(|_| byte == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                plain.push(escaped);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(byte);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::domain::user::Quota;
    use crate::storage::Wait;
    use crate::store::sql::SqlStore;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    }

    /// The host makes room behind the back of a measure that is under way already.
    #[test]
    fn a_refusal_is_not_content_with_a_measure_that_had_begun_before_it() {
        let runtime = runtime();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("f"), [0; 900]).unwrap();
        let quota = Quota {
            bytes: Some(1000),
            files: None,
        };
        let account = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            let quit = tokio_util::sync::CancellationToken::new();
            let accounts = Accounts::start(Arc::new(store), crate::accounts::QuotaSettings::default(), quit);
            accounts.account(&home, quota).await.unwrap()
        });
        while account.measures() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        account.measure_begins();
        // It has walked past the file, as it was.
        std::fs::write(home.join("f"), [0; 10]).unwrap();
        let (tell, attempts) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let account = &account;
            let growing = scope.spawn(move || {
                account.retry_until(Wait::Allowed, || {
                    let change = account.begin()?;
                    let reserved = account.reserve_bytes(&change, 900);
                    let _ = tell.send(reserved.is_ok());
                    reserved
                })
            });
            assert!(!attempts.recv().unwrap());
            // It should wait by now; if it does not, it passes whatever the code does.
            std::thread::sleep(Duration::from_millis(50));
            account.measure_ended(std::time::Instant::now(), false);
            growing.join().unwrap().unwrap();
        });
        assert_eq!(account.usage().bytes, 910);
    }

    #[test]
    fn whoever_waits_does_not_stand_behind_the_background() {
        let runtime = runtime();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("f"), [0; 600]).unwrap();
        let quota = Quota {
            bytes: Some(1000),
            files: None,
        };
        let (account, _all) = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            let quit = tokio_util::sync::CancellationToken::new();
            let accounts = Accounts::start(Arc::new(store), crate::accounts::QuotaSettings::default(), quit);
            let semaphore = accounts.slots.background.of(&mount_point(&home));
            let places = u32::try_from(semaphore.available_permits()).unwrap();
            let all = semaphore.acquire_many_owned(places).await.unwrap();
            (accounts.account(&home, quota).await.unwrap(), all)
        });
        account
            .retry_until(Wait::Allowed, || {
                let change = account.begin()?;
                account.reserve_bytes(&change, 400)
            })
            .unwrap();
        assert_eq!(account.usage().bytes, 1000);
    }

    #[test]
    fn every_path_has_a_mount_point() {
        assert_eq!(mount_point(Path::new("/proc/self")), Path::new("/proc"));
        assert_eq!(mount_point(Path::new("/no/such/path")), Path::new("/"));
        assert_eq!(unescaped(b"/srv/two\\040words\\134x\\9"), b"/srv/two words\\x\\9");
    }
}
