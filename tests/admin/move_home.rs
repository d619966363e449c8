//! `user set --home DIR --move`: the files go with the user.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::admin::preflight::check;

use testkit::programs::homeportd;
use testkit::raw::Received;
use testkit::server::TestServer;
use testkit::{PATIENCE, wait_for};

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn shown(server: &TestServer, user: &str) -> Value {
    serde_json::from_str(&server.admin_ok(&["user", "show", user, "--json"], "")).unwrap()
}

fn put(server: &TestServer, user: &str, name: &str, length: usize) {
    let file = server.path().join("local");
    fs::write(&file, vec![7; length]).unwrap();
    server.sftp_ok(user, &format!("put {} {name}\n", file.display()));
}

/// A directory on another file system than the tests' directories, if there is one.
fn other_disk(server: &TestServer) -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir_in("/dev/shm").ok()?;
    let here = server.path().metadata().unwrap().dev();
    if dir.path().metadata().unwrap().dev() == here {
        testkit::skipped("moving to another file system", "/dev/shm is the tests' own");
        return None;
    }
    Some(dir)
}

/// Checks where the home of a user is, and that its use is known exactly.
fn assert_at(server: &TestServer, user: &str, home: &Path, bytes: u64) {
    let shown = shown(server, user);
    assert_eq!(shown["home"], home.to_str().unwrap(), "{shown}");
    assert_eq!(
        (&shown["used_bytes"], &shown["usage_exact"]),
        (&bytes.into(), &true.into()),
        "{shown}"
    );
}

#[test]
fn a_home_is_moved_with_its_files_and_its_sessions_end() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB"]);
    let home = server.home("alice").canonicalize().unwrap();
    server.add_user("bob", &["--home", home.to_str().unwrap()]);
    server.serve();
    put(&server, "alice", "f", 600_000);
    let mut session = server.raw("bob");
    let to = home.with_file_name("team").join("alice");
    let target = to.to_str().unwrap();
    let said = server.admin_ok(
        &["user", "set", "alice", "--home", target, "--move", "--json"],
        "",
    );
    let said: Value = serde_json::from_str(&said).unwrap();
    // The session of the upload may not be over yet.
    let ended = said["sessions_ended"].as_u64().unwrap();
    assert!(said["changed"] == true && ended >= 1, "{said}");
    assert!(matches!(session.receive(PATIENCE), Received::Ended));
    for user in ["alice", "bob"] {
        assert_at(&server, user, &to, 600_000);
        server.sftp_ok(user, "get f back\n");
    }
    assert!(home.symlink_metadata().is_err(), "nothing is left behind");
    let refused = server.sftp("bob", "put back g\n");
    assert!(
        errors(&refused).contains("quota exceeded"),
        "{}",
        errors(&refused)
    );
    let events = testkit::audit::all_events(&server, "alice");
    let moves: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "admin" && event["after"]["home"] == target)
        .collect();
    assert_eq!(moves.len(), 2, "{moves:?}");
    assert!(
        moves
            .iter()
            .all(|event| event["before"]["home"] == home.to_str().unwrap())
    );
    // The same command again changes nothing.
    let again = server.admin_ok(&["user", "set", "alice", "--home", target, "--move"], "");
    assert!(again.starts_with("unchanged: alice"), "{again}");
    assert!(
        server
            .path()
            .join("data/moves")
            .read_dir()
            .unwrap()
            .next()
            .is_none()
    );
}

#[test]
fn a_home_is_copied_to_another_disk() {
    let mut server = TestServer::new(&[]);
    let Some(disk) = other_disk(&server) else { return };
    let root = disk.path().canonicalize().unwrap();
    let config = fs::read_to_string(server.config()).unwrap();
    let config = config.replace("[storage]\n", &format!("[storage]\nroots = [{root:?}]\n"));
    fs::write(server.config(), config).unwrap();
    server.add_user("alice", &["--quota", "10MiB"]);
    server.serve();
    put(&server, "alice", "f", 600_000);
    let local = server.path().join("local");
    let batch = format!("mkdir d\nln f d/hard\nsymlink f s\nput {} d/g\n", local.display());
    server.sftp_ok("alice", &batch);
    let from = server.home("alice").canonicalize().unwrap();
    let to = root.join("alice");
    let target = to.to_str().unwrap();
    let said = server.admin_ok(&["user", "set", "alice", "--home", target, "--move"], "");
    assert!(said.starts_with("moved the home of alice"), "{said}");
    assert_at(&server, "alice", &to, 1_200_000);
    assert!(from.symlink_metadata().is_err());
    let ino = |path: PathBuf| path.metadata().unwrap().ino();
    assert_eq!(ino(to.join("f")), ino(to.join("d/hard")));
    put(&server, "alice", "h", 100);
    // Back again, without a server.
    server.signal("TERM");
    server.wait_for_exit();
    server.admin_ok(
        &["user", "set", "alice", "--home", from.to_str().unwrap(), "--move"],
        "",
    );
    assert_at(&server, "alice", &from, 1_200_100);
    assert!(to.symlink_metadata().is_err() && from.join("d/g").exists());
}

