//! A home on a file system that hangs does not block users with homes elsewhere, and loses nothing.
//!
//! The file system is an image on a loop device, frozen with `fsfreeze`; that needs root and loop devices. Where these
//! are missing, the test is skipped with a message. The file system hangs until the test has seen what it waits for,
//! which would never happen in a server where others wait for it.

pub mod frozen;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
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
/// The STATs and sign-ins of others while the file system hangs.
const STATS: usize = 1000;
const SIGN_INS: usize = 10;

/// A thread that repeats some work of another user until it is stopped.
struct RepeatedWork<T> {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<T>>,
}

impl<T: Send + 'static> RepeatedWork<T> {
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

/// Requests attributes repeatedly in a session that signed in before.
fn asks(server: &TestServer, user: &str) -> RepeatedWork<()> {
    let mut session = server.raw(user);
    RepeatedWork::start(move || {
        std::thread::sleep(Duration::from_millis(3));
        assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
    })
}

/// Signs in repeatedly, and records whether that succeeded.
fn signs_in(server: &TestServer, user: &str) -> RepeatedWork<bool> {
    let mut command = server.client("ssh", user, By::Key);
    command
        .args(["-s", &format!("{user}@127.0.0.1"), "sftp"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    RepeatedWork::start(move || {
        std::thread::sleep(Duration::from_millis(100));
        command.status().unwrap().success()
    })
}

/// Begins an upload: by SFTP, or every second one by scp's own protocol.
fn upload(server: &TestServer, number: usize) -> Child {
    let mut command;
    if number.is_multiple_of(2) {
        let batch = server.path().join(format!("batch-{number}"));
        fs::write(&batch, format!("put local far-{number}\n")).unwrap();
        command = server.client("sftp", "alice", By::Key);
        command.args(["-q", "-b"]).arg(batch).arg("alice@127.0.0.1");
    } else {
        command = server.client("scp", "alice", By::Key);
        command
            .args(["-q", "-O", "local"])
            .arg(format!("alice@127.0.0.1:far-{number}"));
    }
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

/// Returns a server that is not started yet, with a user whose home is on the mount.
fn with_home_at(user: &str, home: &Path, mount: &Mount) -> TestServer {
    let roots = format!("roots = [{:?}]", mount.point());
    let server = TestServer::new(&[("storage", &roots)]);
    server.add_user(user, &["--home", home.to_str().unwrap()]);
    server
}

#[test]
fn a_hanging_home_does_not_delay_other_users() {
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
    // The file system hangs in the middle of these, and before the others begin.
    wait_for("the first uploads to begin", || has_begun(&home, 0..BEFORE));
    let frozen = mount.freeze().expect("a mounted file system freezes");
    let marks: Vec<_> = askers.iter().map(|a| a.rounds.load(Ordering::Relaxed)).collect();
    let mark = newcomers.rounds.load(Ordering::Relaxed);
    uploads.extend((BEFORE..UPLOADS).map(|n| upload(&server, n)));
    // There are two more sign-ins than are checked: one was under way when the file system began to hang, and one is
    // under way at the end.
    wait_for("the others to work while it hangs", || {
        let since = |busy: &RepeatedWork<()>, mark: usize| busy.rounds.load(Ordering::Relaxed) - mark;
        let stats = askers
            .iter()
            .zip(&marks)
            .all(|(asker, mark)| since(asker, *mark) > STATS / 2);
        stats && newcomers.rounds.load(Ordering::Relaxed) - mark > SIGN_INS + 2
    });
    // The file system really hangs.
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

/// More sign-ins than the server has places for wait for a home that is created on a file system that hangs. A sign-in
/// waits for twenty seconds, in which also a slow machine can begin them all.
#[test]
fn many_sign_ins_to_a_hanging_home_do_not_delay_others() {
    const WAITING: usize = 24;
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
    // Nobody has signed in yet, so the home does not exist.
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
    assert!(none_ended, "a session did not wait for the home that hangs");
    frozen.thaw();
    for mut child in waiting {
        assert!(child.wait().unwrap().success(), "a sign-in failed");
    }
}

/// Returns the threads of this process that wait for a disk (state D), each with the number of times that it has slept.
fn waiting_threads(pid: u32) -> BTreeSet<(PathBuf, String)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let waiting = threads.flatten().filter_map(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let slept = field("voluntary_ctxt_switches:")?;
        let is_waiting = field("State:")?.trim().starts_with('D');
        is_waiting.then(|| (thread.path(), slept.to_owned()))
    });
    waiting.collect()
}

/// Whether a thread of this process hangs: it waits for a disk, and still does so without a break after a while. Others
/// wait for a moment, because they write to a disk that works.
fn is_stuck(pid: u32) -> bool {
    let before = waiting_threads(pid);
    if before.is_empty() {
        return false;
    }
    std::thread::sleep(Duration::from_secs(1));
    !before.is_disjoint(&waiting_threads(pid))
}

/// A system call that hangs cannot be cancelled: the change takes effect all the same, and the message says what still
/// waits.
#[test]
fn a_change_takes_effect_although_a_call_of_an_ended_session_hangs() {
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
    // The home is not deleted, because that would hang as well.
    let removed = server.admin(&["user", "remove", "alice", "--delete-home"], "");
    let message = String::from_utf8_lossy(&removed.stderr).into_owned();
    assert_eq!(removed.status.code(), Some(1), "{message}");
    assert!(
        message.contains("alice was removed, but the home was not deleted") && message.contains("rm -r "),
        "{message}"
    );
    assert!(home.is_dir());
    frozen.thaw();
    assert!(!waiting.wait().unwrap().success());
}

/// The audit log's disk hangs: only the user who fills the log is delayed, for a moment, and lost events are counted.
#[test]
fn a_hanging_audit_log_does_not_block_sessions() {
    /// The number of forbidden requests: more than one user's share of the queue.
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
    // Both users finished while the log could not be written.
    frozen.thaw();
    // All events of the other user are in the log, and each event of the flood is in the log or counted as lost.
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
        alice >= 16_000_usize.saturating_sub(bob) / 2,
        "{alice} of the flood and {bob} others are there"
    );
    assert!(bob % 2 == 0 && bob > 20, "{bob}");
}
