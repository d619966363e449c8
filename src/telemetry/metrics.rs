//! The metrics that follow from events, and the settings of the section `[metrics]`. [`exposition`] writes metrics as
//! Prometheus reads them; what the page has besides is collected where it is served.

pub mod exposition;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Deserialize;

use crate::auth::EXTERNAL_FAILED;
use crate::domain::event::{Event, FileEnd, FileUse};
use crate::domain::network::{self, Network};
use crate::session::events::Subscriber;
use exposition::{Exposition, MetricKind};

/// The settings of the section `[metrics]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// The addresses and ports on which the metrics are served. None are served by default.
    pub listen: Vec<SocketAddr>,
    /// The networks that may read the metrics, besides this machine's loopback.
    pub allow: Vec<Network>,
    /// Whether the metrics have the use and the quota of each user's home.
    pub homes: bool,
}

impl MetricsSettings {
    /// Returns the first address that other machines can reach although no network is allowed to.
    pub fn open_to_nobody(&self) -> Option<SocketAddr> {
        network::beyond_loopback(&self.listen).filter(|_| self.allow.is_empty())
    }
}

/// The methods of sign-ins that are counted, as the audit log names them. `session` is a sign-in that was right, but
/// for which there was no room.
const METHODS: [&str; 8] = [
    "publickey",
    "password",
    "keyboard-interactive",
    "publickey+password",
    "publickey+keyboard-interactive",
    "password+keyboard-interactive",
    "publickey+password+keyboard-interactive",
    "session",
];

/// The codes of refused sign-ins that are on the page before the first one, for the alert rules: a counter that appears
/// with 1 has not grown.
const WATCHED_CODES: [&str; 10] = [
    "certificate_authority",
    "certificate_time",
    "code_used",
    EXTERNAL_FAILED,
    "incomplete",
    "password_expired",
    "secrets_key",
    "throttled",
    "wrong_code",
    "wrong_password",
];

/// The ways in which the use of a file ends.
const ENDS: [FileEnd; 5] = [
    FileEnd::Client,
    FileEnd::Error,
    FileEnd::Lost,
    FileEnd::Kicked,
    FileEnd::Stopping,
];

/// Counts events since the start: sign-ins and transfers.
#[derive(Debug, Default)]
pub struct EventCounters {
    accepted: [AtomicU64; METHODS.len()],
    denied: [AtomicU64; METHODS.len()],
    by_certificate: AtomicU64,
    by_recovery_code: AtomicU64,
    /// Refused sign-ins by their code. Codes are words of this program, so that there are few.
    refused: Mutex<BTreeMap<&'static str, u64>>,
    uploads: [AtomicU64; ENDS.len()],
    downloads: [AtomicU64; ENDS.len()],
}

/// Returns the word for how a transfer ended. A file that its client has closed was transferred as far as the client
/// wanted.
fn result_of(end: FileEnd) -> &'static str {
    match end {
        FileEnd::Client => "ok",
        FileEnd::Lost | FileEnd::Kicked | FileEnd::Stopping | FileEnd::Error => end.name(),
    }
}

/// Returns whether a file was uploaded: something was written, or it was only opened for that.
fn is_upload(file: &FileUse) -> bool {
    file.bytes_written > 0 || (file.is_for_writing && file.bytes_read == 0)
}

