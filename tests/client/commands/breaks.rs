//! Transfers that are interrupted and resumed.

use super::*;
use testkit::processes::{only_child, send};
use testkit::wait_for;

/// A file that is large enough to be interrupted in the middle on any machine.
pub(super) const SIZE: usize = 200 << 20;

fn size_of(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Starts a command, and sends it a signal once 1 MiB of the growing file exists.
pub(super) fn interrupt(
    sandbox: &ClientSandbox,
    words: &[&str],
    grows: &std::path::Path,
    signal: &str,
) -> CommandResult {
    // However late the signal is sent, the transfer is not over before: it takes ten seconds.
    let mut command = sandbox.command([words, &["--limit-rate", "20M"]].concat());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("some of it to arrive", || {
        size_of(grows) > 1 << 20 || child.try_wait().unwrap().is_some()
    });
    // setsid does not fork here, because it does not lead a process group; so its pid is that of the client.
    let pid = child.id().to_string();
    let killed = Command::new("kill").arg(signal).arg(pid).status().unwrap();
    assert!(
        killed.success(),
        "it had ended before it could be interrupted: make it larger"
    );
    CommandResult::of(child.wait_with_output().unwrap())
}

#[test]
fn an_upload_resumes_after_the_client_was_killed() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = sandbox.create_file("f", SIZE, 1);
    interrupt(
        &sandbox,
        &["put", "f", &sandbox.remote("")],
        &sandbox.stored("f"),
        "-KILL",
    );
    let have = size_of(&sandbox.stored("f"));
    assert!(have < SIZE as u64);
    sandbox
        .run(["put", "f", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["resumed at", "MD5 verified"]);
    assert!(std::fs::read(sandbox.stored("f")).unwrap() == whole);
}

#[test]
fn a_download_resumes_after_the_client_was_killed() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    let whole = bytes(SIZE, 2);
    std::fs::write(sandbox.stored("f"), &whole).unwrap();
    interrupt(
        &sandbox,
        &["get", &sandbox.remote("f"), "f"],
        &sandbox.local("f.part"),
        "-KILL",
    );
    assert!(!sandbox.local("f").exists(), "half a file does not have its name");
    sandbox
        .run(["get", &sandbox.remote("f"), "f"])
        .expect_code(0)
        .expect_stderr(&["resumed at", "MD5 verified"]);
    assert!(std::fs::read(sandbox.local("f")).unwrap() == whole);
}

#[test]
fn ctrl_c_stops_a_transfer_with_a_hint() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = sandbox.create_file("f", SIZE, 3);
    interrupt(
        &sandbox,
        &["put", "f", &sandbox.remote("")],
        &sandbox.stored("f"),
        "-INT",
    )
    .expect_interrupted()
    .expect_stderr(&["stopping", "run the same command again"]);
    sandbox
        .run(["put", "f", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["resumed at", "MD5 verified"]);
    assert!(std::fs::read(sandbox.stored("f")).unwrap() == whole);
}

/// As process 1 of a container, the client cannot end by SIGINT: the kernel ignores it unless there is a handler.
#[test]
fn ctrl_c_in_a_container_has_the_exit_code_of_the_signal() {
    let Some(container) = testkit::private_processes("Ctrl-C in a container") else {
        return;
    };
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("f", SIZE, 4);
    let inner = sandbox.command(["put", "--limit-rate", "20M", "f", &sandbox.remote("")]);
    let mut command = Command::new(container[0]);
    command
        .args(&container[1..])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_remove("SSH_AUTH_SOCK")
        .current_dir(sandbox.local(""));
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("some of it to arrive", || size_of(&sandbox.stored("f")) > 1 << 20);
    send(only_child(child.id()), "INT");
    CommandResult::of(child.wait_with_output().unwrap())
        .expect_code(130)
        .expect_stderr(&["stopping", "run the same command again"]);
}
