//! Further findings of `check`, and that it changes nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use serde_json::Value;

use crate::admin::preflight::{check, edit, fifo, sandbox};
use testkit::is_root_or_skip;
use testkit::server::TestServer;

#[test]
fn a_configuration_that_is_not_a_regular_file_does_not_block_the_server() {
    let mut server = sandbox();
    server.serve();
    let text = fs::read(server.config()).unwrap();
    fs::remove_file(server.config()).unwrap();
    fifo(&server.config());
    server.signal("HUP");
    server.wait_for_log("it is a FIFO, not a regular file");
    fs::remove_file(server.config()).unwrap();
    fs::write(server.config(), text).unwrap();
    server.signal("HUP");
    server.wait_for_log("the configuration was read again");
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn no_hint_gives_away_a_file_of_root() {
    if !is_root_or_skip("planting links against root") {
        return;
    }
    let server = sandbox();
    let data = server.path().join("data");
    fs::set_permissions(server.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // A file of root must stay one.
    let secret = server.path().join("secret");
    fs::write(&secret, "").unwrap();
    for owned in ["data", "hostkeys"] {
        let given = Command::new("chown")
            .args(["-hR", "65534:65534"])
            .arg(server.path().join(owned))
            .status();
        assert!(given.unwrap().success());
    }
    symlink(&secret, data.join("planted")).unwrap();
    symlink(&secret, data.join("homeport.db-journal")).unwrap();
    fs::write(data.join("x; touch pwned \u{1b}[2J\nerror: forged"), "").unwrap();
    let said = check(&server);
    assert!(!said.succeeded);
    let planted = format!(
        "\"{}\" lies in the data directory",
        data.join("planted").display()
    );
    assert!(said.text.contains(&planted), "{}", said.text);
    assert!(
        said.text.contains("it is a symbolic link, made by user 0"),
        "{}",
        said.text
    );
    assert!(!said.text.contains("chown"), "{}", said.text);
    assert!(
        !said.text.contains('\u{1b}') && !said.text.contains("\nerror: forged"),
        "{}",
        said.text
    );
    assert_eq!(fs::read(&secret).unwrap(), b"");
}

#[test]
fn homes_without_users_are_named() {
    let mut server = sandbox();
    fs::create_dir_all(server.home("alice")).unwrap();
    server.admin_ok(&["user", "remove", "alice"], "");
    let said = check(&server);
    assert!(
        said.text.contains("has no users, but there are homes in"),
        "{}",
        said.text
    );
    assert!(said.text.contains("\"alice\""), "{}", said.text);
    server.serve();
    server.wait_for_log("has no users, but there are homes in");
}

#[test]
fn a_truncated_store_is_an_error_that_names_the_homes() {
    let server = sandbox();
    fs::create_dir_all(server.home("alice")).unwrap();
    let data = server.path().join("data");
    for name in ["homeport.db-wal", "homeport.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    fs::write(data.join("homeport.db"), "").unwrap();
    let said = check(&server);
    assert!(!said.succeeded, "{}", said.text);
    for part in ["something has cut it", "there are homes in", "\"alice\""] {
        assert!(said.text.contains(part), "{part}: {}", said.text);
    }
}

/// `check` reports what a start would create, without creating it.
#[test]
fn check_changes_nothing() {
    let server = sandbox();
    let _ = fs::remove_file(server.path().join("audit.log"));
    let listing = || {
        let find = Command::new("find")
            .arg(server.path())
            .args(["-printf", "%p %m %s %T@ %l\\n"])
            .output()
            .unwrap();
        String::from_utf8(find.stdout).unwrap()
    };
    let before = listing();
    let said = check(&server);
    assert!(said.succeeded, "{}", said.text);
    assert!(said.text.contains("will make the audit log"), "{}", said.text);
    assert_eq!(listing(), before);
}

/// Runs `check --json`, and returns the object that it prints.
fn check_json(server: &TestServer) -> Value {
    let output = server.admin(&["check", "--json"], "");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["ok"], output.status.success(), "{said}");
    assert!(output.stderr.is_empty(), "{output:?}");
    said
}

/// The problems of this kind.
fn problems<'a>(said: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = said["problems"].as_array().unwrap().iter();
    all.filter(|problem| problem["kind"] == kind).collect()
}

#[test]
fn problems_have_a_place_and_a_hint_as_json() {
    let server = sandbox();
    let said = check_json(&server);
    assert_eq!((&said["ok"], &said["users"]), (&Value::Bool(true), &1.into()));
    assert!(!problems(&said, "note").is_empty(), "{said}");

    // A warning about a setting, and an error about a file.
    let text = fs::read_to_string(server.config()).unwrap();
    let with_root = text.replacen("[storage]\n", "[storage]\nroots = [\"missing\"]\n", 1);
    fs::write(server.config(), &with_root).unwrap();
    fs::set_permissions(
        server.path().join("hostkeys/ssh_host_ed25519_key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let said = check_json(&server);
    let config = server.config().canonicalize().unwrap();
    let line = with_root
        .lines()
        .position(|line| line.starts_with("roots = "))
        .unwrap()
        + 1;
    let is_roots = |problem: &&Value| problem["text"].as_str().unwrap().contains("in roots is not");
    let warning = problems(&said, "warning").into_iter().find(is_roots).unwrap();
    assert_eq!(warning["file"], config.to_str().unwrap());
    assert_eq!(warning["line"], line);
    assert_eq!(warning["hint"], "make it, or remove it from the list");
    let is_key = |problem: &&Value| problem["text"].as_str().unwrap().contains("its mode is 0644");
    let error = problems(&said, "error").into_iter().find(is_key).unwrap();
    assert_eq!(error["file"], Value::Null);
    assert!(error["hint"].as_str().unwrap().contains("600"), "{error}");

    // A configuration that cannot be read has an object, too.
    fs::write(server.config(), "[server]\nlisen = 7\ndrain = 8\n").unwrap();
    let said = check_json(&server);
    assert_eq!(said["users"], Value::Null);
    let found = problems(&said, "error");
    let lines: Vec<Option<u64>> = found.iter().map(|problem| problem["line"].as_u64()).collect();
    assert_eq!(lines, [Some(2), Some(3)], "{said}");
    assert!(found.iter().all(|problem| problem["column"].is_u64()), "{said}");
}

#[test]
fn without_a_data_directory_check_says_that_it_is_missing() {
    let server = sandbox();
    fs::remove_dir_all(server.path().join("data")).unwrap();
    // The log would lie beside it.
    edit(&server, "audit = \"audit.log\"\n", "");
    let said = check(&server);
    assert!(
        !said.succeeded && said.text.contains("there is no store"),
        "{}",
        said.text
    );
    assert!(!said.text.contains("nothing to write"), "{}", said.text);
    // An old kernel cannot restrict files, and says so instead.
    let is_described = said.text.contains("(missing; a start that finds it reaches it)");
    assert!(
        is_described || said.text.contains("would reach all files of its user"),
        "{}",
        said.text
    );
}
