//! The ends of this process. Each that can be caught goes through here, so that what must not outlive the process, such as
//! a temporary directory, is cleaned up: an exit code, a closed pipe, and the signals that end a program.
//!
//! Nothing else ends the process, except where nothing is to be cleaned up yet. This module knows no other of the crate.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, pipe};

/// The signals that end a program and can be caught, apart from SIGINT: see [`interrupt`](crate::interrupt).
const SIGNALS: [i32; 3] = [SIGHUP, SIGQUIT, SIGTERM];
/// What a shell adds to the number of a signal for the exit code of a program that it has ended.
const SIGNAL_CODE: i32 = 128;

/// What is done before the process ends.
pub type Cleanup = Box<dyn FnOnce() + Send>;

/// What is to be done before the process ends.
struct Cleanups {
    waiting: BTreeMap<u64, Cleanup>,
    next: u64,
    /// Whether the signals are watched. That is so from the first cleanup on.
    watches: bool,
}

static CLEANUPS: Mutex<Cleanups> = Mutex::new(Cleanups {
    waiting: BTreeMap::new(),
    next: 0,
    watches: false,
});

/// Whether the process ends now. Then the cleanups stay locked.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Makes something together with its cleanup, which is done if the process ends before the result is dropped. The process
/// does not end between the two.
///
/// # Errors
/// Returns the error of `make`.
pub fn register<T>(make: impl FnOnce() -> io::Result<(T, Cleanup)>) -> io::Result<(T, AtEnd)> {
    let mut cleanups = CLEANUPS.lock();
    if !cleanups.watches {
        cleanups.watches = true;
        let status = std::fs::read_to_string("/proc/self/status").ok();
        for signal in SIGNALS {
            if !is_ignored(signal, status.as_deref()) {
                // A signal that cannot be watched ends the process as usual, and what there is stays.
                let _ = watch(signal);
            }
        }
    }
    let (made, cleanup) = make()?;
    let id = cleanups.next;
    cleanups.next += 1;
    cleanups.waiting.insert(id, cleanup);
    Ok((made, AtEnd(id)))
}

/// A cleanup that is done if the process ends before this is dropped.
#[must_use]
pub struct AtEnd(u64);

impl AtEnd {
    /// Replaces what is done.
    pub fn replace(&self, cleanup: Cleanup) {
        CLEANUPS.lock().waiting.insert(self.0, cleanup);
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        // What is dropped by the thread that ends the process would wait for itself.
        if !IS_ENDING.load(Ordering::Relaxed) {
            CLEANUPS.lock().waiting.remove(&self.0);
        }
    }
}

/// Ends the process with this exit code.
pub fn exit(code: i32) -> ! {
    clean_up();
    std::process::exit(code)
}

/// Ends the process by a signal, as if it had no handler for it.
pub fn by_signal(signal: i32) -> ! {
    clean_up();
    // Process 1 of a container cannot be ended by the signal: the kernel ignores it without a handler.
    if std::process::id() != 1 {
        // It only returns if the signal is not known.
        let _ = emulate_default_handler(signal);
    }
    std::process::exit(SIGNAL_CODE + signal)
}

fn clean_up() {
    let mut cleanups = CLEANUPS.lock();
    IS_ENDING.store(true, Ordering::Relaxed);
    let waiting = std::mem::take(&mut cleanups.waiting);
    // It stays locked: until the process has ended, nothing more is made, and no other thread ends it.
    std::mem::forget(cleanups);
    for cleanup in waiting.into_values() {
        cleanup();
    }
}

/// Has a thread end the process when the signal comes: a handler could not clean up by itself.
fn watch(signal: i32) -> io::Result<()> {
    let (mut arrival, handler) = UnixStream::pair()?;
    let wait = move || {
        // It fails only if the handler could not be installed.
        if arrival.read_exact(&mut [0]).is_ok() {
            by_signal(signal);
        }
    };
    std::thread::Builder::new()
        .name("signal".to_owned())
        .spawn(wait)?;
    pipe::register(signal, handler).map(drop)
}

/// Whether the program was started with this signal ignored, as nohup does it with SIGHUP. `status` is the text of
/// `/proc/self/status`. Where there is none, SIGHUP counts as ignored.
fn is_ignored(signal: i32, status: Option<&str>) -> bool {
    let mask = status.and_then(|status| status.lines().find_map(|line| line.strip_prefix("SigIgn:")));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    match mask {
        Some(mask) => (mask >> (signal - 1)) & 1 == 1,
        None => signal == SIGHUP,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_signal_that_is_ignored_stays_ignored() {
        let status = |mask: &str| format!("Name:\thomeport\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        for (mask, signal, expected) in [
            ("0000000000000001", SIGHUP, true),
            ("0000000000000001", SIGTERM, false),
            ("0000000000001000", SIGHUP, false),
            ("0000000000004000", SIGTERM, true),
            ("0000000000000004", SIGQUIT, true),
        ] {
            assert_eq!(
                is_ignored(signal, Some(&status(mask))),
                expected,
                "{mask} {signal}"
            );
        }
        assert!(is_ignored(SIGHUP, None) && !is_ignored(SIGTERM, None));
    }

    #[test]
    fn a_cleanup_waits_as_long_as_its_guard_lives() {
        let waits = |id: u64| CLEANUPS.lock().waiting.contains_key(&id);
        let ((), guard) = register(|| Ok(((), Box::new(|| {}) as Cleanup))).unwrap();
        let id = guard.0;
        assert!(waits(id));
        guard.replace(Box::new(|| {}));
        assert!(waits(id));
        drop(guard);
        assert!(!waits(id));
        assert!(register(|| Err::<((), Cleanup), _>(io::ErrorKind::NotFound.into())).is_err());
    }

    /// Reads the sources in this directory and below.
    fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, found),
                false => found.push((
                    path.display().to_string(),
                    std::fs::read_to_string(&path).unwrap(),
                )),
            }
        }
    }

    /// An end of the process, or a temporary directory, elsewhere would leave something behind.
    #[test]
    fn nothing_else_ends_the_process_or_makes_temporary_directories() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        sources(&top, &mut found);
        assert!(found.len() > 100, "the sources are there");
        for (file, text) in &found {
            let ends = ["process::exit(", "process::abort(", "emulate_default_handler("];
            let makes = [
                "tempfile::Builder",
                "tempfile::TempDir",
                "tempfile::NamedTempFile",
            ];
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
            for (words, owner) in [
                (&ends[..], "/src/ending.rs"),
                (&makes[..], "/src/temporary_directory.rs"),
            ] {
                let word = words.iter().find(|word| code.contains(**word));
                assert!(
                    is_test || file.ends_with(owner) || word.is_none(),
                    "{word:?} in {file} belongs into {owner}"
                );
            }
        }
    }
}
