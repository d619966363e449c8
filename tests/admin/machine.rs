//! What `check` and `serve` say about the machine: its ports, its kernel, and locks of other processes.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::admin::preflight::{CommandReport, check, edit, sandbox, serve};
use testkit::programs::homeportd;
use testkit::{private_mounts, skipped};

/// Returns a port that is free on all addresses of both families. It is below the ephemeral ports, so that no other
/// program gets it by chance, and no two tests of this process get the same one.
pub fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let first = first.saturating_add(100 * CALLS.fetch_add(1, Ordering::Relaxed));
    let first = if first < 30_000 { first } else { first - 10_000 };
    let is_free = |port: &u16| {
        ["0.0.0.0", "::"]
            .iter()
            .all(|any| TcpListener::bind((*any, *port)).is_ok())
    };
    (first..30_000).chain(20_000..first).find(is_free).unwrap()
}

#[test]
fn one_port_serves_both_families() {
    if TcpListener::bind("[::1]:0").is_err() {
        skipped("IPv6", "this machine has none");
        return;
    }
    let mut server = sandbox();
    let port = free_port();
    edit(
        &server,
        "\"127.0.0.1:0\"",
        &format!("\"0.0.0.0:{port}\", \"[::]:{port}\""),
    );
    let said = check(&server);
    assert!(said.succeeded, "{}", said.text);
    server.serve();
    for host in ["127.0.0.1", "::1"] {
        TcpStream::connect((host, port)).unwrap();
    }
    // The server itself uses the ports.
    let said = check(&server);
    assert!(said.succeeded, "{}", said.text);
}

#[test]
fn a_port_in_use_is_named() {
    let server = sandbox();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    edit(&server, "127.0.0.1:0", &address.to_string());
    let expected = format!("cannot listen on {address}: address already in use");
    for said in [check(&server), serve(&server, &[])] {
        assert!(!said.succeeded && said.text.contains(&expected), "{}", said.text);
        assert!(said.text.contains("homeportd.toml:2: "), "{}", said.text);
    }
    let held: CommandReport = server.admin(&["check", "--sockets-held"], "").into();
    assert!(held.succeeded, "{}", held.text);
}

#[test]
fn a_lock_held_by_another_process_is_named() {
    let server = sandbox();
    let lock = fs::File::options()
        .write(true)
        .open(server.path().join("data/lock"))
        .unwrap();
    lock.try_lock().unwrap();
    let said = check(&server);
    assert!(
        !said.succeeded && said.text.contains("has locked it"),
        "{}",
        said.text
    );
    let held: CommandReport = server.admin(&["check", "--sockets-held"], "").into();
    assert!(held.succeeded, "{}", held.text);
}

/// A sandbox, such as systemd's `RestrictSUIDSGID=yes`, may reject a system call.
#[test]
fn a_sandbox_that_rejects_a_system_call_is_named() {
    let server = sandbox();
    for (call, errno) in [
        ("openat2", "ENOSYS"),
        ("openat2", "EPERM"),
        ("renameat2", "ENOSYS"),
    ] {
        let inject = format!("inject={call}:error={errno}");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let checked: CommandReport = Command::new(strace[0])
            .args(&strace[1..])
            .arg(homeportd())
            .arg("-c")
            .arg(server.config())
            .arg("check")
            .output()
            .expect("no strace on this machine (hint: apt-get install strace)")
            .into();
        for said in [checked, serve(&server, &strace)] {
            assert!(!said.succeeded, "{call} {errno}: {}", said.text);
            let named = said.text.contains(&format!("cannot call {call}"));
            assert!(
                named && said.text.contains("RestrictSUIDSGID=yes"),
                "{call} {errno}: {}",
                said.text
            );
        }
    }
}

#[test]
fn a_machine_without_proc_is_named() {
    let Some(mounts) = private_mounts("a machine without /proc") else {
        return;
    };
    let hide = "mount -t tmpfs none /proc && exec \"$@\"";
    let without = [&mounts[..], &["sh", "-c", hide, "sh"]].concat();
    let tried = Command::new(without[0]).args(&without[1..]).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        return skipped("a machine without /proc", "it cannot be taken away here");
    }
    let server = sandbox();
    let checked: CommandReport = Command::new(without[0])
        .args(&without[1..])
        .arg(homeportd())
        .arg("-c")
        .arg(server.config())
        .arg("check")
        .output()
        .unwrap()
        .into();
    for said in [checked, serve(&server, &without)] {
        assert!(
            !said.succeeded
                && said
                    .text
                    .contains("/proc is not mounted (hint: mount -t proc proc /proc"),
            "{}",
            said.text
        );
    }
}
