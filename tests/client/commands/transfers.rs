//! `get` and `put` of single files and directories.

use super::*;

pub const MIB: usize = 1 << 20;

#[test]
fn uploads_follow_the_decision_table() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = sandbox.create_file("f", 3 * MIB, 1);
    sandbox
        .run(["put", "f", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["f: 3.0 MiB sent", "MD5 verified"]);
    assert!(std::fs::read(sandbox.stored("f")).unwrap() == whole);
    // The same file: nothing is sent.
    sandbox
        .run(["put", "f", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["already there, MD5 verified"]);
    // A beginning of the file: it is resumed.
    std::fs::write(sandbox.stored("f"), &whole[..MIB]).unwrap();
    sandbox
        .run(["put", "f", &sandbox.remote("")])
        .expect_code(0)
        .expect_stderr(&["2.0 MiB sent", "resumed at 1.0 MiB", "MD5 verified"]);
    assert!(std::fs::read(sandbox.stored("f")).unwrap() == whole);
    // Conflicts: without a terminal, nobody can be asked.
    for (what, there) in [
        (
            "a file of the same size but with other content",
            bytes(3 * MIB, 2),
        ),
        ("a shorter file is there that is not its beginning", bytes(MIB, 2)),
        ("a longer file is there", bytes(4 * MIB, 1)),
    ] {
        std::fs::write(sandbox.stored("f"), &there).unwrap();
        sandbox
            .run(["put", "f", &sandbox.remote("")])
            .expect_code(4)
            .expect_stderr(&[what, "--overwrite"]);
        sandbox
            .run(["put", "--skip", "f", &sandbox.remote("")])
            .expect_code(0)
            .expect_stderr(&["skipped"]);
        assert!(
            std::fs::read(sandbox.stored("f")).unwrap() == there,
            "{what}: it was left alone"
        );
        sandbox
            .run(["put", "--rename", "f", &sandbox.remote("")])
            .expect_code(0)
            .expect_stderr(&["sent as /f.1"]);
        assert!(std::fs::read(sandbox.stored("f.1")).unwrap() == whole);
        std::fs::remove_file(sandbox.stored("f.1")).unwrap();
        sandbox
            .run(["put", "--overwrite", "f", &sandbox.remote("")])
            .expect_code(0)
            .expect_stderr(&["MD5 verified"]);
        assert!(
            std::fs::read(sandbox.stored("f")).unwrap() == whole,
            "{what}: it was replaced"
        );
    }
}

#[test]
fn options_change_the_decision_about_an_upload() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = sandbox.create_file("f", 3 * MIB, 1);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    // Resuming can be switched off.
    std::fs::write(sandbox.stored("f"), &whole[..MIB]).unwrap();
    sandbox
        .run(["put", "--no-resume", "f", &sandbox.remote("")])
        .expect_code(4)
        .expect_stderr(&["a shorter file is there"]);
    // Verification can be switched off.
    let quiet = sandbox
        .run(["put", "--verify=never", "f", &sandbox.remote("g")])
        .expect_code(0);
    quiet.expect_stderr(&["not verified"]);
    // A file never replaces a directory.
    std::fs::create_dir_all(sandbox.stored("d/f")).unwrap();
    sandbox
        .run(["put", "--overwrite", "f", &sandbox.remote("d")])
        .expect_code(4)
        .expect_stderr(&["a directory is there"]);
}

