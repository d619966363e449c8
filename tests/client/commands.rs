//! The command line of `homeport`, as scripts use it: exit codes, output, and the resulting files.

mod both_servers;
mod breaks;
mod changing;
mod closed;
mod edit;
mod files;
mod json;
mod links;
mod looking;
mod output;
mod parallel;
mod streams;
mod sync;
mod sync_deletes;
mod sync_refused;
mod sync_rules;
mod transfers;
mod trees;
mod unmade;

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use testkit::server::TestServer;

/// Writes a program of these lines of a shell.
pub fn script(path: &Path, lines: &str) {
    testkit::programs::write_program(path, &format!("#!/bin/sh\n{lines}\n"));
}

/// The exit code and the output of a command.
pub struct CommandResult {
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

impl CommandResult {
    /// Takes over what a command has printed, and its exit code.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts that the command ended with this exit code.
    #[track_caller]
    pub fn expect_code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// Asserts that SIGINT ended the command.
    #[track_caller]
    fn expect_interrupted(self) -> Self {
        let interrupt = rustix::process::Signal::INT.as_raw();
        assert_eq!(
            self.signal,
            Some(interrupt),
            "out: {}\nerr: {}",
            self.out,
            self.err
        );
        self
    }

    /// Asserts that standard error contains each of these texts.
    #[track_caller]
    pub fn expect_stderr(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing in: {}", self.err);
        }
        self
    }
}

/// A server with a user, and a local directory in which the client runs as that user.
struct ClientSandbox {
    server: TestServer,
    user: &'static str,
    dir: tempfile::TempDir,
}

impl ClientSandbox {
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

    /// Returns the path of a file in the local directory.
    fn local(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the path on disk of a file in the user's home on the server.
    fn stored(&self, name: &str) -> PathBuf {
        self.server.home(self.user).join(name)
    }

    /// Returns a path on the server as a word of a command line: `alice@127.0.0.1:PATH`.
    fn remote(&self, path: &str) -> String {
        format!("{}@127.0.0.1:{path}", self.user)
    }

    /// Creates a local file with bytes that depend on the seed, and returns them.
    fn create_file(&self, name: &str, size: usize, seed: u8) -> Vec<u8> {
        let bytes = bytes(size, seed);
        std::fs::write(self.local(name), &bytes).unwrap();
        bytes
    }

    /// Returns the command `homeport WORDS` without a terminal, in the local directory.
    fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = testkit::programs::homeport_command();
        command
            .args(words)
            .args([
                "-P",
                &self.server.port().to_string(),
                "-F",
                "none",
                "--accept-new",
            ])
            .args(["--known-hosts".as_ref(), self.local("known_hosts").as_os_str()])
            .args(["-i".as_ref(), self.server.key(self.user).as_os_str()])
            .current_dir(self.dir.path());
        command
    }

    /// Runs the client with these words.
    fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> CommandResult {
        CommandResult::of(self.command(words).output().unwrap())
    }

    /// Runs the client's shell with a script on standard input.
    fn script(&self, lines: &str) -> CommandResult {
        let mut child: Child = self
            .command([self.remote("").trim_end_matches(':')])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A shell that ends early does not read the whole script.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        CommandResult::of(child.wait_with_output().unwrap())
    }
}

/// A tree `t` on this machine and one on the server. `sync` makes the target like the source.
struct TwoTrees {
    sandbox: ClientSandbox,
    source: PathBuf,
    target: PathBuf,
    /// The options of each sync.
    options: &'static [&'static str],
    /// The words that name both, the source first.
    words: [String; 2],
}

impl TwoTrees {
    /// Names the trees; neither exists yet. `up` says that the source is the one on this machine.
    fn new(up: bool) -> Self {
        let sandbox = ClientSandbox::new(&[]);
        let (here, there) = (sandbox.local("t"), sandbox.stored("t"));
        let (own, remote) = ("t".to_owned(), sandbox.remote("t"));
        let (source, target, words) = match up {
            true => (here, there, [own, remote]),
            false => (there, here, [remote, own]),
        };
        Self {
            sandbox,
            source,
            target,
            options: &[],
            words,
        }
    }

    /// Runs `homeport sync OPTIONS ARGS SOURCE TARGET`.
    fn sync(&self, args: &[&str]) -> CommandResult {
        let [source, target] = &self.words;
        self.sandbox
            .run([&["sync"], self.options, args, &[source, target]].concat())
    }
}

/// Returns pseudo-random bytes that depend on the seed.
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

/// Creates many files in two directories.
fn tree(sandbox: &ClientSandbox, name: &str, files: usize) {
    std::fs::create_dir_all(sandbox.local(name).join("deep/er")).unwrap();
    for n in 0..files {
        let place = if n % 2 == 0 { "" } else { "deep/er/" };
        std::fs::write(
            sandbox.local(name).join(format!("{place}file {n}")),
            bytes(n * 7, n as u8),
        )
        .unwrap();
    }
}

/// Asserts that two trees have the same directories and files. Links are followed.
#[track_caller]
fn same_trees(one: &std::path::Path, other: &std::path::Path) {
    same_by_diff(&["-r"], one, other);
}

/// Asserts that two trees have the same directories, files and links.
#[track_caller]
fn same_trees_and_links(one: &std::path::Path, other: &std::path::Path) {
    same_by_diff(&["-r", "--no-dereference"], one, other);
}

#[track_caller]
fn same_by_diff(options: &[&str], one: &std::path::Path, other: &std::path::Path) {
    let differ = Command::new("diff")
        .args(options)
        .args([one, other])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&differ.stdout);
    assert!(differ.status.success(), "{output}");
}

/// Runs the client through another program, which runs it.
fn run_by(program: &[&str], sandbox: &ClientSandbox, words: &[&str]) -> CommandResult {
    let inner = sandbox.command(words);
    let Some((first, rest)) = program.split_first() else {
        return sandbox.run(words);
    };
    let mut command = Command::new(first);
    command.args(rest).arg(inner.get_program()).args(inner.get_args());
    command
        .env_remove("SSH_AUTH_SOCK")
        .current_dir(sandbox.dir.path());
    CommandResult::of(command.stdin(Stdio::null()).output().unwrap())
}

/// The program that runs the client as a user without special rights.
fn unprivileged() -> Vec<&'static str> {
    match testkit::is_root() {
        true => [&["setpriv"][..], &testkit::WITHOUT_CAPABILITIES].concat(),
        false => Vec::new(),
    }
}
