use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// A server in a directory, and what `--home` is answered.
struct HomesFixture {
    _dir: tempfile::TempDir,
    root: PathBuf,
    installation: Installation,
}

impl HomesFixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for made in ["data/homes", "srv/files", "elsewhere"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        let mut installation = Installation {
            config_file: root.join("srv/files/etc/homeportd.toml"),
            ..Installation::default()
        };
        installation.store.path = root.join("data/homeport.db");
        installation.host_keys = root.join("hostkeys");
        installation.storage.homes = root.join("data/homes");
        installation.storage.roots = vec![root.join("srv")];
        Self {
            _dir: dir,
            root,
            installation,
        }
    }

    fn choose(&self, home: &str) -> Result<PathBuf> {
        let path = self.root.join(home);
        choose(&self.installation, &"calvin".parse().unwrap(), Some(&path))
    }

    fn check(&self, home: &str, expected: std::result::Result<&str, &str>) {
        match (self.choose(home), expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, self.root.join(expected), "{home}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{home}: {error}"),
            (got, _) => panic!("{home}: {got:?}"),
        }
    }
}

#[test]
fn a_home_lies_where_the_configuration_says() {
    let f = HomesFixture::new();
    symlink(f.root.join("elsewhere"), f.root.join("srv/out")).unwrap();
    symlink(f.root.join("srv"), f.root.join("elsewhere/in")).unwrap();
    let outside = "is not beneath";
    f.check("data/homes/calvin", Ok("data/homes/calvin"));
    f.check("srv/calvin", Ok("srv/calvin"));
    f.check("srv/new/deep", Ok("srv/new/deep"));
    f.check("srv/x/../calvin", Ok("srv/calvin"));
    f.check("elsewhere/in/calvin", Ok("srv/calvin"));
    f.check("elsewhere/calvin", Err(outside));
    for around in ["data/homes", "data", "srv"] {
        f.check(around, Err(outside));
        f.check(around, Err("(hint: choose a directory beneath one of these)"));
    }
    f.check("/etc", Err("(hint: add its parent to roots in "));
    f.check("srv/../elsewhere/x", Err(outside));
    f.check("srv/out", Err(outside));
    f.check("srv/out/x", Err(outside));
    f.check("srvx/calvin", Err(outside));
    f.check("/etc", Err(outside));
}

#[test]
fn a_home_holds_nothing_of_the_server() {
    let f = HomesFixture::new();
    f.check("srv/files/etc", Err("the configuration would lie inside it"));
    let mut store = HomesFixture::new();
    store.installation.store.path = store.root.join("srv/s/homeport.db");
    store.check("srv/s", Err("the store would lie inside it"));
    // Not fooled by names that only begin alike.
    f.check("srv/files/etcetera", Ok("srv/files/etcetera"));
}

#[test]
fn a_home_is_made_private_or_taken_as_it_is() {
    let f = HomesFixture::new();
    let home = f.root.join("srv/a/b");
    assert_eq!(make(&f.installation, &home).unwrap(), HomeOrigin::New);
    assert_eq!(home.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(make(&f.installation, &home).unwrap(), HomeOrigin::Existing);
    let file = f.root.join("srv/file");
    std::fs::write(&file, "").unwrap();
    assert!(
        make(&f.installation, &file)
            .unwrap_err()
            .to_string()
            .contains("not a directory has its name")
    );
    let link = f.root.join("srv/link");
    symlink(&home, &link).unwrap();
    assert!(make(&f.installation, &link).is_err());
}
