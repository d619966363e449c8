//! Misuse by attackers: services and key exchanges at the wrong time, replies without a request, expensive work for
//! peers that disconnect, thousands of identical errors, and endless silence.

use testkit::audit::Lines;
use testkit::server::TestServer;
use testkit::ssh::{
    CLOSE, DISCONNECT, GLOBAL_REQUEST, IGNORE, KEXINIT, Message, OPEN_CONFIRMATION, OPEN_FAILURE, REQUEST,
    Ssh, data,
};
use testkit::wait_for;

/// SSH_MSG_REQUEST_FAILURE, the reply to an unknown global request.
const REQUEST_FAILURE: u8 = 82;

/// Waits until the server has wait_until_handled everything that was sent before.
fn wait_until_handled(ssh: &mut Ssh) {
    ssh.send(&Message::new(GLOBAL_REQUEST).string("last@example.com").byte(1));
    ssh.wait_for(REQUEST_FAILURE);
}

#[test]
fn an_unknown_service_is_refused_and_logged() {
    let server = TestServer::start(&["alice"]);
    let check = |before: &[&str], name: &[u8], shown: &str| {
        let mut ssh = Ssh::connect(server.port());
        for service in before {
            ssh.send(&Message::new(5).string(service));
            ssh.wait_for(6);
        }
        ssh.send(&Message::new(5).string(name));
        let disconnect = ssh.wait_for(DISCONNECT);
        // The reason is SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, as with OpenSSH.
        assert_eq!(disconnect[1..5], [0, 0, 0, 7], "{shown}");
        assert!(ssh.receive().is_err());
        server.wait_for_audit(&format!("the client asked for the service \\\"{shown}"));
    };
    check(&[], b"ssh-connection", "ssh-connection");
    check(&["ssh-userauth"], b"nonsense", "nonsense");
    check(&["ssh-userauth", "ssh-userauth"], b"caf\xe9", "caf");
    check(&[], "x".repeat(30_000).as_bytes(), &"x".repeat(64));
}

/// RFC 4253, section 11.4: the reply contains the sequence number of the unknown message.
#[test]
fn unknown_messages_are_answered_with_unimplemented() {
    const UNIMPLEMENTED: u8 = 3;
    let server = TestServer::start(&["alice"]);
    let check = |ssh: &mut Ssh| {
        let mut places = Vec::new();
        for kind in [6, 19, 51, 60, 79, 83, 101, 192, 255] {
            ssh.send(&Message::new(kind).string("what?"));
            ssh.send(&Message::new(IGNORE).string(""));
            let answer = ssh.wait_for(UNIMPLEMENTED);
            places.push(u32::from_be_bytes(answer[1..].try_into().unwrap()));
        }
        // Every second packet was an unknown message.
        assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 2), "{places:?}");
    };
    let mut ssh = Ssh::connect(server.port());
    ssh.send(&Message::new(5).string("ssh-userauth"));
    ssh.wait_for(6);
    check(&mut ssh);
    let mut ssh = Ssh::sign_in(&server, "alice");
    check(&mut ssh);
    wait_until_handled(&mut ssh);
}

#[test]
fn key_exchanges_before_the_sign_in_are_limited() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::connect(server.port());
    let mut exchanges = 0;
    while ssh.exchange_keys().is_ok() {
        exchanges += 1;
        assert!(exchanges < 100, "it still goes on");
    }
    server.wait_for_audit("new keys again and again");
    // After the sign-in, they are allowed.
    let mut ssh = Ssh::sign_in(&server, "alice");
    for _ in 0..20 {
        ssh.exchange_keys().unwrap();
    }
    wait_until_handled(&mut ssh);
}

