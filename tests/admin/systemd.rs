//! The server under a service manager: notifications, sockets that the manager holds, and priorities in its journal.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::io::dup;
use testkit::packets::{CREAT, WRITE, open};
use testkit::programs::homeportd;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::{PATIENCE, wait_for};

/// Passes the descriptor of its first argument as systemd does, then becomes the program in the others.
const PASS_SOCKET: &str = "
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='homeport.socket')
os.execvp(sys.argv[2], sys.argv[2:])
";

/// Lets the program believe that its standard error is the journal's, if the first argument is `1`.
const PASS_STREAM: &str = "
import os, sys
found = os.fstat(2)
os.environ['JOURNAL_STREAM'] = f'{found.st_dev}:{found.st_ino + 1 - int(sys.argv[1])}'
os.execvp(sys.argv[2], sys.argv[2:])
";

/// A socket for notifications, as a service manager reads it.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a notification that begins with this text, and skips others.
    fn expect(&self, start: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let length = match self.0.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) => panic!("no {start:?} but {seen:?}: {error}"),
            };
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text.starts_with(start) {
                return text;
            }
            seen.push(text);
        }
    }
}

#[test]
fn the_service_manager_is_told_what_the_server_does() {
    let mut server = TestServer::new(&[("server", "drain_secs = 60")]);
    server.add_user("alice", &[]);
    let path = server.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = format!("NOTIFY_SOCKET={}", path.display());
    server.serve_by(&["env", &socket, "WATCHDOG_USEC=1000000"]);
    manager.expect("READY=1");
    manager.expect("STATUS=serving 0 sessions");
    // The sandbox lets notifications pass.
    server.wait_for_log("the sandbox is in force");
    manager.expect("WATCHDOG=1");
    manager.expect("WATCHDOG=1");

    let mut alice = server.raw("alice");
    let _handle = alice.handle(&open("f", WRITE | CREAT));
    manager.expect("STATUS=serving 1 session");
    for reload in ["signal", "command"] {
        match reload {
            "signal" => server.signal("HUP"),
            _ => drop(server.admin_ok(&["reload"], "")),
        }
        let text = manager.expect("RELOADING=1\nMONOTONIC_USEC=");
        let usec: u64 = text.rsplit_once('=').unwrap().1.parse().unwrap();
        assert!(usec > 0);
        manager.expect("READY=1");
    }
    // A configuration that is refused ends the reload, too.
    fs::write(server.config(), "[").unwrap();
    server.signal("HUP");
    manager.expect("RELOADING=1");
    manager.expect("READY=1");

    server.signal("TERM");
    manager.expect("STOPPING=1");
    for _ in 0..2 {
        let text = manager.expect("EXTEND_TIMEOUT_USEC=20000000");
        assert!(text.contains("\nSTATUS=stopping; 1 session"), "{text}");
    }
    assert_eq!(alice.finish(), Some(0));
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn a_restart_behind_a_socket_that_is_held_refuses_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Unlike the original, the copy is inherited by other programs.
    let copy = dup(&listener).unwrap();
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    // The address is not bound again, although the configuration names it.
    let config = fs::read_to_string(server.config()).unwrap();
    fs::write(
        server.config(),
        config.replace("127.0.0.1:0", &address.to_string()),
    )
    .unwrap();
    let number = copy.as_raw_fd().to_string();
    let pass = ["python3", "-c", PASS_SOCKET, &number];
    server.serve_by(&pass);
    assert_eq!(server.port(), address.port());
    assert!(server.sign_in("alice", By::Key, "").status.success());
    assert!(!server.log().contains("does not name"), "{}", server.log());
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));

    let mut early = TcpStream::connect(address).unwrap();
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    early.write_all(b"QUIT\r\n").unwrap();
    server.serve_by(&pass);
    let mut line = [0; 18];
    early.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"SSH-2.0-Homeport\r\n");
    assert!(server.sign_in("alice", By::Key, "").status.success());
}

#[test]
fn a_socket_of_another_address_is_named_and_one_of_another_kind_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = dup(&listener).unwrap();
    let mut server = TestServer::new(&[]);
    let number = copy.as_raw_fd().to_string();
    server.serve_by(&["python3", "-c", PASS_SOCKET, &number]);
    let port = listener.local_addr().unwrap().port();
    server.wait_for_log(&format!(
        "holds a socket for 127.0.0.1:{port}, which [server] listen does not name"
    ));
    wait_for("the server to answer", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });

    let other = UnixDatagram::unbound().unwrap();
    let copy = dup(&other).unwrap();
    let number = copy.as_raw_fd().to_string();
    let output = Command::new("python3")
        .args(["-c", PASS_SOCKET, &number, homeportd(), "-c"])
        .arg(server.config())
        .arg("serve")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("cannot use the socket \"homeport.socket\" that the service manager holds"),
        "{message}"
    );
}

#[test]
fn lines_for_the_journal_have_priorities() {
    for (is_journal, expected) in [("1", true), ("0", false)] {
        let mut server = TestServer::new(&[("storage", "roots = [\"/nowhere/at/all\"]")]);
        server.serve_by(&["python3", "-c", PASS_STREAM, is_journal]);
        let log = server.log();
        let has = |priority: &str| log.lines().any(|line| line.starts_with(priority));
        assert_eq!((has("<6>"), has("<4>")), (expected, expected), "{log}");
        assert!(log.lines().all(|line| line.starts_with('<') == expected), "{log}");
    }
}
