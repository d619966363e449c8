//! Sandboxes of service managers that are too tight: what is missing is named, by `check` and at the start.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::admin::preflight::{CommandReport, edit, sandbox, serve};
use testkit::private_mounts;
use testkit::programs::homeportd;
use testkit::server::TestServer;

/// A shell script that makes directories read-only, as `ProtectSystem=strict` does for all that `ReadWritePaths=` does
/// not name, and becomes the program in the other arguments.
const READ_ONLY: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";

/// Does the same with a directory that hides another one, as `ProtectHome=yes` does.
const HIDDEN: &str = "mkdir -p \"$0.here/systemd/inaccessible/dir\" && \
    mount --bind \"$0.here/systemd/inaccessible/dir\" \"$0\" && exec \"$@\"";

/// Runs `check` in this sandbox.
fn check(server: &TestServer, unit: &[&str]) -> CommandReport {
    let mut command = Command::new(unit[0]);
    command
        .args(&unit[1..])
        .arg(homeportd())
        .arg("-c")
        .arg(server.config());
    command.arg("check").output().unwrap().into()
}

#[test]
fn what_a_unit_must_not_write_or_see_is_named_with_the_directive() {
    let Some(mounts) = private_mounts("the mounts of a unit") else {
        return;
    };
    // What is tight, whether the server cannot start then, and what is said.
    let rows: [(&str, &str, bool, &str); 5] = [
        ("data", READ_ONLY, true, "cannot use the data directory"),
        ("logs", READ_ONLY, true, "cannot open audit log"),
        ("homes", READ_ONLY, false, "cannot be \"homes\" in [storage]"),
        (
            "root",
            READ_ONLY,
            false,
            "the homes in \"ROOT\" can only be read, or not at all",
        ),
        (
            "root",
            HIDDEN,
            false,
            "the homes in \"ROOT\" can only be read, or not at all",
        ),
    ];
    for (tight, script, fatal, expected) in rows {
        let server = sandbox();
        let path = |name: &str| server.path().join(name);
        for name in ["logs", "root"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::rename(path("data/homes"), path("homes")).unwrap();
        edit(
            &server,
            "data/homes\"",
            &format!("homes\"\nroots = [{:?}]", path("root")),
        );
        edit(&server, "audit.log", "logs/audit.log");
        fs::write(path("logs/audit.log"), "").unwrap();
        let at = path(tight);
        let at = at.to_str().unwrap();
        let unit = [&mounts[..], &["sh", "-c", script, at]].concat();
        let directive = match script {
            READ_ONLY => format!("ProtectSystem= does that (add ReadWritePaths={at})"),
            _ => format!("ProtectHome=no, and add ReadWritePaths={at})"),
        };
        let expected = expected.replace("ROOT", path("root").to_str().unwrap());
        let checked = check(&server, &unit);
        let started = serve(&server, &unit);
        assert_eq!(started.succeeded, !fatal, "{tight}: {}", started.text);
        // A home in which its user can change nothing is an error for check, and a start goes on without it.
        let refused = fatal || tight == "homes";
        assert_eq!(checked.succeeded, !refused, "{tight}: {}", checked.text);
        for said in [&checked, &started] {
            assert!(said.text.contains(&expected), "{tight}: {}", said.text);
            assert!(said.text.contains(&directive), "{tight}: {}", said.text);
        }
    }
}

/// A disk that is mounted read-only for all is not the unit's fault.
#[test]
fn a_disk_that_is_read_only_for_all_is_no_fault_of_the_unit() {
    let Some(mounts) = private_mounts("a disk that is read-only") else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let at: &Path = root.path();
    let server = TestServer::new(&[("storage", &format!("roots = [{at:?}]"))]);
    server.add_user("alice", &[]);
    let script = "mount -t tmpfs -o ro none \"$0\" && exec \"$@\"";
    let unit = [&mounts[..], &["sh", "-c", script, at.to_str().unwrap()]].concat();
    let said = check(&server, &unit);
    assert!(
        said.succeeded && !said.text.contains("ProtectSystem="),
        "{}",
        said.text
    );
}