#[test]
fn downloads_follow_the_decision_table() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = bytes(3 * MIB, 1);
    std::fs::write(sandbox.stored("f"), &whole).unwrap();
    let get = |more: &[&str]| sandbox.run([&["get"], more, &[&sandbox.remote("f")[..], "f"]].concat());
    let here = || std::fs::read(sandbox.local("f")).unwrap();
    get(&[])
        .expect_code(0)
        .expect_stderr(&["3.0 MiB received", "MD5 verified"]);
    assert!(here() == whole && !sandbox.local("f.part").exists());
    get(&[])
        .expect_code(0)
        .expect_stderr(&["already there, MD5 verified"]);
    // A shorter file from another client, and a part from this one.
    std::fs::write(sandbox.local("f"), &whole[..MIB]).unwrap();
    get(&[])
        .expect_code(0)
        .expect_stderr(&["resumed at 1.0 MiB", "MD5 verified"]);
    assert!(here() == whole);
    std::fs::remove_file(sandbox.local("f")).unwrap();
    std::fs::write(sandbox.local("f.part"), &whole[..2 * MIB]).unwrap();
    get(&[])
        .expect_code(0)
        .expect_stderr(&["resumed at 2.0 MiB", "MD5 verified"]);
    assert!(here() == whole);
    // A part that is not a beginning of the file may be the user's own file.
    for (other, resume) in [(2 * MIB, ""), (4 * MIB, ""), (2 * MIB, "--no-resume")] {
        std::fs::remove_file(sandbox.local("f")).unwrap();
        let other = bytes(other, 9);
        let get = |more: &str| {
            get(&[more, resume]
                .iter()
                .filter(|w| !w.is_empty())
                .copied()
                .collect::<Vec<_>>())
        };
        std::fs::write(sandbox.local("f.part"), &other).unwrap();
        get("")
            .expect_code(4)
            .expect_stderr(&["its .part file exists", "--overwrite"]);
        get("--skip").expect_code(0);
        assert!(!sandbox.local("f").exists());
        get("--rename").expect_code(0).expect_stderr(&["stored as f.1"]);
        assert!(std::fs::read(sandbox.local("f.1")).unwrap() == whole);
        std::fs::remove_file(sandbox.local("f.1")).unwrap();
        assert!(std::fs::read(sandbox.local("f.part")).unwrap() == other);
        get("--overwrite")
            .expect_code(0)
            .expect_stderr(&["3.0 MiB received"]);
        assert!(here() == whole && !sandbox.local("f.part").exists());
    }
    // With both, the part is resumed, and the existing file stays until it is complete.
    std::fs::write(sandbox.local("f"), &whole[..MIB]).unwrap();
    std::fs::write(sandbox.local("f.part"), &whole[..2 * MIB]).unwrap();
    get(&[]).expect_code(0).expect_stderr(&["resumed at 2.0 MiB"]);
    assert!(here() == whole);
    for there in [bytes(3 * MIB, 2), bytes(MIB, 2), bytes(4 * MIB, 1)] {
        std::fs::write(sandbox.local("f"), &there).unwrap();
        get(&[]).expect_code(4).expect_stderr(&["--overwrite"]);
        get(&["--skip"]).expect_code(0).expect_stderr(&["skipped"]);
        assert!(here() == there);
        get(&["--rename"])
            .expect_code(0)
            .expect_stderr(&["stored as f.1"]);
        assert!(here() == there && std::fs::read(sandbox.local("f.1")).unwrap() == whole);
        std::fs::remove_file(sandbox.local("f.1")).unwrap();
        get(&["--overwrite"]).expect_code(0);
        assert!(here() == whole);
    }
}

#[test]
fn a_directory_is_resumed_file_by_file() {
    let sandbox = ClientSandbox::new(&[]);
    tree(&sandbox, "tree", 5);
    let names = |dir: PathBuf| {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let all = names(sandbox.local("tree"));
    // As with cp, the first copy gets the new name, and the second one goes into the existing directory.
    sandbox
        .run(["put", "-r", "tree", &sandbox.remote("new")])
        .expect_code(0);
    sandbox
        .run(["put", "-r", "tree/.", &sandbox.remote("new")])
        .expect_code(0);
    assert_eq!(names(sandbox.stored("new")), all);
    sandbox
        .run(["put", "-r", "tree", &sandbox.remote("new")])
        .expect_code(0);
    assert_eq!(names(sandbox.stored("new/tree")), all);
    std::fs::remove_dir_all(sandbox.stored("new")).unwrap();
    // A whole home is transferred repeatedly.
    sandbox
        .run(["put", "-r", "tree/.", &sandbox.remote("")])
        .expect_code(0);
    for _ in 0..2 {
        sandbox
            .run(["get", "-r", &sandbox.remote(""), "back"])
            .expect_code(0);
        assert_eq!(names(sandbox.local("back")), all);
    }
    for _ in 0..2 {
        let lines = "get -r . here\ncd empty\ncd ..\nget -r . here\n";
        sandbox
            .run(["mkdir", "-p", &sandbox.remote("empty")])
            .expect_code(0);
        sandbox.script(lines).expect_code(0);
        let mut here = names(sandbox.local("here"));
        here.retain(|name| name != "empty");
        assert_eq!(here, all);
    }
    std::fs::remove_dir(sandbox.stored("empty")).unwrap();
    // A file that is named twice is transferred once.
    sandbox
        .run([
            "put",
            "--no-resume",
            "tree/file 2",
            "tree/file 2",
            &sandbox.remote(""),
        ])
        .expect_code(0)
        .expect_stderr(&["1 already there"]);
    // The message says how to resume.
    std::os::unix::fs::symlink("nowhere", sandbox.local("tree/dangling")).unwrap();
    sandbox
        .run(["put", "-r", "tree", &sandbox.remote("third")])
        .expect_code(4)
        .expect_stderr(&["dangling: FAILED", "name it with /. at its end to go on"]);
}

#[test]
fn local_free_space_is_checked_before_the_first_byte() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    let huge = std::fs::File::create(sandbox.stored("huge")).unwrap();
    // The file is sparse, and larger than the free space of any disk.
    huge.set_len(15 << 40).unwrap();
    sandbox
        .run(["get", &sandbox.remote("huge"), "."])
        .expect_code(1)
        .expect_stderr(&["no room here: 15.0 TiB to be written", "nothing was fetched"]);
    assert!(!sandbox.local("huge").exists() && !sandbox.local("huge.part").exists());
}

