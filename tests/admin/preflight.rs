//! `serve` starts where `check` finds no error, and `check` names what `serve` refuses. Both run as the real program,
//! on a directory that is damaged in one way each time.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testkit::programs::homeportd;
use testkit::server::TestServer;

/// The output of either command, and whether it succeeded.
pub(super) struct CommandReport {
    pub(super) succeeded: bool,
    pub(super) text: String,
}

impl From<Output> for CommandReport {
    fn from(output: Output) -> Self {
        Self {
            succeeded: output.status.success(),
            text: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        }
    }
}

pub(super) fn check(server: &TestServer) -> CommandReport {
    server.admin(&["check"], "").into()
}

/// Runs `serve` by `program`, if there is one, until it ends or listens; one that hangs is killed.
pub(super) fn serve(server: &TestServer, program: &[&str]) -> CommandReport {
    let mut words = vec!["timeout", "-k", "1", "100"];
    words.extend(program);
    words.push(homeportd());
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .arg("-c")
        .arg(server.config())
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut succeeded = false;
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    for line in lines.map_while(Result::ok) {
        text.push_str(&line);
        text.push('\n');
        if line.contains("listening on ") {
            succeeded = true;
            let _ = Command::new("kill").arg(child.id().to_string()).status();
        }
    }
    let status = child.wait().unwrap();
    assert_ne!(status.code(), Some(124), "it hangs: {text}");
    CommandReport { succeeded, text }
}

/// Returns the directory of a server that works, with one user.
pub(super) fn sandbox() -> TestServer {
    let server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    assert!(serve(&server, &[]).succeeded);
    server
}

pub(super) fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

