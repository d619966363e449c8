//! The service manager that has started the server, as far as it speaks systemd's protocols: notifications
//! ([`notifier`]), sockets that it holds across restarts ([`sockets`]) and a watchdog. Without one, nothing here does
//! anything.
//!
//! The socket for notifications is connected before the server gives up its rights, and nothing else is opened later.

pub mod notifier;
pub mod sockets;

use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ssh::service::Service;
use base::error::Result;
use notifier::{Notice, Notifier};
use sockets::HeldSocket;

/// How often the number of sessions is reported, and a drain asks for more time. A status is for people who look now
/// and then.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// The time that a drain asks for, again and again: three reports may be late before the manager loses patience.
const MORE_TIME: Duration = Duration::from_secs(20);

/// What a service manager has given to the server.
#[derive(Debug, Default)]
pub struct ServiceManager {
    /// Sends notifications to the manager.
    pub notifier: Notifier,
    /// The listening sockets that the manager holds.
    pub sockets: Vec<HeldSocket>,
    /// The time within which the manager expects signs of life.
    pub watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Reads what the manager has left in the environment, and takes the sockets. It must be called once, and before
    /// there are threads that read the environment.
    ///
    /// # Errors
    /// Returns an error if a socket cannot be used, or if the manager cannot be reached.
    pub fn from_environment() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Ok(Self {
            notifier: Notifier::connect(variable("NOTIFY_SOCKET").as_deref())?,
            watchdog: watchdog(
                variable("WATCHDOG_USEC").as_deref(),
                variable("WATCHDOG_PID").as_deref(),
            ),
            sockets: sockets::take()?,
        })
    }
}

/// Returns the watchdog's time: `usec` is in microseconds, and for this process only if `pid` names it or is missing.
fn watchdog(usec: Option<&OsStr>, pid: Option<&OsStr>) -> Option<Duration> {
    let ours = OsString::from(std::process::id().to_string());
    if pid.is_some_and(|pid| pid != ours) {
        return None;
    }
    let usec = usec?.to_str()?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec))
}

/// The task that tells the manager that the server lives, and what it does.
///
/// It runs on the event loop of all connections, so that the watchdog also notices an event loop that hangs.
pub(super) struct Reporter {
    notifier: Notifier,
    service: Arc<Service>,
    draining: CancellationToken,
    quit: CancellationToken,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Tells the manager that the server is ready, and starts the task.
    pub fn start(notifier: Notifier, watchdog: Option<Duration>, service: Arc<Service>) -> Self {
        let (draining, quit) = (CancellationToken::new(), CancellationToken::new());
        notifier.send(&Notice::Ready);
        let report = report(
            notifier.clone(),
            Arc::clone(&service),
            draining.clone(),
            quit.clone(),
        );
        let alive = keep_alive(notifier.clone(), watchdog, quit.clone());
        let task = tokio::spawn(async {
            tokio::join!(report, alive);
        });
        Self {
            notifier,
            service,
            draining,
            quit,
            task,
        }
    }

    /// Tells the manager that the server is stopping, and asks for time until [`Reporter::end`].
    pub fn stopping(&self) {
        self.draining.cancel();
        self.notifier.send(&Notice::Stopping);
        self.notifier.send(&Notice::Draining {
            sessions: self.service.sessions.list().len(),
            more_time: MORE_TIME,
        });
    }

    /// Ends the task, and with it the signs of life.
    pub async fn end(mut self) {
        self.quit.cancel();
        // It only ends early by a panic, which was printed.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.quit.cancel();
    }
}

/// Reports the number of sessions when it has changed, and asks for time while the server drains.
async fn report(
    notifier: Notifier,
    service: Arc<Service>,
    draining: CancellationToken,
    quit: CancellationToken,
) {
    if !notifier.is_connected() {
        return;
    }
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    let mut reported = None;
    loop {
        tokio::select! {
            () = quit.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let sessions = service.sessions.list().len();
        if draining.is_cancelled() {
            notifier.send(&Notice::Draining {
                sessions,
                more_time: MORE_TIME,
            });
        } else if reported != Some(sessions) {
            reported = Some(sessions);
            notifier.send(&Notice::Serving { sessions });
        }
    }
}

/// Gives signs of life twice within the watchdog's time.
async fn keep_alive(notifier: Notifier, watchdog: Option<Duration>, quit: CancellationToken) {
    let Some(watchdog) = watchdog.filter(|_| notifier.is_connected()) else {
        return;
    };
    let mut ticks = tokio::time::interval(watchdog / 2);
    loop {
        tokio::select! {
            () = quit.cancelled() => return,
            _ = ticks.tick() => notifier.send(&Notice::Alive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_this_process_only() {
        let own = std::process::id().to_string();
        let check = |usec: Option<&str>, pid: Option<&str>, expected: Option<u64>| {
            let found = watchdog(usec.map(OsStr::new), pid.map(OsStr::new));
            assert_eq!(found, expected.map(Duration::from_micros), "{usec:?} {pid:?}");
        };
        check(None, None, None);
        check(Some("30000000"), None, Some(30_000_000));
        check(Some("30000000"), Some(&own), Some(30_000_000));
        check(Some("30000000"), Some("1"), None);
        check(Some("0"), None, None);
        check(Some("soon"), None, None);
    }
}
