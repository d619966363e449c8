//! What no client does, and an attacker may: services and key exchanges that are not due, answers to questions that
//! nobody has asked, work that is begun and left, the same mistake by the thousand, silence for ever.

use testkit::audit::Lines;
use testkit::server::TestServer;
use testkit::ssh::{
    CLOSE, DISCONNECT, GLOBAL_REQUEST, IGNORE, KEXINIT, Message, OPEN_CONFIRMATION, OPEN_FAILURE, REQUEST,
    Ssh, data,
};
use testkit::wait_for;

/// Answers a global request of a name that nobody knows.
const REQUEST_FAILURE: u8 = 82;

/// All that was sent before has been handled.
fn handled(ssh: &mut Ssh) {
    ssh.send(&Message::new(GLOBAL_REQUEST).string("last@example.com").byte(1));
    ssh.wait_for(REQUEST_FAILURE);
}

#[test]
fn a_service_that_there_is_not_is_refused_at_once_and_told() {
    let server = TestServer::start(&["alice"]);
    let check = |before: &[&str], name: &[u8], shown: &str| {
        let mut ssh = Ssh::connect(server.port());
        for service in before {
            ssh.send(&Message::new(5).string(service));
            ssh.wait_for(6);
        }
        ssh.send(&Message::new(5).string(name));
        let told = ssh.wait_for(DISCONNECT);
        // SSH_DISCONNECT_SERVICE_NOT_AVAILABLE, as OpenSSH.
        assert_eq!(told[1..5], [0, 0, 0, 7], "{shown}");
        assert!(ssh.receive().is_err());
        server.wait_for_audit(&format!("the client asked for the service \\\"{shown}"));
    };
    check(&[], b"ssh-connection", "ssh-connection");
    check(&["ssh-userauth"], b"nonsense", "nonsense");
    check(&["ssh-userauth", "ssh-userauth"], b"caf\xe9", "caf");
    check(&[], "x".repeat(30_000).as_bytes(), &"x".repeat(64));
}

/// RFC 4253, section 11.4: named by its place among the packets, in the order in which they came.
#[test]
fn messages_of_kinds_that_there_are_not_are_answered() {
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
        // Every other packet was one of them.
        assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 2), "{places:?}");
    };
    let mut ssh = Ssh::connect(server.port());
    ssh.send(&Message::new(5).string("ssh-userauth"));
    ssh.wait_for(6);
    check(&mut ssh);
    let mut ssh = Ssh::sign_in(&server, "alice");
    check(&mut ssh);
    handled(&mut ssh);
}

#[test]
fn new_keys_before_the_sign_in_have_an_end() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::connect(server.port());
    let mut exchanges = 0;
    while ssh.exchange_keys().is_ok() {
        exchanges += 1;
        assert!(exchanges < 100, "it still goes on");
    }
    server.wait_for_audit("new keys again and again");
    // Whoever has signed in may have them.
    let mut ssh = Ssh::sign_in(&server, "alice");
    for _ in 0..20 {
        ssh.exchange_keys().unwrap();
    }
    handled(&mut ssh);
}

/// RFC 4253, section 6.1: what every implementation must take. More of it is for those who have signed in.
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
    handled(&mut signed_in);
}

/// It is kept for as long as the exchange takes, and larger packets are for data.
#[test]
fn a_kexinit_is_no_larger_than_before_the_sign_in() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let long = vec!["x".repeat(60); 240].join(",");
    let mut kexinit = Ssh::kexinit_with(&format!("curve25519-sha256,{long}"));
    // Nobody reads which languages are offered: the last lists, before a byte and a number.
    kexinit.0.truncate(kexinit.0.len() - 13);
    ssh.send(&kexinit.string(&long).string(&long).byte(0).u32(0));
    assert!(!ssh.kinds_until_the_end().contains(&KEXINIT), "it was answered");
}

/// The window and the packet size of a channel that is open would change behind the back of whoever uses it.
#[test]
fn answers_to_opens_that_nobody_asked_for_end_the_connection() {
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
    // The audit log does not say that these have left by themselves.
    server.wait_for_audit("the client broke the SSH protocol");
    assert!(!server.audit().contains("the client left"), "{}", server.audit());
}

/// Diffie-Hellman with 4096 bits takes some tens of milliseconds of one core; those who wait for it in a queue and have
/// hung up meanwhile get none.
#[test]
fn no_slow_key_exchange_is_computed_for_peers_that_have_gone() {
    // Half of the cores compute at once, and these have begun before anybody hangs up.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let number = 60.max(2 * cores);
    let limits = "unauthenticated = 4000\nunauthenticated_per_address = 4000";
    let settings = [("ssh", "policy = \"compatible\""), ("limits", limits)];
    let server = TestServer::start_with(&settings, &[]);
    // The server has only to compute its share.
    let ready = || {
        let mut ssh = Ssh::greet(server.port());
        ssh.identification();
        ssh.send(&Ssh::kexinit_with("diffie-hellman-group16-sha512"));
        ssh.wait_for(KEXINIT);
        ssh
    };
    let ask = |ssh: &mut Ssh| ssh.send(&Message::new(30).string([5; 511]));
    // All at first: who ends without a sign-in is held back later.
    let [first, second] = [0, 1].map(|_| (0..number).map(|_| ready()).collect::<Vec<Ssh>>());
    let cost = |mut peers: Vec<Ssh>, wait: bool| {
        let mut last = peers.pop().unwrap();
        let before = server.cpu_ticks();
        peers.iter_mut().for_each(ask);
        if wait {
            peers.iter_mut().for_each(|ssh| drop(ssh.wait_for(31)));
        }
        drop(peers);
        // Whoever is still in the queue comes before it.
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
fn the_same_mistake_by_the_thousand_is_a_few_lines() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    for number in 0..200 {
        let opened = ssh.open_sftp(number, 1 << 20);
        ssh.send(&data(opened.theirs, &[0xff; 4]));
        ssh.wait_for(CLOSE);
        ssh.send(&Message::new(CLOSE).u32(opened.theirs));
    }
    handled(&mut ssh);
    let lines = server.log().matches("a channel was ended").count();
    assert!((1..=8).contains(&lines), "{lines} lines");
}

#[test]
fn commands_that_there_are_not_are_a_line_a_second() {
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
    wait_for("all of them to be told", || {
        Lines::of(&server, "command").count == u64::from(COMMANDS)
    });
    let told = Lines::of(&server, "command");
    assert!(told.lines <= told.seconds + 3, "{told:?}");
}

/// Where a machine or a link is gone without a word, the kernel finds out.
#[test]
fn a_peer_that_is_silent_for_long_is_asked_whether_it_is_there() {
    let server = TestServer::start(&["alice"]);
    let mut ssh = Ssh::sign_in(&server, "alice");
    let ours = format!(":{:04X}", ssh.stream().local_addr().unwrap().port());
    let theirs = format!(":{:04X}", server.port());
    // proc(5): the addresses, then "02" for a timer that asks.
    wait_for("the timer of the server's end", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[1].ends_with(&theirs) && fields[2].ends_with(&ours) && fields[5].starts_with("02:")
        })
    });
}

/// Long names, keys and questions before the sign-in: what is kept of them is short.
#[test]
fn an_address_full_of_long_names_costs_no_more_than_it_may() {
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
    // 64 MiB for 400 of them.
    assert!(growth < 32 << 20, "the server grew by {} MiB", growth >> 20);
    drop(peers);
}
