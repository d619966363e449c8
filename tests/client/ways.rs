//! Ways to a server: what servers do before SFTP begins, certificates, hosts in the middle, and the system's ssh. The
//! program runs as a user runs it, against OpenSSH's sshd.

mod certificates;
mod jumps;
mod limits;
mod not_begun;
mod program;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::client::commands::CommandResult;
use testkit::sshd::Sshd;

/// The lines of an sshd that has SFTP.
const SFTP: &str = "Subsystem sftp internal-sftp";

/// A machine with an empty home directory, on which the client runs without a terminal.
struct Laptop {
    home: tempfile::TempDir,
}

impl Laptop {
    /// Makes a machine with this text as the user's configuration of ssh.
    fn new(config: &str) -> Self {
        let home = tempfile::Builder::new()
            .prefix("homeport-ways-")
            .tempdir()
            .unwrap();
        let laptop = Self { home };
        std::fs::create_dir(laptop.path(".ssh")).unwrap();
        laptop.configure(config);
        laptop
    }

    /// Replaces the configuration of ssh.
    fn configure(&self, config: &str) {
        let file = self.path(".ssh/config");
        std::fs::write(&file, config).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Returns the command `homeport WORDS`, which accepts new host keys.
    fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = testkit::programs::homeport_command();
        command
            .args(words)
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> CommandResult {
        CommandResult::of(self.command(words).output().unwrap())
    }

    /// Lists a file of this server, which shows that SFTP works.
    fn list(&self, sshd: &Sshd, more: &[&str]) -> CommandResult {
        let url = format!("sftp://{}@127.0.0.1:{}/etc/hostname", sshd.user(), sshd.port);
        let words = ["ls", url.as_str(), "--accept-new"].into_iter();
        self.run(words.chain(more.iter().copied()))
    }
}

/// Starts an sshd with SFTP, these lines, and a key that may sign in.
fn sshd_with_key(more: &str) -> (Sshd, String) {
    let sshd = Sshd::start(&["ed25519"], more);
    let key = sshd.make_key("key", &["-t", "ed25519"]);
    (sshd, key.display().to_string())
}
