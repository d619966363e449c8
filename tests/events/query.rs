//! `homeportd audit`: who did what, asked by an operator.

use super::*;
use std::process::Command;

/// Renames the audit log as logrotate does, and has the server open a new one.
fn rotate(server: &TestServer, to: &str) {
    std::fs::rename(server.path().join("audit.log"), server.path().join(to)).unwrap();
    server.signal("HUP");
    wait_for("a new audit log", || server.path().join("audit.log").exists());
}

fn ask(server: &TestServer, args: &[&str]) -> String {
    server.admin_ok(&[&["audit"], args].concat(), "")
}

/// Returns the events of a table, with the paths.
fn events(table: &str) -> Vec<String> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3..).unwrap_or_default().join(" ")
    };
    table
        .lines()
        .filter(|line| line.starts_with("20"))
        .map(row)
        .collect()
}

#[test]
fn who_deleted_the_invoice() {
    let server = TestServer::start(&["alice", "bob"]);
    std::fs::write(server.path().join("local"), b"12345").unwrap();
    server.sftp_ok("alice", "put local draft.pdf\n");
    first(&server, "session_ended");
    rotate(&server, "audit.log.2");
    let packed = Command::new("gzip")
        .arg(server.path().join("audit.log.2"))
        .status();
    assert!(packed.unwrap().success());
    server.sftp_ok("alice", "rename draft.pdf invoice.pdf\n");
    first(&server, "session_ended");
    rotate(&server, "audit.log.1");
    // A line that a crash has cut, in the middle of a file.
    let mut rotated = std::fs::OpenOptions::new()
        .append(true)
        .open(server.path().join("audit.log.1"))
        .unwrap();
    std::io::Write::write_all(&mut rotated, b"{\"time\":\"2026-01-01T00:0\n").unwrap();
    server.sftp_ok("bob", "put local draft.pdf\n");
    server.sftp_ok("alice", "rm invoice.pdf\n");
    wait_for("both sessions to end", || {
        named(&server, "session_ended").len() == 2
    });

    let output = server.admin(&["audit", "--path", "invoice.pdf"], "");
    let (table, notes) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{notes}");
    assert!(
        table.starts_with("/invoice.pdf was /draft.pdf until 20"),
        "{table}"
    );
    assert_eq!(
        events(&table),
        [
            "opened /draft.pdf",
            "closed /draft.pdf (5 bytes)",
            "uploaded /draft.pdf (5 bytes)",
            "renamed /draft.pdf -> /invoice.pdf",
            "removed /invoice.pdf",
        ]
    );
    let removed = table.lines().last().unwrap();
    assert!(
        removed.contains("alice") && removed.contains("127.0.0.1"),
        "{removed}"
    );
    assert!(notes.contains("1 line is not whole and was left out"), "{notes}");
    assert!(notes.contains("audit.log.1"), "{notes}");

    let removed = ask(
        &server,
        &["--event", "removed,directory_removed", "--since", "1h"],
    );
    assert_eq!(events(&removed), ["removed /invoice.pdf"]);
    assert_eq!(ask(&server, &["--until", "2020-01-01"]), "");
    assert_eq!(ask(&server, &["--address", "192.0.2.0/24"]), "");
    assert_ne!(ask(&server, &["--address", "127.0.0.1"]), "");
    let lines = ask(&server, &["--user", "bob", "--path", "/*.pdf", "--json"]);
    let objects: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = objects
        .iter()
        .map(|object| object["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["opened", "closed", "uploaded"]);
    assert!(
        objects
            .iter()
            .all(|object| object["user"] == "bob" && object["v"] == 2)
    );
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let server = TestServer::new(&[]);
    let check = |args: &[&str], code: i32, expected: &str| {
        let output = server.admin(&[&["audit"], args].concat(), "");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(expected), "{args:?}: {errors}");
    };
    check(&["--since", "yesterday"], 2, "\"yesterday\" is not a time");
    check(
        &["--address", "nas"],
        2,
        "\"nas\" is neither an address nor a network",
    );
    check(&["--path", ""], 2, "an empty pattern matches no path");
    check(&[], 1, "there is no audit log");
    std::fs::write(
        server.config(),
        std::fs::read_to_string(server.config())
            .unwrap()
            .replace("audit = ", "# audit = "),
    )
    .unwrap();
    check(&[], 1, "the audit log has no file of its own");
}
