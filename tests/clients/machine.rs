//! What `check` and `serve` say about the machine: its sockets, its kernel, and what others hold.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::preflight::{Said, check, edit, sandbox, serve};
use crate::support::server::HOMEPORTD;

/// A port that is free on all addresses of both families.
fn free_port() -> u16 {
    let four = TcpListener::bind("0.0.0.0:0").unwrap();
    four.local_addr().unwrap().port()
}

#[test]
fn one_port_serves_both_families() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("\n*** SKIPPED: this machine is without IPv6 ***\n");
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
    assert!(said.content, "{}", said.text);
    server.serve();
    for host in ["127.0.0.1", "::1"] {
        TcpStream::connect((host, port)).unwrap();
    }
    // The ports are taken, by the server itself.
    let said = check(&server);
    assert!(said.content, "{}", said.text);
}

#[test]
fn a_port_that_another_has_is_named() {
    let server = sandbox();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    edit(&server, "127.0.0.1:0", &address.to_string());
    let expected = format!("cannot listen on {address}: address already in use");
    for said in [check(&server), serve(&server, &[])] {
        assert!(!said.content && said.text.contains(&expected), "{}", said.text);
        assert!(said.text.contains("homeportd.toml:2: "), "{}", said.text);
    }
    let held: Said = server.admin(&["check", "--sockets-held"], "").into();
    assert!(held.content, "{}", held.text);
}

#[test]
fn a_lock_that_another_holds_is_named() {
    let server = sandbox();
    let lock = fs::File::options()
        .write(true)
        .open(server.path().join("data/lock"))
        .unwrap();
    lock.try_lock().unwrap();
    let said = check(&server);
    assert!(
        !said.content && said.text.contains("has locked it"),
        "{}",
        said.text
    );
    let held: Said = server.admin(&["check", "--sockets-held"], "").into();
    assert!(held.content, "{}", held.text);
}

/// A sandbox, such as systemd's `RestrictSUIDSGID=yes`, answers in the kernel's place.
#[test]
fn a_sandbox_that_forbids_a_call_is_named() {
    let server = sandbox();
    for (call, errno) in [
        ("openat2", "ENOSYS"),
        ("openat2", "EPERM"),
        ("renameat2", "ENOSYS"),
    ] {
        let inject = format!("inject={call}:error={errno}");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let checked: Said = Command::new(strace[0])
            .args(&strace[1..])
            .arg(HOMEPORTD)
            .arg("-c")
            .arg(server.config())
            .arg("check")
            .output()
            .expect("no strace on this machine (hint: apt-get install strace)")
            .into();
        for said in [checked, serve(&server, &strace)] {
            assert!(!said.content, "{call} {errno}: {}", said.text);
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
    // Only root can take it away, and only where namespaces can be made.
    let hide = "mount -t tmpfs none /proc && exec \"$@\"";
    let without = ["unshare", "-m", "sh", "-c", hide, "sh"];
    let can = Command::new(without[0]).args(&without[1..]).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("\n*** SKIPPED: /proc cannot be taken away here ***\n");
        return;
    }
    let server = sandbox();
    let checked: Said = Command::new(without[0])
        .args(&without[1..])
        .arg(HOMEPORTD)
        .arg("-c")
        .arg(server.config())
        .arg("check")
        .output()
        .unwrap()
        .into();
    for said in [checked, serve(&server, &without)] {
        assert!(
            !said.content && said.text.contains("/proc is not mounted"),
            "{}",
            said.text
        );
    }
}
