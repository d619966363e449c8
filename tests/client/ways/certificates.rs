//! Certificates of users, from files and from the agent, and of hosts (`@cert-authority`).

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Laptop, SFTP};
use crate::client::terminal::KillOnDrop;
use testkit::sshd::{Sshd, keygen, public};
use testkit::wait_for;

/// Signs the public part of a key: `ssh-keygen -s CA -I id ARGS KEY.pub`.
fn sign(ca: &Path, key: &Path, args: &[&str]) {
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-I", "id", "-s"])
        .arg(ca)
        .args(args)
        .arg(format!("{}.pub", key.display()))
        .status();
    assert!(signed.unwrap().success());
}

/// A directory with an authority that an sshd trusts for users.
struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> (Self, Sshd) {
        let dir = tempfile::tempdir().unwrap();
        let authority = Self { dir };
        keygen(&authority.path("ca"), &["-t", "ecdsa", "-N", ""]);
        let sshd = Sshd::start(&["ed25519"], &authority.trusted());
        (authority, sshd)
    }

    /// The lines of an sshd that trusts it.
    fn trusted(&self) -> String {
        format!("{SFTP}\nTrustedUserCAKeys {}.pub", self.path("ca").display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a key with a certificate beside it.
    fn key(&self, name: &str, kind: &str, ca: &str, args: &[&str]) -> String {
        let key = self.path(name);
        keygen(&key, &["-t", kind, "-N", ""]);
        sign(&self.path(ca), &key, args);
        key.display().to_string()
    }
}

#[test]
fn a_certificate_of_a_file_signs_in() {
    let (authority, sshd) = Authority::new();
    let laptop = Laptop::new("");
    let user = sshd.user();
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let key = authority.key(kind, kind, "ca", &["-n", &user]);
        laptop.list(&sshd, &["-i", &key, "--batch"]).expect_code(0);
        // A certificate elsewhere is named.
        let elsewhere = authority.path(&format!("{kind}-elsewhere"));
        std::fs::rename(format!("{key}-cert.pub"), &elsewhere).unwrap();
        laptop.list(&sshd, &["-i", &key, "--batch"]).expect_code(3);
        let option = format!("CertificateFile={}", elsewhere.display());
        laptop
            .list(&sshd, &["-i", &key, "--batch", "-o", &option])
            .expect_code(0);
    }
}

#[test]
fn why_a_certificate_is_refused_is_said() {
    let (authority, sshd) = Authority::new();
    keygen(&authority.path("other"), &["-t", "ed25519", "-N", ""]);
    let laptop = Laptop::new("");
    let user = sshd.user();
    for (name, ca, args, expected) in [
        (
            "expired",
            "ca",
            &["-n", &user, "-V", "20200101:20200201"][..],
            "expired on 2020-02-01",
        ),
        (
            "early",
            "ca",
            &["-n", &user, "-V", "20990101:20990201"],
            "is valid only from 2099-01-01",
        ),
        (
            "nobody",
            "ca",
            &["-n", "nobody-else"],
            "is for nobody-else, and the user is",
        ),
        (
            "unknown",
            "other",
            &["-n", &user],
            "the server does not accept the certificate \"id\", which SHA256:",
        ),
    ] {
        let key = authority.key(name, "ed25519", ca, args);
        laptop
            .list(&sshd, &["-i", &key, "--batch"])
            .expect_code(3)
            .expect_stderr(&[expected]);
    }
    let broken = authority.key("broken", "ed25519", "ca", &["-n", &user]);
    std::fs::write(format!("{broken}-cert.pub"), "not a certificate").unwrap();
    laptop
        .list(&sshd, &["-i", &broken, "--batch"])
        .expect_code(3)
        .expect_stderr(&["broken-cert.pub\" cannot be used"]);
}

/// With hosts in the middle, a warning that names no host could be about any of them.
#[test]
fn a_warning_about_a_certificate_names_its_host() {
    let (authority, last) = Authority::new();
    let trusted = authority.trusted();
    let middle = Sshd::start(&["ed25519"], &format!("{trusted}\nAllowTcpForwarding yes"));
    let user = last.user();
    let key = authority.key("key", "ed25519", "ca", &["-n", &user, "-V", "20200101:20200201"]);
    let through = format!("{user}@127.0.0.1:{}", middle.port);
    let laptop = Laptop::new("");
    let warning = |sshd: &Sshd| {
        let place = format!("warning: signing in at \"127.0.0.1\" port {}", sshd.port);
        format!("{place}: the certificate \"id\" expired on 2020-02-01")
    };
    for sshd in [&middle, &last] {
        sshd.authorize(key.as_ref());
    }
    laptop
        .list(&last, &["-i", &key, "-J", &through, "--batch"])
        .expect_code(0)
        .expect_stderr(&[&warning(&middle), &warning(&last)]);
}

