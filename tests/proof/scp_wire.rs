//! Legacy scp byte by byte: the same bytes go to our server and to the machine's own scp, in equal directories; the
//! output, the exit codes and the resulting files must be equal.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::proof::commands::ssh_command;
use testkit::reference::which;
use testkit::server::TestServer;

/// Creates the files with which both sides begin.
fn create_tree(root: &Path) {
    fs::create_dir_all(root.join("dir")).unwrap();
    fs::write(root.join("old"), "old content, which is longer").unwrap();
    fs::write(root.join("dir/inside"), "inside").unwrap();
    fs::write(root.join("a b"), "with a space").unwrap();
    fs::write(root.join("x[1]"), "brackets").unwrap();
    fs::write(root.join("x1"), "matched by brackets").unwrap();
    fs::write(root.join("-dash"), "dash").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("new\nline"), "newline").unwrap();
    symlink("old", root.join("link")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("dir", root.join("linked-dir")).unwrap();
    let time = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    for name in ["old", "dir/inside", "a b"] {
        let file = fs::File::options().write(true).open(root.join(name)).unwrap();
        file.set_times(time.set_accessed(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_001)))
            .unwrap();
    }
}

/// Returns the names, types, contents and old modification times of a tree.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .escape_ascii()
                .to_string();
            let meta = path.symlink_metadata().unwrap();
            let old = meta.mtime() < 1_700_000_000;
            let time = if old {
                meta.mtime().to_string()
            } else {
                "now".into()
            };
            let line = if meta.is_dir() {
                left.push(path);
                format!("directory {:o} {time}", meta.mode() & 0o777)
            } else if meta.is_symlink() {
                "link".to_owned()
            } else {
                let content = fs::read(&path).unwrap();
                let mut shown = content.escape_ascii().to_string();
                shown.truncate(80);
                format!("file {:o} {time} {} {shown}", meta.mode() & 0o777, content.len())
            };
            found.insert(name, line);
        }
    }
    found
}

/// Runs a command with this input at once, followed by the end of input.
fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs the same command line with the same input on both sides.
fn check(line: &[u8], input: &[u8]) {
    let server = TestServer::start(&["alice"]);
    check_on(&server, line, input);
}

fn check_on(server: &TestServer, line: &[u8], input: &[u8]) {
    let home = server.home("alice");
    if home.exists() {
        fs::remove_dir_all(&home).unwrap();
    }
    let theirs_home = server.path().join("theirs");
    let _ = fs::remove_dir_all(&theirs_home);
    for root in [&home, &theirs_home] {
        fs::create_dir(root).unwrap();
        create_tree(root);
    }
    let ours = feed(ssh_command(server, "alice", line), input);
    let mut reference = Command::new(which("sh"));
    reference.arg("-c").arg(OsStr::from_bytes(line));
    reference.current_dir(&theirs_home).env("LC_ALL", "C");
    let theirs = feed(reference, input);
    let shown = format!(
        "{} with {}",
        line.escape_ascii(),
        input[..input.len().min(200)].escape_ascii()
    );
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    assert_eq!(
        text(&ours.stdout),
        text(&theirs.stdout),
        "{shown}\n{}",
        text(&ours.stderr)
    );
    assert_eq!(ours.status.code(), theirs.status.code(), "{shown}");
    assert_eq!(tree(&home), tree(&theirs_home), "{shown}");
}

