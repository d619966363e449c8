//! Backups of a running server: during changes, when they are killed, on a full disk, and by root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use testkit::programs::homeportd;
use testkit::server::TestServer;
use testkit::stock::run;
use testkit::{is_root_or_skip, private_mounts};

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn manifest(backup: &Path) -> Value {
    serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap()
}

/// Runs `homeportd -c CONFIG restore …`.
pub fn restore(config: &Path, backup: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(homeportd());
    command
        .arg("-c")
        .arg(config)
        .arg("restore")
        .arg(backup)
        .args(more);
    run(command, "")
}

/// Every entry of a directory and of those below, with its mode.
pub fn tree(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in dir.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            found.push((path.clone(), meta.mode() & 0o7777));
            if meta.is_dir() {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_backup_of_a_running_server_is_private_and_has_no_files_of_users() {
    let server = TestServer::start(&["alice"]);
    fs::write(server.path().join("local"), "x").unwrap();
    server.sftp_ok(
        "alice",
        &format!("put {} f\n", server.path().join("local").display()),
    );
    let backup = server.path().join("backup");
    let said = server.admin_ok(&["backup", backup.to_str().unwrap(), "--json"], "");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["v"], &said["users"]), (&1.into(), &1.into()), "{said}");
    assert_eq!(
        said["left_out"][0]["path"],
        server
            .path()
            .join("data/homes")
            .canonicalize()
            .unwrap()
            .to_str()
            .unwrap(),
        "{said}"
    );
    server.wait_for_audit("\"what\":\"backup\"");
    for (path, mode) in tree(&backup) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{path:?}");
    }
    assert_eq!(backup.metadata().unwrap().mode() & 0o7777, 0o700);
    assert!(!tree(&backup).iter().any(|(path, _)| path.ends_with("alice/f")));
    let sum = Command::new("sha256sum")
        .args(["-c", "manifest.sha256"])
        .current_dir(&backup)
        .output();
    assert!(sum.unwrap().status.success());
    let again = server.admin(&["backup", backup.to_str().unwrap()], "");
    assert_eq!(again.status.code(), Some(4), "{}", errors(&again));
    assert!(errors(&again).contains("exists already"), "{}", errors(&again));
}

#[test]
fn a_backup_during_changes_is_whole() {
    let mut server = TestServer::new(&[]);
    for number in 0..4 {
        server.add_user(&format!("user{number}"), &[]);
    }
    server.serve();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (server, stop) = (&server, &stop);
        scope.spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                // Two users always have the same number of sessions and the same quota.
                let home = server.path().join("data/homes/shared");
                let name = format!("new{number}");
                server.add_user(&name, &["--home", home.to_str().unwrap()]);
                let quota = format!("{number}MiB");
                server.admin_ok(&["user", "set", &name, "--quota", &quota], "");
            }
        });
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                server.sftp_ok("user0", "mkdir d\nrmdir d\n");
            }
        });
        for number in 0..6 {
            let backup = server.path().join(format!("backup{number}"));
            server.admin_ok(&["backup", backup.to_str().unwrap()], "");
            let config = server.path().join(format!("restored{number}/homeportd.toml"));
            let restored = restore(&config, &backup, &[]);
            assert!(restored.status.success(), "{}", errors(&restored));
            let listed = Command::new(homeportd())
                .arg("-c")
                .arg(&config)
                .args(["user", "list", "--json"])
                .output()
                .unwrap();
            let users: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
            assert_eq!(users.len() as u64, manifest(&backup)["users"].as_u64().unwrap());
            let shared: Vec<&Value> = users
                .iter()
                .filter(|user| user["home"].as_str().unwrap().ends_with("/shared"))
                .map(|user| &user["quota_bytes"])
                .collect();
            assert!(shared.windows(2).all(|pair| pair[0] == pair[1]), "{shared:?}");
            assert!(
                users
                    .iter()
                    .all(|user| !user["keys"].as_array().unwrap().is_empty())
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_that_is_killed_leaves_no_backup() {
    let server = TestServer::start(&["alice"]);
    fs::create_dir(server.path().join("data/hooks")).unwrap();
    for number in 0..200 {
        fs::write(server.path().join(format!("data/hooks/{number}")), vec![1; 4096]).unwrap();
    }
    let place = server.path().join("backups");
    fs::create_dir(&place).unwrap();
    let backup = place.join("b");
    let mut whole = 0;
    for round in 0..12 {
        let mut child = Command::new(homeportd())
            .arg("-c")
            .arg(server.config())
            .arg("backup")
            .arg(&backup)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 15));
        let _ = child.kill();
        child.wait().unwrap();
        if backup.exists() {
            // It has its name only when it is complete.
            whole += 1;
            let config = server.path().join(format!("r{round}/homeportd.toml"));
            let restored = restore(&config, &backup, &[]);
            assert!(restored.status.success(), "{}", errors(&restored));
            fs::remove_dir_all(&backup).unwrap();
        }
    }
    assert!(whole < 12, "some were killed in the middle");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let names: Vec<_> = place
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["b"], "what a killed one has left is gone");
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_left_behind() {
    let Some(words) = private_mounts("a backup on a full disk") else {
        return;
    };
    let server = TestServer::start(&["alice"]);
    let disk = server.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$1\" && shift && d=$1 && shift && \"$@\"; code=$?; ls -A \"$d\"; exit $code";
    let output = Command::new(words[0])
        .args(&words[1..])
        .args(["sh", "-c", script, "sh"])
        .arg(&disk)
        .arg(&disk)
        .args([homeportd(), "-c"])
        .arg(server.config())
        .arg("backup")
        .arg(disk.join("b"))
        .output()
        .unwrap();
    let words = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.contains("no space left") && words.contains("nothing was left behind"),
        "{words}"
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "",
        "the disk is empty again"
    );
}

#[test]
fn root_backs_up_to_its_own_directory_and_restores_for_the_owner() {
    if !is_root_or_skip("backups by root of another user's server") {
        return;
    }
    let server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    let open = |dir: &Path, mode| fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    open(server.path(), 0o755);
    let give = |path: &Path| std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
    for dir in ["data", "hostkeys"] {
        give(&server.path().join(dir));
        tree(&server.path().join(dir))
            .iter()
            .for_each(|(path, _)| give(path));
    }
    // Nobody but root can enter the directory of the backups.
    let secret = server.path().join("secret");
    fs::create_dir(&secret).unwrap();
    open(&secret, 0o700);
    let backup = secret.join("b");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let made = backup.metadata().unwrap();
    assert_eq!((made.uid(), made.mode() & 0o7777), (0, 0o700));
    assert_eq!(manifest(&backup)["users"], 1);
    assert!(
        !tree(&server.path().join("data"))
            .iter()
            .any(|(path, _)| path.symlink_metadata().unwrap().uid() != 65534)
    );

    let config = fs::read_to_string(server.config()).unwrap();
    fs::write(
        server.config(),
        config.replace("[server]", "[server]\nuser = \"nobody\""),
    )
    .unwrap();
    let backup = secret.join("with-user");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let new = server.path().join("new");
    let restored = restore(&new.join("homeportd.toml"), &backup, &[]);
    assert!(restored.status.success(), "{}", errors(&restored));
    for (path, mode) in tree(&new) {
        let meta = path.symlink_metadata().unwrap();
        let is_config = path.ends_with("homeportd.toml");
        assert_eq!(meta.uid(), if is_config { 0 } else { 65534 }, "{path:?}");
        assert!(
            is_config || mode & 0o077 == 0 || path.ends_with(".homeport-store"),
            "{path:?} {mode:o}"
        );
    }
}
