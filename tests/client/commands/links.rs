//! Symbolic links in transfers: followed, copied, or left out and counted.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// Creates a tree with links to a file, to a directory, to nothing, and back to the tree itself.
fn linked_tree(root: &Path) {
    std::fs::create_dir_all(root.join("sub/deep")).unwrap();
    std::fs::write(root.join("file"), "file").unwrap();
    std::fs::write(root.join("sub/deep/inner"), "inner").unwrap();
    symlink("file", root.join("to-file")).unwrap();
    symlink("sub", root.join("to-directory")).unwrap();
    symlink("../../file", root.join("sub/deep/up")).unwrap();
}

fn target(path: &Path) -> String {
    let target = std::fs::read_link(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    target.to_str().unwrap().to_owned()
}

#[test]
fn links_to_directories_are_left_out_and_counted() {
    let sandbox = ClientSandbox::new(&[]);
    linked_tree(&sandbox.local("tree"));
    let left_out = "to-directory: skipped: a link to a directory (hint: --follow";
    sandbox
        .run(["put", "-r", "tree", &sandbox.remote("")])
        .expect_code(4)
        .expect_stderr(&[left_out, "1 skipped"]);
    let json = sandbox
        .run(["put", "-r", "--json", "tree", &sandbox.remote("again")])
        .expect_code(4);
    assert!(json.out.contains("\"skipped\":1"), "{}", json.out);
    assert_eq!(std::fs::read(sandbox.stored("tree/to-file")).unwrap(), b"file");
    assert!(!sandbox.stored("tree/to-file").is_symlink());
    symlink("sub", sandbox.stored("tree/to-directory")).unwrap();
    sandbox
        .run(["get", "-r", &sandbox.remote("tree"), "back"])
        .expect_code(4)
        .expect_stderr(&[left_out, "1 skipped"]);
    assert!(!sandbox.local("back/to-directory").exists());
}

#[test]
fn links_are_copied_as_links_both_ways() {
    let sandbox = ClientSandbox::new(&[]);
    linked_tree(&sandbox.local("tree"));
    symlink("nowhere", sandbox.local("tree/dangling")).unwrap();
    let links = [
        ("to-file", "file"),
        ("to-directory", "sub"),
        ("sub/deep/up", "../../file"),
        ("dangling", "nowhere"),
    ];
    sandbox
        .run(["put", "-r", "--links", "tree", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["4 links"]);
    sandbox
        .run(["get", "-r", "--links", &sandbox.remote("tree"), "back"])
        .expect_code(0)
        .expect_stderr(&["4 links"]);
    for (name, to) in links {
        assert_eq!(target(&sandbox.stored("tree").join(name)), to);
        assert_eq!(target(&sandbox.local("back").join(name)), to);
    }
    same_trees_and_links(&sandbox.local("tree"), &sandbox.local("back"));
    // The same again finds all of them.
    sandbox
        .run(["put", "-r", "--links", "tree", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["6 already there"]);
    sandbox
        .run(["get", "-r", "--links", &sandbox.remote("tree/."), "back"])
        .expect_code(0)
        .expect_stderr(&["6 already there"]);
    // A single link, which is named.
    sandbox
        .run(["put", "--links", "tree/to-file", &sandbox.remote("single")])
        .expect_code(0);
    assert_eq!(target(&sandbox.stored("single")), "file");
}

/// Gives a link, or what else has the name, this time of its last change, in seconds since 1970.
fn set_date(path: &Path, date: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec {
        tv_sec: date,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// The words with both options.
fn both(words: [&str; 3]) -> Vec<&str> {
    [&words[..], &["--links", "--update"]].concat()
}

/// With `--update`, a link replaces what is older than itself, and leaves what is not.
#[test]
fn the_newer_link_wins_with_update() {
    let sandbox = ClientSandbox::new(&[]);
    for (date, replaced) in [
        (1_000_000_000, true),
        (2_000_000_000, false),
        (1_500_000_000, false),
    ] {
        for is_link in [true, false] {
            let here = |name: &str| sandbox.local(name);
            for path in [here("l"), sandbox.stored("l"), here("back")] {
                let _ = std::fs::remove_file(path);
            }
            symlink("new", here("l")).unwrap();
            set_date(&here("l"), 1_500_000_000);
            let older = |path: &Path| {
                match is_link {
                    true => symlink("old", path).unwrap(),
                    false => std::fs::write(path, "old").unwrap(),
                }
                set_date(path, date);
            };
            let points_to_new =
                |path: &Path| std::fs::read_link(path).is_ok_and(|target| target == Path::new("new"));
            older(&sandbox.stored("l"));
            let put = sandbox
                .run(both(["put", "l", &sandbox.remote("")]))
                .expect_code(0);
            assert_eq!(
                points_to_new(&sandbox.stored("l")),
                replaced,
                "{date}: {}",
                put.err
            );
            assert!(
                put.err.contains(if replaced { "1 link" } else { "1 skipped" }),
                "{}",
                put.err
            );

            let _ = std::fs::remove_file(sandbox.stored("l"));
            symlink("new", sandbox.stored("l")).unwrap();
            set_date(&sandbox.stored("l"), 1_500_000_000);
            older(&here("back"));
            let get = sandbox
                .run(both(["get", &sandbox.remote("l"), "back"]))
                .expect_code(0);
            assert_eq!(points_to_new(&here("back")), replaced, "{date}: {}", get.err);
        }
    }
    // A directory is never replaced by a link.
    std::fs::create_dir(sandbox.stored("d")).unwrap();
    std::fs::create_dir(sandbox.stored("d/l")).unwrap();
    set_date(&sandbox.stored("d/l"), 1);
    sandbox
        .run(both(["put", "l", &sandbox.remote("d")]))
        .expect_code(4)
        .expect_stderr(&["a directory is there"]);
}

#[test]
fn what_stands_where_a_link_goes_is_a_conflict() {
    let sandbox = ClientSandbox::new(&[]);
    symlink("new", sandbox.local("l")).unwrap();
    symlink("old", sandbox.stored("l")).unwrap();
    std::fs::write(sandbox.stored("f"), "file").unwrap();
    std::fs::create_dir(sandbox.stored("d")).unwrap();
    let put = |more: &str, to: &str| sandbox.run(["put", "--links", more, "l", &sandbox.remote(to)]);
    put("-q", "l")
        .expect_code(4)
        .expect_stderr(&["something else is there", "--overwrite"]);
    put("--skip", "l").expect_code(0);
    assert_eq!(target(&sandbox.stored("l")), "old");
    put("--rename", "l").expect_code(0);
    assert_eq!(
        (target(&sandbox.stored("l")), target(&sandbox.stored("l.1"))),
        ("old".to_owned(), "new".to_owned())
    );
    for name in ["l", "f"] {
        put("--overwrite", name).expect_code(0);
        assert_eq!(target(&sandbox.stored(name)), "new");
    }
    std::fs::create_dir(sandbox.stored("d/l")).unwrap();
    put("--overwrite", "d")
        .expect_code(4)
        .expect_stderr(&["a directory is there"]);
    // The other way round.
    std::fs::write(sandbox.local("g"), "file").unwrap();
    let get = |more: &str| sandbox.run(["get", "--links", more, &sandbox.remote("l"), "g"]);
    get("-q").expect_code(4);
    get("--skip").expect_code(0);
    assert!(!sandbox.local("g").is_symlink());
    get("--overwrite").expect_code(0);
    assert_eq!(target(&sandbox.local("g")), "new");
}

#[test]
fn links_are_followed_until_they_lead_back() {
    let sandbox = ClientSandbox::new(&[]);
    for root in [sandbox.local("tree"), sandbox.stored("theirs")] {
        linked_tree(&root);
        symlink("..", root.join("sub/back")).unwrap();
    }
    let done = [
        sandbox.run(["put", "-r", "--follow", "tree", &sandbox.remote("up")]),
        sandbox.run(["get", "-r", "--follow", &sandbox.remote("theirs"), "down"]),
    ];
    for done in done {
        done.expect_code(4)
            .expect_stderr(&["back: skipped: a link to a directory that contains it"]);
    }
    for root in [sandbox.stored("up"), sandbox.local("down")] {
        for name in ["to-directory/deep/inner", "to-directory/deep/up"] {
            assert!(root.join(name).is_file(), "{name}");
        }
        assert!(!root.join("to-directory").is_symlink() && !root.join("sub/back").exists());
    }
}

#[test]
fn a_sync_copies_or_follows_links_as_asked() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        let (source, copy) = (&trees.source, &trees.target);
        let sync = |args: &[&str]| trees.sync(args);
        linked_tree(source);
        symlink("nowhere", source.join("dangling")).unwrap();
        sync(&[]).expect_code(4).expect_stderr(&[
            "to-directory: skipped: a link is not transferred (hint: --links",
            "dangling: skipped: ",
        ]);
        assert!(copy.join("to-file").is_file() && !copy.join("to-file").is_symlink());
        std::fs::remove_dir_all(copy).unwrap();

        sync(&["--links"]).expect_code(0).expect_stderr(&["4 links made"]);
        same_trees_and_links(source, copy);
        let again = sync(&["--links", "--json"]).expect_code(0);
        assert!(!again.out.contains("\"change\""), "{}", again.out);
        // A link that points elsewhere now, and one in the place of a file.
        for name in ["to-file", "file"] {
            std::fs::remove_file(source.join(name)).unwrap();
            symlink("sub/deep/inner", source.join(name)).unwrap();
        }
        let shown = sync(&["-n", "--links"]).expect_code(0);
        assert_eq!(shown.out, "link       file\nlink       to-file\n");
        sync(&["--links", "--backup-dir", "old"]).expect_code(0);
        assert_eq!(target(&copy.join("to-file")), "sub/deep/inner");
        assert_eq!(target(&copy.join("file")), "sub/deep/inner");
        assert_eq!(target(&copy.join("old/to-file")), "file");
        assert_eq!(std::fs::read(copy.join("old/file")).unwrap(), b"file");
        std::fs::remove_dir_all(copy).unwrap();

        symlink("..", source.join("sub/back")).unwrap();
        sync(&["--follow"])
            .expect_code(4)
            .expect_stderr(&["sub/back: skipped: the link leads to nothing, or back to where it lies"]);
        assert_eq!(
            std::fs::read(copy.join("to-directory/deep/inner")).unwrap(),
            b"inner"
        );
        assert!(!copy.join("to-directory").is_symlink() && !copy.join("to-directory/back").exists());
    }
}

/// Otherwise the next transfer would write through the link.
#[test]
fn links_of_the_server_never_lead_out_of_the_directory() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("tree/a/b")).unwrap();
    std::fs::write(sandbox.stored("tree/a/b/f"), "f").unwrap();
    for (name, to) in [
        ("tree/out", "../.ssh"),
        ("tree/a/around", "b/../../.."),
        ("tree/root", "/etc"),
    ] {
        symlink(to, sandbox.stored(name)).unwrap();
    }
    sandbox
        .run(["get", "-r", "--links", &sandbox.remote("tree"), "."])
        .expect_code(4)
        .expect_stderr(&["points out of the directory that is fetched", "3 skipped"]);
    sandbox
        .run(["sync", "--links", &sandbox.remote("tree"), "tree"])
        .expect_code(4)
        .expect_stderr(&["out: skipped: the link points out of the directory that is fetched"]);
    for name in ["tree/out", "tree/a/around", "tree/root"] {
        assert!(!sandbox.local(name).is_symlink(), "{name}");
    }
}

#[test]
fn a_check_compares_links_as_links() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        for tree in [&trees.source, &trees.target] {
            linked_tree(tree);
            symlink("nowhere", tree.join("dangling")).unwrap();
            // Nothing is made, so it does not matter that it leads out.
            symlink("/etc", tree.join("out")).unwrap();
        }
        let [source, target] = &trees.words;
        let check = |options: &[&str]| {
            let words = [&["check"], options, &[source, target]].concat();
            trees.sandbox.run(words)
        };
        // Links to files stand for the files on one side only.
        check(&[])
            .expect_code(5)
            .expect_stderr(&["out: not compared: it is a link (hint: --links compares links"]);
        let same = check(&["--links"]).expect_code(0);
        assert_eq!(same.out, "");
        std::fs::remove_file(trees.target.join("dangling")).unwrap();
        std::fs::remove_file(trees.target.join("out")).unwrap();
        symlink("/usr", trees.target.join("out")).unwrap();
        std::fs::remove_file(trees.target.join("to-file")).unwrap();
        std::fs::write(trees.target.join("to-file"), "file").unwrap();
        symlink("x", trees.target.join("zz")).unwrap();
        let (here, there) = match up {
            true => ("only here", "only on the server"),
            false => ("only on the server", "only here"),
        };
        let differs = check(&["--links"]).expect_code(5);
        let expected =
            format!("{here}: dangling\nlink target differs: out\nkind differs: to-file\n{there}: zz\n");
        assert_eq!(differs.out, expected);
        let json = check(&["--links", "--json"]).expect_code(5);
        assert!(json.out.contains("\"link target differs\""), "{}", json.out);
    }
}

#[test]
fn a_check_follows_links_to_directories_as_a_sync_does() {
    for up in [true, false] {
        let trees = TwoTrees::new(up);
        linked_tree(&trees.source);
        trees.sync(&["--follow"]).expect_code(0);
        let [source, target] = &trees.words;
        let check = |options: &[&str]| {
            let words = [&["check"], options, &[source, target]].concat();
            trees.sandbox.run(words)
        };
        check(&["--follow"]).expect_code(0);
        check(&[]).expect_code(4);
        std::fs::write(trees.target.join("to-directory/deep/inner"), "other").unwrap();
        let differs = check(&["--follow"]).expect_code(5);
        assert!(differs.out.contains("to-directory/deep/inner"), "{}", differs.out);
    }
}
