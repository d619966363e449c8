//! The command line of `homeport`, as scripts use it: exit codes, what is printed where, and what is there afterwards.

mod breaks;
mod files;
mod transfers;
mod trees;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use testkit::server::TestServer;

/// What a command did.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It ended with this code; returns what it printed.
    #[track_caller]
    fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// Each of these stands in its errors.
    #[track_caller]
    fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing in: {}", self.err);
        }
        self
    }
}

/// A person with a directory of their own, who knows a server and has a key there.
struct Person {
    server: TestServer,
    user: &'static str,
    dir: tempfile::TempDir,
}

impl Person {
    fn new(more: &[&str]) -> Self {
        let mut server = TestServer::new(&[]);
        server.add_user("alice", more);
        server.serve();
        let dir = tempfile::tempdir().unwrap();
        Self {
            server,
            user: "alice",
            dir,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn there(&self, name: &str) -> PathBuf {
        self.server.home(self.user).join(name)
    }

    /// `alice@127.0.0.1:PATH`
    fn remote(&self, path: &str) -> String {
        format!("{}@127.0.0.1:{path}", self.user)
    }

    /// A file with bytes that differ by seed.
    fn file(&self, name: &str, size: usize, seed: u8) -> Vec<u8> {
        let bytes = bytes(size, seed);
        std::fs::write(self.path(name), &bytes).unwrap();
        bytes
    }

    /// `homeport COMMAND … ` without a terminal, in the person's directory.
    fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("setsid");
        command
            .arg("--wait")
            .arg(testkit::programs::homeport())
            .args(words)
            .args([
                "-P",
                &self.server.port().to_string(),
                "-F",
                "none",
                "--accept-new",
            ])
            .args(["--known-hosts".as_ref(), self.path("known_hosts").as_os_str()])
            .args(["-i".as_ref(), self.server.key(self.user).as_os_str()])
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(words).output().unwrap())
    }

    /// A script on standard input.
    fn script(&self, lines: &str) -> Ran {
        let mut child: Child = self
            .command([self.remote("").trim_end_matches(':')])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that ends early does not read it all.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        Ran::of(child.wait_with_output().unwrap())
    }
}

/// Bytes that repeat nowhere soon.
fn bytes(size: usize, seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Many files in two directories.
fn tree(person: &Person, name: &str, files: usize) {
    std::fs::create_dir_all(person.path(name).join("deep/er")).unwrap();
    for n in 0..files {
        let place = if n % 2 == 0 { "" } else { "deep/er/" };
        std::fs::write(
            person.path(name).join(format!("{place}file {n}")),
            bytes(n * 7, n as u8),
        )
        .unwrap();
    }
}

fn same_trees(one: &std::path::Path, other: &std::path::Path) {
    let differ = Command::new("diff")
        .arg("-r")
        .args([one, other])
        .output()
        .unwrap();
    assert!(
        differ.status.success(),
        "{}",
        String::from_utf8_lossy(&differ.stdout)
    );
}
