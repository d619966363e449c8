//! Text that is not UTF-8 gets the same reply as any unknown text, and does not end the connection.

use std::io::Write;
use std::process::{Command, Stdio};

use testkit::programs::homeportd;
use testkit::server::{TestServer, password};
use testkit::wait_for;
use testkit::wire::{Lists, Message, Wire, lists, message, password_request, userauth};

/// Bytes that are not UTF-8.
pub const ODD: &[u8] = b"\xff\xfe";

/// Starts a server that does not delay refusals.
fn start() -> TestServer {
    let auth = "max_attempts = 1000\nthrottle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
    TestServer::start_with(&[("auth", auth)], &["alice"])
}

/// Sends a message, which must be answered by messages of these numbers; then the connection must still work.
fn check(wire: &mut Wire, alive: fn(&mut Wire), what: &str, sent: &Message, answers: &[u8]) {
    wire.send(sent);
    for number in answers {
        let answer = wire.receive();
        let answer = answer.unwrap_or_else(|| panic!("{what}: the connection has ended"));
        assert_eq!(answer[0], *number, "{what}: {}", answer.escape_ascii());
    }
    alive(wire);
}

#[test]
fn names_in_a_key_exchange() {
    let server = start();
    for index in 0..10 {
        let mut lists: Lists = lists();
        if !lists[index].is_empty() {
            lists[index].insert(0, b',');
        }
        lists[index].splice(0..0, ODD.iter().copied());
        let mut wire = Wire::client(server.port(), &lists);
        wire.sign_in("alice", password("alice").as_bytes());
    }
}

#[test]
fn text_before_the_sign_in() {
    fn alive(wire: &mut Wire) {
        wire.send(&userauth("alice", "none"));
        wire.expect(51);
    }
    let server = start();
    let mut wire = Wire::client(server.port(), &lists());
    let key = Message(Vec::new()).string("ssh-ed25519").string([7; 32]).0;
    let odd_key = Message(Vec::new()).string(ODD).string([7; 32]).0;
    let odd_signature = Message(Vec::new()).string(ODD).string([7; 64]).0;
    let signature = Message(Vec::new()).string("ssh-ed25519").string([7; 64]).0;
    let public_key = |algorithm: &[u8], key: &[u8], signature: Option<&[u8]>| {
        let request = userauth("alice", "publickey")
            .byte(u8::from(signature.is_some()))
            .string(algorithm)
            .string(key);
        signature.map_or(request.clone(), |signature| request.string(signature))
    };
    let rows: Vec<(&str, Message, &[u8])> = vec![
        ("IGNORE", message(2).string(ODD), &[]),
        ("DEBUG", message(4).byte(1).string(ODD).string(ODD), &[]),
        ("EXT_INFO", message(7).u32(1).string(ODD).string(ODD), &[]),
        ("user, none", userauth(ODD, "none"), &[51]),
        (
            "service",
            message(50).string("alice").string(ODD).string("none"),
            &[51],
        ),
        ("method", userauth("alice", ODD), &[51]),
        ("user, password", password_request(ODD, b"secret"), &[51]),
        ("password", password_request(b"alice", b"p\xe4ss"), &[51]),
        (
            "new password",
            userauth("alice", "password").byte(1).string(ODD).string(ODD),
            &[51],
        ),
        ("key, algorithm", public_key(ODD, &key, None), &[51]),
        ("key, type", public_key(b"ssh-ed25519", &odd_key, None), &[51]),
        (
            "key, user",
            {
                userauth(ODD, "publickey")
                    .byte(0)
                    .string("ssh-ed25519")
                    .string(&key)
            },
            &[51],
        ),
        (
            "key, algorithm, signed",
            public_key(ODD, &key, Some(&signature)),
            &[51],
        ),
        (
            "key, type, signed",
            public_key(b"ssh-ed25519", &odd_key, Some(&signature)),
            &[51],
        ),
        (
            "signature",
            public_key(b"ssh-ed25519", &key, Some(&odd_signature)),
            &[51],
        ),
        (
            "certificate",
            { public_key(b"ssh-ed25519-cert-v01@openssh.com", &odd_key, None) },
            &[51],
        ),
        (
            "hostbased",
            userauth("alice", "hostbased")
                .string(ODD)
                .string(ODD)
                .string(ODD)
                .string(ODD)
                .string(ODD),
            &[51],
        ),
    ];
    for (what, sent, answers) in rows {
        check(&mut wire, alive, what, &sent, answers);
    }
    wire.send(&userauth("alice", "keyboard-interactive").string(ODD).string(ODD));
    wire.expect(60);
    let answer = message(61).u32(1).string(b"p\xe4ss");
    check(&mut wire, alive, "keyboard-interactive, answer", &answer, &[51]);
    wire.sign_in("alice", password("alice").as_bytes());
    // Each attempt with a password is in the audit log, with the name as far as it is UTF-8.
    let denied = |method: &str| {
        let method = format!("\"method\":\"{method}\"");
        let audit = server.audit();
        let lines = audit
            .lines()
            .filter(|line| line.contains("\"denied\"") && line.contains(&method));
        lines.count()
    };
    wait_for("the attempts in the audit log", || {
        // The request for a new password is the third one.
        (denied("password"), denied("keyboard-interactive")) == (3, 1)
    });
    assert!(!server.audit().contains("\"refused\""), "{}", server.audit());
}

