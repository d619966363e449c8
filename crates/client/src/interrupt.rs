//! Ctrl-C while a command runs: the first one asks it to stop, the second one ends the program.

use std::future::Future;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The exit code that a shell reports for a program that SIGINT has ended.
pub const EXIT_CODE: u8 = 130;

/// Does work that `stop` can stop. SIGINT cancels it; a second SIGINT ends the process with code 130, whatever the work
/// does.
///
/// After the first call SIGINT no longer ends the process by itself. A prompt for a secret needs that, too.
pub async fn guard<T>(stop: CancellationToken, work: impl Future<Output = T>) -> T {
    // Where signals cannot be heard, they end the process as usual.
    let _watcher = signal(SignalKind::interrupt()).map(|signals| {
        // A task of its own, because the work may block its thread, with a question for example.
        AbortOnDropHandle::new(tokio::spawn(watch(signals, stop)))
    });
    work.await
}

/// How many SIGINTs a [`guard`] has heard.
static HEARD: AtomicU64 = AtomicU64::new(0);

/// How many times SIGINT has come while work was guarded. A thread that waits for a person checks whether the number
/// has changed.
pub fn count() -> u64 {
    HEARD.load(Ordering::Relaxed)
}

async fn watch(mut signals: Signal, stop: CancellationToken) {
    if signals.recv().await.is_none() {
        return;
    }
    HEARD.fetch_add(1, Ordering::Relaxed);
    say("stopping… (Ctrl-C again to end at once)");
    stop.cancel();
    if signals.recv().await.is_some() {
        std::process::exit(i32::from(EXIT_CODE));
    }
}

fn say(message: &str) {
    // Where standard error is closed, nobody reads it.
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Remembers whether SIGINT came, also between two commands.
pub struct InterruptListener(Signal);

impl InterruptListener {
    /// Begins to listen. It must be called inside a runtime. After that SIGINT no longer ends the process by itself.
    ///
    /// # Errors
    /// When signals cannot be heard.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    /// Whether SIGINT has come since the last call.
    pub fn any(&mut self) -> bool {
        let poll = self.0.poll_recv(&mut Context::from_waker(Waker::noop()));
        matches!(poll, Poll::Ready(Some(())))
    }
}
