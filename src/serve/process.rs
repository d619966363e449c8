//! The process of a server: it starts the log and the event loop, and turns signals into what the server is told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::runtime::runtime;
use super::sandbox;
use super::server::{Server, ServerSignals};
use crate::config::Config;
use crate::telemetry;
use base::error::{Error, Result};

/// How long threads that are inside a system call are waited for when the server has ended.
const LEFT_BEHIND: Duration = Duration::from_secs(3);

/// Runs the server until it is told to stop and has drained.
///
/// # Errors
/// When it cannot start.
pub fn serve(config: Config) -> Result<()> {
    let _flush = telemetry::init(&config.log)?;
    run(config, |_| Ok(()))
}

/// Runs the server; the log must have been started. `ready` is called, off the runtime's own threads, with the addresses
/// once they are bound.
///
/// # Errors
/// When it cannot start, or `ready` fails.
pub fn run(config: Config, ready: impl FnOnce(Vec<SocketAddr>) -> Result<()> + Send + 'static) -> Result<()> {
    // What must run other programs (for hooks, say) is to be started here, before there are threads and before the
    // sandbox: a helper process that is told what to run, as the user that the server will be.
    let sandboxed = config.server.sandbox;
    sandbox::prepare(sandboxed);
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        // Before anything else: SIGHUP would end a process that does not listen for it yet.
        let hurry = CancellationToken::new();
        let signals = signals(hurry.clone())?;
        // Where something that a start reads lies on a disk that hangs, the server can still be ended.
        let binding = tokio::task::spawn_blocking(|| Handle::current().block_on(Server::bind(config)));
        let bound = tokio::select! {
            bound = binding => bound.map_err(|e| Error::new("cannot start the server").because(e))?,
            () = signals.shutdown.cancelled() => {
                tracing::warn!("told to stop before it was ready");
                return Ok(());
            }
        };
        let server = bound?.hurried_by(hurry);
        // Privileges are given up, and nobody is accepted yet.
        sandbox::enter(sandboxed);
        let addresses = server.local_addrs();
        let told = tokio::task::spawn_blocking(move || ready(addresses)).await;
        told.map_err(|e| Error::new("cannot say that the server is ready").because(e))??;
        server.run(signals).await
    });
    end(runtime);
    done
}

/// Ends the event loop, and with it what is left of connections; the audit log is written out.
fn end(runtime: Runtime) {
    // Without a limit, one thread inside a file system that hangs would keep the process for ever.
    runtime.shutdown_timeout(LEFT_BEHIND);
}

/// SIGTERM and SIGINT shut down, a second one without waiting for transfers; SIGHUP reloads.
fn signals(hurry: CancellationToken) -> Result<ServerSignals> {
    let cannot = |e| Error::new("cannot listen for signals").because(e);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    // One is enough: a reload that has not begun yet reads the newest file anyway.
    let (reloads, reload) = mpsc::channel(1);
    let end = |told: &CancellationToken, hurry: &CancellationToken| {
        if told.is_cancelled() {
            hurry.cancel();
        }
        told.cancel();
    };
    // Ends with the runtime, and has nothing to put in order.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => end(&told, &hurry),
                _ = interrupt.recv() => end(&told, &hurry),
                _ = hangup.recv() => drop(reloads.try_send(())),
            }
        }
    });
    Ok(ServerSignals { shutdown, reload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_does_not_keep_the_process() {
        let runtime = runtime().unwrap();
        let (leave, stay) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || stay.recv());
        let (ended, end_seen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            end(runtime);
            ended.send(())
        });
        // The thread never ends by itself: whoever waited for it would wait for ever.
        end_seen.recv_timeout(LEFT_BEHIND * 40).unwrap();
        drop(leave);
    }
}