/// RFC 4253, section 6.1: the size that every implementation must accept. Larger packets are allowed after the sign-in
/// only.
#[test]
fn packets_before_the_sign_in_are_small() {
    let server = TestServer::start(&["alice"]);
    let ignored = |bytes: usize| Message::new(IGNORE).string(vec![0; bytes]);
    let mut first = Ssh::greet(server.port());
    first.identification();
    first.wait_for(KEXINIT);
    first.send(&ignored(34_900));
    let _ = first.try_send(&ignored(40_000));
    assert!(first.receive().is_err(), "before the keys");
    let mut keyed = Ssh::connect(server.port());
    keyed.send(&ignored(34_900));
    keyed.send(&Message::new(5).string("ssh-userauth"));
    keyed.wait_for(6);
    let _ = keyed.try_send(&ignored(40_000));
    assert!(keyed.receive().is_err(), "before the sign-in");
    let mut signed_in = Ssh::sign_in(&server, "alice");
    signed_in.send(&ignored(200_000));
    wait_until_handled(&mut signed_in);
}

/// The server keeps KEXINIT during the exchange, and larger packets are for data only.
#[test]
fn kexinit_has_the_same_limit_after_the_sign_in() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let long = vec!["x".repeat(60); 240].join(",");
    let mut kexinit = Ssh::kexinit_with(&format!("curve25519-sha256,{long}"));
    // The language lists are ignored: they are the last ones, before a byte and a number.
    kexinit.0.truncate(kexinit.0.len() - 13);
    ssh.send(&kexinit.string(&long).string(&long).byte(0).u32(0));
    assert!(!ssh.kinds_until_the_end().contains(&KEXINIT), "it was answered");
}

/// Otherwise, the window and the packet size of an open channel would change while it is used.
#[test]
fn confirmations_without_an_open_end_the_connection() {
    let server = TestServer::start(&["alice"]);
    let check = |answer: &dyn Fn(u32) -> Message| {
        let mut ssh = Ssh::sign_in(&server, "alice");
        let opened = ssh.open_sftp(0, 1 << 20);
        ssh.send(&answer(opened.theirs));
        let _ = ssh.try_send(&Message::new(GLOBAL_REQUEST).string("last@example.com").byte(1));
        assert!(
            !ssh.kinds_until_the_end().contains(&REQUEST_FAILURE),
            "it goes on"
        );
    };
    check(&|channel| {
        Message::new(OPEN_CONFIRMATION)
            .u32(channel)
            .u32(0)
            .u32(1 << 20)
            .u32(1)
    });
    check(&|channel| {
        Message::new(OPEN_CONFIRMATION)
            .u32(channel + 7)
            .u32(0)
            .u32(1 << 20)
            .u32(32_768)
    });
    check(&|channel| {
        Message::new(OPEN_FAILURE)
            .u32(channel)
            .u32(1)
            .string("")
            .string("")
    });
    wait_for("the sessions to end", || {
        server.admin_ok(&["sessions", "list", "--json"], "").trim() == "[]"
    });
    // The audit log says that these violated the protocol.
    server.wait_for_audit("the client broke the SSH protocol");
    assert!(!server.audit().contains("the client left"), "{}", server.audit());
}

/// Diffie-Hellman with 4096 bits takes tens of milliseconds of CPU time, which are not spent on queued peers that have
/// disconnected.
#[test]
fn no_slow_key_exchange_is_computed_for_disconnected_peers() {
    // Half of the cores compute at once, and these exchanges have begun before any peer disconnects.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let number = 60.max(2 * cores);
    let limits = "unauthenticated = 4000\nunauthenticated_per_address = 4000";
    let settings = [("ssh", "policy = \"compatible\""), ("limits", limits)];
    let server = TestServer::start_with(&settings, &[]);
    // Only the computation on the server is left.
    let ready = || {
        let mut ssh = Ssh::greet(server.port());
        ssh.identification();
        ssh.send(&Ssh::kexinit_with("diffie-hellman-group16-sha512"));
        ssh.wait_for(KEXINIT);
        ssh
    };
    let ask = |ssh: &mut Ssh| ssh.send(&Message::new(30).string([5; 511]));
    // All connect first, because a source of failed sign-ins is throttled later.
    let [first, second] = [0, 1].map(|_| (0..number).map(|_| ready()).collect::<Vec<Ssh>>());
    let cost = |mut peers: Vec<Ssh>, wait: bool| {
        let mut last = peers.pop().unwrap();
        let before = server.cpu_ticks();
        peers.iter_mut().for_each(ask);
        if wait {
            peers.iter_mut().for_each(|ssh| drop(ssh.wait_for(31)));
        }
        drop(peers);
        // Peers that are still in the queue are served before it.
        ask(&mut last);
        last.wait_for(31);
        server.cpu_ticks() - before
    };
    let (served, gone) = (cost(first, true), cost(second, false));
    assert!(
        gone * 2 < served,
        "{gone} ticks for nobody, {served} for {number} peers"
    );
}