#[test]
fn a_move_that_may_not_be_changes_nothing() {
    let server = TestServer::start(&["alice", "bob"]);
    put(&server, "alice", "f", 10);
    put(&server, "bob", "f", 10);
    let home = server.home("alice").canonicalize().unwrap();
    let full = home.with_file_name("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("theirs"), "x").unwrap();
    let check = |to: &Path, expected: &str| {
        let args = ["user", "set", "alice", "--home", to.to_str().unwrap(), "--move"];
        let refused = server.admin(&args, "");
        let words = errors(&refused);
        assert!(
            !refused.status.success() && words.contains(expected),
            "{to:?}: {words}"
        );
        assert_at(&server, "alice", &home, 10);
        server.sftp_ok("alice", "get f back\n");
    };
    check(&full, "exists and is not empty");
    check(
        &full.join("theirs"),
        "something that is not a directory has the new name",
    );
    check(&home.join("inside"), "one of them lies in the other");
    check(home.parent().unwrap(), "cannot be a home");
    check(&home.with_file_name("bob"), "bob has files there");
    check(&home.with_file_name("bob").join("inside"), "bob has files there");
    check(Path::new("/srv/elsewhere"), "cannot be a home");
    let mixed = server.admin(
        &["user", "set", "alice", "--home", "/x", "--move", "--quota", "1"],
        "",
    );
    assert_eq!(mixed.status.code(), Some(2), "{}", errors(&mixed));
    let no_home = server.admin(&["user", "set", "alice", "--move"], "");
    assert_eq!(no_home.status.code(), Some(2), "{}", errors(&no_home));
    // An empty directory is taken.
    let empty = home.with_file_name("empty");
    fs::create_dir(&empty).unwrap();
    server.admin_ok(
        &[
            "user",
            "set",
            "alice",
            "--home",
            empty.to_str().unwrap(),
            "--move",
        ],
        "",
    );
    assert_at(&server, "alice", &empty, 10);
}

/// A server with a user whose home has 300 files, and another disk for it.
fn with_many_files() -> Option<(TestServer, tempfile::TempDir)> {
    let mut server = TestServer::new(&[]);
    let disk = other_disk(&server)?;
    let root = disk.path().canonicalize().unwrap();
    let config = fs::read_to_string(server.config()).unwrap();
    let config = config.replace("[storage]\n", &format!("[storage]\nroots = [{root:?}]\n"));
    fs::write(server.config(), config).unwrap();
    server.add_user("alice", &[]);
    server.serve();
    put(&server, "alice", "f", 1000);
    for number in 0..300 {
        fs::write(server.home("alice").join(format!("n{number}")), vec![1; 20_000]).unwrap();
    }
    Some((server, disk))
}

/// Starts to move the home of alice.
fn moving(server: &TestServer, to: &Path) -> Child {
    let mut command = Command::new(homeportd());
    command.arg("-c").arg(server.config());
    command.args(["user", "set", "alice", "--move", "--home"]).arg(to);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether the data directory has the record of a move.
fn has_record(server: &TestServer) -> bool {
    let entries = fs::read_dir(server.path().join("data/moves"))
        .into_iter()
        .flatten();
    entries.flatten().any(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "json")
    })
}

#[test]
fn a_move_that_is_killed_leaves_the_user_usable() {
    let Some((server, disk)) = with_many_files() else {
        return;
    };
    let mut here = server.home("alice").canonicalize().unwrap();
    let mut there = disk.path().canonicalize().unwrap().join("alice");
    let mut killed = 0;
    for round in 0..10 {
        let mut child = moving(&server, &there);
        std::thread::sleep(Duration::from_millis(10 + round * 25));
        let _ = child.kill();
        killed += usize::from(!child.wait().unwrap().success());
        // Whatever was done, all files are there, and a new one can be written.
        let name = format!("after{round}");
        put(&server, "alice", &name, 10);
        let listed = server.sftp_ok("alice", "ls -1\n");
        assert!(listed.matches("\nn").count() >= 300, "round {round}: {listed}");
        let is_unfinished = has_record(&server);
        let said = check(&server).text;
        assert_eq!(said.contains("is not finished"), is_unfinished, "{said}");
        let command = format!("homeportd user set alice --home {} --move", there.display());
        assert_eq!(said.contains(&command), is_unfinished, "{said}");
        let args = [
            "user",
            "set",
            "alice",
            "--home",
            there.to_str().unwrap(),
            "--move",
        ];
        server.admin_ok(&args, "");
        let bytes = 1000 + 300 * 20_000 + 10 * (round + 1);
        assert_at(&server, "alice", &there, bytes);
        assert!(there.join(&name).exists());
        assert!(here.symlink_metadata().is_err(), "round {round}");
        assert!(!has_record(&server) && !check(&server).text.contains("is not finished"));
        let left: Vec<_> = [here.parent().unwrap(), there.parent().unwrap()]
            .iter()
            .flat_map(|dir| dir.read_dir().unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".moving"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        std::mem::swap(&mut here, &mut there);
    }
    assert!(killed > 0, "some were killed in the middle");
}

#[test]
fn nobody_signs_in_while_the_home_is_copied() {
    let Some((server, disk)) = with_many_files() else {
        return;
    };
    let there = disk.path().canonicalize().unwrap().join("alice");
    let mut child = moving(&server, &there);
    let temporary = there.with_file_name(".alice.moving");
    wait_for("the copy to begin or to end", || {
        temporary.exists() || child.try_wait().unwrap().is_some()
    });
    if temporary.exists() {
        let refused = server.sftp("alice", "ls\n");
        let is_moving = temporary.exists();
        assert!(
            !is_moving || errors(&refused).contains("is being moved"),
            "{}",
            errors(&refused)
        );
    }
    assert!(child.wait().unwrap().success());
    server.sftp_ok("alice", "get f back\n");
}
