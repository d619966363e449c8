//! The machine's own `sshd`, one process for each connection, so that it works as root and as any other user.
//!
//! The user who runs the tests signs in as the same user, by key.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::reference::which;

/// An sshd with its keys and its address.
pub struct Sshd {
    dir: tempfile::TempDir,
    /// The port that it listens on.
    pub port: u16,
}

impl Sshd {
    /// Starts an sshd with host keys of these types and these further lines of configuration.
    pub fn start(host_keys: &[&str], more: &str) -> Self {
        make_privilege_separation_directory();
        let dir = tempfile::Builder::new()
            .prefix("homeport-sshd-")
            .tempdir()
            .unwrap();
        let authorized = dir.path().join("authorized_keys");
        let mut config = format!(
            "AuthorizedKeysFile {}\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nPidFile none\n\
             LogLevel DEBUG\n{more}\n",
            authorized.display()
        );
        std::fs::write(&authorized, "").unwrap();
        for kind in host_keys {
            let file = dir.path().join(format!("host_{kind}"));
            keygen(&file, &["-t", kind, "-N", ""]);
            config.push_str(&format!("HostKey {}\n", file.display()));
        }
        let file = dir.path().join("sshd_config");
        std::fs::write(&file, config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = dir.path().join("log");
        // The thread lives as long as the test's process, and each sshd as long as its connection.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let output = OwnedFd::from(stream.try_clone().unwrap());
                let sshd = Command::new(which("sshd"))
                    .args(["-i", "-f"])
                    .arg(&file)
                    .arg("-E")
                    .arg(&log)
                    .stdin(Stdio::from(OwnedFd::from(stream)))
                    .stdout(Stdio::from(output))
                    .stderr(Stdio::null())
                    .spawn();
                std::thread::spawn(move || sshd.unwrap().wait());
            }
        });
        Self { dir, port }
    }

    /// Returns the path of a file in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Creates a key that may sign in.
    pub fn make_key(&self, name: &str, args: &[&str]) -> PathBuf {
        let file = self.path(name);
        keygen(&file, &[&["-N", ""][..], args].concat());
        self.authorize(&file);
        file
    }

    /// Allows the public part of this key to sign in.
    pub fn authorize(&self, key: &Path) {
        let mut lines = std::fs::read_to_string(self.path("authorized_keys")).unwrap();
        lines.push_str(&public(key));
        std::fs::write(self.path("authorized_keys"), lines).unwrap();
    }

    /// Returns the name of the user who runs the tests.
    pub fn user(&self) -> String {
        let uid = nix::unistd::Uid::current();
        nix::unistd::User::from_uid(uid).unwrap().unwrap().name
    }

    /// Returns what all sshd processes have logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// Runs `ssh-keygen -q -f FILE ARGS`.
pub fn keygen(file: &Path, args: &[&str]) {
    let made = Command::new("ssh-keygen")
        .arg("-q")
        .args(args)
        .arg("-f")
        .arg(file)
        .status()
        .unwrap();
    assert!(made.success(), "ssh-keygen {args:?}");
}

/// Returns the public line of a key.
pub fn public(file: &Path) -> String {
    std::fs::read_to_string(format!("{}.pub", file.display())).unwrap()
}

/// Creates the directory that sshd needs when root runs it. A package creates it at boot only if its service is
/// started.
fn make_privilege_separation_directory() {
    let directory = Path::new("/run/sshd");
    if rustix::process::geteuid().is_root() && !directory.exists() {
        // Another test may create it at the same moment. If it is still missing, sshd reports that.
        let _ = std::fs::create_dir(directory);
    }
}
