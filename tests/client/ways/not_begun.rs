//! The system's ssh that does not come as far as SFTP: how long that takes, and what is said.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::program::by_ssh;
use super::{CommandResult, Laptop, sshd_with_key};
use crate::client::commands::script;
use crate::client::terminal::Terminal;
use testkit::server::{TestServer, password};
use testkit::sign_in_talk::expire_password;
use testkit::sshd::Sshd;

/// Longer than any limit that a test sets, and shorter than what is added for somebody who confirms a sign-in.
const SOON: Duration = Duration::from_secs(60);

/// A configuration with which ssh has its own socket, so that it does not show when ssh has signed in.
const OWN_SOCKET: &str = "ControlMaster auto\nControlPath none\n";

/// Nobody confirms anything on a phone once ssh has signed in, so the connect timeout is the limit.
#[test]
fn a_subsystem_that_never_answers_is_waited_for_once() {
    let (sshd, key) = sshd_with_key("Subsystem sftp internal-sftp\nForceCommand sleep 100");
    let laptop = Laptop::new("");
    let words = [
        "-i",
        &key,
        "--known-hosts",
        "kh",
        "--ssh",
        "--connect-timeout",
        "8",
    ];
    let began = Instant::now();
    laptop
        .list(&sshd, &words)
        .expect_code(1)
        .expect_stderr(&["ssh has not opened SFTP at \"127.0.0.1\" within 8 seconds"]);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn the_limit_counts_from_the_start_if_the_sign_in_does_not_show() {
    let laptop = Laptop::new("");
    std::fs::write(laptop.path("config"), OWN_SOCKET).unwrap();
    script(&laptop.path("silent"), "exec cat >/dev/null");
    let words = ["ls", "sftp://x@127.0.0.1:1/", "--ssh=./silent", "-F", "config"];
    let began = Instant::now();
    laptop
        .run([&words[..], &["--connect-timeout", "3"]].concat())
        .expect_code(1)
        .expect_stderr(&["ssh has not opened SFTP at \"127.0.0.1\" within 3 seconds"]);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn the_time_in_which_somebody_types_does_not_count() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    server.serve();
    let laptop = Laptop::new("");
    std::fs::write(laptop.path("config"), OWN_SOCKET).unwrap();
    let limit = Duration::from_secs(6);
    let command = format!(
        "{} --ssh -F config --known-hosts kh --accept-new --connect-timeout {} -P {} alice@127.0.0.1",
        testkit::programs::homeport(),
        limit.as_secs(),
        server.port()
    );
    let mut terminal = Terminal::start(&command, |script| {
        script
            .env("HOME", laptop.home.path())
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(laptop.home.path());
    });
    terminal.wait_for_output("assword: ");
    std::thread::sleep(limit + Duration::from_secs(1));
    terminal.type_keys(&format!("{}\n", password("alice")));
    terminal.wait_for_output("> ");
    terminal.type_keys("exit\n");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn a_signal_that_ends_ssh_or_the_subsystem_is_said() {
    let laptop = Laptop::new("");
    script(
        &laptop.path("killed"),
        "echo first >&2\necho the last words >&2\nkill -9 $$",
    );
    let words = [
        "ls",
        "sftp://x@127.0.0.1:1/",
        "--batch",
        "--ssh=./killed",
        "-F",
        "none",
    ];
    laptop
        .run(words)
        .expect_code(1)
        .expect_stderr(&["ssh was ended by signal 9 before SFTP had begun at \"127.0.0.1\": the last words"]);
    let list = |sshd: &Sshd, key: &str| {
        let url = format!("sftp://{}@127.0.0.1:{}/", sshd.user(), sshd.port);
        laptop.run([&["ls", &url][..], &by_ssh(key)].concat())
    };
    // It is not killed before the client has seen that ssh has signed in.
    let subsystem = laptop.path("subsystem");
    script(&subsystem, "sleep 2\nkill -9 $$");
    let (sshd, key) = sshd_with_key(&format!("Subsystem sftp {}", subsystem.display()));
    let said = list(&sshd, &key).expect_code(1);
    assert!(!said.err.contains("could not connect"), "{}", said.err);
    // OpenSSH's server drops what a subsystem prints on standard error, and what ssh says of a new host key is no reason.
    assert!(!said.err.contains("connection was: "), "{}", said.err);
    said.expect_stderr(&["the server \"127.0.0.1\" ended SFTP before it had begun: its subsystem "]);
    let (other, key) = sshd_with_key("Subsystem sftp /bin/false");
    list(&other, &key)
        .expect_code(1)
        .expect_stderr(&["its subsystem ended with exit code 1"]);
}

/// ssh itself would wait for the server, and the server for ssh.
#[test]
fn an_expired_password_without_anybody_to_ask_ends_at_once() {
    let server = TestServer::start_with(&[("auth", "password = { max_age = \"1d\" }")], &["alice"]);
    expire_password(&server, "alice");
    let laptop = Laptop::new("");
    let url = format!("sftp://alice@127.0.0.1:{}/", server.port());
    for method in ["password", "keyboard-interactive"] {
        let option = format!("PreferredAuthentications={method}");
        let words = [
            "ls",
            &url,
            "--ssh",
            "-F",
            "none",
            "--known-hosts",
            "kh",
            "--accept-new",
        ];
        let began = Instant::now();
        let mut client = laptop
            .command([&words[..], &["--password-stdin", "-o", &option]].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(client.stdin.take().unwrap(), "{}", password("alice")).unwrap();
        CommandResult::of(client.wait_with_output().unwrap())
            .expect_code(3)
            .expect_stderr(&[
                "the password for \"127.0.0.1\" has expired, and nobody has chosen a new one",
                "(hint: sign in from a terminal to choose a new one, or ask the server's administrator)",
            ]);
        assert!(began.elapsed() < SOON / 3, "{method}: {:?}", began.elapsed());
    }
}
