//! A home on a file system that hangs holds up nobody whose home is elsewhere, and loses nothing.
//!
//! The file system is an image on a loop device, frozen with `fsfreeze`; that needs root and loop devices. Where they
//! lack, the test says so loudly and shows nothing. It hangs until the test has seen what it waits for: a server in
//! which others wait for it would never show that.

mod frozen;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use frozen::Mount;

use testkit::packets::{Attrs, mkdir, rmdir, stat};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::wait_for;

const BEFORE: usize = 10;
const UPLOADS: usize = 20;
const SIZE: usize = 12 << 20;
/// Others' STATs and sign-ins while it hangs.
const STATS: usize = 1000;
const SIGN_INS: usize = 10;

/// A user elsewhere who works until told to stop.
struct Busy<T> {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<T>>,
}

impl<T: Send + 'static> Busy<T> {
    fn start(mut work: impl FnMut() -> T + Send + 'static) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (flag, count) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let mut results = Vec::new();
            while !flag.load(Ordering::Relaxed) {
                results.push(work());
                count.fetch_add(1, Ordering::Relaxed);
            }
            results
        });
        Self { stop, rounds, thread }
    }

    fn stop(self) -> Vec<T> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Someone who has signed in before and asks for attributes.
fn asks(server: &TestServer, user: &str) -> Busy<()> {
    let mut session = server.raw(user);
    Busy::start(move || {
        std::thread::sleep(Duration::from_millis(3));
        assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
    })
}

