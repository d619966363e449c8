//! Servers that are made from backups.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::admin::backup::{errors, restore, tree};
use crate::admin::preflight::check;
use testkit::programs::homeportd;
use testkit::server::{TestServer, password};
use testkit::stock::{By, run};

/// Makes a backup, and copies it for another test server: its configuration, keys and store are replaced by it.
pub fn restored_elsewhere(server: &TestServer, backup: &Path, more: &[&str]) -> TestServer {
    let other = TestServer::new(&[]);
    fs::remove_dir_all(other.path().join("data")).unwrap();
    fs::remove_dir_all(other.path().join("hostkeys")).unwrap();
    fs::remove_file(other.config()).unwrap();
    // Clients know the users by these keys, which are the test's.
    for entry in server.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("key-") {
            fs::copy(&path, other.path().join(&name)).unwrap();
            let mode = path.metadata().unwrap().permissions();
            fs::set_permissions(other.path().join(&name), mode).unwrap();
        }
    }
    let output = restore(&other.config(), backup, more);
    assert!(output.status.success(), "{}", errors(&output));
    other
}

fn local(server: &TestServer, name: &str, length: usize) -> PathBuf {
    let path = server.path().join(name);
    fs::write(&path, vec![7; length]).unwrap();
    path
}

#[test]
fn a_server_is_restored_at_another_path_with_its_users_keys_and_quotas() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB"]);
    server.add_user("bob", &[]);
    server.serve();
    let file = local(&server, "local", 600_000);
    server.sftp_ok("alice", &format!("put {} f\n", file.display()));
    fs::create_dir(server.path().join("data/hooks")).unwrap();
    fs::write(server.path().join("data/hooks/1"), "waiting").unwrap();
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let mut other = restored_elsewhere(&server, &backup, &["--take-over"]);
    assert_eq!(
        fs::read_to_string(other.path().join("data/hooks/1")).unwrap(),
        "waiting"
    );
    let key = "hostkeys/ssh_host_ed25519_key";
    let (old, new) = (server.path().join(key), other.path().join(key));
    assert_eq!(fs::read(&old).unwrap(), fs::read(&new).unwrap());
    assert_eq!(new.metadata().unwrap().mode() & 0o777, 0o600);
    let config = other.config().metadata().unwrap().mode();
    assert_eq!(config & 0o777, server.config().metadata().unwrap().mode() & 0o777);
    // The operator copies the homes' files.
    let copied = Command::new("cp")
        .arg("-a")
        .arg(server.home("alice"))
        .arg(other.path().join("data/homes"))
        .status();
    assert!(copied.unwrap().success());
    other.serve();
    // The same key and the same password sign in, and the quota counts what is there.
    other.sftp_ok("alice", "get f back\n");
    let refused = other.sftp("alice", &format!("put {} g\n", file.display()));
    assert!(
        errors(&refused).contains("quota exceeded"),
        "{}",
        errors(&refused)
    );
    assert!(
        other
            .sign_in("bob", By::Password("password"), &password("bob"))
            .status
            .success()
    );
    let shown: Value =
        serde_json::from_str(&other.admin_ok(&["user", "show", "alice", "--json"], "")).unwrap();
    let home = other.home("alice").canonicalize().unwrap();
    assert_eq!(shown["home"], home.to_str().unwrap(), "{shown}");
    let checked = String::from_utf8(other.admin(&["check"], "").stdout).unwrap();
    assert!(checked.contains("0 errors"), "{checked}");
    // The server that was backed up goes on.
    server.sftp_ok("alice", "ls\n");
}

#[test]
fn a_restored_store_never_lets_the_homes_of_another_server_grow() {
    let server = TestServer::start(&["alice"]);
    let file = local(&server, "local", 1000);
    server.sftp_ok("alice", &format!("put {} f\n", file.display()));
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let homes = |other: &TestServer| {
        let copied = Command::new("cp")
            .arg("-a")
            .arg(server.path().join("data/homes/."))
            .arg(other.path().join("data/homes"))
            .status();
        assert!(copied.unwrap().success());
    };
    // The marker of the old server comes with the homes, after the restore.
    let mut other = restored_elsewhere(&server, &backup, &[]);
    homes(&other);
    other.serve();
    other.sftp_ok("alice", "get f back\n");
    let refused = other.sftp("alice", &format!("put {} g\n", file.display()));
    assert!(!refused.status.success(), "{}", errors(&refused));
    other.admin_ok(&["storage", "adopt", "--take-over"], "");
    other.sftp_ok("alice", &format!("put {} g\n", file.display()));

    // The homes are there before, and are taken over.
    let third = TestServer::new(&[]);
    fs::remove_dir_all(third.path().join("hostkeys")).unwrap();
    fs::remove_file(third.config()).unwrap();
    fs::remove_dir_all(third.path().join("data")).unwrap();
    fs::create_dir_all(third.path().join("data/homes")).unwrap();
    homes(&third);
    let output = restore(&third.config(), &backup, &["--take-over", "--json"]);
    assert!(output.status.success(), "{}", errors(&output));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["places"][0]["state"], "taken_over", "{said}");
}