pub(super) fn edit(server: &TestServer, from: &str, to: &str) {
    let text = fs::read_to_string(server.config()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(server.config(), text.replace(from, to)).unwrap();
}

type Damage = fn(&TestServer);

/// Ways to damage the directory so that the server cannot start, and what both commands say.
const REFUSED: &[(&str, Damage, &str)] = &[
    (
        "an address that the machine lacks",
        |s| edit(s, "127.0.0.1:0", "192.0.2.1:0"),
        "cannot listen on 192.0.2.1:0",
    ),
    (
        "the same port twice",
        |s| edit(s, "\"127.0.0.1:0\"", "\"0.0.0.0:4711\", \"127.0.0.1:4711\""),
        "names 0.0.0.0:4711 too",
    ),
    (
        "homes is a file",
        |s| {
            edit(s, "data/homes", "homes");
            fs::write(s.path().join("homes"), "").unwrap();
        },
        "it is a regular file",
    ),
    (
        "homes lies below a file",
        |s| {
            edit(s, "data/homes", "file/homes");
            fs::write(s.path().join("file"), "").unwrap();
        },
        "not a directory",
    ),
    (
        "homes is a link to nothing",
        |s| {
            edit(s, "data/homes", "homes");
            symlink("nothing", s.path().join("homes")).unwrap();
        },
        "a symbolic link to something that does not exist",
    ),
    (
        "the audit log is a directory",
        |s| {
            let _ = fs::remove_file(s.path().join("audit.log"));
            fs::create_dir(s.path().join("audit.log")).unwrap();
        },
        "it is a directory, not a regular file",
    ),
    (
        "the audit log is a FIFO",
        |s| {
            let _ = fs::remove_file(s.path().join("audit.log"));
            fifo(&s.path().join("audit.log"));
        },
        "it is a FIFO, not a regular file",
    ),
    (
        "the audit log has no directory",
        |s| edit(s, "audit.log", "no/audit.log"),
        "its directory is missing",
    ),
    (
        "the lock is a FIFO",
        |s| {
            fs::remove_file(s.path().join("data/lock")).unwrap();
            fifo(&s.path().join("data/lock"));
        },
        "it is a FIFO, not a regular file",
    ),
    (
        "the lock is a directory",
        |s| {
            fs::remove_file(s.path().join("data/lock")).unwrap();
            fs::create_dir(s.path().join("data/lock")).unwrap();
        },
        "it is a directory, not a regular file",
    ),
    (
        "the lock is a link",
        |s| {
            fs::remove_file(s.path().join("data/lock")).unwrap();
            symlink("../elsewhere", s.path().join("data/lock")).unwrap();
        },
        "it is a symbolic link",
    ),
    (
        "the lock is a device",
        |s| {
            fs::remove_file(s.path().join("data/lock")).unwrap();
            symlink("/dev/tty", s.path().join("data/lock")).unwrap();
        },
        "it is a symbolic link",
    ),
    (
        "a host key is a FIFO",
        |s| {
            let key = s.path().join("hostkeys/ssh_host_ed25519_key");
            fs::remove_file(&key).unwrap();
            fifo(&key);
        },
        "it is a FIFO, not a regular file",
    ),
    (
        "a host key can be read by others",
        |s| {
            let key = s.path().join("hostkeys/ssh_host_ed25519_key");
            fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
        },
        "its mode is 0644",
    ),
    (
        "the store is a FIFO",
        |s| {
            fs::remove_file(s.path().join("data/homeport.db")).unwrap();
            fifo(&s.path().join("data/homeport.db"));
        },
        "homeport.db",
    ),
    (
        "the store is a directory",
        |s| {
            fs::remove_file(s.path().join("data/homeport.db")).unwrap();
            fs::create_dir(s.path().join("data/homeport.db")).unwrap();
        },
        "homeport.db",
    ),
    (
        "the store is something else",
        |s| fs::write(s.path().join("data/homeport.db"), "x".repeat(5000)).unwrap(),
        "homeport.db",
    ),
    (
        "the data directory is a file",
        |s| edit(s, "data/homeport.db", "homeportd.toml/homeport.db"),
        "it is a regular file",
    ),
    (
        "the configuration is a FIFO",
        |s| {
            fs::remove_file(s.config()).unwrap();
            fifo(&s.config());
        },
        "it is a FIFO, not a regular file",
    ),
    (
        "the configuration is a device",
        |s| {
            fs::remove_file(s.config()).unwrap();
            symlink("/dev/zero", s.config()).unwrap();
        },
        "it is a device, not a regular file",
    ),
    (
        "the configuration is huge",
        |s| {
            fs::File::options()
                .write(true)
                .open(s.config())
                .unwrap()
                .set_len(1 << 30)
                .unwrap()
        },
        "it is larger than 1.0 MiB",
    ),
    (
        "several mistakes in the configuration",
        |s| edit(s, "[server]", "[server]\nlisen = 1\ndrain_secs = \"x\""),
        "homeportd.toml:3:14: \"drain_secs\"",
    ),
    (
        "an empty list of algorithms",
        |s| edit(s, "[server]", "[ssh]\nkex = []\n[server]"),
        "\"kex\" in [ssh] is empty",
    ),
    (
        "no such system user",
        |s| edit(s, "[server]", "[server]\nuser = \"no such user\""),
        "there is no system user",
    ),
];

#[test]
fn check_names_what_serve_refuses() {
    for (name, spoil, expected) in REFUSED {
        let server = sandbox();
        spoil(&server);
        for (who, said) in [("check", check(&server)), ("serve", serve(&server, &[]))] {
            assert!(!said.succeeded, "{name}: {who} succeeded: {}", said.text);
            assert!(said.text.contains(expected), "{name}: {who} says: {}", said.text);
        }
    }
}

/// Unusual directories with which the server works.
const SERVED: &[(&str, Damage)] = &[
    ("nothing", |_| {}),
    ("homes is a link", |s| {
        fs::rename(s.path().join("data/homes"), s.path().join("elsewhere")).unwrap();
        symlink("../elsewhere", s.path().join("data/homes")).unwrap();
    }),
    ("the configuration is a link", |s| {
        fs::rename(s.config(), s.path().join("real.toml")).unwrap();
        symlink("real.toml", s.config()).unwrap();
    }),
    ("a host key is a link", |s| {
        let key = s.path().join("hostkeys/ssh_host_ed25519_key");
        fs::rename(&key, s.path().join("hostkeys/key")).unwrap();
        symlink("key", &key).unwrap();
    }),
    ("the audit log is a link", |s| {
        let _ = fs::remove_file(s.path().join("audit.log"));
        symlink("data/real.log", s.path().join("audit.log")).unwrap();
    }),
    ("there is no lock", |s| {
        fs::remove_file(s.path().join("data/lock")).unwrap()
    }),
    ("IPv4 in IPv6's form", |s| {
        edit(s, "127.0.0.1:0", "[::ffff:127.0.0.1]:0")
    }),
];

#[test]
fn serve_starts_where_check_finds_no_error() {
    for (name, spoil) in SERVED {
        let server = sandbox();
        spoil(&server);
        for (who, said) in [("check", check(&server)), ("serve", serve(&server, &[]))] {
            assert!(said.succeeded, "{name}: {who} says: {}", said.text);
        }
    }
}
