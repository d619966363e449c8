//! Ctrl-C while a command runs: the first one asks it to stop, the second one ends the program.

use std::future::Future;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What a shell says of a program that SIGINT has ended.
pub const EXIT_CODE: u8 = 130;

/// Does work that `stop` can stop. SIGINT cancels it; a second one ends the process with code 130, whatever the work does.
///
/// From the first call on SIGINT no longer ends the process by itself, which also is what a prompt for a secret needs.
pub async fn guard<T>(stop: CancellationToken, work: impl Future<Output = T>) -> T {
    // Where signals can't be heard, they end the process as they always did.
    let _watcher = signal(SignalKind::interrupt()).map(|signals| {
        // Beside the work: it may hold up its own thread, with a question for example.
        AbortOnDropHandle::new(tokio::spawn(watch(signals, stop)))
    });
    work.await
}

/// SIGINTs that a [`guard`] has heard.
static HEARD: AtomicU64 = AtomicU64::new(0);

/// How many times SIGINT has come while work was guarded: who waits for a person on a thread of its own looks whether
/// it has changed.
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
pub struct Heard(Signal);

impl Heard {
    /// From now on; inside a runtime. SIGINT no longer ends the process by itself.
    ///
    /// # Errors
    /// When signals can't be heard.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    /// Did it come since the last time this was asked?
    pub fn any(&mut self) -> bool {
        let poll = self.0.poll_recv(&mut Context::from_waker(Waker::noop()));
        matches!(poll, Poll::Ready(Some(())))
    }
}
