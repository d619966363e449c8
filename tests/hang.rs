//! A home on a file system that hangs holds up nobody whose home is elsewhere, and loses nothing.
//!
//! The file system is an image on a loop device, frozen with `fsfreeze`; that needs root and loop devices. Where they
//! lack, the test says so loudly and shows nothing. It hangs until the test has seen what it waits for: a server in
//! which others wait for it would never show that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use testkit::packets::{Attrs, mkdir, rmdir, stat};
use testkit::replies::Reply;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::{is_root, wait_for};

/// The file system hangs for no longer than this, whatever becomes of the test.
const FROZEN_SECS: u64 = 240;
const BEFORE: usize = 10;
const UPLOADS: usize = 20;
const SIZE: usize = 12 << 20;
/// Others' STATs and sign-ins while it hangs.
const STATS: usize = 1000;
const SIGN_INS: usize = 10;
/// Other users' STATs: the time that 99 of 100 stay below. On a machine of its own it is a hundredth of that; whoever
/// waited for the file system would wait for as long as it hangs.
const P99: Duration = Duration::from_millis(500);

/// Measurements must not disturb one another.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A mounted image; thawed and unmounted when dropped.
struct Mount {
    dir: tempfile::TempDir,
}

impl Mount {
    /// Or why there can be none.
    fn new() -> Result<Self, String> {
        if !is_root() {
            return Err("mounting needs root".into());
        }
        let dir = tempfile::Builder::new()
            .prefix("homeport-hang-")
            .tempdir()
            .unwrap();
        let mount = Self { dir };
        let image = mount.dir.path().join("image");
        fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
        fs::create_dir(mount.point()).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(mount.point()))?;
        Ok(mount)
    }

    fn point(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    /// Or says loudly that nothing can be shown.
    fn or_skip() -> Option<Self> {
        Self::new()
            .inspect_err(|reason| testkit::skipped("a file system that can be frozen", reason))
            .ok()
    }

    /// Freezes it. A child thaws it when its input ends, and so also if this test should be killed.
    fn freeze(&self) -> Result<Frozen, String> {
        let point = self.point();
        let thaw = format!("timeout {FROZEN_SECS} cat > /dev/null; exec fsfreeze -u \"$0\"");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(thaw)
            .arg(&point)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let frozen = Frozen {
            hold: child.stdin.take(),
            begun: Instant::now(),
            thawing: child,
        };
        run(Command::new("fsfreeze").arg("-f").arg(&point))?;
        Ok(frozen)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg(self.point()));
    }
}

/// A file system that hangs; goes on when dropped, if not before.
struct Frozen {
    hold: Option<ChildStdin>,
    begun: Instant,
    thawing: Child,
}

impl Frozen {
    /// Thaws it; how long the file system was frozen. Until now it was.
    fn thaw(mut self) -> Duration {
        let lasted = self.begun.elapsed();
        let in_time = self.thawing.try_wait().unwrap().is_none();
        drop(self.hold.take());
        assert!(
            self.thawing.wait().unwrap().success() && in_time,
            "thawed too early"
        );
        lasted
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.hold.take());
        let _ = self.thawing.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

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

/// Someone who has signed in before and asks for attributes; how long each took.
fn asks(server: &TestServer, user: &str) -> Busy<Duration> {
    let mut session = server.raw(user);
    Busy::start(move || {
        std::thread::sleep(Duration::from_millis(3));
        let begun = Instant::now();
        assert!(matches!(session.ask(&stat("/")), Reply::Attrs(_)));
        begun.elapsed()
    })
}

/// Someone who signs in again and again; how long each took, if it worked.
fn signs_in(server: &TestServer, user: &str) -> Busy<Option<Duration>> {
    let mut command = server.client("ssh", user, By::Key);
    command
        .args(["-s", &format!("{user}@127.0.0.1"), "sftp"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Busy::start(move || {
        std::thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        let status = command.status().unwrap();
        status.success().then(|| begun.elapsed())
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
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
        let since = |busy: &Busy<Duration>, mark: usize| busy.rounds.load(Ordering::Relaxed) - mark;
        let stats = askers
            .iter()
            .zip(&marks)
            .all(|(asker, mark)| since(asker, *mark) > STATS / 2);
        stats && newcomers.rounds.load(Ordering::Relaxed) - mark > SIGN_INS + 2
    });
    // It does hang.
    let mut begun_since = uploads[BEFORE..].iter_mut();
    assert!(begun_since.all(|child| child.try_wait().unwrap().is_none()));
    let lasted = frozen.thaw();

    let mut times: Vec<Duration> = askers
        .into_iter()
        .zip(marks)
        .flat_map(|(asker, mark)| asker.stop().split_off(mark))
        .collect();
    let sign_ins = newcomers.stop().split_off(mark);
    for (number, mut child) in uploads.into_iter().enumerate() {
        assert!(child.wait().unwrap().success(), "upload {number} failed");
        let stored = fs::read(home.join(format!("far-{number}"))).unwrap();
        assert!(stored == content(), "upload {number} is not whole");
    }

    times.sort();
    let p99 = times[times.len() * 99 / 100];
    let slowest = sign_ins.iter().flatten().max();
    eprintln!(
        "frozen for {lasted:?}; {} STATs of others: median {:?}, p99 {p99:?}, slowest {:?}; {} sign-ins, slowest {slowest:?}",
        times.len(),
        times[times.len() / 2],
        times.last(),
        sign_ins.len(),
    );
    assert!(p99 < P99, "others waited: p99 {p99:?}");
    assert!(sign_ins.iter().all(Option::is_some), "a sign-in failed");
}

/// More sign-ins than the server has places for wait for a home that hangs when it is to be made.
#[test]
fn many_who_wait_for_a_home_that_hangs_hold_up_nobody_else() {
    const WAITING: usize = 100;
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
    let mut pairs = Vec::new();
    while pairs.len() < 20 || !flood.is_finished() {
        let begun = Instant::now();
        let made = bob.ask(&mkdir("b", &Attrs::default()));
        assert!(matches!(made, Reply::Status { code: 0, .. }), "{made:?}");
        bob.ask(&rmdir("b"));
        pairs.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    flood.join().unwrap();
    // All of both was done while the log could not be written.
    frozen.thaw();
    pairs.sort();
    let (median, slowest) = (pairs[pairs.len() / 2], pairs[pairs.len() - 1]);
    eprintln!("another user's pairs of requests: median {median:?}, slowest {slowest:?}");
    // The flood's own session waits for 2 s, once.
    assert!(
        median < Duration::from_secs(1),
        "another user waited for {median:?}"
    );
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
    assert!(
        lost(&events) > 0 && of(&events, "alice") >= 8000,
        "{} lost",
        lost(&events)
    );
    assert!(of(&events, "bob") % 2 == 0 && of(&events, "bob") > 20);
}
