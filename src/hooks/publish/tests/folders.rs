//! Files that are moved to a folder, which has another account.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_file_that_is_moved_to_a_folder_is_charged_there() {
    let home = CheckedHome::new();
    let folder = home.folder(Some(100));
    assert_eq!(home.publish_in(&folder, "/d/a"), PublishOutcome::Published);
    assert_eq!(get(&folder.home.charged, "/d/a").unwrap(), b"good");
    assert!(get(&home.home.charged, "/in/d/a").is_err());
    // Directories in and d of the home, and d of the folder.
    assert_eq!(home.charged_and_measured(), [(0, 2), (0, 2)]);
    assert_eq!(home.charged_and_measured_in(&folder.spec), [(4, 2), (4, 2)]);
    let mode = |name: &str| {
        let meta = std::fs::metadata(folder.directory.join(name)).unwrap();
        meta.permissions().mode() & 0o7777
    };
    assert_eq!((mode("d"), mode("d/a")), (0o750, 0o640));
}

#[test]
fn what_a_file_replaces_in_a_folder_is_given_back_there() {
    let home = CheckedHome::new();
    let folder = home.folder(None);
    put(&folder.home.charged, "/a", b"older content");
    // Who reads the file while it is moved keeps it charged to the home until the end.
    let reader = home.home.charged.open(&path("/in/d/a"), how("r"), Wait::Allowed);
    assert_eq!(home.publish_in(&folder, "/a"), PublishOutcome::Published);
    assert_eq!(get(&folder.home.charged, "/a").unwrap(), b"good");
    drop(reader);
    assert_eq!(home.charged_and_measured(), [(0, 2), (0, 2)]);
    assert_eq!(home.charged_and_measured_in(&folder.spec), [(4, 1), (4, 1)]);
}

#[test]
fn a_file_that_does_not_belong_in_a_folder_stays_where_it_was_charged() {
    let check = |quota: Option<u64>, prepare: &dyn Fn(&CheckedHome, &FolderBeside), expected: &str| {
        let home = CheckedHome::new();
        let folder = home.folder(quota);
        prepare(&home, &folder);
        let told = match home.publish_in(&folder, "/d/a") {
            PublishOutcome::Refused(why) | PublishOutcome::Failed(why) => why,
            PublishOutcome::Changed => "changed".to_owned(),
            PublishOutcome::Published => "published".to_owned(),
        };
        assert!(told.contains(expected), "{told}");
        assert!(get(&home.home.charged, "/in/d/a").is_ok(), "{expected}");
        let [charged, measured] = home.charged_and_measured();
        assert_eq!(charged, measured, "{expected}");
        let [charged, measured] = home.charged_and_measured_in(&folder.spec);
        assert_eq!(charged, measured, "{expected}");
    };
    check(
        Some(3),
        &|_, _| {},
        "quota exceeded: 0 B of 3 B used in the folder clean",
    );
    let link = |_: &CheckedHome, folder: &FolderBeside| {
        // By way of the account, which may have measured the folder already.
        let made = folder.home.charged.mkdir(&path("/e"), 0o755, Wait::Allowed);
        made.unwrap();
        let made = folder.home.charged.symlink(b"e", &path("/d"), Wait::Allowed);
        made.unwrap();
    };
    check(None, &link, "in the folder clean: Not a directory");
    let written = |home: &CheckedHome, _: &FolderBeside| {
        let file = home.home.charged.open(&path("/in/d/a"), how("w"), Wait::Allowed);
        file.unwrap().write_at(b"evil", 0, Wait::Allowed).unwrap();
    };
    check(None, &written, "changed");
    let other = |home: &CheckedHome, _: &FolderBeside| {
        put(&home.home.charged, "/x", b"evil");
        home.rename("/x", "/in/d/a");
    };
    check(None, &other, "changed");
}

#[test]
fn a_move_to_another_file_system_is_refused_in_words() {
    let name = "clean".parse().unwrap();
    let moved = outcome(Err(StorageError::CrossesFileSystems), &path("/d"), Some(&name));
    let PublishOutcome::Refused(why) = moved else {
        panic!("{moved:?}");
    };
    assert_eq!(
        why,
        "it cannot be moved to the folder clean, which lies on another file system"
    );
}
