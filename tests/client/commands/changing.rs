//! The verbs that change files on the server, against `homeportd` and a stock `sshd`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::both_servers::{make_tree, on_both};
use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_and_trees_are_copied_on_the_server() {
    on_both(|run, home| {
        make_tree(home);
        let large = bytes(5_000_000, 3);
        std::fs::write(home.join("large"), &large).unwrap();
        std::fs::set_permissions(home.join("large"), std::fs::Permissions::from_mode(0o440)).unwrap();
        run(&["cp", ":large", ":copy"]).expect_code(0);
        assert!(std::fs::read(home.join("copy")).unwrap() == large);
        assert_eq!(mode(&home.join("copy")), 0o440);
        run(&["cp", ":tree", ":other"])
            .expect_code(1)
            .expect_stderr(&["cp -r"]);
        run(&["cp", "-r", ":tree", ":other"]).expect_code(0);
        assert_eq!(std::fs::read(home.join("other/deep/b.log")).unwrap().len(), 2000);
        // A link is copied as a link, and not entered.
        assert_eq!(
            std::fs::read_link(home.join("other/out")).unwrap(),
            Path::new("..")
        );
        run(&["cp", "-r", ":tree", ":tree/deep/again"])
            .expect_code(1)
            .expect_stderr(&["cannot be copied into itself"]);
        run(&["cp", ":tree/a.txt", ":tree/a.txt"])
            .expect_code(1)
            .expect_stderr(&["the same file"]);
        assert_eq!(std::fs::read(home.join("tree/a.txt")).unwrap(), b"abc");
        std::fs::write(home.join("there"), "old").unwrap();
        run(&["cp", "-n", ":tree/a.txt", ":there"]).expect_code(0);
        assert_eq!(std::fs::read(home.join("there")).unwrap(), b"old");
        run(&["cp", ":tree/a.txt", ":large", ":there"])
            .expect_code(1)
            .expect_stderr(&["is not a directory"]);
    });
}

#[test]
fn links_are_made_and_replaced() {
    on_both(|run, home| {
        std::fs::write(home.join("f"), "content").unwrap();
        std::fs::create_dir(home.join("d")).unwrap();
        run(&["ln", "-s", "not/there yet", ":l"]).expect_code(0);
        assert_eq!(
            std::fs::read_link(home.join("l")).unwrap(),
            Path::new("not/there yet")
        );
        run(&["ln", "-s", "x", ":l"])
            .expect_code(1)
            .expect_stderr(&["something with that name is there"]);
        run(&["ln", "-sf", "d", ":l"]).expect_code(0);
        run(&["ln", "-sf", "f", ":l"]).expect_code(0);
        assert_eq!(std::fs::read_link(home.join("l")).unwrap(), Path::new("f"));
        run(&["ln", ":f", ":second"]).expect_code(0);
        assert_eq!(std::fs::metadata(home.join("second")).unwrap().nlink(), 2);
        run(&["ln", ":f", ":d"]).expect_code(0);
        assert!(home.join("d/f").exists());
        run(&["ln", "-s", "f"]).expect_code(2);
    });
}

#[test]
fn permissions_are_changed_by_letters_and_in_trees() {
    on_both(|run, home| {
        make_tree(home);
        let outside = home.join("outside");
        std::fs::write(&outside, "").unwrap();
        std::fs::set_permissions(&outside, std::fs::Permissions::from_mode(0o600)).unwrap();
        symlink("../outside", home.join("tree/link")).unwrap();
        std::fs::set_permissions(home.join("tree/a.txt"), std::fs::Permissions::from_mode(0o644)).unwrap();
        run(&["chmod", "u+x,go-r", ":tree/a.txt"]).expect_code(0);
        assert_eq!(mode(&home.join("tree/a.txt")), 0o700);
        run(&["chmod", "-R", "a=rX", ":tree"]).expect_code(0);
        assert_eq!(mode(&home.join("tree/a.txt")), 0o555);
        assert_eq!(mode(&home.join("tree/deep")), 0o555);
        assert_eq!(mode(&home.join("tree/deep/b.log")), 0o444);
        // What the link points to is not touched.
        assert_eq!(mode(&outside), 0o600);
        run(&["chmod", "-R", "u+w", ":tree"]).expect_code(0);
        run(&["chmod", "-R", "0", ":tree"]).expect_code(0);
        // Homeport's server leaves owners the right to read a file, and to enter and list a directory.
        let modes = ["tree", "tree/deep", "tree/deep/b.log"].map(|name| {
            let path = home.join(name);
            let found = mode(&path);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
            found
        });
        let expected = [[0, 0, 0], [0o500, 0o500, 0o400]];
        assert!(expected.contains(&modes), "{modes:?}");
    });
}

#[test]
fn files_are_touched() {
    on_both(|run, home| {
        let old = home.join("old");
        std::fs::write(&old, "kept").unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        std::fs::File::options()
            .write(true)
            .open(&old)
            .unwrap()
            .set_modified(then)
            .unwrap();
        run(&["touch", ":old", ":new"]).expect_code(0);
        assert_eq!(std::fs::read(&old).unwrap(), b"kept");
        assert!(std::fs::metadata(&old).unwrap().mtime() > 1_700_000_000);
        assert_eq!(std::fs::read(home.join("new")).unwrap(), b"");
        run(&["touch", "-c", ":never"]).expect_code(0);
        assert!(!home.join("never").exists());
        run(&["touch", ":none/x"])
            .expect_code(1)
            .expect_stderr(&["cannot make the file"]);
        std::fs::create_dir(home.join("empty")).unwrap();
        run(&["rmdir", ":empty"]).expect_code(0);
        assert!(!home.join("empty").exists());
        run(&["rmdir", ":none"])
            .expect_code(1)
            .expect_stderr(&["none: cannot remove it"]);
    });
}
