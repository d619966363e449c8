//! Runs stock clients against a [`TestServer`], with the options that they need.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use super::raw::RawSftp;
use super::server::TestServer;

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

impl TestServer {
    /// Returns a client's command with all options except the user's name. The machine's own configuration is ignored.
    pub fn client(&self, program: &str, user: &str, by: By) -> Command {
        let mut command = Command::new(program);
        let known_hosts = format!("UserKnownHostsFile={}", self.path().join("known_hosts").display());
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
        command.args(["-o", &format!("Port={}", self.port())]);
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
            command.arg("-i").arg(self.key(user));
        } else {
            command.args(["-o", "PubkeyAuthentication=no"]);
        }
        command
            .env_remove("SSH_AUTH_SOCK")
            .env("TZ", "UTC0")
            .env("LC_ALL", "C");
        command.current_dir(self.path());
        command
    }

    /// Lets the client read `password` from the environment when it asks for one.
    pub fn with_password(&self, mut command: Command, password: &str) -> Command {
        let script = self.path().join(format!("askpass-{}", unique_number()));
        // The password is in the environment, because a script must not be written while another test starts it.
        std::fs::write(&script, "#!/bin/sh\nprintf '%s\\n' \"$TEST_PASSWORD\"\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        command
            .env("SSH_ASKPASS", script)
            .env("SSH_ASKPASS_REQUIRE", "force");
        command.env("TEST_PASSWORD", password).env("DISPLAY", ":0");
        command
    }

    /// Returns the command `sftp -b -` by key, in the test's directory.
    pub fn sftp_command(&self, user: &str) -> Command {
        let mut command = self.client("sftp", user, By::Key);
        command.args(["-q", "-b", "-"]).arg(format!("{user}@127.0.0.1"));
        command
    }

    /// Runs a batch of sftp's commands, signed in by key.
    pub fn sftp(&self, user: &str, batch: &str) -> Output {
        run(self.sftp_command(user), batch)
    }

    /// Runs a batch that must succeed, and returns its output.
    pub fn sftp_ok(&self, user: &str, batch: &str) -> String {
        let output = self.sftp(user, batch);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "sftp for {user}:\n{batch}\n{errors}\n{}",
            self.log()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Tries to sign in and list the home, and returns sftp's output.
    pub fn sign_in(&self, user: &str, by: By, password: &str) -> Output {
        // The option `-b` would forbid password prompts.
        let command = self.client("ssh", user, by);
        let mut command = self.with_password(command, password);
        command.args(["-s", &format!("{user}@127.0.0.1"), "sftp"]);
        run(command, "")
    }

    /// Returns the command `ssh -s … sftp` by key, for the raw driver.
    pub fn raw_command(&self, user: &str) -> Command {
        let mut command = self.client("ssh", user, By::Key);
        command.args(["-s", &format!("{user}@127.0.0.1"), "sftp"]);
        command
    }

    /// Returns a session of the raw driver that has sent INIT.
    pub fn raw(&self, user: &str) -> RawSftp {
        RawSftp::start(self.raw_command(user))
    }
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
