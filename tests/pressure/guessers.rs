//! Floods of wrong passwords: their cost for the server, and for honest users of the same address.

use std::sync::Arc;

use crate::pressure::crowds::{connect, signs_in, sockets};
use crate::pressure::story;
use testkit::server::{TestServer, password};
use testkit::{inspectable, wait_for};

/// Sends many wrong passwords at once from one address. Some have been refused on return; the others wait until the
/// result is dropped.
fn flood(server: &TestServer, from: &'static str, count: usize) -> tokio::task::JoinSet<()> {
    let mut attempts = tokio::task::JoinSet::new();
    for n in 0..count {
        let port = server.port();
        attempts.spawn(async move {
            let mut connection = connect(from, port).await.unwrap();
            let name = format!("nobody-{}", n % 7);
            let _ = connection.authenticate_password(name, "guess").await;
            std::future::pending::<()>().await;
        });
    }
    wait_for("the flood", || {
        // From here on, the throttle delays by its maximum.
        sockets(server) >= count && server.audit().matches("unknown user").count() >= 20
    });
    attempts
}

/// All clients have one address, as behind a TCP proxy.
#[test]
fn wrong_passwords_do_not_lock_out_known_users_of_the_same_address() {
    // An unknown client is delayed for longer than a test waits.
    let throttle = "login_grace_secs = 3600\nthrottle = { max_delay_ms = 1_000_000 }";
    let settings = [("auth", throttle), inspectable()];
    let mut server = TestServer::start_with(&settings, &["alice", "bob"]);
    story(async {
        assert!(signs_in("127.0.0.1", server.port(), "alice").await);
    });
    // The sign-ins of alice are remembered after a restart.
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    server.serve();
    let port = server.port();
    story(async {
        for size in [36, 200] {
            let mut flood = flood(&server, "127.0.0.1", size);
            assert!(signs_in("127.0.0.1", port, "alice").await, "beside {size}");
            flood.shutdown().await;
        }
        // Other addresses are not throttled.
        assert!(signs_in("127.0.0.2", port, "bob").await);
    });
}

/// A user who has never signed in from the address waits until enough failures have expired, and then signs in.
#[test]
fn a_new_user_can_sign_in_after_a_flood_of_wrong_passwords() {
    // A fifth of the usual times; a failure is forgiven within the longest delay.
    let throttle = "throttle = { max_delay_ms = 2500, forgive_secs = 2 }";
    let server = TestServer::start_with(&[("auth", throttle), inspectable()], &["carol"]);
    let port = server.port();
    story(async {
        flood(&server, "127.0.0.1", 200).shutdown().await;
        assert!(signs_in("127.0.0.1", port, "carol").await);
    });
}

fn kib(server: &TestServer, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Argon2 uses the memory of the threads that compute it, whatever the number of wrong passwords.
#[test]
fn wrong_passwords_use_only_the_memory_of_the_hashes_computed_at_once() {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 100000, user_failures = 100000 }";
    let server = TestServer::start_with(&[("auth", throttle)], &["bob"]);
    let port = server.port();
    story(async {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                tokio::spawn(async move {
                    for round in 0..4 {
                        let mut connection = connect("127.0.0.1", port).await.unwrap();
                        for n in 0..5 {
                            let user = format!("user-{client}-{round}-{n}");
                            let result = connection.authenticate_password(user, "wrong").await;
                            assert!(!result.unwrap().success());
                        }
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    });
    let workers = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    let (now, most) = (kib(&server, "VmRSS:"), kib(&server, "VmHWM:"));
    let bound = (19 * workers as u64 + 32) * 1024;
    assert!(
        most <= bound,
        "{now} KiB, at most {most} KiB; allowed: {bound} KiB"
    );
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let named = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.trim() == "argon2")
        .count();
    assert!((1..=workers).contains(&named), "{named} threads");
    println!("resident: {now} KiB, at most {most} KiB");
}

/// Users who sign in while one address guesses passwords wait for a few hashes, not for all of the guesses.
#[test]
fn a_guesser_delays_others_by_a_few_hashes() {
    let throttle =
        "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 100000, user_failures = 100000 }";
    let server = TestServer::start_with(&[("auth", throttle)], &["bob"]);
    let port = server.port();
    story(async {
        let guessers: Arc<Vec<_>> = Arc::new(
            (0..100)
                .map(|n| {
                    tokio::spawn(async move {
                        while let Ok(mut connection) = connect("127.0.0.1", port).await {
                            for _ in 0..5 {
                                let _ = connection.authenticate_password(format!("u{n}"), "x").await;
                            }
                        }
                    })
                })
                .collect(),
        );
        wait_for("the guessing to begin", || {
            server.audit().matches("unknown user").count() > 50
        });
        let mut others = Vec::new();
        for _ in 0..3 {
            // Key exchanges are not scheduled fairly, and take a while on a busy machine.
            let mut bob = connect("127.0.0.2", port).await.unwrap();
            let before = server.audit().matches("unknown user").count();
            let answer = bob.authenticate_password("bob", password("bob")).await;
            assert!(answer.unwrap().success());
            others.push(server.audit().matches("unknown user").count() - before);
        }
        // Behind all pending guesses it would be a hundred or more each time. On a busy machine, the log may have been late
        // once, so that guesses from before are among them.
        assert!(
            others.iter().any(|count| *count < 80),
            "{others:?} others were served before"
        );
        for guesser in guessers.iter() {
            guesser.abort();
        }
    });
}
