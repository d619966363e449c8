use clap::Parser as _;
use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::cli::grammar::{Cli, Command};
use crate::config;
use crate::control::client::Client;
use crate::domain::user::{Limit, User};
use crate::ops::lock::DataLock;
use crate::store::sql::SqlStore;
use crate::store::{Store as _, UsageRecord};

async fn run_line(
    config: &Config,
    store: &SqlStore,
    line: impl Iterator<Item = &str>,
) -> (String, Result<()>) {
    let Command::Quota(command) = Cli::try_parse_from(line).unwrap().command else {
        panic!("no quota command")
    };
    let context = OpsContext {
        installation: &config.installation(),
        store,
        server: &Client::new(config.control_socket()),
        warn: output::warn,
    };
    let mut told = String::new();
    let done = execute(command, &context, &mut |line| {
        told.push_str(line);
        Ok(())
    })
    .await;
    (told, done)
}

struct QuotaFixture {
    dir: tempfile::TempDir,
    config: Config,
    store: SqlStore,
}

impl QuotaFixture {
    /// A server's directory with these users, in homes of these names, with 1 KiB each.
    async fn new(users: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config::load(&crate::cli::init::directory(dir.path(), None).unwrap()).unwrap();
        let store = SqlStore::open(&config.store.path).await.unwrap();
        for (name, home) in users {
            let mut user = User::blank(name.parse().unwrap());
            user.home = config.storage.homes.join(home);
            user.settings.quota_bytes = Some(Limit(Some(1024)));
            std::fs::create_dir_all(&user.home).unwrap();
            store.add_user(&user).await.unwrap();
        }
        Self { dir, config, store }
    }

    fn home(&self, name: &str) -> std::path::PathBuf {
        self.config.storage.homes.join(name)
    }

    /// The printed text, and the error.
    async fn run(&self, line: &str) -> (String, String) {
        let words = ["homeportd", "quota"].into_iter().chain(line.split(' '));
        let (told, done) = run_line(&self.config, &self.store, words).await;
        (
            told,
            done.err().map(|error| error.to_string()).unwrap_or_default(),
        )
    }

