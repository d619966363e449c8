use std::os::unix::fs::symlink;

use super::*;
use crate::ops::backup::manifest::Fingerprint;
use crate::store::settings::StoreSettings;

/// A backup, and a directory for what is restored from it.
struct Restoring {
    dir: tempfile::TempDir,
    manifest: Manifest,
}

impl Restoring {
    /// A backup of a store and a configuration.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manifest = Manifest::new(jiff::Timestamp::UNIX_EPOCH, Path::new("/old/homeportd.toml"));
        let mut restoring = Self { dir, manifest };
        restoring.file("store/homeport.db", "store");
        restoring.file("configuration/homeportd.toml", "configuration");
        std::fs::create_dir(restoring.at("new")).unwrap();
        restoring
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(path)
    }

    fn file(&mut self, name: &str, content: &str) {
        let path = self.at("backup").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let Fingerprint { bytes, sha256 } = manifest::copy(
            &mut content.as_bytes(),
            &mut std::fs::File::create(&path).unwrap(),
        )
        .unwrap();
        self.manifest.files.push(BackupFile {
            name: name.to_owned(),
            mode: "0600".to_owned(),
            bytes,
            sha256,
        });
    }

    /// Plans to restore it where the settings name these paths.
    fn plan(&self, settings: &[(&str, &str)], keep_config: bool) -> Result<RestorePlan> {
        let backup = Backup {
            directory: self.at("backup"),
            manifest: self.manifest.clone(),
        };
        let installation = Installation {
            config_file: self.at("new/homeportd.toml"),
            store: StoreSettings {
                path: self.at("new/data/homeport.db"),
            },
            host_keys: self.at("new/keys"),
            ..Installation::default()
        };
        let named: Vec<NamedPath> = settings
            .iter()
            .map(|(setting, path)| NamedPath {
                setting: (*setting).to_owned(),
                path: self.at(path),
            })
            .collect();
        RestorePlan::new(backup, installation, &named, keep_config, Vec::new())
    }

    /// Returns where the files beside the store and the configuration will be written.
    fn targets(&self, settings: &[(&str, &str)]) -> Vec<String> {
        let plan = self.plan(settings, false).unwrap();
        let missing = plan
            .missing()
            .filter(|planned| planned.origin != Origin::Configuration);
        let base = self.at("");
        missing
            .map(|planned| planned.target.strip_prefix(&base).unwrap().display().to_string())
            .collect()
    }
}

#[test]
fn a_file_that_several_settings_name_is_restored_once() {
    let mut restoring = Restoring::new();
    for name in [
        "settings/server.host_keys/ca.pub",
        "settings/auth.user_ca_keys",
        "settings/auth.revoked_keys",
        "data/ca.pub",
    ] {
        restoring.file(name, "a key");
    }
    let settings = |ca: &'static str, revoked: &'static str| {
        [
            ("server.host_keys", "new/keys"),
            ("auth.user_ca_keys", ca),
            ("auth.revoked_keys", revoked),
        ]
    };
    let check = |ca, revoked, expected: &[&str]| {
        assert_eq!(
            restoring.targets(&settings(ca, revoked)),
            expected,
            "{ca} {revoked}"
        );
    };
    check(
        "new/keys/ca.pub",
        "new/keys/ca.pub",
        &["new/keys/ca.pub", "new/data/ca.pub"],
    );
    check(
        "new/data/ca.pub",
        "new/r",
        &["new/keys/ca.pub", "new/data/ca.pub", "new/r"],
    );
    // A directory by two names.
    std::fs::create_dir(restoring.at("new/keys")).unwrap();
    symlink("keys", restoring.at("new/same")).unwrap();
    check(
        "new/same/ca.pub",
        "new/keys/ca.pub",
        &["new/keys/ca.pub", "new/data/ca.pub"],
    );
    // The file is there already, and has another name.
    symlink("keys/ca.pub", restoring.at("new/link")).unwrap();
    std::fs::write(restoring.at("new/keys/ca.pub"), "a key").unwrap();
    check("new/same/ca.pub", "new/link", &["new/data/ca.pub"]);
}

#[test]
fn two_files_that_differ_have_no_one_place() {
    let mut restoring = Restoring::new();
    restoring.file("settings/hooks.secret_file", "one");
    restoring.file("settings/hooks.secret_file.2", "two");
    let refused = |settings: &[(&str, &str)]| restoring.plan(settings, false).unwrap_err().to_string();
    let error = refused(&[("hooks.secret_file", "new/s"), ("hooks.secret_file.2", "new/s")]);
    assert!(
        error.contains("\"settings/hooks.secret_file\" and \"settings/hooks.secret_file.2\" both belong at"),
        "{error}"
    );
    assert!(error.contains("--keep-config"), "{error}");
    let error = refused(&[
        ("hooks.secret_file", "new/s"),
        ("hooks.secret_file.2", "new/data/homeport.db"),
    ]);
    assert!(error.contains("both belong at"), "{error}");
    let apart = [("hooks.secret_file", "new/s"), ("hooks.secret_file.2", "new/t")];
    assert_eq!(restoring.targets(&apart), ["new/s", "new/t"]);
}

#[test]
fn a_configuration_that_is_kept_is_not_written_by_another_name_either() {
    let mut restoring = Restoring::new();
    restoring.file("settings/server.host_keys/homeportd.toml", "configuration");
    let settings = [("server.host_keys", "new")];
    let plan = restoring.plan(&settings, false).unwrap();
    let configurations = plan
        .missing()
        .filter(|planned| planned.origin == Origin::Configuration);
    assert_eq!((plan.missing().count(), configurations.count()), (1, 1));
    std::fs::write(restoring.at("new/homeportd.toml"), "another").unwrap();
    let plan = restoring.plan(&settings, true).unwrap();
    assert!(plan.keeps_config());
    assert_eq!(plan.missing().count(), 0);
}
