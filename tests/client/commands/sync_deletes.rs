//! What `sync --delete` never deletes.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Makes a source, and a target with names that only the target has. What only the target has may be deleted.
fn two_trees(up: bool) -> TwoTrees {
    let trees = TwoTrees {
        options: &["--delete"],
        ..TwoTrees::new(up)
    };
    std::fs::create_dir(&trees.source).unwrap();
    std::fs::create_dir_all(trees.target.join("dir")).unwrap();
    std::fs::write(trees.source.join("a"), "a").unwrap();
    std::fs::write(trees.target.join("extra"), "x").unwrap();
    std::fs::write(trees.target.join("dir/extra"), "x").unwrap();
    trees
}

fn is_untouched(trees: &TwoTrees) -> bool {
    trees.target.join("extra").exists() && trees.target.join("dir/extra").exists()
}

#[test]
fn what_the_source_does_not_have_is_deleted_only_when_that_is_allowed() {
    for up in [true, false] {
        let trees = two_trees(up);
        trees
            .sync(&[])
            .expect_code(1)
            .expect_stderr(&["nobody can be asked whether to delete 3 names"]);
        trees
            .sync(&["--max-delete", "2"])
            .expect_code(1)
            .expect_stderr(&["--max-delete allows 2"]);
        assert!(
            is_untouched(&trees) && !trees.target.join("a").exists(),
            "nothing was changed"
        );
        trees.sync(&["-n"]).expect_code(0);
        assert!(is_untouched(&trees));
        trees.sync(&["--max-delete", "3"]).expect_code(0);
        same_trees(&trees.source, &trees.target);
    }
}

#[test]
fn an_empty_source_deletes_nothing() {
    for up in [true, false] {
        let trees = two_trees(up);
        std::fs::remove_file(trees.source.join("a")).unwrap();
        trees
            .sync(&["--yes"])
            .expect_code(1)
            .expect_stderr(&["the source is empty"]);
        trees.sync(&["--yes", "-n"]).expect_code(1);
        assert!(is_untouched(&trees));
        // Nor does a source that is not there.
        std::fs::remove_dir(&trees.source).unwrap();
        trees.sync(&["--yes"]).expect_code(1);
        trees.sync(&["--max-delete", "9"]).expect_code(1);
        assert!(is_untouched(&trees));
        std::fs::create_dir(&trees.source).unwrap();
        trees.sync(&["--max-delete", "3"]).expect_code(0);
        same_trees(&trees.source, &trees.target);
    }
}

#[test]
fn nothing_is_deleted_after_a_transfer_that_failed() {
    let trees = two_trees(false);
    // The server has no room for this file's name: a directory stands under the name of its part.
    std::fs::create_dir(trees.target.join("a.part")).unwrap();
    std::fs::write(trees.target.join("a.part/x"), "").unwrap();
    trees
        .sync(&["--yes"])
        .expect_code(4)
        .expect_stderr(&["nothing is deleted, because not everything was transferred"]);
    assert!(is_untouched(&trees));
}

#[test]
fn nothing_is_deleted_when_a_directory_of_the_source_cannot_be_listed() {
    let trees = two_trees(true);
    std::fs::create_dir(trees.source.join("closed")).unwrap();
    std::fs::set_permissions(trees.source.join("closed"), PermissionsExt::from_mode(0o000)).unwrap();
    let remote = trees.sandbox.remote("t");
    let words = ["sync", "--delete", "--yes", "t", &remote];
    run_by(&unprivileged(), &trees.sandbox, &words)
        .expect_code(4)
        .expect_stderr(&["closed: FAILED: cannot list", "nothing is deleted"]);
    assert!(
        is_untouched(&trees) && trees.target.join("a").exists(),
        "the rest is transferred"
    );
}

#[test]
fn excluded_and_almost_equal_names_stay() {
    for up in [true, false] {
        let trees = two_trees(up);
        std::fs::write(trees.source.join("readme"), "").unwrap();
        std::fs::write(trees.source.join("caf\u{e9}"), "").unwrap();
        for name in [
            "README",
            "cafe\u{301}",
            "dir/keep.me",
            "b.homeport.part",
            "really extra",
        ] {
            std::fs::write(trees.target.join(name), name).unwrap();
        }
        let done = trees.sync(&["--yes", "--exclude", "*.me"]).expect_code(0);
        done.expect_stderr(&["README: not deleted", "dir: not deleted", "differs only by case"]);
        for name in ["README", "cafe\u{301}", "dir/keep.me", "b.homeport.part"] {
            assert!(trees.target.join(name).exists(), "{name}");
        }
        for name in ["extra", "dir/extra", "really extra"] {
            assert!(!trees.target.join(name).exists(), "{name}");
        }
    }
}

#[test]
fn a_second_sync_to_the_same_target_waits_for_nobody() {
    let trees = two_trees(false);
    let lock = std::fs::File::open(&trees.target).unwrap();
    lock.lock().unwrap();
    trees
        .sync(&["--yes"])
        .expect_code(1)
        .expect_stderr(&["another sync to the same target"]);
    assert!(is_untouched(&trees));
    drop(lock);
    trees.sync(&["--yes"]).expect_code(0);
    same_trees(&trees.source, &trees.target);
}

/// The same holds for a target that the first sync has just made.
#[test]
fn a_target_that_a_sync_has_made_is_locked_too() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir(sandbox.stored("t")).unwrap();
    std::fs::write(sandbox.stored("t/large"), bytes(4 << 20, 1)).unwrap();
    let remote = sandbox.remote("t");
    let slow = sandbox
        .command(["sync", "--limit-rate", "64K", &remote, "new"])
        .stderr(Stdio::null())
        .spawn();
    let slow = crate::client::terminal::KillOnDrop(slow.unwrap());
    // The first sync is past its lock when it has begun to fetch the file.
    testkit::wait_for("the part", || sandbox.local("new/large.part").exists());
    sandbox
        .run(["sync", &remote, "new"])
        .expect_code(1)
        .expect_stderr(&["another sync to the same target"]);
    drop(slow);
}