#[test]
fn a_restore_overwrites_nothing_and_refuses_while_a_server_runs() {
    let mut server = TestServer::start(&["alice"]);
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let refused = restore(&server.config(), &backup, &[]);
    assert!(
        errors(&refused).contains("a server (process"),
        "{}",
        errors(&refused)
    );
    server.signal("TERM");
    server.wait_for_exit();
    let before = tree(server.path());
    for more in [&[][..], &["--keep-config"]] {
        let refused = restore(&server.config(), &backup, more);
        assert_eq!(refused.status.code(), Some(4), "{}", errors(&refused));
        assert!(
            errors(&refused).contains("homeport.db\" exists already"),
            "{}",
            errors(&refused)
        );
    }
    assert_eq!(tree(server.path()), before);

    // Another configuration is kept, and says where the rest goes.
    let elsewhere = server.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let config = elsewhere.join("mine.toml");
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\nhost_keys = \"k\"\n[store]\npath = \"d/s.db\"\n[storage]\nhomes = \"h\"\n";
    fs::write(&config, text).unwrap();
    let refused = restore(&config, &backup, &[]);
    assert!(errors(&refused).contains("--keep-config"), "{}", errors(&refused));
    assert_eq!(elsewhere.read_dir().unwrap().count(), 1);
    let kept = restore(&config, &backup, &["--keep-config"]);
    assert!(kept.status.success(), "{}", errors(&kept));
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
    assert!(elsewhere.join("d/s.db").exists() && elsewhere.join("k/ssh_host_ed25519_key").exists());
    assert!(elsewhere.join("h/.homeport-store").exists());
    // Without a name of the configuration nothing is guessed.
    let mut command = Command::new(homeportd());
    command.arg("restore").arg(&backup).current_dir(&elsewhere);
    command.env_remove("HOMEPORT_CONFIG");
    let unnamed = run(command, "");
    assert!(errors(&unnamed).contains("is not named"), "{}", errors(&unnamed));
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_written() {
    let server = TestServer::start(&["alice"]);
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let target = server.path().join("new/homeportd.toml");
    let check = |what: &str| {
        let refused = restore(&target, &backup, &[]);
        assert_eq!(refused.status.code(), Some(1), "{what}: {}", errors(&refused));
        let words = errors(&refused);
        assert!(
            words.contains("is damaged") || words.contains("is not a backup"),
            "{what}: {words}"
        );
        assert!(!server.path().join("new").exists(), "{what}");
    };
    let files: Vec<PathBuf> = tree(&backup)
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.is_file())
        .collect();
    assert!(files.len() >= 6, "{files:?}");
    for file in &files {
        let whole = fs::read(file).unwrap();
        let mut flipped = whole.clone();
        if let Some(middle) = flipped.get_mut(whole.len() / 2) {
            *middle ^= 1;
            fs::write(file, &flipped).unwrap();
            check(&format!("a flipped bit in {file:?}"));
            fs::write(file, &whole[..whole.len() - 1]).unwrap();
            check(&format!("a byte less in {file:?}"));
        }
        fs::write(file, [&whole[..], b"\n"].concat()).unwrap();
        check(&format!("a byte more in {file:?}"));
        fs::remove_file(file).unwrap();
        check(&format!("{file:?} is missing"));
        std::os::unix::fs::symlink("/dev/null", file).unwrap();
        check(&format!("{file:?} is a link"));
        fs::remove_file(file).unwrap();
        fs::write(file, whole).unwrap();
    }
    let restored = restore(&target, &backup, &[]);
    assert!(restored.status.success(), "{}", errors(&restored));
    // An interrupted restore has left all but the store; the same command goes on.
    fs::remove_file(server.path().join("new/data/homeport.db")).unwrap();
    fs::write(server.path().join("new/data/.homeport.db.restoring"), "half").unwrap();
    let restored = restore(&target, &backup, &[]);
    assert!(restored.status.success(), "{}", errors(&restored));
    assert!(!server.path().join("new/data/.homeport.db.restoring").exists());
}

#[test]
fn check_reports_a_restore_that_was_interrupted_until_it_is_finished() {
    let server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let other = TestServer::new(&[]);
    for directory in ["data", "hostkeys"] {
        fs::remove_dir_all(other.path().join(directory)).unwrap();
    }
    fs::remove_file(other.config()).unwrap();
    // The store is larger than this, and the other files are not: the process is killed.
    let mut command = Command::new("prlimit");
    command
        .arg("--fsize=16384")
        .arg(homeportd())
        .arg("-c")
        .arg(other.config())
        .arg("restore")
        .arg(&backup);
    assert!(!run(command, "").status.success());
    assert!(other.config().exists() && !other.path().join("data/homeport.db").exists());
    let said = check(&other);
    let hint = format!("restore {}", backup.display());
    assert!(
        !said.succeeded && said.text.contains("is not finished"),
        "{}",
        said.text
    );
    assert!(said.text.contains(&hint), "{}", said.text);
    let output = restore(&other.config(), &backup, &["--take-over"]);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(!other.path().join("data/restoring").exists());
    assert!(!check(&other).text.contains("is not finished"));
}
