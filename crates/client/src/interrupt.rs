//! Ctrl-C while a command runs: the first SIGINT asks it to stop, the second one ends the program.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use signal_hook::SigId;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use signal_hook::low_level::unregister;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::ending;
use crate::verbose;

/// The exit code that a shell reports for a program that SIGINT has ended. With this code, the program ends by that
/// signal: see [`end_process`].
pub const EXIT_CODE: u8 = 130;

/// Ends this process by SIGINT, as if it had no handler for that signal. A shell that runs a loop ends the loop only if
/// the program was ended by the signal; an exit code would not do.
pub fn end_process() -> ! {
    ending::by_signal(SIGINT)
}

/// Runs work that `stop` can stop. SIGINT cancels the token; a second SIGINT ends the process, whatever the
/// work does.
///
/// After the first call SIGINT no longer ends the process by itself. A prompt for a secret needs that, too.
pub async fn guard<T>(stop: CancellationToken, work: impl Future<Output = T>) -> T {
    // Without a signal handler, SIGINT ends the process as usual.
    let _watcher = signal(SignalKind::interrupt()).map(|signals| {
        // The watcher is a task of its own, because the work may block its thread, for example with a prompt.
        AbortOnDropHandle::new(tokio::spawn(watch(signals, stop)))
    });
    work.await
}

/// The number of SIGINTs that all calls of [`guard`] have received.
static HEARD: AtomicU64 = AtomicU64::new(0);

/// The number of SIGINTs that arrived while work was guarded. A thread that waits for input checks whether it has
/// changed.
pub fn count() -> u64 {
    HEARD.load(Ordering::Relaxed)
}

async fn watch(mut signals: Signal, stop: CancellationToken) {
    loop {
        if signals.recv().await.is_none() {
            return;
        }
        ARRIVED.store(false, Ordering::Relaxed);
        if IGNORED_LATE.swap(false, Ordering::Relaxed) {
            continue;
        }
        match *MEANING.lock() {
            SigintMeaning::Ignore => continue,
            SigintMeaning::StopQuietly => {}
            SigintMeaning::Stop => verbose::notice("stopping… (Ctrl-C again to end at once)"),
        }
        break;
    }
    HEARD.fetch_add(1, Ordering::Relaxed);
    stop.cancel();
    if signals.recv().await.is_some() {
        end_process();
    }
}

/// What SIGINT does to guarded work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigintMeaning {
    /// It stops the work, and says so.
    Stop,
    /// It stops the work, whose usual end that is.
    StopQuietly,
    /// Nothing: it is meant for a program that has the terminal, such as an editor.
    Ignore,
}

/// What SIGINT does to the program at the moment.
static MEANING: Mutex<SigintMeaning> = Mutex::new(SigintMeaning::Stop);

/// Whether a SIGINT has come that [`watch`] has not received. It is looked after while SIGINT is ignored.
static ARRIVED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// Whether the next SIGINT that [`watch`] receives came while SIGINT was ignored: a program that ends by it may have ended
/// before the signal was received here.
static IGNORED_LATE: AtomicBool = AtomicBool::new(false);

/// Gives SIGINT this meaning as long as the result lives.
pub fn meaning(meaning: SigintMeaning) -> MeaningGuard {
    ARRIVED.store(false, Ordering::Relaxed);
    let ignores = meaning == SigintMeaning::Ignore;
    MeaningGuard {
        // Without it, a late signal stops the work.
        note: ignores
            .then(|| flag::register(SIGINT, Arc::clone(&ARRIVED)).ok())
            .flatten(),
        before: std::mem::replace(&mut MEANING.lock(), meaning),
    }
}

/// Restores the meaning that SIGINT had before.
#[must_use]
pub struct MeaningGuard {
    before: SigintMeaning,
    note: Option<SigId>,
}

impl Drop for MeaningGuard {
    fn drop(&mut self) {
        *MEANING.lock() = self.before;
        if let Some(note) = self.note.take() {
            unregister(note);
            let is_late = ARRIVED.swap(false, Ordering::Relaxed);
            IGNORED_LATE.store(is_late, Ordering::Relaxed);
        }
    }
}

/// Remembers whether SIGINT came, also between two commands.
pub struct InterruptListener(Signal);

impl InterruptListener {
    /// Installs the signal handler. It must be called inside a runtime. From then on, SIGINT does not end the process
    /// by itself.
    ///
    /// # Errors
    /// When the signal handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    /// Whether SIGINT has come since the last call.
    pub fn any(&mut self) -> bool {
        let poll = self.0.poll_recv(&mut Context::from_waker(Waker::noop()));
        matches!(poll, Poll::Ready(Some(())))
    }
}