/// The same of the certificates of the hosts themselves, none of which counts.
#[test]
fn a_warning_about_the_certificate_of_a_host_names_the_host() {
    let (authority, _) = Authority::new();
    let host = |name: &str, args: &[&str]| {
        let key = authority.key(name, "ed25519", "ca", &[&["-h"][..], args].concat());
        let lines = format!("{SFTP}\nAllowTcpForwarding yes\nHostKey {key}\nHostCertificate {key}-cert.pub");
        Sshd::start(&[], &lines)
    };
    let middle = host("middle", &["-V", "20200101:20200201"]);
    let last = host("last", &["-V", "-1d:+1d", "-n", "other.example"]);
    let key = last.make_key("key", &["-t", "ed25519"]);
    middle.authorize(&key);
    let known = authority.path("kh");
    std::fs::write(
        &known,
        format!("@cert-authority * {}", public(&authority.path("ca"))),
    )
    .unwrap();
    let through = format!("{}@127.0.0.1:{}", last.user(), middle.port);
    let warning = |sshd: &Sshd, why: &str| {
        let port = sshd.port;
        format!("warning: \"[127.0.0.1]:{port}\" is not known by its certificate: its certificate {why}")
    };
    let (key, known) = (key.display().to_string(), known.display().to_string());
    let words = ["-i", &key, "-J", &through, "--known-hosts", &known, "--batch"];
    Laptop::new("")
        .list(&last, &words)
        .expect_code(0)
        .expect_stderr(&[
            &warning(&middle, "expired on 2020-02-01"),
            &warning(&last, "is for other.example"),
        ]);
}

#[test]
fn a_certificate_of_the_agent_signs_in() {
    let (authority, sshd) = Authority::new();
    let laptop = Laptop::new("");
    let socket = authority.path("agent");
    let agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _agent = KillOnDrop(agent);
    // The socket is there before the agent listens on it.
    wait_for("the agent", || UnixStream::connect(&socket).is_ok());
    let add = |key: &str| {
        let added = Command::new("ssh-add")
            .args(["-q", key])
            .env("SSH_AUTH_SOCK", &socket)
            .status();
        assert!(added.unwrap().success());
    };
    let user = sshd.user();
    let list = |more: &[&str]| {
        let url = format!("sftp://{user}@127.0.0.1:{}/etc/hostname", sshd.port);
        let words = ["ls", &url, "--accept-new", "--batch"]
            .into_iter()
            .chain(more.iter().copied());
        let output = laptop.command(words).env("SSH_AUTH_SOCK", &socket).output();
        super::CommandResult::of(output.unwrap())
    };
    // The certificate is in the agent.
    let inside = authority.key("inside", "ed25519", "ca", &["-n", &user]);
    add(&inside);
    std::fs::remove_file(&inside).unwrap();
    list(&[]).expect_code(0);
    // The agent has only the key, and the certificate is a file.
    let cleared = Command::new("ssh-add")
        .args(["-q", "-D"])
        .env("SSH_AUTH_SOCK", &socket)
        .status();
    assert!(cleared.unwrap().success());
    let bare = authority.key("bare", "rsa", "ca", &["-n", &user]);
    let certificate = authority.path("bare-certificate");
    std::fs::rename(format!("{bare}-cert.pub"), &certificate).unwrap();
    add(&bare);
    std::fs::remove_file(&bare).unwrap();
    list(&[]).expect_code(3);
    list(&["-o", &format!("CertificateFile={}", certificate.display())]).expect_code(0);
}

#[test]
fn a_host_is_known_by_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["ca", "other", "host"] {
        keygen(&path(name), &["-t", "ed25519", "-N", ""]);
    }
    let config = format!(
        "{SFTP}\nHostKey {}\nHostCertificate {}",
        path("host").display(),
        path("host-cert.pub").display()
    );
    let sshd = Sshd::start(&[], &config);
    let key = sshd.make_key("key", &["-t", "ed25519"]).display().to_string();
    let laptop = Laptop::new("");
    let known = path("kh");
    let list = || {
        let url = format!("sftp://{}@127.0.0.1:{}/etc/hostname", sshd.user(), sshd.port);
        let known = known.display().to_string();
        laptop.run(["ls", &url, "-i", &key, "--batch", "--known-hosts", &known])
    };
    let trust = |mark: &str, name: &str| {
        std::fs::write(&known, format!("{mark} {}", public(&path(name)))).unwrap();
    };
    let day = ["-h", "-V", "-1d:+1d"];
    sign(
        &path("ca"),
        &path("host"),
        &[&day[..], &["-n", "127.0.0.1"]].concat(),
    );
    trust("@cert-authority *", "ca");
    list().expect_code(0);
    trust("@cert-authority 127.0.0.*", "ca");
    list().expect_code(0);
    // Without an authority for the host, only its key counts.
    trust("@cert-authority other.example", "ca");
    list().expect_code(3).expect_stderr(&["is not known"]);
    trust("@cert-authority *", "other");
    list()
        .expect_code(3)
        .expect_stderr(&["no @cert-authority in known_hosts has that key", "is not known"]);
    let both = format!(
        "@cert-authority * {}* {}",
        public(&path("other")),
        public(&path("host"))
    );
    std::fs::write(&known, both).unwrap();
    list().expect_code(0);
    let revoked = format!("@cert-authority * {0}@revoked * {0}", public(&path("ca")));
    std::fs::write(&known, revoked).unwrap();
    list().expect_code(3).expect_stderr(&["is marked as revoked"]);
    trust("@cert-authority *", "ca");
    for (args, expected) in [
        (
            &["-h", "-V", "20200101:20200201", "-n", "127.0.0.1"][..],
            "its certificate expired on 2020-02-01",
        ),
        (
            &["-h", "-V", "20990101:20990201", "-n", "127.0.0.1"],
            "its certificate is valid only from 2099-01-01",
        ),
        (
            &["-h", "-V", "-1d:+1d", "-n", "other.example"],
            "its certificate is for other.example, and not for \"127.0.0.1\"",
        ),
    ] {
        sign(&path("ca"), &path("host"), args);
        let refused = list().expect_code(3).expect_stderr(&["(hint: "]);
        // Once in the warning with what to do, and once in the error, which is all that --quiet shows.
        assert_eq!(refused.err.matches(expected).count(), 2, "{}", refused.err);
    }
}
