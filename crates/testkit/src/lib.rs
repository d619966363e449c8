//! The test harness: it boots the real server, and speaks SSH and SFTP to it with stock clients and byte by byte.
//!
//! [`programs`] builds both programs; [`server`] starts and stops `homeportd` in a directory of its own, and
//! [`in_process`] runs it within the test; [`stock`] points stock clients at it; [`raw`] sends any bytes and reads the
//! replies; [`sign_in_talk`] signs in step by step; [`store`] changes its records directly; [`packets`] builds requests
//! part by part; [`replies`] decodes; [`mod@reference`] runs the machine's own OpenSSH `sftp-server` for comparison, and
//! [`sshd`] its whole server.
//!
//! The decoder shares no code with `sftp-wire`, and must not: a test that decodes with the server's own codec would not
//! notice the codec's mistakes.
// Tests say what they expect by failing, and so does their harness.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test says what it expects by failing"
)]

pub mod audit;
pub mod exclusive;
pub mod fuzz;
pub mod http;
pub mod in_process;
pub mod packets;
pub mod processes;
pub mod programs;
pub mod random;
pub mod raw;
pub mod reference;
pub mod replies;
pub mod russh_client;
pub mod server;
pub mod sign_in_talk;
pub mod ssh;
pub mod sshd;
pub mod stock;
pub mod store;
pub mod transport;
pub mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest time that anything in a test may take before it counts as hung. Working code takes less than a tenth of
/// it, except on a busy machine; only a failing test waits for this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until `found` returns `true`. Panics with `what` after [`PATIENCE`].
pub fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs work that ends soon unless it hangs. Panics with `what` if it takes longer than [`PATIENCE`].
pub fn within_patience<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    assert!(begun.elapsed() < PATIENCE, "{what} took {:?}", begun.elapsed());
    result
}

/// Sets a flag when it is dropped, even in a failing test, so that a thread that works until then can be joined.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether root runs the tests. Servers are then started without root's capabilities for files.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the setting with which the user of the tests can inspect the memory and the descriptors of the server. With
/// the sandbox, only root can.
pub fn inspectable() -> (&'static str, &'static str) {
    let setting = match is_root() {
        true => "sandbox = true",
        false => "sandbox = false",
    };
    ("server", setting)
}

/// Prints that a test checks nothing on this machine, and why.
pub fn skipped(what: &str, why: &str) {
    eprintln!("\n*** SKIPPED: {what}: {why} ***\n");
}

/// Whether root runs the tests. If not, this prints that the test is skipped.
pub fn is_root_or_skip(what: &str) -> bool {
    if !is_root() {
        skipped(what, "it needs root");
    }
    is_root()
}

/// Returns the program that runs another one with its own mounts, as root of a namespace if necessary. If that is not
/// possible on this machine, prints so and returns `None`.
pub fn private_mounts(what: &str) -> Option<Vec<&'static str>> {
    unshare(what, &["--mount"], &["mount", "-t", "tmpfs", "none", "/mnt"])
}

/// Returns the program that runs another one as process 1 of a PID namespace, as in a container, and as root of a
/// namespace if necessary. Its session was begun outside, and is 0 for it. It is killed with the program that is
/// returned. If that is not possible on this machine, prints so and returns `None`.
pub fn private_processes(what: &str) -> Option<Vec<&'static str>> {
    unshare(
        what,
        &["--pid", "--fork", "--kill-child", "--mount-proc"],
        &["true"],
    )
}

/// Returns the program that runs another one with these namespaces, if `trial` succeeds by it.
fn unshare(what: &str, namespaces: &[&'static str], trial: &[&str]) -> Option<Vec<&'static str>> {
    let mut words = [&["unshare"], namespaces].concat();
    if !is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let tried = std::process::Command::new(words[0])
        .args(&words[1..])
        .args(trial)
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

/// The arguments that remove root's capabilities from a program, so that permissions mean the same for root and for
/// other users.
pub const WITHOUT_CAPABILITIES: [&str; 2] = ["--bounding-set=-all", "--inh-caps=-all"];

/// Returns the name by which the test `function` of the module `module_path!()` is selected on the command line of its
/// binary.
pub fn test_name(module_path: &str, function: &str) -> String {
    let (_, module) = module_path.split_once("::").unwrap();
    format!("{module}::{function}")
}

/// Runs a test that is ignored otherwise in a process of its own. `command` prepares the process, and runs what follows
/// its own words; `test` is the name from [`test_name`], and `variable` tells the test its directory. The exit code 77
/// says that the preparation is not possible here.
///
/// # Panics
/// If the test fails or does not run.
#[track_caller]
pub fn run_in_own_process(
    mut command: std::process::Command,
    test: &str,
    variable: (&str, &std::path::Path),
) {
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(variable.0, variable.1)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        skipped("a small disk", &words);
        return;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{words}"
    );
}
