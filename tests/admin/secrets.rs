//! Passwords do not stay in the server's memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use russh::client;

use testkit::processes::open_sockets;
use testkit::russh_client::AnyServer;
use testkit::server::TestServer;
use testkit::sign_in_talk::expire_password;
use testkit::stock::By;
use testkit::{inspectable, wait_for};

/// Counts these bytes in the writable memory of a process.
fn copies(pid: u32, wanted: &[u8]) -> usize {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = 0;
    let mut regions = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(mode)) = (words.next(), words.next()) else {
            continue;
        };
        let Some((start, end)) = range.split_once('-') else {
            continue;
        };
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        if !mode.starts_with("rw") {
            continue;
        }
        regions += 1;
        let mut at = start;
        while at < end {
            let mut piece = vec![0; (1 << 20).min(usize::try_from(end - at).unwrap())];
            // Some pages cannot be read, or were unmapped meanwhile.
            if memory.read_exact_at(&mut piece, at).is_ok() {
                found += piece
                    .windows(wanted.len())
                    .filter(|window| *window == wanted)
                    .count();
            }
            // The pieces overlap, so that no match between them is missed.
            at += (piece.len() as u64).saturating_sub(wanted.len() as u64).max(1);
            if piece.len() <= wanted.len() {
                break;
            }
        }
    }
    assert!(regions > 3, "{maps}");
    found
}

/// Returns a long password that repeats one pattern, so that any remaining part of it is found.
fn marked_password(end: &str) -> String {
    let parts: String = (0..12).map(|n| format!("{n}-unmistakable-KkV8tR4s-")).collect();
    parts + end
}

const PART: &[u8] = b"unmistakable-KkV8tR4s";

#[test]
fn no_copy_of_a_password_is_left_after_its_verification() {
    let throttle = "throttle = { first_delay_ms = 1, max_delay_ms = 1 }";
    let mut server = TestServer::new(&[("auth", throttle), inspectable()]);
    let (right, wrong) = (marked_password("right"), marked_password("wrong"));
    server.admin_ok(&["user", "add", "alice", "--password-stdin"], &right);
    server.serve();
    // The search itself works: the name of the directory is in the server's memory as long as it runs.
    let name = server.path().file_name().unwrap().to_string_lossy().into_owned();
    assert!(copies(server.pid(), name.as_bytes()) > 0);
    let idle = open_sockets(server.pid());
    for by in [By::Password("password"), By::Password("keyboard-interactive")] {
        for _ in 0..3 {
            assert!(server.sign_in("alice", by, &right).status.success());
            assert!(!server.sign_in("alice", by, &wrong).status.success());
            assert!(!server.sign_in("nobody", by, &wrong).status.success());
        }
    }
    wait_for("the sessions to end", || {
        server.audit().matches("session_ended").count() == 6
    });
    // The connection of the last one, who was refused, may still be there.
    wait_for("all connections to end", || open_sockets(server.pid()) <= idle);
    assert_eq!(copies(server.pid(), PART), 0, "sessions that have ended");
}

/// The buffers of a connection exist as long as it does, and so would a password in them.
#[tokio::test(flavor = "multi_thread")]
async fn no_copy_of_a_password_is_left_while_the_session_runs() {
    let mut server = TestServer::new(&[inspectable()]);
    let right = marked_password("right");
    server.admin_ok(&["user", "add", "alice", "--password-stdin"], &right);
    server.serve();
    let mut sessions = Vec::new();
    for interactive in [false, true, false, true] {
        let address = ("127.0.0.1", server.port());
        let mut session = client::connect(Arc::new(client::Config::default()), address, AnyServer)
            .await
            .unwrap();
        if interactive {
            let asked = session
                .authenticate_keyboard_interactive_start("alice", None)
                .await;
            asked.unwrap();
            let answer = session
                .authenticate_keyboard_interactive_respond(vec![right.clone()])
                .await;
            assert!(matches!(
                answer.unwrap(),
                client::KeyboardInteractiveAuthResponse::Success
            ));
        } else {
            let answer = session.authenticate_password("alice", right.clone()).await;
            assert!(answer.unwrap().success());
        }
        sessions.push(session);
    }
    assert_eq!(copies(server.pid(), PART), 0, "sessions that go on");
}

/// A change carries the old and the new password, and hashes both.
#[tokio::test(flavor = "multi_thread")]
async fn no_copy_of_a_password_is_left_after_its_change() {
    let settings = "throttle = { first_delay_ms = 1, max_delay_ms = 1 }\npassword = { max_age = \"1d\" }";
    let mut server = TestServer::new(&[("auth", settings), inspectable()]);
    let mut old = marked_password("first");
    server.admin_ok(&["user", "add", "alice", "--password-stdin"], &old);
    server.serve();
    let mut sessions = Vec::new();
    for (interactive, end) in [(false, "second"), (true, "third")] {
        expire_password(&server, "alice");
        let new = marked_password(end);
        let address = ("127.0.0.1", server.port());
        let mut session = client::connect(Arc::new(client::Config::default()), address, AnyServer)
            .await
            .unwrap();
        if interactive {
            use client::KeyboardInteractiveAuthResponse::{InfoRequest, Success};
            let asked = session
                .authenticate_keyboard_interactive_start("alice", None)
                .await;
            assert!(matches!(asked.unwrap(), InfoRequest { .. }));
            for (answers, is_last) in [
                (vec![old.clone()], false),
                (vec![old.clone(), old.clone()], false),
                (vec![new.clone(), new.clone()], true),
            ] {
                let answer = session.authenticate_keyboard_interactive_respond(answers).await;
                match answer.unwrap() {
                    InfoRequest { .. } => assert!(!is_last),
                    Success => assert!(is_last),
                    refused => panic!("{refused:?}"),
                }
            }
        } else {
            let expired =
                |answer: &client::AuthResult| matches!(answer, client::AuthResult::PasswordExpired { .. });
            let answer = session.authenticate_password("alice", old.clone()).await.unwrap();
            assert!(expired(&answer), "{answer:?}");
            for (new, is_last) in [(&old, false), (&new, true)] {
                let answer = session.authenticate_password_change("alice", &old, new).await;
                let answer = answer.unwrap();
                assert_eq!((expired(&answer), answer.success()), (!is_last, is_last));
            }
        }
        sessions.push(session);
        old = new;
    }
    assert_eq!(copies(server.pid(), PART), 0, "sessions that go on");
    let count = sessions.len();
    drop(sessions);
    wait_for("the sessions to end", || {
        server.audit().matches("session_ended").count() == count
    });
    assert_eq!(copies(server.pid(), PART), 0, "sessions that have ended");
}