#[test]
fn text_after_the_sign_in() {
    fn alive(wire: &mut Wire) {
        wire.send(&message(80).string("keepalive@openssh.com").byte(1));
        wire.expect(82);
    }
    let server = start();
    let mut wire = Wire::client(server.port(), &lists());
    wire.sign_in("alice", password("alice").as_bytes());
    let open = |kind: &[u8]| message(90).string(kind).u32(0).u32(1 << 20).u32(32768);
    wire.send(&open(b"session"));
    let opened = wire.expect(91);
    let id = u32::from_be_bytes(opened[5..9].try_into().unwrap());
    let request = |name: &[u8]| message(98).u32(id).string(name).byte(1);
    let rows: Vec<(&str, Message, &[u8])> = vec![
        ("DEBUG", message(4).byte(1).string(ODD).string(ODD), &[]),
        ("global request", message(80).string(ODD).byte(1), &[82]),
        (
            "tcpip-forward",
            message(80).string("tcpip-forward").byte(1).string(ODD).u32(1),
            &[82],
        ),
        (
            "cancel-tcpip-forward",
            message(80)
                .string("cancel-tcpip-forward")
                .byte(1)
                .string(ODD)
                .u32(1),
            &[82],
        ),
        (
            "streamlocal-forward",
            message(80)
                .string("streamlocal-forward@openssh.com")
                .byte(1)
                .string(ODD),
            &[82],
        ),
        ("channel type", open(ODD), &[92]),
        (
            "direct-tcpip",
            open(b"direct-tcpip").string(ODD).u32(1).string(ODD).u32(1),
            &[92],
        ),
        (
            "direct-streamlocal",
            open(b"direct-streamlocal@openssh.com")
                .string(ODD)
                .string(ODD)
                .u32(0),
            &[92],
        ),
        ("x11", open(b"x11").string(ODD).u32(1), &[92]),
        (
            "forwarded-tcpip",
            open(b"forwarded-tcpip").string(ODD).u32(1).string(ODD).u32(1),
            &[92],
        ),
        (
            "open failure",
            message(92).u32(77).u32(1).string(ODD).string(ODD),
            &[],
        ),
        ("request", request(ODD), &[100]),
        (
            "pty-req",
            request(b"pty-req")
                .string(ODD)
                .u32(80)
                .u32(24)
                .u32(0)
                .u32(0)
                .string([0]),
            &[100],
        ),
        (
            "x11-req",
            request(b"x11-req").byte(0).string(ODD).string(ODD).u32(0),
            &[100],
        ),
        ("env", request(b"env").string(ODD).string(ODD), &[100]),
        ("signal", request(b"signal").string(ODD), &[100]),
        ("subsystem", request(b"subsystem").string(ODD), &[100]),
        // An unknown command: success, standard error, exit status, EOF, close.
        ("exec", request(b"exec").string(ODD), &[99, 95, 98, 96, 97]),
        ("unknown message", message(199).string(ODD), &[3]),
    ];
    for (what, sent, answers) in rows {
        check(&mut wire, alive, what, &sent, answers);
    }
    // The connection still works.
    wire.send(&open(b"session"));
    let opened = wire.expect(91);
    let id = u32::from_be_bytes(opened[5..9].try_into().unwrap());
    wire.send(&message(98).u32(id).string("subsystem").byte(1).string("sftp"));
    wire.expect(99);
    wire.send(&message(1).u32(11).string(ODD).string(ODD));
    server.wait_for_audit("session_ended");
}

/// `homeportd user passwd NAME --password-stdin` with bytes.
fn set_password(server: &TestServer, user: &str, secret: &[u8]) {
    let mut child = Command::new(homeportd())
        .arg("-c")
        .arg(server.config())
        .args(["user", "passwd", user, "--password-stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(secret).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn passwords_are_compared_as_bytes() {
    let server = start();
    set_password(&server, "alice", b"long p\xe4ssword\n");
    let attempt = |secret: &[u8], keyboard: bool| {
        let mut wire = Wire::client(server.port(), &lists());
        if keyboard {
            wire.send(&userauth("alice", "keyboard-interactive").string("").string(""));
            wire.expect(60);
            wire.send(&message(61).u32(1).string(secret));
        } else {
            wire.send(&password_request(b"alice", secret));
        }
        wire.receive().unwrap()[0]
    };
    for keyboard in [false, true] {
        assert_eq!(attempt(b"long p\xe4ssword", keyboard), 52);
        for wrong in ["long pässword", "long p\u{fffd}ssword", "long pssword"] {
            assert_eq!(attempt(wrong.as_bytes(), keyboard), 51, "{wrong}");
        }
        assert_eq!(attempt(b"long p\xe5ssword", keyboard), 51);
    }
}

/// All text from the wire goes through one function of the library, so that the next message cannot bring this back.
#[test]
fn all_text_from_the_wire_goes_through_one_function() {
    // The first file reads its own signature, the second one is a test double of an agent.
    let allowed = ["client/kex.rs", "keys/agent/server.rs"];
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/russh/src");
    let mut directories = vec![top.clone()];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            files += 1;
            let name = path.strip_prefix(&top).unwrap().to_string_lossy().into_owned();
            if allowed.contains(&name.as_str()) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                // The library's own tests unwrap what they read.
                let reads = line.contains("String::decode(") && !line.contains("unwrap()");
                assert!(!reads, "{name}:{}: use text_of", number + 1);
            }
        }
    }
    assert!(files > 30, "{files} files");
}
