//! Commands by exec, compared with the machine's own: the same output and the same exit codes.

use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use crate::proof::{at, noise};
use testkit::packets::stat;
use testkit::raw::RawSftp;
use testkit::reference::which;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::{By, run};
use testkit::{wait_for, within_patience};

/// Returns the command `ssh USER@… COMMAND`.
pub fn ssh_command(server: &TestServer, user: &str, command: impl AsRef<[u8]>) -> Command {
    let mut ssh = server.client("ssh", user, By::Key);
    ssh.arg(format!("{user}@127.0.0.1"));
    ssh.arg(std::ffi::OsStr::from_bytes(command.as_ref()));
    ssh.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ssh
}

/// Runs `ssh USER@… COMMAND` to its end, without input.
pub fn ssh(server: &TestServer, user: &str, command: impl AsRef<[u8]>) -> Output {
    run(ssh_command(server, user, command), "")
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn sums_are_printed_as_coreutils_prints_them() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    let home = server.home("alice");
    let names: [&[u8]; 7] = [
        b"plain",
        b"with space",
        b"back\\slash",
        b"new\nline",
        b"caf\xe9",
        "schön".as_bytes(),
        b"-b",
    ];
    for (seed, name) in names.iter().enumerate() {
        std::fs::write(at(&home, name), noise(1000 * seed + 1)).unwrap();
    }
    std::fs::write(home.join("empty"), "").unwrap();
    std::fs::create_dir(home.join("dir")).unwrap();
    let quoted: Vec<Vec<u8>> = names.iter().map(|name| [b"'./", *name, b"'"].concat()).collect();
    let all = quoted.join(&b' ');
    for tool in ["md5sum", "sha1sum", "sha256sum", "sha512sum"] {
        let check = |arguments: &[u8], input: &str| {
            let line = [tool.as_bytes(), b" ", arguments].concat();
            let ours = run(ssh_command(&server, "alice", &line), input);
            // The reference is the machine's own shell and tool, in the same directory.
            let mut reference = Command::new("sh");
            reference.arg("-c").arg(std::ffi::OsStr::from_bytes(&line));
            reference.current_dir(&home).env("LC_ALL", "C");
            let theirs = run(reference, input);
            assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{}", text(&line));
            assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{}", text(&line));
            assert_eq!(ours.status.code(), theirs.status.code(), "{}", text(&line));
        };
        check(b"", "");
        check(b"", "some input\n");
        check(b"-", "abc");
        check(b"plain", "");
        check(&all, "");
        check(b"-b plain 'with space'", "");
        check(b"--tag plain back\\\\slash", "");
        check(b"-z './new\nline' plain", "");
        check(b"-- -b empty", "");
        check(b"empty missing plain", "");
        check(b"dir", "");
        check(b"p* *c*", "");
        check(b"[ep]*", "");
        check(b"no-match-*", "");
        check(b"./plain ../../../../nowhere", "");
    }
}

#[test]
fn large_input_is_hashed_as_it_arrives() {
    let server = TestServer::start(&["alice"]);
    let content = "0123456789abcdef".repeat(1 << 20);
    let ours = run(ssh_command(&server, "alice", "md5sum"), &content);
    let theirs = run(Command::new(which("md5sum")), &content);
    assert_eq!(text(&ours.stdout), text(&theirs.stdout));
}

#[test]
fn probes_of_clients_are_answered() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB", "--max-files", "100"]);
    server.serve();
    server.sftp_ok("alice", "mkdir \"a b\"\nput homeportd.toml \"a b/f\"\n");
    let size = std::fs::metadata(server.path().join("homeportd.toml"))
        .unwrap()
        .len();
    let check = |line: &str, code: i32, expected: &str| {
        let output = ssh(&server, "alice", line);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{line}");
        assert_eq!(output.status.code(), Some(code), "{line}");
    };
    // The probe of rclone.
    check("echo ${ShellId}%ComSpec%", 0, "%ComSpec%\n");
    check("md5sum", 0, "d41d8cd98f00b204e9800998ecf8427e  -\n");
    check("rclone md5sum", 127, "");
    // Commands of scripts.
    check("pwd", 0, "/\n");
    check("cd 'a b' && pwd", 0, "/a b\n");
    check("cd a\\ b && cd .. && pwd", 0, "/\n");
    check("cd && pwd", 0, "/\n");
    check("cd missing && pwd", 1, "");
    check("cd 'a b/f' && pwd", 1, "");
    check("cd /", 0, "");
    check("echo -n a  b", 0, "a b");
    check("echo ~ ~alice/x '~' a*", 0, "/ /x ~ a b\n");
    // The command of Cyberduck.
    let used = (size.div_ceil(4096) * 4).to_string();
    let free = (1024 - size.div_ceil(4096) * 4).to_string();
    check(
        "df -Pk / | awk '{print $3, $4}'",
        0,
        &format!("Used Available\n{used} {free}\n"),
    );
    let table = ssh(&server, "alice", "df -k 'a b'");
    let table = String::from_utf8(table.stdout).unwrap();
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..4], ["1024", &used, &free], "{table}");
    let table = String::from_utf8(ssh(&server, "alice", "df -i").stdout).unwrap();
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..4], ["100", "2", "98"], "{table}");
    check("df missing", 1, "");
    server.wait_for_audit("\"event\":\"command\"");
}

