//! `[storage] fsync`, observed by the system calls of the server.

use std::process::{Command, Stdio};

use crate::proof::commands::ssh;
use testkit::packets::*;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::{inspectable, wait_for};

/// Records the server's system calls in order until it is dropped: `pwrite PATH`, `fsync PATH`, `send`.
struct Trace {
    _strace: Strace,
    file: std::path::PathBuf,
}

/// strace, which holds on to a server until it is dropped.
pub struct Strace(std::process::Child);

impl Strace {
    /// Attaches to all threads of a server, with these further options.
    pub fn attach(server: &TestServer, options: &[&str]) -> Self {
        let child = Command::new("strace")
            .args(["-f", "-qq", "-y", "-e", "signal=none"])
            .args(options)
            .args(["-p", &server.pid().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("no strace on this machine (hint: apt-get install strace)");
        let strace = Self(child);
        // It attaches to each thread by itself, and the calls of a thread before that are not recorded.
        let threads = format!("/proc/{}/task", server.pid());
        wait_for("strace to hold on to every thread of the server", || {
            std::fs::read_dir(&threads).unwrap().all(|thread| {
                // A thread that has just ended has no status.
                let status = std::fs::read_to_string(thread.unwrap().path().join("status"));
                status.is_ok_and(|status| {
                    let mut lines = status.lines();
                    lines.any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
                })
            })
        });
        strace
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Trace {
    fn start(server: &TestServer) -> Self {
        let file = server.path().join("trace");
        let calls = "trace=pwrite64,write,sendto,writev,fsync,fdatasync";
        let strace = Strace::attach(server, &["-e", calls, "-o", file.to_str().unwrap()]);
        Self {
            _strace: strace,
            file,
        }
    }

    /// Returns the calls so far, with paths relative to the home.
    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut calls = Vec::new();
        for line in text.lines().filter(|line| !line.contains("resumed>")) {
            let Some((_, call)) = line.split_once(' ') else {
                continue;
            };
            let call = call.trim_start();
            let name = call.split('(').next().unwrap_or_default();
            let target = call.split(['<', '>']).nth(1).unwrap_or_default();
            let inside = target.split_once("/homes/alice").map(|(_, path)| path);
            match (name, inside) {
                ("pwrite64", Some(path)) => calls.push(format!("pwrite {path}")),
                ("fsync" | "fdatasync", Some(path)) => calls.push(format!("fsync {path}")),
                ("write" | "sendto" | "writev", None)
                    if target.contains("TCP") || target.contains("socket") =>
                {
                    calls.push("send".to_owned());
                }
                _ => {}
            }
        }
        calls.dedup();
        calls
    }
}

fn start(fsync: &str) -> TestServer {
    let setting = format!("fsync = \"{fsync}\"");
    TestServer::start_with(&[("storage", &setting), inspectable()], &["alice"])
}

/// Waits until the trace ends with these calls.
fn expect_end(trace: &Trace, expected: &[&str]) {
    let mut seen = Vec::new();
    wait_for(&format!("{expected:?}"), || {
        seen = trace.calls();
        seen.len() >= expected.len() && seen[seen.len() - expected.len()..] == *expected
    });
}

#[test]
fn with_close_a_file_and_its_directory_are_on_the_disk_before_the_answer() {
    let server = start("close");
    let mut session = server.raw("alice");
    session.ask(&mkdir("dir", &Attrs::default()));
    let trace = Trace::start(&server);
    let handle = session.handle(&open("dir/f", WRITE | CREAT));
    session.ask_about(&write(nth(0), 0, "data"), &handle);
    let reply = session.ask_about(&close(nth(0)), &handle);
    assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    expect_end(
        &trace,
        &["pwrite /dir/f", "send", "fsync /dir/f", "fsync /dir", "send"],
    );

    // Closing a file that was only read, or not changed, syncs nothing.
    let handle = session.handle(&open("dir/f", READ));
    session.ask_about(&close(nth(0)), &handle);
    let handle = session.handle(&open("dir/f", WRITE));
    session.ask_about(&close(nth(0)), &handle);
    let before = trace
        .calls()
        .iter()
        .filter(|call| call.starts_with("fsync"))
        .count();
    assert_eq!(before, 2);

    // A symbolic link leads to the directory in which the file is created.
    session.ask(&symlink("/dir/made", "link"));
    let handle = session.handle(&open("link", WRITE | CREAT));
    session.ask_about(&write(nth(0), 0, "data"), &handle);
    session.ask_about(&close(nth(0)), &handle);
    expect_end(&trace, &["fsync /dir/made", "fsync /dir", "send"]);
    // Many clients write to a temporary name, close the file, and rename it.
    session.ask(&rename("dir/f", "g"));
    expect_end(&trace, &["fsync ", "fsync /dir", "send"]);
    session.ask(&mkdir("dir/deeper", &Attrs::default()));
    expect_end(&trace, &["fsync /dir", "send"]);
    // A file that was removed meanwhile is not an error.
    let handle = session.handle(&open("gone", WRITE | CREAT));
    session.ask_about(&write(nth(0), 0, "data"), &handle);
    session.ask(&remove("gone"));
    let reply = session.ask_about(&close(nth(0)), &handle);
    assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
}

#[test]
fn with_close_scp_syncs_as_well() {
    let server = start("close");
    ssh(&server, "alice", "pwd");
    let trace = Trace::start(&server);
    let mut scp = server.client("scp", "alice", testkit::stock::By::Key);
    scp.args(["-O", "homeportd.toml", "alice@127.0.0.1:f"]);
    let output = testkit::stock::run(scp, "");
    assert!(output.status.success(), "{output:?}");
    let mut calls = Vec::new();
    // The client may end before strace has written what the server did last.
    wait_for("the answer after the directory was synced", || {
        calls = trace.calls();
        let directory = calls.iter().position(|call| call == "fsync ");
        directory.is_some_and(|at| calls[at..].iter().any(|call| call == "send"))
    });
    let at = |wanted: &str| calls.iter().position(|call| call == wanted);
    let (data, file, directory) = (at("pwrite /f"), at("fsync /f"), at("fsync "));
    assert!(data.is_some() && data < file && file < directory, "{calls:?}");
}

#[test]
fn with_never_nothing_is_synced() {
    let server = start("never");
    let mut session = server.raw("alice");
    let trace = Trace::start(&server);
    let handle = session.handle(&open("f", WRITE | CREAT));
    session.ask_about(&write(nth(0), 0, "data"), &handle);
    session.ask_about(&close(nth(0)), &handle);
    expect_end(&trace, &["pwrite /f", "send"]);
    assert!(!trace.calls().iter().any(|call| call.starts_with("fsync")));
}

#[test]
fn with_always_each_write_and_each_name_is_on_the_disk() {
    let server = start("always");
    let mut session = server.raw("alice");
    let trace = Trace::start(&server);
    session.ask(&mkdir("dir", &Attrs::default()));
    expect_end(&trace, &["fsync ", "send"]);
    let handle = session.handle(&open("dir/f", WRITE | CREAT));
    expect_end(&trace, &["fsync /dir/f", "fsync /dir", "send"]);
    session.ask_about(&write(nth(0), 0, "data"), &handle);
    expect_end(&trace, &["pwrite /dir/f", "fsync /dir/f", "send"]);
    session.ask(&rename("dir/f", "g"));
    expect_end(&trace, &["fsync ", "fsync /dir", "send"]);
    session.ask(&remove("g"));
    expect_end(&trace, &["fsync ", "send"]);
    session.ask(&rmdir("dir"));
    expect_end(&trace, &["fsync ", "send"]);
}
