//! Notifications to the service manager: datagrams of lines to the socket in `$NOTIFY_SOCKET` (sd_notify(3)).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rustix::net::SendFlags;

use base::error::{Error, Result};
use base::size::counted;

/// The most time that a notification may wait for a manager that does not read.
const SEND_TIMEOUT: Duration = Duration::from_millis(200);

/// Sends notifications; without a manager it sends nothing.
#[derive(Debug, Clone, Default)]
pub struct Notifier(Option<Arc<UnixDatagram>>);

/// A notification, which says what the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The server listens, at its start or after a reload.
    Ready,
    /// The server serves this many sessions.
    Serving {
        /// The number of sessions that have signed in.
        sessions: usize,
    },
    /// The server reads its configuration again, until the next [`Notice::Ready`].
    Reloading,
    /// The server accepts no more connections.
    Stopping,
    /// The server waits for transfers, and needs time for it.
    Draining {
        /// The number of sessions that are left.
        sessions: usize,
        /// The time, counted from now, that the manager should wait at least.
        more_time: Duration,
    },
    /// The server lives, for the watchdog.
    Alive,
}

impl Notifier {
    /// Connects to the manager at this path, or at this name in the abstract name space if it begins with `@`.
    ///
    /// # Errors
    /// Returns an error if it cannot be reached.
    pub fn connect(address: Option<&OsStr>) -> Result<Self> {
        let Some(address) = address else {
            return Ok(Self::default());
        };
        let connect = || {
            let target = match address.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(address)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&target)?;
            socket.set_write_timeout(Some(SEND_TIMEOUT))?;
            Ok(Self(Some(Arc::new(socket))))
        };
        connect().map_err(|error: std::io::Error| {
            Error::new(format!(
                "cannot reach the service manager at {address:?} ($NOTIFY_SOCKET)"
            ))
            .because(error)
            .hint("a server that is not started by systemd must not inherit that variable")
        })
    }

    /// Returns whether there is a manager.
    pub fn is_connected(&self) -> bool {
        self.0.is_some()
    }

    /// Sends a notification. If the manager does not read it in time, it is lost, with a line in the log. Those that
    /// are repeated anyway never wait.
    pub fn send(&self, notice: &Notice) {
        let Some(socket) = &self.0 else {
            return;
        };
        let flags = match notice.may_wait() {
            true => SendFlags::empty(),
            false => SendFlags::DONTWAIT,
        };
        if let Err(error) = rustix::net::send(socket, notice.text().as_bytes(), flags) {
            tracing::warn!(%error, ?notice, "cannot notify the service manager");
        }
    }
}

impl Notice {
    /// Returns whether the notification comes once, so that it is worth waiting for a manager that does not read.
    fn may_wait(&self) -> bool {
        match self {
            Notice::Ready | Notice::Reloading | Notice::Stopping => true,
            Notice::Serving { .. } | Notice::Draining { .. } | Notice::Alive => false,
        }
    }

    /// Returns the lines of the datagram.
    fn text(&self) -> String {
        match self {
            Notice::Ready => "READY=1".to_owned(),
            Notice::Serving { sessions } => format!("STATUS=serving {}", counted(*sessions, "session")),
            Notice::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()),
            Notice::Stopping => "STOPPING=1".to_owned(),
            Notice::Draining { sessions, more_time } => format!(
                "EXTEND_TIMEOUT_USEC={}\nSTATUS=stopping; {} may finish transfers",
                more_time.as_micros(),
                counted(*sessions, "session")
            ),
            Notice::Alive => "WATCHDOG=1".to_owned(),
        }
    }
}

/// Returns the time of CLOCK_MONOTONIC, by which the manager knows reloads apart; 0 if there is no such clock.
fn monotonic_usec() -> u128 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| Duration::from(now).as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_arrive_as_the_manager_knows_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::connect(Some(path.as_os_str())).unwrap();
        let check = |notice: Notice, expected: &str| {
            notifier.send(&notice);
            let mut buffer = [0; 256];
            let length = manager.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            assert!(text.starts_with(expected), "{text}");
            assert!(!text.ends_with('\n') && !text.contains("\n\n"), "{text:?}");
            text
        };
        check(Notice::Ready, "READY=1");
        check(Notice::Serving { sessions: 1 }, "STATUS=serving 1 session");
        check(Notice::Serving { sessions: 7 }, "STATUS=serving 7 sessions");
        check(Notice::Stopping, "STOPPING=1");
        check(Notice::Alive, "WATCHDOG=1");
        let more_time = Duration::from_secs(20);
        check(
            Notice::Draining {
                sessions: 2,
                more_time,
            },
            "EXTEND_TIMEOUT_USEC=20000000\nSTATUS=stopping; 2 sessions",
        );
    }

    /// With `Type=notify-reload`, the manager takes the time of CLOCK_MONOTONIC, sends SIGHUP, and waits for one datagram
    /// with both lines whose time is not before that (`service_notify_message` in systemd's service.c); then for READY=1. A
    /// reload that had begun before the signal has an earlier time, and does not count.
    #[test]
    fn a_reload_says_in_one_datagram_when_it_has_begun() {
        let before = monotonic_usec();
        let text = Notice::Reloading.text();
        let after = monotonic_usec();
        let lines: Vec<&str> = text.lines().collect();
        let [reloading, time] = lines[..] else {
            panic!("{text:?}");
        };
        assert_eq!(reloading, "RELOADING=1");
        // Decimal microseconds without anything else: systemd reads them by safe_atou64.
        let digits = time.strip_prefix("MONOTONIC_USEC=").unwrap();
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
        let time: u64 = digits.parse().unwrap();
        assert!(
            before > 0 && (before..=after).contains(&u128::from(time)),
            "{before} {time} {after}"
        );
        // The manager waits for a message that must not be lost.
        assert!(Notice::Reloading.may_wait() && Notice::Ready.may_wait());
    }

    #[test]
    fn abstract_names_work_and_a_missing_manager_is_an_error() {
        let name = format!("homeport-test-{}", base::temporary::random_digits());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::connect(Some(OsStr::new(&format!("@{name}")))).unwrap();
        notifier.send(&Notice::Ready);
        assert_eq!(manager.recv(&mut [0; 64]).unwrap(), 7);
        let error = Notifier::connect(Some(OsStr::new("/nowhere/notify"))).unwrap_err();
        assert!(error.to_string().contains("\"/nowhere/notify\""), "{error}");
        let none = Notifier::connect(None).unwrap();
        assert!(!none.is_connected());
        none.send(&Notice::Ready);
    }

    #[test]
    fn a_manager_that_does_not_read_delays_nothing_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::connect(Some(path.as_os_str())).unwrap();
        let waits = |notice: &Notice| {
            let began = std::time::Instant::now();
            notifier.send(notice);
            began.elapsed() >= SEND_TIMEOUT
        };
        let full = (0..100_000).any(|_| waits(&Notice::Ready));
        assert!(full, "the queue of the socket never fills");
        let more_time = Duration::from_secs(1);
        for notice in [
            Notice::Alive,
            Notice::Serving { sessions: 1 },
            Notice::Draining {
                sessions: 1,
                more_time,
            },
        ] {
            // A busy machine may delay one of them.
            assert!((0..20).any(|_| !waits(&notice)), "{notice:?}");
        }
    }
}
