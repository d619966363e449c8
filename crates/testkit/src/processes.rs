//! The processes of this machine, as /proc shows them.

use std::path::PathBuf;
use std::time::Duration;

use crate::server::TestServer;

/// Returns the ids of all processes.
pub fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().map_while(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Returns the children of a process.
pub fn children(process: u32) -> Vec<u32> {
    let all = processes().into_iter();
    all.filter(|pid| parent(*pid) == Some(process)).collect()
}

/// Returns the only child of a process, for which it waits.
pub fn only_child(process: u32) -> u32 {
    let mut found = Vec::new();
    crate::wait_for("a process to start another one", || {
        found = children(process);
        !found.is_empty()
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

/// Returns how many descriptors a process has open. A server must have been started with [`crate::inspectable`]: the
/// kernel shows the descriptors of one in its sandbox to root alone, and its own metrics count them every 10 s only.
pub fn open_descriptors(pid: u32) -> usize {
    descriptors(pid).len()
}

/// Returns how many sockets a process has open, as [`open_descriptors`] does: the files of the store, which come and go
/// by themselves, are left out.
pub fn open_sockets(pid: u32) -> usize {
    let targets = descriptors(pid)
        .into_iter()
        .filter_map(|path| path.read_link().ok());
    targets
        .filter(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket:"))
        .count()
}

/// Returns the kernel's links to what a process has open.
fn descriptors(pid: u32) -> Vec<PathBuf> {
    let directory = format!("/proc/{pid}/fd");
    let entries = std::fs::read_dir(&directory);
    let entries = entries.unwrap_or_else(|error| panic!("{directory}: {error}; is the server inspectable?"));
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Kills a process of a test by SIGKILL.
pub fn kill(pid: u32) {
    send(pid, "KILL");
}

/// Sends a signal to a process of a test, such as `INT`.
pub fn send(pid: u32, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Returns the parent of a process, unless it has ended.
pub fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// Returns the session of a process, unless it has ended.
pub fn session(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name come the state, the parent, the group and the session (proc(5)).
    stat.rsplit(") ").next()?.split(' ').nth(3)?.parse().ok()
}

/// Waits for a second in which a server rests. One that spins uses all of each second.
pub fn wait_for_rest(server: &TestServer) {
    crate::wait_for("a second in which the server does not spin", || {
        let before = server.cpu_ticks();
        std::thread::sleep(Duration::from_secs(1));
        server.cpu_ticks() - before <= 20
    });
}

/// Whether a process exists that has not ended.
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default().chars().next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