#[test]
fn there_is_no_shell_anywhere() {
    let server = TestServer::start(&["alice"]);
    let long = format!("md5sum {}", "a".repeat(64 * 1024));
    let longest = "x".repeat(100 * 1024);
    let quotes = "'".repeat(64 * 1024 + 1);
    for line in [
        "id",
        "sh -c id",
        "/bin/sh",
        "rm -rf /",
        "md5sum; id",
        "md5sum `id`",
        "md5sum $(id)",
        "md5sum \"$(id)\"",
        "md5sum 'open",
        "md5sum \"open",
        "md5sum open\\",
        "md5sum & id",
        "md5sum | sh",
        "md5sum && id",
        "md5sum || id",
        "md5sum > x",
        "md5sum < x",
        "(md5sum)",
        "md5sum\nid",
        "cd / && sh",
        "df | awk '{system(\"id\")}'",
        "&&",
        "|",
        " ",
        "${x:-$(id)}",
        "scp -t x; id",
        "scp -S sh -t x && id",
        "exec md5sum",
        &longest,
        &quotes,
    ] {
        let output = ssh(&server, "alice", line);
        let shown = &line[..line.len().min(60)];
        assert_eq!(output.status.code(), Some(127), "{shown}: {output:?}");
        assert!(output.stdout.is_empty(), "{shown}");
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            sentence.starts_with("homeport: ") && sentence.ends_with('\n'),
            "{shown}: {sentence}"
        );
        assert!(sentence.len() < 400, "{shown}: {sentence}");
    }
    // The line is a valid command, but the name of its file is too long.
    let output = ssh(&server, "alice", &long);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        std::fs::read_dir(server.home("alice")).unwrap().next().is_none(),
        "nothing was made"
    );
}

/// Lines that would occupy a thread or the memory.
#[test]
fn expensive_commands_do_not_delay_other_users() {
    let server = TestServer::start(&["alice", "bob"]);
    server.raw("alice").finish();
    let home = server.home("alice");
    for number in 0..3 {
        std::fs::write(home.join(format!("{}{number}", "[".repeat(240))), "").unwrap();
    }
    let many = |word: &str, times: usize| word.repeat(times);
    let lines = [
        many("df / ", 1).trim().to_owned() + &many(" /", 60_000),
        "df".to_owned() + &many(" /", 1000),
        "scp -t".to_owned() + &many(" a", 60_000),
        "echo *".to_owned() + &many("[", 100_000),
        "echo".to_owned() + &many(" *[[[[[[[[[[[[", 1000),
        "echo".to_owned() + &many(" */*/*/*", 1000),
    ];
    let mut hard: Vec<_> = lines
        .iter()
        .flat_map(|line| [line, line])
        .map(|line| ssh_command(&server, "alice", line).spawn().unwrap())
        .collect();
    within_patience("ten commands of another user", || {
        for _ in 0..10 {
            assert_eq!(ssh(&server, "bob", "pwd").stdout, b"/\n");
        }
    });
    for child in &mut hard {
        let _ = child.kill();
        child.wait().unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 200 * 1024, "{peak}");
}

#[test]
fn a_file_named_like_the_server_is_an_ordinary_file() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    std::fs::write(server.home("alice").join("sftp-server"), "abc").unwrap();
    let output = ssh(&server, "alice", "md5sum /sftp-server");
    assert_eq!(
        text(&output.stdout),
        "900150983cd24fb0d6963f7d28e17f72  /sftp-server\\n"
    );
}

#[test]
fn the_audit_log_has_every_command_and_every_refusal() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--permissions", "create"]);
    server.serve();
    server.raw("alice").finish();
    std::fs::write(server.home("alice").join("f"), "abc").unwrap();
    let refusals = |what: &str| {
        let lines = server.audit();
        lines
            .lines()
            .filter(|line| line.contains("\"forbidden\"") && line.contains(what))
            .count()
    };
    ssh(&server, "alice", "md5sum f");
    wait_for("the refusal of md5sum", || refusals("\"read\"") == 1);
    ssh(&server, "alice", "scp -f f");
    ssh(&server, "alice", "echo *");
    wait_for("the refusal of a pattern", || refusals("\"list\"") == 1);
    server.wait_for_audit("\"command\":\"md5sum f\",\"exit_status\":1");
    // A client that disconnects before the exit status.
    let mut command = ssh_command(&server, "alice", "scp -t f");
    let mut client = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut ready = [1];
    std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut ready).unwrap();
    assert_eq!(ready, [0]);
    client.kill().unwrap();
    client.wait().unwrap();
    server.wait_for_audit("\"command\":\"scp -t f\",\"exit_status\":null");
}

/// Old clients run the server by its name instead of requesting the subsystem.
#[test]
fn sftp_can_be_started_as_a_command() {
    let server = TestServer::start(&["alice"]);
    for program in ["sftp-server", "/usr/lib/openssh/sftp-server"] {
        let mut session = RawSftp::start(ssh_command(&server, "alice", program));
        assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
        assert_eq!(session.finish(), Some(0));
    }
}

#[test]
fn patterns_cannot_exhaust_the_memory() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    let home = server.home("alice");
    let name = "n".repeat(200);
    for number in 0..1000 {
        std::fs::write(home.join(format!("{name}{number}")), "").unwrap();
    }
    let line = format!("md5sum {}", "* ".repeat(200));
    let output = ssh(&server, "alice", &line);
    assert_eq!(output.status.code(), Some(126), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("argument list too long"));
    assert!(output.stdout.is_empty());
}
