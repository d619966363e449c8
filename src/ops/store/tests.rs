use std::path::PathBuf;

use super::*;
use crate::ops::init::make_directory;
use crate::store::Store;

/// A new server's directory, without a store.
fn installation(dir: &Path) -> Installation {
    let dir = dir.canonicalize().unwrap().join("server");
    let mut installation = Installation {
        config_file: dir.join("homeportd.toml"),
        host_keys: dir.join("hostkeys"),
        ..Installation::default()
    };
    installation.store.path = dir.join("data/homeport.db");
    installation.storage.homes = dir.join("data/homes");
    make_directory(&installation, "").unwrap();
    installation
}

async fn existing(installation: &Installation) -> Result<SqlStore> {
    super::existing(installation, |_| ()).await
}

async fn make(installation: &Installation) -> Result<SqlStore> {
    super::make(installation, |_| ()).await
}

#[tokio::test]
async fn only_a_maker_makes_a_store_and_only_in_a_directory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let installation = installation(dir.path());
    let check = async |entry: &str, good: bool| {
        let data = installation.data_dir();
        let _ = std::fs::remove_dir_all(data);
        std::fs::create_dir(data).unwrap();
        if !entry.is_empty() {
            std::fs::write(data.join(entry), "").unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(data.join(entry), private).unwrap();
        }
        let before: Vec<_> = data.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
        for error in [existing(&installation).await, open_read_only(&installation).await] {
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains("store path") || error.contains("hint: "),
                "{error}"
            );
        }
        let after: Vec<_> = data.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(before, after, "a reader makes nothing");
        let made = make(&installation).await;
        match made {
            Ok(store) => {
                assert!(good, "{entry}");
                assert_eq!(store.id().await.unwrap().len(), 32);
                store.close().await;
                existing(&installation).await.unwrap().close().await;
            }
            Err(error) => {
                assert!(!good, "{entry}: {error}");
                assert!(error.to_string().contains("other things, such as"), "{error}");
                assert!(!installation.store.path.exists());
            }
        }
    };
    check("", true).await;
    check("lock", true).await;
    check("reserve", true).await;
    check("control.12.sock", true).await;
    check("lost+found", true).await;
    check(".profile", true).await;
    // A command that was cut off at once.
    check("homeport.db", true).await;
    check("homeprot.db", false).await;
    check("notes.txt", false).await;
}

#[tokio::test]
async fn a_store_that_was_cut_is_no_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let installation = installation(dir.path());
    make(&installation).await.unwrap().close().await;
    std::fs::write(&installation.store.path, "").unwrap();
    for error in [existing(&installation).await, open_read_only(&installation).await] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("it is empty"), "{error}");
    }
    assert_eq!(installation.store.path.metadata().unwrap().len(), 0);
}

#[tokio::test]
async fn a_store_from_before_markers_marks_where_its_homes_lie() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let mut installation = installation(&dir);
    let homes = installation.storage.homes.clone();
    let roots: Vec<PathBuf> = ["lived", "empty", "theirs", "unmounted"]
        .map(|name| dir.join(name))
        .into();
    for made in [
        homes.join("a"),
        roots[0].join("b"),
        roots[1].clone(),
        roots[2].join("c"),
        roots[3].clone(),
    ] {
        std::fs::create_dir_all(made).unwrap();
    }
    crate::storage::marker::write(&roots[2], "ffffffffffffffffffffffffffffffff").unwrap();
    installation.storage.roots = roots.clone();
    let lived_in = [
        homes.join("a"),
        roots[0].join("b"),
        roots[2].join("c"),
        roots[3].join("d"),
    ];
    let lived_in = lived_in.each_ref().map(|home| home.to_str().unwrap());
    crate::store::sql::tests::version_2(&installation.store.path, &lived_in).await;

    // Who only looks changes nothing.
    open_read_only(&installation).await.unwrap().close().await;
    assert!(!crate::storage::marker::path(&homes).exists());
    let store = existing(&installation).await.unwrap();
    let id = store.id().await.unwrap();
    let users = store.users().await.unwrap();
    let found: Vec<_> = users.iter().map(|user| user.home.to_str().unwrap()).collect();
    assert_eq!(found, lived_in);
    use crate::storage::marker::Mark;
    let is = |place: &Path, expected: Mark| {
        assert_eq!(
            crate::storage::marker::read(place, &id).unwrap(),
            expected,
            "{place:?}"
        );
    };
    is(&homes, Mark::Ours);
    is(&roots[0], Mark::Ours);
    is(&roots[1], Mark::Missing);
    is(
        &roots[2],
        Mark::Another("ffffffffffffffffffffffffffffffff".to_owned()),
    );
    is(&roots[3], Mark::Missing);
    store.close().await;
    // Once: what goes missing later is not made up for.
    std::fs::remove_file(crate::storage::marker::path(&roots[0])).unwrap();
    existing(&installation).await.unwrap().close().await;
    is(&roots[0], Mark::Missing);
}
