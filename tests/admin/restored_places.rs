//! Backups of servers whose homes and settings lie in several places, restored where these have other paths.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::admin::backup::{errors, restore, tree};
use testkit::programs::homeportd;
use testkit::server::TestServer;
use testkit::stock::run;

fn admin_at(config: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(homeportd());
    command.arg("-c").arg(config).args(args);
    run(command, "")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn home_of(config: &Path, user: &str) -> PathBuf {
    let shown = admin_at(config, &["user", "show", user, "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    shown["home"].as_str().unwrap().into()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// A server with a home and a folder in the root `files`, and one home beneath `homes`; and its backup.
fn backed_up() -> (TestServer, PathBuf) {
    let mut server = TestServer::new(&[("storage", "roots = [\"files\"]")]);
    let files = server.path().join("files");
    fs::create_dir(&files).unwrap();
    let at = |name: &str| files.join(name).display().to_string();
    server.add_user("alice", &["--home", &at("alice")]);
    server.add_user("bob", &[]);
    server.admin_ok(&["folder", "add", "team", &at("team")], "");
    server.admin_ok(&["user", "set", "bob", "--folder", "team=all"], "");
    // It makes its host keys.
    server.serve();
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    (server, backup)
}

#[test]
fn homes_of_a_root_that_is_relative_are_looked_for_beside_the_new_configuration() {
    let (server, backup) = backed_up();
    let base = server.path().canonicalize().unwrap();
    let config = base.join("new/homeportd.toml");
    let restored = restore(&config, &backup, &["--json"]);
    assert!(restored.status.success(), "{}", errors(&restored));
    let said: Value = serde_json::from_slice(&restored.stdout).unwrap();
    let path = |path: &str| base.join(path).display().to_string();
    assert_eq!(
        said["mapped"],
        json!([{"from": path("files"), "to": path("new/files"), "directories": 2}])
    );
    assert_eq!(
        said["missing"],
        json!([
            {"path": path("new/files/alice"), "kind": "home", "names": ["alice"], "why": "missing"},
            {"path": path("new/files/team"), "kind": "folder", "names": ["team"], "why": "missing"},
        ])
    );
    assert_eq!(home_of(&config, "alice"), base.join("new/files/alice"));
    assert_eq!(home_of(&config, "bob"), base.join("new/data/homes/bob"));
    // `check` says the same, until the files are there.
    let checked = admin_at(&config, &["check"]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    for missing in ["new/files/alice\" is missing", "new/files/team\" is missing"] {
        assert!(stdout(&checked).contains(missing), "{}", stdout(&checked));
    }
    copy(&base.join("files"), &base.join("new/files"));
    let adopted = admin_at(&config, &["storage", "adopt", "--take-over"]);
    assert!(adopted.status.success(), "{}", errors(&adopted));
    let checked = stdout(&admin_at(&config, &["check"]));
    assert!(checked.contains("0 errors"), "{checked}");
    // Without anything missing, there is nothing to say.
    let again = base.join("again/homeportd.toml");
    fs::create_dir(base.join("again")).unwrap();
    copy(&base.join("files"), &base.join("again/files"));
    let restored = restore(&again, &backup, &["--take-over"]);
    assert!(restored.status.success(), "{}", errors(&restored));
    let said = stdout(&restored);
    assert!(said.starts_with("restored 2 users as of "), "{said}");
    assert!(said.contains("2 homes and folders that lay in "), "{said}");
    assert!(!said.contains("missing here"), "{said}");
}

#[test]
fn homes_are_mapped_to_the_roots_of_a_configuration_that_is_kept() {
    let (server, backup) = backed_up();
    let base = server.path().canonicalize().unwrap();
    let new = base.join("new");
    fs::create_dir_all(new.join("disk")).unwrap();
    let config = new.join("homeportd.toml");
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\n[storage]\nroots = [\"disk\"]\n";
    fs::write(&config, text).unwrap();
    let before = tree(&new);
    let map =
        |from: &str, to: &str| format!("--map={}={}", base.join(from).display(), base.join(to).display());
    for (maps, expected) in [
        (vec![map("files", "elsewhere")], "is neither in"),
        (
            vec![map("files", "new/disk"), map("files", "new/disk/x")],
            "is mapped twice",
        ),
        (vec!["--map=files".to_owned()], "does not map a directory"),
    ] {
        let maps: Vec<&str> = maps.iter().map(String::as_str).collect();
        let refused = restore(&config, &backup, &[&["--keep-config"][..], &maps[..]].concat());
        assert!(!refused.status.success());
        assert!(errors(&refused).contains(expected), "{}", errors(&refused));
        assert_eq!(tree(&new), before);
    }
    // Two homes never become one, and the command can be repeated.
    let (home, folder) = (
        map("files/alice", "new/disk/x"),
        map("files/team", "new/disk/x/y"),
    );
    let refused = restore(&config, &backup, &["--keep-config", &home, &folder]);
    assert!(
        errors(&refused).contains("would lie inside"),
        "{}",
        errors(&refused)
    );
    let checked = stdout(&admin_at(&config, &["check"]));
    assert!(
        checked.contains(&format!(" --keep-config {}", home.replace("--map=", "--map "))),
        "{checked}"
    );
    assert!(!new.join("data/homeport.db").exists());

    fs::create_dir(new.join("disk/alice")).unwrap();
    let restored = restore(
        &config,
        &backup,
        &[
            "--keep-config",
            &map("files", "new/disk"),
            &map("other", "new/disk/other"),
        ],
    );
    assert!(restored.status.success(), "{}", errors(&restored));
    let said = stdout(&restored);
    assert!(said.contains("2 homes and folders that lay in "), "{said}");
    assert!(
        said.contains("unchanged: no home and no folder lay in "),
        "{said}"
    );
    assert!(said.contains("missing here: the folder team, "), "{said}");
    assert!(!said.contains("user alice"), "{said}");
    assert_eq!(home_of(&config, "alice"), new.join("disk/alice"));
}

#[test]
fn homes_outside_of_the_roots_of_a_configuration_that_is_kept_are_named() {
    let (server, backup) = backed_up();
    let base = server.path().canonicalize().unwrap();
    let config = base.join("new/homeportd.toml");
    fs::create_dir(base.join("new")).unwrap();
    fs::write(&config, "[server]\nlisten = [\"127.0.0.1:0\"]\n").unwrap();
    // They are there, but no configuration names their directory.
    fs::create_dir_all(base.join("files/alice")).unwrap();
    fs::create_dir_all(base.join("files/team")).unwrap();
    let restored = restore(&config, &backup, &["--keep-config"]);
    assert!(restored.status.success(), "{}", errors(&restored));
    let said = stdout(&restored);
    for what in ["home of user alice", "folder team"] {
        let line = format!("outside of [storage] homes and roots: the {what}, ");
        assert!(said.contains(&line), "{said}");
    }
    assert!(!said.contains("missing here"), "{said}");
    let checked = stdout(&admin_at(&config, &["check"]));
    assert!(checked.contains("cannot be a home"), "{checked}");
}

#[test]
fn a_file_that_several_settings_name_is_restored_at_the_first_try() {
    let server = TestServer::new(&[(
        "auth",
        "user_ca_keys = \"hostkeys/ca.pub\"\nrevoked_keys = \"hostkeys/ca.pub\"",
    )]);
    server.make_key("ca");
    fs::copy(
        server.path().join("key-ca.pub"),
        server.path().join("hostkeys/ca.pub"),
    )
    .unwrap();
    let secret = server.path().join("hook.secret");
    fs::write(&secret, "0123456789abcdef").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let mut text = fs::read_to_string(server.config()).unwrap();
    for spelled in ["hook.secret", "./hook.secret", "data/../hook.secret"] {
        text.push_str(&format!(
            "[[hooks]]\non = [\"removed\"]\nurl = \"https://example.org/\"\nsecret_file = \"{spelled}\"\n"
        ));
    }
    fs::write(server.config(), text).unwrap();
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let config = server.path().join("new/homeportd.toml");
    let restored = restore(&config, &backup, &[]);
    assert!(restored.status.success(), "{}", errors(&restored));
    let secret = server.path().join("new/hook.secret");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "0123456789abcdef");
    assert_eq!(secret.metadata().unwrap().mode() & 0o777, 0o600);
    assert!(server.path().join("new/hostkeys/ca.pub").exists());
}
