//! Runs stock clients against a server of a test, with the options that they need.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::programs::write_program;

/// The method by which a client signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The client signs in with the user's key.
    Key,
    /// The client signs in with a password, by the method of this name.
    Password(&'static str),
    /// The client signs in with the key and then a password.
    Both,
}

/// What a stock client needs to reach a server.
pub(super) struct StockClient<'a> {
    /// The directory of the test, which is the client's working directory.
    pub(super) directory: &'a Path,
    pub(super) port: u16,
    /// The private key of the user.
    pub(super) key: PathBuf,
}

impl StockClient<'_> {
    /// Returns a client's command with all options except the user's name. The machine's own configuration is ignored.
    pub(super) fn command(&self, program: &str, by: By) -> Command {
        let mut command = Command::new(program);
        let known_hosts = format!(
            "UserKnownHostsFile={}",
            self.directory.join("known_hosts").display()
        );
        command.args([
            "-F",
            "none",
            "-o",
            &known_hosts,
            "-o",
            "GlobalKnownHostsFile=none",
        ]);
        command.args([
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            "IdentityAgent=none",
        ]);
        command.args([
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "NumberOfPasswordPrompts=1",
        ]);
        command.args(["-o", &format!("Port={}", self.port)]);
        let methods = match by {
            By::Key => "publickey",
            By::Password(method) => method,
            By::Both => "publickey,password",
        };
        command.args(["-o", &format!("PreferredAuthentications={methods}")]);
        if by == By::Key {
            command.args(["-o", "BatchMode=yes"]);
        }
        if by == By::Key || by == By::Both {
            command.arg("-i").arg(&self.key);
        } else {
            command.args(["-o", "PubkeyAuthentication=no"]);
        }
        command
            .env_remove("SSH_AUTH_SOCK")
            .env("TZ", "UTC0")
            .env("LC_ALL", "C");
        command.current_dir(self.directory);
        command
    }
}

/// Lets a client read `password` from the environment when it asks for one. The script for that is in `directory`.
pub(super) fn with_password(directory: &Path, mut command: Command, password: &str) -> Command {
    let script = directory.join(format!("askpass-{}", unique_number()));
    write_program(&script, "#!/bin/sh\nprintf '%s\\n' \"$TEST_PASSWORD\"\n");
    command
        .env("SSH_ASKPASS", script)
        .env("SSH_ASKPASS_REQUIRE", "force");
    command.env("TEST_PASSWORD", password).env("DISPLAY", ":0");
    command
}

/// Runs a command with this input on its standard input.
pub fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    // A client that failed to connect does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn unique_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