#[test]
fn local_links_are_followed_when_a_file_is_written() {
    let sandbox = ClientSandbox::new(&[]);
    let whole = bytes(MIB, 1);
    std::fs::write(sandbox.stored("f"), &whole).unwrap();
    let link = |to: &str| {
        let _ = std::fs::remove_file(sandbox.local("link"));
        std::os::unix::fs::symlink(to, sandbox.local("link")).unwrap();
    };
    let get = |more: &[&str]| sandbox.run([&["get"], more, &[&sandbox.remote("f")[..], "link"]].concat());
    std::fs::create_dir(sandbox.local("d")).unwrap();
    std::fs::write(sandbox.local("d/real"), &whole[..1000]).unwrap();
    link("d/real");
    get(&[]).expect_code(0).expect_stderr(&["resumed at 1000 B"]);
    assert!(std::fs::read(sandbox.local("d/real")).unwrap() == whole);
    std::fs::write(sandbox.local("d/real"), "something else").unwrap();
    get(&[]).expect_code(4);
    get(&["--overwrite"]).expect_code(0);
    assert!(std::fs::read(sandbox.local("d/real")).unwrap() == whole);
    assert!(sandbox.local("link").is_symlink());
    link("nowhere");
    get(&["--overwrite"])
        .expect_code(4)
        .expect_stderr(&["something is there that is not a file"]);
    get(&["--rename"]).expect_code(0);
    assert!(sandbox.local("link").is_symlink() && !sandbox.local("link.part").exists());
}

#[test]
fn the_longest_names_are_transferred_both_ways() {
    let sandbox = ClientSandbox::new(&[]);
    for length in [250, 251, 255] {
        let name = "n".repeat(length);
        let whole = sandbox.create_file(&name, 100_000, 1);
        sandbox.run(["put", &name, &sandbox.remote("")]).expect_code(0);
        std::fs::remove_file(sandbox.local(&name)).unwrap();
        sandbox.run(["get", &sandbox.remote(&name), "."]).expect_code(0);
        assert!(std::fs::read(sandbox.local(&name)).unwrap() == whole);
    }
}

#[test]
fn a_file_with_the_name_of_a_part_is_kept_apart() {
    let sandbox = ClientSandbox::new(&[]);
    let there = sandbox.stored("d");
    std::fs::create_dir_all(&there).unwrap();
    let names = ["film", "film.part", "film.part.part"];
    for (seed, name) in (1..).zip(names) {
        std::fs::write(there.join(name), bytes(2 * MIB + 1000 * usize::from(seed), seed)).unwrap();
    }
    for into in 0..4 {
        let into = into.to_string();
        sandbox
            .run(["get", "-r", &sandbox.remote("d"), &into])
            .expect_code(0);
        for name in names {
            let same = std::fs::read(sandbox.local(&into).join(name)).unwrap()
                == std::fs::read(there.join(name)).unwrap();
            assert!(same, "{name}");
        }
        assert_eq!(std::fs::read_dir(sandbox.local(&into)).unwrap().count(), 3);
    }
}

#[test]
fn two_files_are_not_stored_under_one_name() {
    let sandbox = ClientSandbox::new(&[]);
    let mut contents = Vec::new();
    for (seed, name) in (1..).zip(["1", "2"]) {
        for dir in [sandbox.local(name), sandbox.stored(name)] {
            std::fs::create_dir_all(&dir).unwrap();
            contents.push(bytes(300_000, seed));
            std::fs::write(dir.join("x"), contents.last().unwrap()).unwrap();
        }
    }
    std::fs::create_dir(sandbox.stored("to")).unwrap();
    std::fs::create_dir(sandbox.local("to")).unwrap();
    let both = ["1/x", "2/x"];
    let put = |more: &str| sandbox.run(["put", more, both[0], both[1], &sandbox.remote("to")]);
    let from = both.map(|name| sandbox.remote(name));
    let get = |more: &str| sandbox.run(["get", more, &from[0], &from[1], "to"]);
    let first = || (sandbox.stored("to/x"), sandbox.local("to/x"));
    let second = || (sandbox.stored("to/x.1"), sandbox.local("to/x.1"));
    put("--verify=auto")
        .expect_code(4)
        .expect_stderr(&["another file of this run"]);
    get("--verify=auto")
        .expect_code(4)
        .expect_stderr(&["another file of this run"]);
    for file in [first().0, first().1] {
        assert!(std::fs::read(file).unwrap() == contents[0], "the first is whole");
    }
    for file in [first().0, first().1] {
        std::fs::remove_file(file).unwrap();
    }
    put("--rename").expect_code(0);
    get("--rename").expect_code(0);
    for (files, content) in [(first(), &contents[0]), (second(), &contents[2])] {
        for file in [files.0, files.1] {
            assert!(std::fs::read(file).unwrap() == *content);
        }
    }
}
