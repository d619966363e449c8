//! Hosts in the middle (ProxyJump): one, two, and such that refuse.

use super::{Laptop, SFTP, sshd_with_key};
use testkit::sshd::Sshd;

/// A word for a host in the middle.
fn word(sshd: &Sshd) -> String {
    format!("{}@127.0.0.1:{}", sshd.user(), sshd.port)
}

/// The lines that let a host in the middle connect only to this server.
fn only_to(next: &Sshd) -> String {
    format!("AllowTcpForwarding yes\nPermitOpen 127.0.0.1:{}", next.port)
}

/// Whether a line of known_hosts is that of the server with this port.
fn is_of(line: &str, port: u16) -> bool {
    line.starts_with(&format!("[127.0.0.1]:{port} "))
}

#[test]
fn one_and_two_hosts_in_the_middle() {
    let (last, key) = sshd_with_key(SFTP);
    let (second, _) = sshd_with_key(&only_to(&last));
    let (first, _) = sshd_with_key(&only_to(&second));
    for sshd in [&first, &second] {
        sshd.authorize(key.as_ref());
    }
    let laptop = Laptop::new("HashKnownHosts no\n");
    laptop
        .list(&last, &["-i", &key, "-J", &word(&second)])
        .expect_code(0);
    let known = std::fs::read_to_string(laptop.path(".ssh/known_hosts")).unwrap();
    for port in [last.port, second.port] {
        assert!(known.lines().any(|line| is_of(line, port)), "{port}: {known}");
    }
    // Two hosts, the second of which only the first reaches; by the configuration this time.
    laptop.configure(&format!(
        "Host last\n HostName 127.0.0.1\n Port {}\n User {}\n ProxyJump middle\n\
         Host middle\n HostName 127.0.0.1\n Port {}\n User {}\n ProxyJump {}\nHost *\n IdentityFile {key}\n",
        last.port,
        last.user(),
        second.port,
        second.user(),
        word(&first)
    ));
    let file = laptop.path("large");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    let there = laptop.path("there").display().to_string();
    laptop
        .run(["put", "large", &format!("last:{there}"), "--accept-new"])
        .expect_code(0);
    assert_eq!(std::fs::read(&there).unwrap(), bytes);
    std::fs::remove_file(&file).unwrap();
    laptop
        .run(["get", &format!("last:{there}"), "large", "--batch"])
        .expect_code(0);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert!(
        first.log().contains(&format!("port {}", second.port)),
        "{}",
        first.log()
    );
}

#[test]
fn each_host_key_is_checked() {
    let (last, key) = sshd_with_key(SFTP);
    let (middle, _) = sshd_with_key(&only_to(&last));
    middle.authorize(key.as_ref());
    let laptop = Laptop::new("HashKnownHosts no\n");
    let url = format!("sftp://{}@127.0.0.1:{}/etc/hostname", last.user(), last.port);
    let through = word(&middle);
    let words = ["ls", &url, "-i", &key, "-J", &through, "--batch"];
    let unknown = |port: u16| format!("the host \"[127.0.0.1]:{port}\" is not known");
    laptop
        .run(words)
        .expect_code(3)
        .expect_stderr(&[&unknown(middle.port)]);
    // With the key of the host in the middle alone, the last one is still unknown.
    laptop
        .list(&last, &["-i", &key, "-J", &word(&middle)])
        .expect_code(0);
    let file = laptop.path(".ssh/known_hosts");
    let known = std::fs::read_to_string(&file).unwrap();
    let of_middle = known.lines().find(|line| is_of(line, middle.port)).unwrap();
    std::fs::write(&file, format!("{of_middle}\n")).unwrap();
    laptop
        .run(words)
        .expect_code(3)
        .expect_stderr(&[&unknown(last.port)]);
}

#[test]
fn a_host_in_the_middle_that_refuses_is_named() {
    let (last, key) = sshd_with_key(SFTP);
    // The port is bound as long as the test runs, so that no other program gets it, but nothing listens on it.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = taken.local_addr().unwrap().port();
    let laptop = Laptop::new("");
    let (refusing, _) = sshd_with_key("AllowTcpForwarding no");
    let (other, _) = sshd_with_key("AllowTcpForwarding yes");
    for sshd in [&refusing, &other] {
        sshd.authorize(key.as_ref());
    }
    laptop
        .list(&last, &["-i", &key, "-J", &word(&refusing), "--batch"])
        .expect_code(1)
        .expect_stderr(&[
            &format!("\"127.0.0.1\" port {} does not connect to", refusing.port),
            "it refuses",
        ]);
    let url = format!("sftp://x@127.0.0.1:{closed}/");
    laptop
        .run([
            "ls",
            &url,
            "-i",
            &key,
            "-J",
            &word(&other),
            "--accept-new",
            "--batch",
        ])
        .expect_code(1)
        .expect_stderr(&["nothing answers there"]);
    // A host in the middle that does not let us in.
    let stranger = Laptop::new("");
    stranger
        .list(&last, &["-J", &word(&other), "--batch"])
        .expect_code(3)
        .expect_stderr(&["not signed in as"]);
}
