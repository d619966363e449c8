//! The process of a server: it starts the log and the event loop, and handles signals.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::hooks;
use super::manager::ServiceManager;
use super::runtime::runtime;
use super::sandbox::Sandbox;
use super::server::{Server, ServerSignals};
use crate::config::Config;
use crate::hooks::helper::StartedHelper;
use crate::telemetry;
use base::error::{Error, Result};

/// How long to wait, after the server has ended, for threads that are inside a system call.
const THREADS_TIMEOUT: Duration = Duration::from_secs(3);

/// What a server needs that can only be made while the process has one thread.
pub struct Beginning {
    helper: Option<StartedHelper>,
    sandbox: Sandbox,
}

impl Beginning {
    /// Starts the supervisor of the helper that runs the commands of hooks, and the helper if there are any, and prepares the
    /// sandbox, in which the server itself can run no programs. There is no log yet.
    ///
    /// # Errors
    /// Returns an error if there are commands, and the helper cannot be started.
    pub fn of(config: &Config) -> Result<Self> {
        let helper = hooks::start_helper(config)?;
        Ok(Self {
            helper,
            sandbox: Sandbox::prepare(config),
        })
    }
}

/// Runs the server until it is asked to stop and has drained.
///
/// # Errors
/// Returns an error if it cannot start.
pub fn serve(config: Config) -> Result<()> {
    let manager = ServiceManager::from_environment()?;
    let beginning = Beginning::of(&config)?;
    let _flush = telemetry::init(&config.log)?;
    run(config, manager, beginning, |_| Ok(()))
}

/// The addresses that a server listens on, with the ports that the kernel chose for port 0.
#[derive(Debug, Clone)]
pub struct BoundAddresses {
    /// Those for clients of SSH.
    pub clients: Vec<SocketAddr>,
    /// Those of the web page.
    pub web: Vec<SocketAddr>,
}

/// Runs the server; the log must have been started. `ready` is called with the addresses once they are bound, on a
/// thread that may block.
///
/// # Errors
/// Returns an error if the server cannot start, or if `ready` fails.
pub fn run(
    config: Config,
    manager: ServiceManager,
    beginning: Beginning,
    ready: impl FnOnce(BoundAddresses) -> Result<()> + Send + 'static,
) -> Result<()> {
    let Beginning { helper, sandbox } = beginning;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        // This comes first: SIGHUP would end a process that does not handle it yet.
        let end_now = CancellationToken::new();
        let signals = signals(end_now.clone())?;
        // The server can be stopped even if a start reads from a disk that hangs.
        let binding = tokio::task::spawn_blocking(|| {
            Handle::current().block_on(Server::bind_under(manager, helper, config))
        });
        let bound = tokio::select! {
            bound = binding => bound.map_err(|e| Error::new("cannot start the server").because(e))?,
            () = signals.shutdown.cancelled() => {
                tracing::warn!("asked to stop before it was ready");
                return Ok(());
            }
        };
        let server = bound?.with_end_now(end_now);
        // Privileges have been given up, and no connection is accepted yet.
        sandbox.enter();
        let addresses = BoundAddresses {
            clients: server.local_addrs(),
            web: server.web_addrs(),
        };
        let reported = tokio::task::spawn_blocking(move || ready(addresses)).await;
        reported.map_err(|e| Error::new("cannot say that the server is ready").because(e))??;
        server.run(signals).await
    });
    end(runtime, THREADS_TIMEOUT);
    done
}

/// Ends the event loop, and with it the remaining connections. The audit log has been written before.
fn end(runtime: Runtime, at_most: Duration) {
    // Without a limit, one thread inside a file system that hangs would keep the process alive for ever.
    runtime.shutdown_timeout(at_most);
}

/// Installs the signal handlers: SIGTERM and SIGINT stop the server, a second one without waiting for transfers; SIGHUP
/// reloads the configuration.
fn signals(end_now: CancellationToken) -> Result<ServerSignals> {
    let cannot = |e| Error::new("cannot listen for signals").because(e);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;
    let shutdown = CancellationToken::new();
    let shutdown_signal = shutdown.clone();
    // A capacity of one is enough: a reload that has not begun yet reads the newest file anyway.
    let (reloads, reload) = mpsc::channel(1);
    let end = |shutdown: &CancellationToken, end_now: &CancellationToken| {
        if shutdown.is_cancelled() {
            end_now.cancel();
        }
        shutdown.cancel();
    };
    // The task ends with the runtime, and has nothing to clean up.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => end(&shutdown_signal, &end_now),
                _ = interrupt.recv() => end(&shutdown_signal, &end_now),
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
            end(runtime, Duration::from_millis(20));
            ended.send(())
        });
        // The thread never ends by itself, so waiting for it would never end.
        end_seen.recv_timeout(Duration::from_secs(120)).unwrap();
        drop(leave);
    }
}
