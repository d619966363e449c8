//! The harness: boots the real server binary, and speaks SFTP to it with the stock clients and byte by byte.
//!
//! [`server`] starts and stops `homeportd` in a directory of its own; [`raw`] sends whatever bytes a test likes and
//! reads the replies; [`packets`] and [`replies`] are a codec of their own, on purpose not the library's;
//! [`reference`] runs the machine's own OpenSSH `sftp-server` for comparison, [`sshd`] the whole of it.
#![allow(dead_code, reason = "each test uses its own part of the harness")]

pub mod clients;
pub mod in_process;
pub mod packets;
pub mod random;
pub mod raw;
pub mod reference;
pub mod replies;
pub mod server;
pub mod ssh;
pub mod sshd;
pub mod wire;

use std::time::{Duration, Instant};

/// Longest that anything in a test may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until `found` says yes; panics with `what` when patience ends.
pub fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Are the tests run by root? Servers are then started without root's powers over files.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What takes root's capabilities away from a program, so that permissions mean the same for root and for others.
pub const WITHOUT_POWERS: [&str; 2] = ["--bounding-set=-all", "--inh-caps=-all"];