/// Someone who signs in again and again, and whether it worked.
fn signs_in(server: &TestServer, user: &str) -> Busy<bool> {
    let mut command = server.client("ssh", user, By::Key);
    command
        .args(["-s", &format!("{user}@127.0.0.1"), "sftp"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Busy::start(move || {
        std::thread::sleep(Duration::from_millis(100));
        command.status().unwrap().success()
    })
}

fn upload(server: &TestServer, number: usize) -> Child {
    let batch = server.path().join(format!("batch-{number}"));
    fs::write(&batch, format!("put local far-{number}\n")).unwrap();
    let mut command = server.client("sftp", "alice", By::Key);
    command.args(["-q", "-b"]).arg(batch).arg("alice@127.0.0.1");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn content() -> Vec<u8> {
    (0..SIZE as u32 / 4)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect()
}

fn has_begun(home: &Path, numbers: std::ops::Range<usize>) -> bool {
    numbers
        .into_iter()
        .all(|n| fs::metadata(home.join(format!("far-{n}"))).is_ok_and(|m| m.len() > 0))
}

/// A server, not started yet, with a user whose home lies on the mount.
fn with_home_at(user: &str, home: &Path, mount: &Mount) -> TestServer {
    let roots = format!("roots = [{:?}]", mount.point());
    let server = TestServer::new(&[("storage", &roots)]);
    server.add_user(user, &["--home", home.to_str().unwrap()]);
    server
}

#[test]
fn a_home_that_hangs_holds_up_nobody_else() {
    let Some(mount) = Mount::or_skip() else { return };
    let home = mount.point().join("alice");
    let mut server = with_home_at("alice", &home, &mount);
    for user in ["bob", "carol", "dave"] {
        server.add_user(user, &[]);
    }
    server.serve();
    fs::write(server.path().join("local"), content()).unwrap();

    let askers = [asks(&server, "bob"), asks(&server, "carol")];
    let newcomers = signs_in(&server, "dave");
    let mut uploads: Vec<_> = (0..BEFORE).map(|n| upload(&server, n)).collect();
    // It hangs in the middle of these, and before the others begin.
    wait_for("the first uploads to begin", || has_begun(&home, 0..BEFORE));
    let frozen = mount.freeze().expect("a mounted file system freezes");
    let marks: Vec<_> = askers.iter().map(|a| a.rounds.load(Ordering::Relaxed)).collect();
    let mark = newcomers.rounds.load(Ordering::Relaxed);
    uploads.extend((BEFORE..UPLOADS).map(|n| upload(&server, n)));
    // Two more sign-ins than are looked at: one was under way when it began to hang, one is when it ends.
    wait_for("the others to work while it hangs", || {
        let since = |busy: &Busy<()>, mark: usize| busy.rounds.load(Ordering::Relaxed) - mark;
        let stats = askers
            .iter()
            .zip(&marks)
            .all(|(asker, mark)| since(asker, *mark) > STATS / 2);
        stats && newcomers.rounds.load(Ordering::Relaxed) - mark > SIGN_INS + 2
    });
    // It does hang.
    let mut begun_since = uploads[BEFORE..].iter_mut();
    assert!(begun_since.all(|child| child.try_wait().unwrap().is_none()));
    frozen.thaw();

    for asker in askers {
        asker.stop();
    }
    let sign_ins = newcomers.stop().split_off(mark);
    for (number, mut child) in uploads.into_iter().enumerate() {
        assert!(child.wait().unwrap().success(), "upload {number} failed");
        let stored = fs::read(home.join(format!("far-{number}"))).unwrap();
        assert!(stored == content(), "upload {number} is not whole");
    }

    assert!(sign_ins.iter().all(|worked| *worked), "a sign-in failed");
}

/// More sign-ins than the server has places for wait for a home that hangs when it is to be made.
#[test]
fn many_who_wait_for_a_home_that_hangs_hold_up_nobody_else() {
    const WAITING: usize = 100;
    let Some(mount) = Mount::or_skip() else { return };
    // Homes are made beneath [storage] homes only.
    let home = mount.point().join("alice");
    let mut server = TestServer::new(&[("storage", "roots = [\"data/homes\"]")]);
    let config = fs::read_to_string(server.config()).unwrap();
    let homes = format!("homes = {:?}", mount.point());
    fs::write(server.config(), config.replace("homes = \"data/homes\"", &homes)).unwrap();
    server.add_user("alice", &[]);
    server.add_user("dave", &["--home", server.home("dave").to_str().unwrap()]);
    server.serve();
    // Nobody has been there: the home does not exist.
    let _ = fs::remove_dir(&home);
    assert!(!home.exists());
    let frozen = mount.freeze().expect("a mounted file system freezes");
    let sign_in = |user: &str| {
        let mut command = server.client("ssh", user, By::Key);
        command
            .args(["-s", &format!("{user}@127.0.0.1"), "sftp"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut waiting: Vec<_> = (0..WAITING).map(|_| sign_in("alice")).collect();
    let all_in = |count: usize| server.audit().matches("\"signed_in\"").count() >= count;
    wait_for("all to be signed in", || all_in(WAITING));
    let mut dave = sign_in("dave");
    let mut ended = None;
    wait_for("another user to be let in while it hangs", || {
        ended = dave.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "another user is not let in");
    let none_ended = waiting
        .iter_mut()
        .all(|child| child.try_wait().unwrap().is_none());
    assert!(none_ended, "somebody did not wait for the home that hangs");
    frozen.thaw();
    for mut child in waiting {
        assert!(child.wait().unwrap().success(), "a sign-in failed");
    }
}

/// Does a thread of this process wait for a disk (state D)?
fn is_stuck(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before it may hold anything, and ends with the last bracket.
        stat.rsplit(')').next().unwrap_or_default().starts_with(" D")
    })
}

/// A call that had begun cannot be called back: the change holds all the same, and what waits is told.
#[test]
fn a_change_holds_although_a_call_of_an_ended_session_hangs() {
    let Some(mount) = Mount::or_skip() else { return };
    let home = mount.point().join("alice");
    let mut server = with_home_at("alice", &home, &mount);
    server.serve();
    fs::write(server.path().join("local"), "x").unwrap();
    server.sftp_ok("alice", "ls\n");
    let frozen = mount.freeze().expect("a mounted file system freezes");
    let mut waiting = upload(&server, 1);
    wait_for("the upload to hang", || is_stuck(server.pid()));
    let disabled = server.admin_ok(&["user", "disable", "alice", "--json"], "");
    let said: serde_json::Value = serde_json::from_str(&disabled).unwrap();
    assert_eq!(
        (&said["confirmed"], &said["sessions_ended"], &said["still_busy"]),
        (&true.into(), &1.into(), &1.into()),
        "{said}"
    );
    let again = server.admin_ok(&["user", "disable", "alice"], "");
    assert!(
        again.starts_with("unchanged: alice\nfor 1 of these") && again.contains("no further one begins"),
        "{again}"
    );
    // What hangs is not deleted, which would hang as well.
    let removed = server.admin(&["user", "remove", "alice", "--delete-home"], "");
    let told = String::from_utf8_lossy(&removed.stderr).into_owned();
    assert_eq!(removed.status.code(), Some(1), "{told}");
    assert!(
        told.contains("alice was removed, but the home was not deleted") && told.contains("rm -r "),
        "{told}"
    );
    assert!(home.is_dir());
    frozen.thaw();
    assert!(!waiting.wait().unwrap().success());
}

/// The audit log's disk hangs: whoever fills the log is slowed down for a moment, nobody else, and losses are counted.
#[test]
fn an_audit_log_on_a_disk_that_hangs_holds_up_nobody() {
    /// More than a user's part of what waits for the disk.
    const FLOOD: usize = 24_000;
    let Some(mount) = Mount::or_skip() else { return };
    let mut server = TestServer::new(&[]);
    let audit = mount.point().join("audit.log");
    let config = fs::read_to_string(server.config()).unwrap();
    let moved = config.replace("audit = \"audit.log\"", &format!("audit = {audit:?}"));
    assert_ne!(moved, config);
    fs::write(server.config(), moved).unwrap();
    server.add_user("alice", &[]);
    server.add_user("bob", &[]);
    server.serve();
    let (mut alice, mut bob) = (server.raw("alice"), server.raw("bob"));
    bob.ask(&stat("/"));
    let frozen = mount.freeze().expect("a mounted file system freezes");
    let flood = std::thread::spawn(move || {
        let (make, unmake) = (mkdir("d", &Attrs::default()), rmdir("d"));
        for _ in 0..FLOOD / 2 {
            for request in [&make, &unmake] {
                let reply = alice.ask(request);
                assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
            }
        }
    });
    let mut pairs = 0;
    while pairs < 20 || !flood.is_finished() {
        let made = bob.ask(&mkdir("b", &Attrs::default()));
        assert!(matches!(made, Reply::Status { code: 0, .. }), "{made:?}");
        bob.ask(&rmdir("b"));
        pairs += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    flood.join().unwrap();
    // All of both was done while the log could not be written.
    frozen.thaw();
    // All of the other user's events are there, and each of the flood's is there or counted.
    let events = || -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&audit).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let lost = |events: &[serde_json::Value]| -> u64 {
        let lost = events.iter().filter(|event| event["event"] == "lost");
        lost.filter_map(|event| event["count"].as_u64()).sum()
    };
    let of = |events: &[serde_json::Value], user: &str| {
        let made = |event: &&serde_json::Value| {
            event["event"]
                .as_str()
                .is_some_and(|name| name.starts_with("directory_"))
        };
        events
            .iter()
            .filter(made)
            .filter(|event| event["user"] == user)
            .count()
    };
    wait_for("all events to be written or counted", || {
        let events = events();
        of(&events, "alice") as u64 + lost(&events) == FLOOD as u64
    });
    let events = events();
    // A user has half of what the others leave of the queue's 16,384 events; bob makes more the longer the flood lasts.
    let (alice, bob) = (of(&events, "alice"), of(&events, "bob"));
    assert!(lost(&events) > 0, "the flood is more than its part");
    assert!(
        alice >= (16_000 - bob) / 2,
        "{alice} of the flood and {bob} others are there"
    );
    assert!(bob % 2 == 0 && bob > 20, "{bob}");
}
