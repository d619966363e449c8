//! Floods of wrong passwords: what they cost the server, and what they cost honest users behind the same address.

use std::sync::Arc;

use crate::pressure::crowds::{connect, descriptors, signs_in};
use crate::pressure::story;
use testkit::server::{TestServer, password};
use testkit::{looked_into, wait_for};

/// Many wrong passwords at once, from one address. Some are wrong by now; the others wait, and go on for as long as the
/// result lives.
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
        // The throttle's ceiling.
        descriptors(server) >= count && server.audit().matches("unknown user").count() >= 20
    });
    attempts
}

/// As behind a proxy in TCP mode: all come from one address.
#[test]
fn a_flood_of_wrong_passwords_locks_nobody_out_who_shares_the_address() {
    // A client that nothing is known of waits for longer than a test waits for anything.
    let throttle = "login_grace_secs = 3600\nthrottle = { max_delay_ms = 1_000_000 }";
    let settings = [("auth", throttle), looked_into()];
    let mut server = TestServer::start_with(&settings, &["alice", "bob"]);
    story(async {
        assert!(signs_in("127.0.0.1", server.port(), "alice").await);
    });
    // What is known of alice is known after a restart.
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
        // Other addresses are not concerned at all.
        assert!(signs_in("127.0.0.2", port, "bob").await);
    });
}

/// A user that the server has never seen from there waits until enough is forgiven, and then gets in.
#[test]
fn after_a_flood_of_wrong_passwords_a_new_user_gets_in() {
    let server = TestServer::start_with(&[looked_into()], &["carol"]);
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

/// The memory of Argon2 is that of the threads that compute it, however many passwords are wrong.
#[test]
fn wrong_passwords_cost_no_more_memory_than_the_hashes_that_are_computed_at_once() {
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

/// Others who sign in while one address guesses wait for a few hashes, not for all of the guesser's.
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
        for _ in 0..3 {
            // The exchange of keys has no turns, and takes a while on a busy machine.
            let mut bob = connect("127.0.0.2", port).await.unwrap();
            let before = server.audit().matches("unknown user").count();
            let answer = bob.authenticate_password("bob", password("bob")).await;
            assert!(answer.unwrap().success());
            let others = server.audit().matches("unknown user").count() - before;
            // Behind all that waits it would be a hundred or more.
            assert!(others < 80, "{others} others were served before");
        }
        for guesser in guessers.iter() {
            guesser.abort();
        }
    });
}
