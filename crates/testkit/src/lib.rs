//! The test harness: it boots the real server, and speaks SSH and SFTP to it with stock clients and byte by byte.
//!
//! [`programs`] has both programs built; [`server`] starts and stops `homeportd` in a directory of its own,
//! [`in_process`] runs it within the test; [`stock`] points stock clients at it; [`raw`] sends whatever bytes a test likes and reads the replies; [`packets`] puts requests
//! together part by part; [`replies`] decodes; [`reference`] runs the machine's own OpenSSH `sftp-server` for comparison,
//! [`sshd`] the whole of it.
//!
//! The decoder shares nothing with `sftp-wire`, and must not: a test that decodes with the code that the server encodes
//! with would agree with every mistake in it.
// Tests say what they expect by failing, and so does their harness.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test says what it expects by failing"
)]

pub mod alone;
pub mod audit;
pub mod fuzz;
pub mod in_process;
pub mod packets;
pub mod programs;
pub mod random;
pub mod raw;
pub mod reference;
pub mod replies;
pub mod russh_client;
pub mod server;
pub mod ssh;
pub mod sshd;
pub mod stock;
pub mod transport;
pub mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest that anything in a test may take before it counts as hung. Nothing that works takes a tenth of it, but for a
/// machine on which others work as well; only a test that fails waits for so long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks until `found` says yes; panics with `what` when patience ends.
pub fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs something that is over soon, unless it hangs; panics with `what` when it took all of the patience.
pub fn in_patience<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    assert!(begun.elapsed() < PATIENCE, "{what} took {:?}", begun.elapsed());
    result
}

/// Sets a flag when it goes, also in a test that fails: whoever works until then can be joined.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Are the tests run by root? Servers are then started without root's powers over files.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The setting of a server that whoever runs the tests may look into. It keeps its memory and its descriptors to itself
/// otherwise, but for root.
pub fn looked_into() -> (&'static str, &'static str) {
    let setting = match is_root() {
        true => "sandbox = true",
        false => "sandbox = false",
    };
    ("server", setting)
}

/// Says that a test shows nothing here, and why.
pub fn skipped(what: &str, why: &str) {
    eprintln!("\n*** SKIPPED: {what}: {why} ***\n");
}

/// Is this root? If not, the test can't show what it is about, and says so.
pub fn root_for(what: &str) -> bool {
    if !is_root() {
        skipped(what, "it needs root");
    }
    is_root()
}

/// The program that runs another one with mounts of its own, as root of a namespace if need be. `None`, and it says so:
/// that is not possible here.
pub fn own_mounts(what: &str) -> Option<Vec<&'static str>> {
    let mut words = vec!["unshare", "--mount"];
    if !is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let tried = std::process::Command::new(words[0])
        .args(&words[1..])
        .args(["mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    match tried {
        Ok(output) if output.status.success() => Some(words),
        Ok(output) => {
            skipped(what, String::from_utf8_lossy(&output.stderr).trim());
            None
        }
        Err(error) => {
            skipped(what, &format!("unshare: {error}"));
            None
        }
    }
}

/// What takes root's capabilities away from a program, so that permissions mean the same for root and for others.
pub const WITHOUT_POWERS: [&str; 2] = ["--bounding-set=-all", "--inh-caps=-all"];

/// The name by which the test `function` of the module `module_path!()` is asked for on the command line of its binary.
pub fn test_name(module_path: &str, function: &str) -> String {
    let (_, module) = module_path.split_once("::").unwrap();
    format!("{module}::{function}")
}