fn count(counters: &[AtomicU64], at: Option<usize>) {
    if let Some(counter) = at.and_then(|at| counters.get(at)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn count_login(counters: &[AtomicU64], method: &str) {
    count(counters, METHODS.iter().position(|known| *known == method));
}

impl EventCounters {
    /// Writes the metrics.
    pub fn write(&self, page: &mut Exposition) {
        self.write_sign_ins(page);
        self.write_transfers(page);
    }

    fn write_sign_ins(&self, page: &mut Exposition) {
        page.family(
            "homeport_logins_total",
            MetricKind::Counter,
            "Sign-ins since the start, by method and result.",
        );
        for (result, counters) in [("accepted", &self.accepted), ("denied", &self.denied)] {
            for (method, counter) in METHODS.iter().zip(counters) {
                let labels = [("method", *method), ("result", result)];
                page.sample("homeport_logins_total", &labels, counter.load(Ordering::Relaxed));
            }
        }
        page.family(
            "homeport_denials_total",
            MetricKind::Counter,
            "Refused sign-ins since the start, by their code in the audit log.",
        );
        let mut refused: BTreeMap<&str, u64> = WATCHED_CODES.iter().map(|code| (*code, 0)).collect();
        refused.extend(self.refused.lock().iter());
        for (code, count) in refused {
            page.sample("homeport_denials_total", &[("code", code)], count);
        }
        for (name, counter, help) in [
            (
                "homeport_certificate_logins_total",
                &self.by_certificate,
                "Sign-ins by a certificate since the start.",
            ),
            (
                "homeport_recovery_code_logins_total",
                &self.by_recovery_code,
                "Sign-ins by a recovery code since the start.",
            ),
        ] {
            page.single(name, MetricKind::Counter, help, counter.load(Ordering::Relaxed));
        }
    }

    fn write_transfers(&self, page: &mut Exposition) {
        page.family(
            "homeport_transfers_total",
            MetricKind::Counter,
            "Files that were opened and closed since the start, by direction and by how their use ended.",
        );
        for (direction, counters) in [("up", &self.uploads), ("down", &self.downloads)] {
            for (end, counter) in ENDS.iter().zip(counters) {
                let labels = [("direction", direction), ("result", result_of(*end))];
                page.sample(
                    "homeport_transfers_total",
                    &labels,
                    counter.load(Ordering::Relaxed),
                );
            }
        }
    }
}

impl Subscriber for Arc<EventCounters> {
    fn on_event(&self, event: &Event) {
        match event {
            Event::SignedIn {
                method,
                certificate,
                recovery_codes_left,
                ..
            } => {
                count_login(&self.accepted, method);
                let by_certificate = u64::from(certificate.is_some());
                self.by_certificate.fetch_add(by_certificate, Ordering::Relaxed);
                let by_recovery_code = u64::from(recovery_codes_left.is_some());
                self.by_recovery_code
                    .fetch_add(by_recovery_code, Ordering::Relaxed);
            }
            Event::Denied { method, code, .. } => {
                count_login(&self.denied, method);
                *self.refused.lock().entry(*code).or_default() += 1;
            }
            Event::Closed { file, .. } => {
                let counters = match is_upload(file) {
                    true => &self.uploads,
                    false => &self.downloads,
                };
                count(counters, ENDS.iter().position(|end| *end == file.end));
            }
            // The audit log has the others.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::event::{Actor, CertificateIdentity, SessionId};
    use crate::domain::path::VirtualPath;

    fn who() -> Actor {
        Actor {
            session: SessionId(1),
            user: "calvin".parse().unwrap(),
            peer: "127.0.0.1:1".parse().unwrap(),
            home: std::path::Path::new("/h").into(),
            folders: std::sync::Arc::default(),
            protocol: crate::domain::event::Protocol::Ssh,
            share: None,
        }
    }

    fn certificate() -> Box<CertificateIdentity> {
        Box::new(CertificateIdentity {
            key_id: String::new(),
            serial: 1,
            authority: String::new(),
        })
    }

    #[test]
    fn sign_ins_and_transfers_are_counted_by_what_they_were() {
        let counters = Arc::<EventCounters>::default();
        for method in ["publickey", "publickey+password", "something new"] {
            counters.on_event(&Event::SignedIn {
                who: who(),
                method: method.to_owned(),
                client: String::new(),
                algorithms: Box::default(),
                certificate: (method == "publickey").then(certificate),
                recovery_codes_left: (method == "something new").then_some(9),
            });
        }
        for (method, code) in [("password", "wrong_password"), ("publickey", "unknown_key")] {
            counters.on_event(&Event::Denied {
                peer: who().peer,
                user: String::new(),
                method,
                code,
                reason: String::new(),
            });
        }
        let closed = |is_for_writing: bool, read: u64, written: u64, end: FileEnd| {
            counters.on_event(&Event::Closed {
                who: who(),
                path: VirtualPath::root(),
                file: FileUse {
                    is_for_writing,
                    bytes_read: read,
                    bytes_written: written,
                    duration: Duration::ZERO,
                    end,
                    size: None,
                },
            });
        };
        // An empty upload, one that was checked by reading it again, and one that was lost.
        closed(true, 0, 0, FileEnd::Client);
        closed(true, 5, 5, FileEnd::Client);
        closed(true, 0, 5, FileEnd::Lost);
        // A download, also by a client that opens every file for both.
        closed(false, 5, 0, FileEnd::Client);
        closed(true, 5, 0, FileEnd::Client);
        let mut page = Exposition::default();
        counters.write(&mut page);
        let text = page.into_text();
        for line in [
            "homeport_logins_total{method=\"publickey\",result=\"accepted\"} 1",
            "homeport_logins_total{method=\"publickey+password\",result=\"accepted\"} 1",
            "homeport_logins_total{method=\"password\",result=\"accepted\"} 0",
            "homeport_logins_total{method=\"password\",result=\"denied\"} 1",
            "homeport_denials_total{code=\"wrong_password\"} 1",
            "homeport_denials_total{code=\"unknown_key\"} 1",
            "homeport_denials_total{code=\"wrong_code\"} 0",
            "homeport_certificate_logins_total 1",
            "homeport_recovery_code_logins_total 1",
            "homeport_transfers_total{direction=\"up\",result=\"ok\"} 2",
            "homeport_transfers_total{direction=\"up\",result=\"lost\"} 1",
            "homeport_transfers_total{direction=\"down\",result=\"ok\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn an_address_for_others_needs_networks() {
        let settings = |text: &str| toml::from_str::<MetricsSettings>(text).unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(settings(text).open_to_nobody(), expected, "{text}");
        };
        check("", None);
        check(
            "listen = [\"127.0.0.1:1\", \"[::1]:1\", \"[::ffff:127.0.0.1]:2\"]",
            None,
        );
        check("listen = [\"127.0.0.1:1\", \"0.0.0.0:2\"]", Some("0.0.0.0:2"));
        check("listen = [\"0.0.0.0:2\"]\nallow = [\"10.0.0.0/8\"]", None);
    }
}
