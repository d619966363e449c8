use std::os::unix::fs::PermissionsExt as _;

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::cli::grammar::QuotaCommand;

use crate::cli::init;
use crate::config::{self, Config};
use crate::domain::user::{Factor, Limit, User};
use crate::ops::homes;
use crate::ssh::hostkeys::{self, Kind};
use crate::store::Store as _;

/// A server's directory with these users, in a state that `spoil` makes.
fn findings(users: Vec<User>, spoil: impl FnOnce(&Config, &Path)) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let file = init::directory(&root, Some("127.0.0.1:0".parse().unwrap())).unwrap();
    let config = config::load(&file).unwrap();
    wait(async {
        let store = crate::ops::store::make(&config.installation(), output::warn)
            .await
            .unwrap();
        hostkeys::ensure(&config.server.host_keys, &store).await.unwrap();
        for mut user in users {
            user.home = config.storage.homes.join(&user.home);
            homes::make(&config.installation(), &user.home).unwrap();
            store.add_user(&user).await.unwrap();
        }
        store.close().await;
    })
    .unwrap();
    spoil(&config, &root);
    look(&config::load(&config.file).unwrap())
}

fn look(config: &Config) -> Report {
    wait(check(config, SocketHolder::OwnServer))
        .unwrap()
        .unwrap()
        .report
}

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$aG9tZXBvcnQtZHVtbXkhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn calvin() -> User {
    let mut user = User::blank("calvin".parse().unwrap());
    user.home = "calvin".into();
    user.password_hash = Some(crate::domain::user::PasswordHash::new(HASH.into()));
    user
}

/// Checks that there is just this error.
fn one_error(report: &Report, expected: &str) {
    let errors = [&report.errors[..], &report.faults[..]].concat();
    assert_eq!(errors.len(), 1, "{report:?}");
    assert!(errors[0].contains(expected), "{report:?}");
    assert!(report.has_errors());
    assert!(text(report, 1, Detail::Examples).starts_with("error: "));
}

fn warns(report: &Report, expected: &str) {
    assert!(!report.has_errors(), "{report:?}");
    assert!(report.warnings.iter().any(|w| w.contains(expected)), "{report:?}");
}

#[test]
fn a_good_server_has_no_errors() {
    let report = findings(vec![calvin()], |_, _| {});
    assert!(!report.has_errors(), "{report:?}");
    let text = text(&report, 1, Detail::Examples);
    assert!(text.contains("1 user: 0 errors"), "{text}");
    // The one warning is that tests run as root, where they do.
    let expected = usize::from(rustix::process::geteuid().is_root());
    assert_eq!(report.warnings.len(), expected, "{report:?}");
}

