//! Urgent data of TCP between the bytes of a client, which an SSH client never sends: our server and OpenSSH's `sshd`
//! both leave it out of the stream.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{SendFlags, send};
use testkit::packets::{CREAT, WRITE, nth, open, stat, write};
use testkit::raw::RawSftp;
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::sshd::Sshd;

/// MSG_OOB, which rustix does not name.
const URGENT: SendFlags = SendFlags::from_bits_retain(1);

/// Passes one connection on to a server, and can send an urgent byte in between.
struct UrgentProxy {
    port: u16,
    /// Whether the next bytes of the client get an urgent byte in their middle.
    interrupts: Arc<AtomicBool>,
}

impl UrgentProxy {
    fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let interrupts = Arc::new(AtomicBool::new(false));
        let interrupting = Arc::clone(&interrupts);
        // Both threads end with the connection.
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            server.set_nodelay(true).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            pass_on(client, server, &interrupting);
        });
        Self { port, interrupts }
    }
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, interrupts: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let (head, tail) = buffer[..count].split_at(count / 2);
        if interrupts.swap(false, Ordering::SeqCst) {
            server.write_all(head).unwrap();
            assert_eq!(send(&server, b"!", URGENT).unwrap(), 1);
            server.write_all(tail).unwrap();
        } else {
            server.write_all(&buffer[..count]).unwrap();
        }
    }
    // The client has left; a server that has left first has closed the other side, too.
    let _ = server.shutdown(std::net::Shutdown::Write);
}

/// Asks through the proxy while urgent bytes arrive, and asserts that each request is answered.
fn ask_with_interruptions(proxy: &UrgentProxy, directory: &Path, user: &str, key: &Path) {
    let mut command = Command::new("ssh");
    command
        .args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "LogLevel=ERROR",
        ])
        .args([
            "-o",
            "IdentityAgent=none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ])
        .args(["-o", "GlobalKnownHostsFile=none", "-o"])
        .arg(format!(
            "UserKnownHostsFile={}",
            directory.join("hosts").display()
        ))
        .arg("-i")
        .arg(key)
        .args([
            "-p",
            &proxy.port.to_string(),
            "-s",
            &format!("{user}@127.0.0.1"),
            "sftp",
        ])
        .env_remove("SSH_AUTH_SOCK");
    let mut sftp = RawSftp::start(command);
    let interrupt = |sftp: &mut RawSftp, n: usize| {
        proxy.interrupts.store(true, Ordering::SeqCst);
        assert!(matches!(sftp.ask(&stat("/")), Reply::Attrs(_)), "request {n}");
        assert!(
            !proxy.interrupts.load(Ordering::SeqCst),
            "an urgent byte was sent"
        );
    };
    for n in 0..50 {
        interrupt(&mut sftp, n);
    }
    let file = directory.join("urgent-file");
    let path = match user {
        "alice" => "urgent-file".to_owned(),
        _ => file.display().to_string(),
    };
    let handle = sftp.handle(&open(&path, WRITE | CREAT));
    for n in 0..50u64 {
        proxy.interrupts.store(true, Ordering::SeqCst);
        let reply = sftp.ask_about(&write(nth(0), n * 30_000, vec![7; 30_000]), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    }
    assert_eq!(sftp.finish(), Some(0));
}

#[test]
fn urgent_data_disturbs_no_session() {
    let server = TestServer::start(&["alice"]);
    let proxy = UrgentProxy::start(server.port());
    ask_with_interruptions(&proxy, server.path(), "alice", &server.key("alice"));
    let written = std::fs::read(server.home("alice").join("urgent-file")).unwrap();
    assert!(written == vec![7; 50 * 30_000]);

    let sshd = Sshd::start(&["ed25519"], "Subsystem sftp internal-sftp\n");
    let key = sshd.make_key("key", &["-t", "ed25519"]);
    let proxy = UrgentProxy::start(sshd.port);
    ask_with_interruptions(&proxy, &sshd.path("."), &sshd.user(), &key);
    assert!(std::fs::read(sshd.path("urgent-file")).unwrap() == written);
}

/// An urgent byte that nobody reads does not keep the server busy.
#[test]
fn urgent_data_keeps_nothing_busy() {
    let server = TestServer::start(&[]);
    let mut sockets: Vec<TcpStream> = (0..8)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port())).unwrap())
        .collect();
    for socket in &mut sockets {
        socket.write_all(b"SSH-2.0-").unwrap();
        assert_eq!(send(&*socket, b"!", URGENT).unwrap(), 1);
    }
    testkit::processes::wait_for_rest(&server);
    for socket in &mut sockets {
        socket.write_all(b"x\r\n").unwrap();
        let mut reply = vec![0; 4096];
        let mut count = 0;
        // The identification is followed by the algorithms, once the server has read the client's identification.
        socket.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
        while count < 256 {
            let now = socket.read(&mut reply[count..]).unwrap();
            assert!(now > 0, "closed after {count} bytes");
            count += now;
        }
        assert!(reply.starts_with(b"SSH-2.0-"));
    }
}