    async fn ok(&self, line: &str) -> String {
        let (told, error) = self.run(line).await;
        assert_eq!(error, "", "{line}");
        told
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line).await).unwrap()
    }

    async fn record(&self, home: &str, bytes: u64, exact: bool) {
        let record = UsageRecord {
            home: self.home(home),
            bytes,
            files: 3,
            exact,
            measured_at: Some(Timestamp::UNIX_EPOCH),
        };
        self.store.record_usage(&[record]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_written_down_is_shown() {
    let f = QuotaFixture::new(&[("calvin", "calvin"), ("tom", "tom")]).await;
    let check = async |expected: Value, text: &str, row: &str| {
        assert_eq!(f.json("show calvin --json").await, expected);
        assert_eq!(f.json("show --json").await[0], expected);
        let told = f.ok("show calvin").await;
        assert!(told.contains(text), "{told}");
        let table = f.ok("show").await;
        assert!(table.lines().nth(1).unwrap().contains(row), "{table}");
        assert_eq!(table.lines().count(), 3, "{table}");
    };
    let home = f.home("calvin").display().to_string();
    let mut expected = serde_json::json!({
        "v": 1, "name": "calvin", "kind": "user", "home": home, "used_bytes": null, "used_files": null,
        "quota_bytes": 1024, "quota_files": null, "usage_exact": false, "standing": "unknown",
    });
    check(
        expected.clone(),
        "used           ? of 1024 bytes (1.0 KiB)",
        "not measured",
    )
    .await;
    // A ceiling from before the first measure says nothing.
    let record = UsageRecord {
        home: f.home("calvin"),
        bytes: 1000,
        files: 3,
        exact: false,
        measured_at: None,
    };
    f.store.record_usage(&[record]).await.unwrap();
    check(
        expected.clone(),
        "used           ? of 1024 bytes (1.0 KiB)",
        "not measured",
    )
    .await;
    f.record("calvin", 1000, false).await;
    expected["used_bytes"] = 1000.into();
    expected["used_files"] = 3.into();
    expected["standing"] = "at_most".into();
    check(
        expected.clone(),
        "used           at most 1000 bytes of 1024 bytes (1.0 KiB)",
        "at most",
    )
    .await;
    f.record("calvin", 1000, true).await;
    expected["usage_exact"] = true.into();
    expected["standing"] = "exact".into();
    check(
        expected.clone(),
        "files          3 of unlimited\nknown          exact\n",
        "exact ",
    )
    .await;
    f.record("calvin", 1025, true).await;
    expected["used_bytes"] = 1025.into();
    check(
        expected,
        "exact, and over the quota of 1.0 KiB",
        "exact, over quota",
    )
    .await;
    let (_, error) = f.run("show nobody").await;
    assert_eq!(error, "there is no user \"nobody\" (hint: homeportd user list)");
}

#[tokio::test]
async fn a_scan_without_a_server_finds_the_truth_and_writes_it_down() {
    let f = QuotaFixture::new(&[("calvin", "shared"), ("eve", "shared"), ("tom", "tom")]).await;
    let shared = f.home("shared");
    std::fs::create_dir(shared.join("dir")).unwrap();
    std::fs::write(shared.join("dir/file"), [0; 2000]).unwrap();
    std::fs::hard_link(shared.join("dir/file"), shared.join("again")).unwrap();
    std::os::unix::fs::symlink("/etc", shared.join("link")).unwrap();
    f.record("tom", 5000, false).await;
    assert_eq!(
        f.ok("scan").await,
        "calvin, eve: not measured yet -> 2.0 KiB, 3 files (2000 bytes); over the quota of 1.0 KiB\n\
         tom: at most 4.9 KiB, 3 files -> 0 B, 0 files\n"
    );
    let record = f.store.usage(&shared).await.unwrap().unwrap();
    assert_eq!((record.bytes, record.files, record.exact), (2000, 3, true));
    assert!(record.measured_at.is_some());
    assert_eq!(f.ok("scan tom").await, "tom: 0 B, 0 files, as before\n");
    std::fs::write(f.home("tom").join("x"), "x").unwrap();
    assert_eq!(f.ok("scan tom").await, "tom: 0 B, 0 files -> 1 B, 1 file\n");
    assert_eq!(f.json("show eve --json").await["used_bytes"], 2000);
}

#[tokio::test]
async fn a_scan_shows_as_json_what_was_known_and_what_is_true() {
    let f = QuotaFixture::new(&[("calvin", "shared"), ("eve", "shared"), ("tom", "tom")]).await;
    std::fs::write(f.home("shared").join("file"), [0; 2000]).unwrap();
    f.record("shared", 5000, false).await;
    std::fs::remove_dir(f.home("tom")).unwrap();
    // What can be measured is shown beside the error for the rest.
    let (told, error) = f.run("scan --json").await;
    assert!(
        error.contains("1 of 2 homes and folders could not be measured"),
        "{error}"
    );
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told,
        serde_json::json!([{
            "v": 1, "name": "calvin", "kind": "user", "home": f.home("shared").display().to_string(),
            "used_bytes": 2000, "used_files": 1, "quota_bytes": 1024, "quota_files": null, "usage_exact": true,
            "standing": "exact", "shared_by": ["calvin", "eve"],
            "before": {"used_bytes": 5000, "used_files": 3, "usage_exact": false},
        }])
    );
    let (told, error) = f.run("scan tom --json").await;
    assert!(told.is_empty() && error.contains("is missing"), "{told} {error}");
}

#[tokio::test]
async fn a_home_that_is_gone_keeps_what_is_known_and_no_other_from_being_measured() {
    let f = QuotaFixture::new(&[("calvin", "calvin"), ("tom", "tom")]).await;
    f.record("calvin", 7, true).await;
    std::fs::remove_dir(f.home("calvin")).unwrap();
    let (told, error) = f.run("scan calvin").await;
    assert_eq!(told, "");
    assert!(
        error.starts_with("the home ") && error.contains("is missing (hint: "),
        "{error}"
    );
    let (told, error) = f.run("scan").await;
    assert_eq!(told, "tom: not measured yet -> 0 B, 0 files\n");
    assert!(
        error.starts_with("1 of 2 homes and folders could not be measured:\n  the home "),
        "{error}"
    );
    assert_eq!(f.json("show calvin --json").await["used_bytes"], 7);
    // A file in its place is not a home either.
    std::fs::write(f.home("calvin"), "").unwrap();
    let (_, error) = f.run("scan calvin").await;
    assert!(error.starts_with("cannot measure the home "), "{error}");
}

#[tokio::test]
async fn nobody_measures_behind_a_servers_back() {
    let f = QuotaFixture::new(&[("calvin", "calvin")]).await;
    let lock = DataLock::take(f.config.data_dir()).unwrap();
    let (_, error) = f.run("scan").await;
    assert!(error.contains("another server (process "), "{error}");
    assert!(
        error.contains("a server is starting or ending; try again"),
        "{error}"
    );
    drop(lock);
    f.ok("scan").await;
    // And the lock is given up again.
    assert!(DataLock::take(f.config.data_dir()).is_ok());
    assert!(f.dir.path().exists());
}