#[test]
fn problems_are_named() {
    let key = |config: &Config| Kind::Ed25519.file(&config.server.host_keys);
    let report = findings(vec![], |config, _| {
        std::fs::set_permissions(key(config), std::fs::Permissions::from_mode(0o644)).unwrap();
    });
    one_error(&report, "its mode is 0644 (hint: chmod 600 ");
    let report = findings(vec![], |config, _| std::fs::remove_file(key(config)).unwrap());
    one_error(&report, "is gone, but clients know this server by SHA256:");
    let report = findings(vec![calvin()], |config, _| {
        std::fs::remove_dir(config.storage.homes.join("calvin")).unwrap()
    });
    warns(&report, "user calvin: the home ");
    let report = findings(vec![calvin()], |config, _| {
        let home = config.storage.homes.join("calvin");
        std::fs::remove_dir(&home).unwrap();
        std::fs::write(&home, "").unwrap();
    });
    one_error(&report, "is not a directory");
    let report = findings(vec![calvin()], |config, root| {
        let home = config.storage.homes.join("calvin");
        std::fs::remove_dir(&home).unwrap();
        std::fs::create_dir(root.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(root.join("elsewhere"), &home).unwrap();
    });
    one_error(&report, "cannot be a home: it is not beneath");
    let report = findings(vec![calvin()], |config, _| {
        std::fs::set_permissions(config.data_dir(), std::fs::Permissions::from_mode(0o777)).unwrap();
    });
    assert!(
        report
            .faults
            .iter()
            .any(|e| e.contains("can be changed by others: its mode is 0777")),
        "{report:?}"
    );
    let report = findings(vec![], |config, _| {
        std::fs::write(&config.store.path, "not a database at all").unwrap()
    });
    assert!(report.has_errors(), "{report:?}");
    let mut nobody = calvin();
    nobody.password_hash = None;
    warns(
        &findings(vec![nobody.clone()], |_, _| {}),
        "user calvin cannot sign in: neither key nor password",
    );
    nobody.settings.require = Some([Factor::PublicKey].into());
    warns(
        &findings(vec![nobody], |_, _| {}),
        "publickey is required, and there is none",
    );
    let mut late = calvin();
    late.expires_at = Some(Timestamp::UNIX_EPOCH);
    warns(&findings(vec![late], |_, _| {}), "user calvin has expired");
    let mut old = calvin();
    old.name = crate::domain::user::UserName::stored(".calvin").unwrap();
    warns(
        &findings(vec![old], |_, _| {}),
        "homeportd user rename .calvin calvin ",
    );
}

#[test]
fn a_home_over_its_quota_is_named() {
    let mut full = calvin();
    full.settings.quota_bytes = Some(Limit(Some(1024)));
    let report = findings(vec![full], |config, _| {
        let home = config.storage.homes.join("calvin");
        std::fs::write(home.join("file"), [0; 1025]).unwrap();
        let of = crate::cli::grammar::HolderArgs {
            name: None,
            folder: None,
        };
        crate::cli::quota::run(QuotaCommand::Scan { of, json: false }, config).unwrap();
    });
    warns(
        &report,
        "user calvin cannot store more: 1.0 KiB, 1 file are over the quota of 1.0 KiB (hint",
    );
}

#[test]
fn the_configuration_is_named_with_its_line() {
    let report = findings(vec![], |config, _| {
        let text = std::fs::read_to_string(&config.file).unwrap();
        let text = text.replace("#> user = \"homeport\"", "user = \"no such user\"");
        std::fs::write(&config.file, text.replace("roots = []", "roots = [\"missing\"]")).unwrap();
    });
    let line = |needle: &str| {
        let text = crate::config::sample::for_directory(None);
        text.lines().position(|line| line.contains(needle)).unwrap() + 1
    };
    let expected = format!(
        "homeportd.toml:{}: \"user\" in [server]: there is no system user",
        line("user = \"homeport\"")
    );
    one_error(&report, &expected);
    let expected = format!("homeportd.toml:{}: ", line("roots = []"));
    assert!(
        report.warnings.iter().any(|w| w.contains(&expected)),
        "{report:?}"
    );
}

#[test]
fn looking_changes_nothing() {
    let listing = |root: &Path| {
        let mut names: Vec<_> = walk(root);
        names.sort();
        names
    };
    findings(vec![calvin()], |config, root| {
        let before = listing(root);
        assert!(before.len() >= 4);
        look(config);
        assert_eq!(listing(root), before);
    });
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[test]
fn what_is_not_the_servers_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("*** SKIPPED: giving files away needs root ***");
        return;
    }
    let give = |path: &Path| std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    let report = findings(vec![], |config, _| {
        std::fs::write(config.data_dir().join("lock"), "").unwrap();
        give(&config.data_dir().join("lock"));
    });
    one_error(&report, "belongs to user 65534, not to the owner");

    let report = findings(vec![], |config, _| {
        let text = std::fs::read_to_string(&config.file).unwrap();
        std::fs::write(
            &config.file,
            text.replace("#> user = \"homeport\"", "user = \"nobody\""),
        )
        .unwrap();
    });
    one_error(&report, "belongs to user 0: the server will be user 65534");
}

#[test]
fn an_audit_log_must_have_a_place() {
    let audit = |to: &str| {
        let to = to.to_owned();
        move |config: &Config, _: &Path| {
            let text = std::fs::read_to_string(&config.file).unwrap();
            let line = "#> audit = \"/var/log/homeport/audit.log\"";
            assert!(text.contains(line));
            std::fs::write(&config.file, text.replace(line, &format!("audit = \"{to}\""))).unwrap();
        }
    };
    one_error(
        &findings(vec![], audit("nowhere/audit.log")),
        "its directory is missing: mkdir ",
    );
    assert!(!findings(vec![], audit("data/audit.log")).has_errors());
    // Without a data directory that is all there is to say.
    let fresh = findings(vec![], |config, root| {
        audit("data/audit.log")(config, root);
        std::fs::remove_dir_all(config.data_dir()).unwrap();
        std::fs::remove_dir_all(&config.server.host_keys).unwrap();
    });
    one_error(&fresh, "there is no store ");
}

#[test]
fn a_name_cannot_write_lines_of_its_own() {
    let mut report = Report::default();
    report.error("\"x\nerror: all is lost\u{1b}[2J\"");
    assert_eq!(
        text(&report, 0, Detail::Examples).lines().count(),
        2,
        "{report:?}"
    );
    assert!(!text(&report, 0, Detail::Examples).contains('\u{1b}'));
}

#[test]
fn of_many_users_some_are_named_and_all_if_they_are_asked_for() {
    let users = (0..40).map(|number| {
        let mut user = calvin();
        user.name = format!("u{number}").parse().unwrap();
        user.home = format!("u{number}").into();
        user
    });
    let report = findings(users.collect(), |config, _| {
        for number in 0..40 {
            std::fs::remove_dir(config.storage.homes.join(format!("u{number}"))).unwrap();
        }
    });
    let missing = |detail| {
        text(&report, 40, detail)
            .matches("is missing (the server makes it")
            .count()
    };
    assert_eq!((missing(Detail::Examples), missing(Detail::All)), (5, 40));
    let shown = text(&report, 40, Detail::Examples);
    assert!(
        shown.contains("warning: and 35 more like this (hint: homeportd check --all"),
        "{shown}"
    );
    let sum = format!("0 errors, {} warnings\n", report.warnings.len());
    assert!(shown.ends_with(&sum), "{shown}");
}