#[test]
fn a_sink_behaves_like_openssh() {
    let server = TestServer::start(&["alice"]);
    let check = |line: &str, input: &[u8]| check_on(&server, line.as_bytes(), input);
    check("scp -t new", b"C0644 4 whatever\ndata\0");
    check("scp -t dir", b"C0600 4 f\ndata\0C0644 0 g\n\0");
    check("scp -t dir/", b"C0600 4 f\ndata\0");
    check("scp -t .", b"C0644 5 a name\nwords\0");
    check("scp -t old", b"C0644 3 x\nnew\0");
    check("scp -p -t old", b"T1183828267 0 1183828268 0\nC0640 3 x\nnew\0");
    check("scp -p -t new", b"T1183828267 0 1183828268 0\nC0440 3 x\nnew\0");
    check("scp -t new", b"C0444 3 x\nnew\0");
    check("scp -t link", b"C0644 3 x\nnew\0");
    // libssh2 disconnects without a final acknowledgement.
    check("scp -t old", b"C0644 3 x\nnew");
    check("scp -t -- -x", b"C0644 3 x\nnew\0");
    check("scp -d -t dir", b"C0644 3 x\nnew\0");
    check("scp -d -t old", b"C0644 3 x\nnew\0");
    check("scp -d -t missing", b"C0644 3 x\nnew\0");
    check(
        "scp -r -t .",
        b"D0755 0 new\nC0644 3 x\nabc\0D0700 0 deeper\nE\nE\nC0644 1 last\nz\0",
    );
    check("scp -r -t new", b"D0755 0 whatever\nC0644 3 x\nabc\0E\n");
    check(
        "scp -r -p -t .",
        b"T1183828267 0 1183828268 0\nD0750 0 new\nC0644 3 x\nabc\0E\n",
    );
    check("scp -r -t .", b"D0755 0 dir\nC0644 3 x\nabc\0E\n");
    check("scp -r -t .", b"D0755 0 old\nC0644 3 x\nabc\0");
    check("scp -t missing/f", b"C0644 3 x\nabc\0C0644 3 x\nabc\0");
    check(
        "scp -t dir",
        b"C0644 3 inside\nabc\0\x01scp: y: gone\nC0644 1 z\nz\0",
    );
    check("scp -t dir", b"\x02I give up\nC0644 1 z\nz\0");
    check(
        "scp -t dir",
        b"C0644 3 f\nabc\x01scp: f: could not read\nC0644 1 z\nz\0",
    );
    check("scp -t .", b"");
    check("scp -p -t new", b"T4294967295 0 4294967295 0\nC0640 3 x\nnew\0");
    check("scp -t .", b"E\n");
}

#[test]
fn invalid_records_are_refused_with_the_same_messages() {
    let server = TestServer::start(&["alice"]);
    for record in [
        &b"\n"[..],
        b"X\n",
        b"C\n",
        b"C0888 3 x\n",
        b"C06443 x\n",
        b"C0644 -3 x\n",
        b"C0644 x\n",
        b"C0644 3x\n",
        b"C0644 3 \n",
        b"C0644 3 .\n",
        b"C0644 3 ..\n",
        b"C0644 3 ../up\n",
        b"C0644 3 a/b\n",
        b"C0644 3 /etc/x\n",
        b"D0755 0 x\n",
    ] {
        check_on(&server, b"scp -t .", &[record, b"abc\0"].concat());
    }
    for record in [
        &b"D0755 0 ..\n"[..],
        b"D0755 0 .\n",
        b"D0755 0 a/b\n",
        b"D0755 0 \n",
    ] {
        check_on(&server, b"scp -r -t .", record);
    }
}

#[test]
fn a_source_behaves_like_openssh() {
    let server = TestServer::start(&["alice"]);
    let yes = [0; 64];
    for line in [
        "scp -f old",
        "scp -p -f old",
        "scp -f empty",
        "scp -f missing",
        "scp -f dangling",
        "scp -f link",
        "scp -f dir",
        "scp -f -- -dash",
        "scp -f old missing empty",
        "scp -f 'a b'",
        "scp -f a\\ b",
        "scp -f x[1]",
        "scp -f 'x[1]'",
        "scp -f x?1?",
        "scp -f o*",
        "scp -f ./o*d */inside",
        "scp -f nothing-*",
        "scp -r -f dir",
        "scp -r -f dir/",
        "scp -r -p -f dir/inside",
        "scp -r -f linked-dir",
        "scp -r -f ./dir",
        "scp -f 'new\nline'",
        "scp -f old/",
    ] {
        check_on(&server, line.as_bytes(), &yes);
    }
    // A client that sends an error, aborts, sends nothing, or disconnects in between.
    for answers in [
        &b""[..],
        b"\0",
        b"\x01no\n",
        b"\0\x01no\n\0\0",
        b"\0\x02no\n",
        b"\0\0",
        b"\0\0\x01no\n\0",
    ] {
        check_on(&server, b"scp -f old empty", answers);
        check_on(&server, b"scp -p -f old", answers);
    }
}