#[test]
fn thousands_of_identical_errors_are_a_few_lines() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    for number in 0..200 {
        let opened = ssh.open_sftp(number, 1 << 20);
        ssh.send(&data(opened.theirs, &[0xff; 4]));
        ssh.wait_for(CLOSE);
        ssh.send(&Message::new(CLOSE).u32(opened.theirs));
    }
    wait_until_handled(&mut ssh);
    server.wait_for_log("a channel was ended");
    let lines = server.log().matches("a channel was ended").count();
    assert!((1..=8).contains(&lines), "{lines} lines");
}

#[test]
fn unknown_commands_are_logged_once_a_second() {
    const COMMANDS: u32 = 2_000;
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    for number in 0..COMMANDS {
        ssh.send(&Ssh::open(number, 1 << 20));
        let confirmation = ssh.wait_for(OPEN_CONFIRMATION);
        let theirs = u32::from_be_bytes(confirmation[5..9].try_into().unwrap());
        let command = format!("nonsense{number}");
        ssh.send(
            &Message::new(REQUEST)
                .u32(theirs)
                .string("exec")
                .byte(1)
                .string(command),
        );
        ssh.wait_for(CLOSE);
        ssh.send(&Message::new(CLOSE).u32(theirs));
    }
    wait_for("all of them to be logged", || {
        Lines::of(&server, "command").count == u64::from(COMMANDS)
    });
    let logged = Lines::of(&server, "command");
    assert!(logged.lines <= logged.seconds + 3, "{logged:?}");
}

/// If a machine or a link fails silently, the kernel detects it.
#[test]
fn connections_have_tcp_keepalive() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let ours = format!(":{:04X}", ssh.stream().local_addr().unwrap().port());
    let theirs = format!(":{:04X}", server.port());
    // proc(5): the addresses, then "02" for the keepalive timer.
    wait_for("the timer of the server's end", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[1].ends_with(&theirs) && fields[2].ends_with(&ours) && fields[5].starts_with("02:")
        })
    });
}

/// Long names, keys and answers before the sign-in: the server keeps only a short part of them.
#[test]
fn long_names_before_the_sign_in_use_little_memory() {
    const PEERS: usize = 200;
    let server = TestServer::start(&["alice"]);
    let before = crate::pressure::starve::resident(&server);
    let offer = format!("curve25519-sha256,{}", vec!["x".repeat(60); 250].join(","));
    let peers: Vec<Ssh> = (0..PEERS)
        .map(|_| {
            let mut ssh = Ssh::greet(server.port());
            ssh.identification();
            ssh.exchange_keys_by(&Ssh::kexinit_with(&offer)).unwrap();
            ssh.send(&Message::new(5).string("ssh-userauth"));
            let asked = Message::new(50)
                .string(vec![0xff; 30_000])
                .string("ssh-connection")
                .string("keyboard-interactive")
                .string("")
                .string(vec![0xff; 2_000]);
            ssh.send(&asked);
            ssh.wait_for(60);
            ssh
        })
        .collect();
    let growth = crate::pressure::starve::resident(&server).saturating_sub(before);
    eprintln!("{PEERS} connections with long names: {} MiB", growth >> 20);
    // Without the limit, 400 connections would take 64 MiB.
    assert!(growth < 32 << 20, "the server grew by {} MiB", growth >> 20);
    drop(peers);
}
