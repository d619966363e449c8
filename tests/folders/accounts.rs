//! Accounts of folders, and commands that work in them.

use testkit::replies::Reader;
use testkit::stock::{By, run};

use super::*;

/// Runs a command of alice's.
fn ssh(server: &TestServer, command: &str) -> std::process::Output {
    let mut ssh = server.client("ssh", "alice", By::Key);
    ssh.args(["alice@127.0.0.1", command]);
    run(ssh, "")
}

/// What statvfs@ answers, in blocks of 4096 bytes.
#[derive(Debug, PartialEq, Eq)]
struct Blocks {
    total: u64,
    available: u64,
}

fn statvfs(sftp: &mut RawSftp, path: &str) -> Blocks {
    let Reply::Extended(body) = sftp.ask(&extended_paths("statvfs@openssh.com", &[path.as_bytes()])) else {
        panic!("no statvfs of {path}");
    };
    let mut numbers = Reader(&body);
    let numbers: Vec<u64> = std::iter::from_fn(|| numbers.u64()).collect();
    Blocks {
        total: numbers[2],
        available: numbers[4],
    }
}

#[test]
fn each_folder_has_an_account_of_its_own() {
    let server = with_folders(Some(100_000));
    let mut sftp = server.raw("alice");
    assert_eq!(put(&mut sftp, "/in/f", &[1; 60_000]), 0);
    assert_eq!(put(&mut sftp, "/in/g", &[1; 60_000]), FAILURE);
    assert_eq!(put(&mut sftp, "/out/g", &[1; 60_000]), 0);
    assert_eq!(put(&mut sftp, "g", &[1; 60_000]), 0);
    let folder = statvfs(&mut sftp, "/in/f");
    let expected = Blocks {
        total: 100_000 / 4096,
        available: 40_000 / 4096,
    };
    assert_eq!(folder, expected);
    assert!(statvfs(&mut sftp, "/").total > folder.total);
    // The disk's free space may change between two answers.
    assert!(statvfs(&mut sftp, "/in/..").total > folder.total);
    let df = ssh(&server, "df -k /in");
    assert!(String::from_utf8_lossy(&df.stdout).contains(" 96 "), "{df:?}");
    assert!(String::from_utf8_lossy(&df.stdout).ends_with(" /in\n"), "{df:?}");
    server.wait_for_audit("\"event\":\"over_quota\"");
    let event = server
        .events()
        .into_iter()
        .find(|event| event["event"] == "over_quota")
        .unwrap();
    assert_eq!(event["path"], "/in/g");
    assert_eq!(event["folder"], "in");
    let reason = event["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("quota exceeded: ") && reason.ends_with(" used in the folder in"),
        "{reason}"
    );
    // What is removed is given back where it was charged.
    assert_eq!(code(&mut sftp, &remove("/in/f")), 0);
    assert_eq!(code(&mut sftp, &remove("/in/g")), 0);
    assert_eq!(put(&mut sftp, "/in/h", &[1; 100_000]), 0);
    server.wait_for_audit("\"event\":\"near_quota\"");
    let is_near = |event: &serde_json::Value| event["event"] == "near_quota";
    let event = server.events().into_iter().find(is_near).unwrap();
    assert_eq!(
        (&event["folder"], &event["user"]),
        (&"in".into(), &"alice".into())
    );
    assert!(
        event["home"].as_str().unwrap().ends_with("/data/homes/in"),
        "{event}"
    );
}

#[test]
fn operators_see_the_use_of_each_folder() {
    let server = with_folders(Some(100_000));
    let mut sftp = server.raw("alice");
    assert_eq!(put(&mut sftp, "/in/f", &[1; 60_000]), 0);
    let json = |words: &[&str]| -> serde_json::Value {
        serde_json::from_str(&server.admin_ok(&[words, &["--json"]].concat(), "")).unwrap()
    };
    // Nothing has waited for her own home to be measured, which has no limit.
    testkit::wait_for("alice's home to be measured", || {
        json(&["user", "show", "alice"])["used_bytes"] == 0
    });
    let shown = json(&["user", "show", "alice"]);
    let used = &shown["folder_usage"]["in"];
    assert_eq!(
        (&used["used_bytes"], &used["quota_bytes"]),
        (&60_000.into(), &100_000.into())
    );
    assert_eq!(json(&["folder", "show", "in"])["used_bytes"], 60_000);
    let quota = json(&["quota", "show", "alice"]);
    let of_in = quota["folders"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "in");
    assert_eq!(of_in.unwrap()["used_bytes"], 60_000);
    let sessions = json(&["sessions", "list"]);
    assert_eq!(
        sessions[0]["folders"],
        serde_json::json!([{"name": "in", "used_bytes": 60_000, "quota_bytes": 100_000}])
    );
    let text = server.admin_ok(&["user", "show", "alice"], "");
    assert!(
        text.contains("  used         58.6 KiB, 1 file; quota 97.7 KiB\n"),
        "{text}"
    );
    let text = server.admin_ok(&["quota", "show", "alice"], "");
    assert!(
        text.contains("folder         /in: 58.6 KiB, 1 file; quota 97.7 KiB\n"),
        "{text}"
    );
}

#[test]
fn commands_work_in_folders() {
    let server = with_folders(None);
    let mut sftp = server.raw("alice");
    assert_eq!(put(&mut sftp, "in/a", b"1"), 0);
    assert_eq!(put(&mut sftp, "in/b", b"2"), 0);
    let sums = ssh(&server, "cd in && md5sum *");
    let lines = String::from_utf8(sums.stdout).unwrap();
    assert!(
        lines.lines().count() == 2 && lines.contains("c4ca4238a0b923820dcc509a6f75849b  a"),
        "{lines}"
    );
    let all = ssh(&server, "md5sum */a");
    assert!(String::from_utf8(all.stdout).unwrap().contains("  in/a"));
    let pwd = ssh(&server, "cd in && cd ../out && pwd");
    assert_eq!(pwd.stdout, b"/out\n");
    let mut scp = server.client("scp", "alice", By::Key);
    scp.args(["-O", "-q", "-r", "-p"])
        .arg(server.config())
        .arg("alice@127.0.0.1:in/");
    assert!(scp.status().unwrap().success());
    let mut back = server.client("scp", "alice", By::Key);
    back.args(["-O", "-q", "-r", "alice@127.0.0.1:in"])
        .arg(server.path().join("back"));
    assert!(back.status().unwrap().success());
    assert_eq!(
        fs::read(server.path().join("back/homeportd.toml")).unwrap(),
        fs::read(server.config()).unwrap()
    );
}