#[test]
fn unquoted_names_with_spaces_are_found() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    create_tree(&server.home("alice"));
    let sent = feed(ssh_command(&server, "alice", "scp -f a b"), &[0; 8]);
    assert_eq!(
        sent.stdout.escape_ascii().to_string(),
        "C0644 12 a b\\nwith a space\\x00"
    );
    let taken = feed(ssh_command(&server, "alice", "scp -t c  d"), b"C0644 3 x\nabc\0");
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
    assert_eq!(fs::read(server.home("alice").join("c  d")).unwrap(), b"abc");
}

#[test]
fn deep_trees_end_at_the_longest_path() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    let mut input = b"D0755 0 d\n".repeat(10_000);
    input.extend(b"C0644 3 f\nabc\0");
    let output = feed(ssh_command(&server, "alice", "scp -r -t ."), &input);
    assert_eq!(output.status.code(), Some(1));
    let refusals = String::from_utf8_lossy(&output.stdout)
        .matches("too long")
        .count();
    assert!(refusals > 7000, "{refusals}");
    // Downloading sends as deep a tree as there is, with bounded time and memory.
    let output = feed(ssh_command(&server, "alice", "scp -r -f d"), &vec![0; 100_000]);
    assert_eq!(output.status.code(), Some(1));
    let sent = String::from_utf8_lossy(&output.stdout);
    assert_eq!(sent.matches("D0755 0 d\n").count(), 256);
    assert!(
        sent.contains("the directory is too deep"),
        "{}",
        &sent[sent.len() - 200..]
    );
}

#[test]
fn link_loops_end() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    let home = server.home("alice");
    fs::create_dir(home.join("dir")).unwrap();
    symlink(".", home.join("dir/self")).unwrap();
    symlink("..", home.join("dir/up")).unwrap();
    symlink("/", home.join("dir/root")).unwrap();
    fs::write(home.join("dir/f"), "abc").unwrap();
    let output = feed(ssh_command(&server, "alice", "scp -r -f /"), &vec![0; 10_000]);
    let sent = String::from_utf8_lossy(&output.stdout);
    assert_eq!(sent.matches("leads back").count(), 3, "{sent}");
    assert_eq!(sent.matches("C0644 3 f\n").count(), 1, "{sent}");
}

#[test]
fn no_path_leaves_the_home() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    let home = server.home("alice");
    symlink("/etc", home.join("inwards")).unwrap();
    symlink("../../../..", home.join("up")).unwrap();
    for line in [
        "scp -f /etc/passwd",
        "scp -f inwards/passwd",
        "scp -f up/etc/passwd",
        "scp -f ../../../../etc/passwd",
        "scp -r -f inwards",
    ] {
        let output = feed(ssh_command(&server, "alice", line), &[0; 8]);
        let sent = String::from_utf8_lossy(&output.stdout);
        assert!(sent.contains("No such file or directory"), "{line}: {sent}");
    }
    let output = feed(
        ssh_command(&server, "alice", "scp -t ../../../outside"),
        b"C0644 3 x\nabc\0",
    );
    assert!(output.status.success());
    assert_eq!(
        fs::read(home.join("outside")).unwrap(),
        b"abc",
        "the home is the root"
    );
}

#[test]
fn a_false_size_writes_nothing_more() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB"]);
    server.serve();
    // The announced size never arrives, and the connection ends.
    let output = feed(
        ssh_command(&server, "alice", "scp -t f"),
        b"C0644 9223372036854775807 f\nabc",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("dropped connection"));
    assert_eq!(
        fs::read(server.home("alice").join("f")).unwrap(),
        b"abc",
        "what came is kept"
    );
    let output = feed(
        ssh_command(&server, "alice", "scp -t f"),
        b"C0644 99999999999999999999 f\nabc",
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("size out of range"));
}

/// One row of the comparison as a test of its own, so that a failure is easy to reproduce.
#[test]
fn a_name_that_is_not_utf8_is_copied() {
    check(b"scp -t 'caf\xe9'", b"C0644 3 \xe9\xff\nabc\0");
    check(b"scp -t dir", b"C0644 3 \xe9\xff\nabc\0");
}
