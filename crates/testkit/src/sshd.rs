//! The machine's own `sshd`, one process for each connection: that works as root and as anybody else.
//!
//! Whoever runs the tests signs in as themselves, by key.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::reference::which;

/// An sshd with its keys, and the way to it.
pub struct Sshd {
    dir: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
}

impl Sshd {
    /// With host keys of these types and these further lines of configuration.
    pub fn start(host_keys: &[&str], more: &str) -> Self {
        make_privilege_separation_directory();
        let dir = tempfile::Builder::new()
            .prefix("homeport-sshd-")
            .tempdir()
            .unwrap();
        let authorized = dir.path().join("authorized_keys");
        let mut config = format!(
            "AuthorizedKeysFile {}\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nPidFile none\nLogLevel DEBUG\n{more}\n",
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
        // Lives as long as the test's process; each sshd as long as its connection.
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

    /// A file of its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a key that is let in.
    pub fn make_key(&self, name: &str, args: &[&str]) -> PathBuf {
        let file = self.path(name);
        keygen(&file, &[&["-N", ""][..], args].concat());
        self.let_in(&file);
        file
    }

    /// Lets the public part of this key in.
    pub fn let_in(&self, key: &Path) {
        let mut lines = std::fs::read_to_string(self.path("authorized_keys")).unwrap();
        lines.push_str(&public(key));
        std::fs::write(self.path("authorized_keys"), lines).unwrap();
    }

    /// Whoever runs the tests.
    pub fn user(&self) -> String {
        let uid = nix::unistd::Uid::current();
        nix::unistd::User::from_uid(uid).unwrap().unwrap().name
    }

    /// What all of them have logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// `ssh-keygen -q -f FILE ARGS`.
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

/// A key's public line.
pub fn public(file: &Path) -> String {
    std::fs::read_to_string(format!("{}.pub", file.display())).unwrap()
}

/// Makes the directory that sshd needs when root runs it. A package makes it at boot only where its service is started.
fn make_privilege_separation_directory() {
    let directory = Path::new("/run/sshd");
    if rustix::process::geteuid().is_root() && !directory.exists() {
        // Another test may make it at the same moment; sshd says so if it is missing all the same.
        let _ = std::fs::create_dir(directory);
    }
}
