//! Users as a file, beside a running server and at its start.

use std::fs;

use serde_json::Value;

use crate::admin::sessions::{Doing, assert_over, begin};
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::wait_for;

fn write(server: &TestServer, name: &str, text: &str) -> String {
    let file = server.path().join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Applies a file; returns the exit code and what is printed as JSON.
fn apply(server: &TestServer, file: &str, more: &[&str]) -> (Option<i32>, Value) {
    let words = [&["user", "apply", file, "--json"], more].concat();
    let output = server.admin(&words, "");
    let shown = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), shown)
}

#[test]
fn a_file_is_planned_applied_and_pruned_beside_the_server() {
    let server = TestServer::start(&["alice"]);
    server.make_key("tom");
    let text =
        "[groups.g]\nquota_bytes = \"1MiB\"\n[users.tom]\ngroup = \"g\"\nkeys_file = \"key-tom.pub\"\n";
    let file = write(&server, "users.toml", text);
    let (code, plan) = apply(&server, &file, &["--plan"]);
    assert_eq!(
        (code, &plan["planned"], &plan["changed"]),
        (Some(10), &true.into(), &true.into())
    );
    assert!(!server.home("tom").exists());
    let (code, done) = apply(&server, &file, &[]);
    assert_eq!((code, &done["confirmed"]), (Some(0), &true.into()), "{done}");
    assert_eq!(done["changes"].as_array().unwrap().len(), 2);
    assert!(server.sign_in("tom", By::Key, "").status.success());
    for more in [&[][..], &["--plan"]] {
        let (code, again) = apply(&server, &file, more);
        assert_eq!((code, &again["changed"]), (Some(0), &false.into()), "{again}");
    }
    // Removed users lose their sessions at once.
    let mut doing = begin(&server, "alice", By::Key, Doing::Nothing);
    let (code, pruned) = apply(&server, &file, &["--prune"]);
    assert_eq!(
        (code, &pruned["sessions_ended"]),
        (Some(0), &1.into()),
        "{pruned}"
    );
    assert_over(&mut doing, "a removed user");
    assert!(server.home("alice").is_dir());
    for what in ["group add", "user add", "user remove"] {
        wait_for(what, || server.audit().contains(&format!("\"{what}\"")));
    }
}

#[test]
fn a_file_with_mistakes_changes_nothing() {
    let server = TestServer::start(&["alice"]);
    let before = server.admin_ok(&["user", "export"], "");
    let file = write(
        &server,
        "users.toml",
        "[users.a]\n[users.b]\nquota_bytes = \"x\"\ngroup = \"none\"\n",
    );
    for more in [&["--prune"][..], &["--plan"]] {
        let output = server.admin(&[&["user", "apply", &file], more].concat(), "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("users.toml:3:15: ") && said.contains("users.toml:4:9: "),
            "{said}"
        );
    }
    assert_eq!(server.admin_ok(&["user", "export"], ""), before);
}

#[test]
fn a_file_with_overlaps_makes_no_store() {
    let server = TestServer::new(&[]);
    fs::remove_dir_all(server.path().join("data")).unwrap();
    let text = "[folders.f]\npath = \"data/homes/f\"\n[users.a]\nhome = \"data/homes/f/a\"\n";
    let file = write(&server, "users.toml", text);
    for command in [&["user", "apply", &file][..], &["serve", "--users", &file]] {
        let output = server.admin(command, "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("users.toml:4:8: cannot use the home "), "{said}");
        assert!(!server.path().join("data/homeport.db").exists(), "{command:?}");
    }
}

#[test]
fn an_import_warns_of_passwords_and_refuses_what_has_no_users() {
    let server = TestServer::new(&[]);
    let users = write(&server, "users.conf", "tom:short:1001\n");
    let import = |from: &str, file: &str, more: &[&str]| {
        let words = [&["user", "import", "--from", from, file][..], more].concat();
        let output = server.admin(&words, "");
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let warning = "warning: tom: the password is imported, but breaks a rule of [auth.password]: it has fewer than 8 characters";
    for (more, expected) in [
        (&["--plan"][..], 10),
        (&["--plan", "--json"][..], 10),
        (&[][..], 0),
    ] {
        let (code, said) = import("atmoz", &users, more);
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains(warning), "{said}");
    }
    for (from, text, expected) in [
        ("sftpgo", "{}", "this is not a dump of SFTPGo: "),
        ("sftpgo", "[]", "this is not a dump of SFTPGo: "),
        ("passwd", "", "there are no users to import in "),
        (
            "passwd",
            "root:x:0:0::/root:/bin/sh\n",
            "not carried over: root: ",
        ),
        ("atmoz", "\u{1}\n\u{2}\n", "there are no users to import in "),
    ] {
        let file = write(&server, "other", text);
        for more in [&[][..], &["--plan"]] {
            let (code, said) = import(from, &file, more);
            assert_eq!(code, Some(1), "{from} {text:?}: {said}");
            assert!(said.contains(expected), "{from} {text:?}: {said}");
        }
    }
    let empty = write(&server, "empty.json", "{\"users\": []}");
    let (code, said) = import("sftpgo", &empty, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("there are no users in "), "{said}");
    // A file with thousands of wrong lines is not shown in full.
    let junk = write(&server, "junk", &"x\n".repeat(5000));
    let (_, said) = import("atmoz", &junk, &[]);
    assert!(said.lines().count() < 100, "{} lines", said.lines().count());
    assert!(said.contains("not carried over: 4980 more"), "{said}");
}

#[test]
fn a_server_applies_a_file_before_it_serves() {
    let mut server = TestServer::new(&[]);
    server.make_key("tom");
    let file = write(
        &server,
        "users.toml",
        "[users.tom]\nkeys_file = \"key-tom.pub\"\n",
    );
    let with_users = format!("exec \"$@\" --users {file}");
    server.serve_by(&["sh", "-c", &with_users, "sh"]);
    assert!(server.sign_in("tom", By::Key, "").status.success());
    let broken = write(&server, "broken.toml", "[users.tom]\nkeyz = []\n");
    let refused = server.admin(&["serve", "--users", &broken], "");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("broken.toml:2:1: unknown setting \"keyz\""),
        "{said}"
    );
}

/// Without queries for each user, and with no password to hash.
#[test]
fn ten_thousand_users_are_applied() {
    let server = TestServer::start(&[]);
    server.make_key("one");
    let key = fs::read_to_string(format!("{}.pub", server.key("one").display())).unwrap();
    let mut text = String::from("[groups.g]\nquota_bytes = \"1GiB\"\n");
    for number in 0..10_000 {
        text.push_str(&format!(
            "[users.u{number}]\ngroup = \"g\"\nkeys = [\"{}\"]\n",
            key.trim()
        ));
    }
    let file = write(&server, "users.toml", &text);
    let (code, done) = apply(&server, &file, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(done["changes"].as_array().unwrap().len(), 10_001);
    assert!(server.home("u9999").is_dir());
    let begun = std::time::Instant::now();
    let (_, again) = apply(&server, &file, &[]);
    assert_eq!(again["changed"], Value::Bool(false));
    // Two seconds on a quiet machine; a mistake in the kind of work costs minutes.
    assert!(begun.elapsed() < testkit::PATIENCE, "{:?}", begun.elapsed());
}
