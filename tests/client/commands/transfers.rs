//! `get` and `put`.

use super::*;

pub const MIB: usize = 1 << 20;

#[test]
fn each_row_of_the_table_upwards() {
    let person = Person::new(&[]);
    let whole = person.file("f", 3 * MIB, 1);
    person
        .run(["put", "f", &person.remote("")])
        .code(0)
        .says(&["f: 3.0 MiB sent", "MD5 verified"]);
    assert!(std::fs::read(person.there("f")).unwrap() == whole);
    // The same.
    person
        .run(["put", "f", &person.remote("")])
        .code(0)
        .says(&["already there, MD5 verified"]);
    // Its beginning.
    std::fs::write(person.there("f"), &whole[..MIB]).unwrap();
    person.run(["put", "f", &person.remote("")]).code(0).says(&[
        "2.0 MiB sent",
        "resumed at 1.0 MiB",
        "MD5 verified",
    ]);
    assert!(std::fs::read(person.there("f")).unwrap() == whole);
    // Conflicts: nobody is there to ask.
    for (what, there) in [
        (
            "a file of the same size but with other content",
            bytes(3 * MIB, 2),
        ),
        ("a shorter file is there that is not its beginning", bytes(MIB, 2)),
        ("a longer file is there", bytes(4 * MIB, 1)),
    ] {
        std::fs::write(person.there("f"), &there).unwrap();
        person
            .run(["put", "f", &person.remote("")])
            .code(4)
            .says(&[what, "--overwrite"]);
        person
            .run(["put", "--skip", "f", &person.remote("")])
            .code(0)
            .says(&["skipped"]);
        assert!(
            std::fs::read(person.there("f")).unwrap() == there,
            "{what}: it was left alone"
        );
        person
            .run(["put", "--rename", "f", &person.remote("")])
            .code(0)
            .says(&["sent as /f.1"]);
        assert!(std::fs::read(person.there("f.1")).unwrap() == whole);
        std::fs::remove_file(person.there("f.1")).unwrap();
        person
            .run(["put", "--overwrite", "f", &person.remote("")])
            .code(0)
            .says(&["MD5 verified"]);
        assert!(
            std::fs::read(person.there("f")).unwrap() == whole,
            "{what}: it was replaced"
        );
    }
    // Switched off.
    std::fs::write(person.there("f"), &whole[..MIB]).unwrap();
    person
        .run(["put", "--no-resume", "f", &person.remote("")])
        .code(4)
        .says(&["a shorter file is there"]);
    // Without a look at the result.
    let quiet = person
        .run(["put", "--verify=never", "f", &person.remote("g")])
        .code(0);
    quiet.says(&["not verified"]);
    // A directory is replaced by no file.
    std::fs::create_dir_all(person.there("d/f")).unwrap();
    person
        .run(["put", "--overwrite", "f", &person.remote("d")])
        .code(4)
        .says(&["a directory is there"]);
}

#[test]
fn each_row_of_the_table_downwards() {
    let person = Person::new(&[]);
    let whole = bytes(3 * MIB, 1);
    std::fs::write(person.there("f"), &whole).unwrap();
    let get = |more: &[&str]| person.run([&["get"], more, &[&person.remote("f")[..], "f"]].concat());
    let here = || std::fs::read(person.path("f")).unwrap();
    get(&[]).code(0).says(&["3.0 MiB received", "MD5 verified"]);
    assert!(here() == whole && !person.path("f.part").exists());
    get(&[]).code(0).says(&["already there, MD5 verified"]);
    // What another client has left, and what this one has.
    std::fs::write(person.path("f"), &whole[..MIB]).unwrap();
    get(&[]).code(0).says(&["resumed at 1.0 MiB", "MD5 verified"]);
    assert!(here() == whole);
    std::fs::remove_file(person.path("f")).unwrap();
    std::fs::write(person.path("f.part"), &whole[..2 * MIB]).unwrap();
    get(&[]).code(0).says(&["resumed at 2.0 MiB", "MD5 verified"]);
    assert!(here() == whole);
    // A part of something else is no beginning, and may be somebody's own file.
    for (other, resume) in [(2 * MIB, ""), (4 * MIB, ""), (2 * MIB, "--no-resume")] {
        std::fs::remove_file(person.path("f")).unwrap();
        let other = bytes(other, 9);
        let get = |more: &str| {
            get(&[more, resume]
                .iter()
                .filter(|w| !w.is_empty())
                .copied()
                .collect::<Vec<_>>())
        };
        std::fs::write(person.path("f.part"), &other).unwrap();
        get("").code(4).says(&["its .part file exists", "--overwrite"]);
        get("--skip").code(0);
        assert!(!person.path("f").exists());
        get("--rename").code(0).says(&["stored as f.1"]);
        assert!(std::fs::read(person.path("f.1")).unwrap() == whole);
        std::fs::remove_file(person.path("f.1")).unwrap();
        assert!(std::fs::read(person.path("f.part")).unwrap() == other);
        get("--overwrite").code(0).says(&["3.0 MiB received"]);
        assert!(here() == whole && !person.path("f.part").exists());
    }
    // With both, the part goes on, and what is there stays until then.
    std::fs::write(person.path("f"), &whole[..MIB]).unwrap();
    std::fs::write(person.path("f.part"), &whole[..2 * MIB]).unwrap();
    get(&[]).code(0).says(&["resumed at 2.0 MiB"]);
    assert!(here() == whole);
    for there in [bytes(3 * MIB, 2), bytes(MIB, 2), bytes(4 * MIB, 1)] {
        std::fs::write(person.path("f"), &there).unwrap();
        get(&[]).code(4).says(&["--overwrite"]);
        get(&["--skip"]).code(0).says(&["skipped"]);
        assert!(here() == there);
        get(&["--rename"]).code(0).says(&["stored as f.1"]);
        assert!(here() == there && std::fs::read(person.path("f.1")).unwrap() == whole);
        std::fs::remove_file(person.path("f.1")).unwrap();
        get(&["--overwrite"]).code(0);
        assert!(here() == whole);
    }
}

#[test]
fn a_directory_goes_on_by_what_is_in_it() {
    let person = Person::new(&[]);
    tree(&person, "tree", 5);
    let names = |dir: PathBuf| {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let all = names(person.path("tree"));
    // As cp does it: first under the new name, and then beside what is there.
    person.run(["put", "-r", "tree", &person.remote("new")]).code(0);
    person.run(["put", "-r", "tree/.", &person.remote("new")]).code(0);
    assert_eq!(names(person.there("new")), all);
    person.run(["put", "-r", "tree", &person.remote("new")]).code(0);
    assert_eq!(names(person.there("new/tree")), all);
    std::fs::remove_dir_all(person.there("new")).unwrap();
    // A home as a whole, again and again.
    person.run(["put", "-r", "tree/.", &person.remote("")]).code(0);
    for _ in 0..2 {
        person.run(["get", "-r", &person.remote(""), "back"]).code(0);
        assert_eq!(names(person.path("back")), all);
    }
    for _ in 0..2 {
        let lines = "get -r . here\ncd empty\ncd ..\nget -r . here\n";
        person.run(["mkdir", "-p", &person.remote("empty")]).code(0);
        person.script(lines).code(0);
        let mut here = names(person.path("here"));
        here.retain(|name| name != "empty");
        assert_eq!(here, all);
    }
    std::fs::remove_dir(person.there("empty")).unwrap();
    // A file that is named twice is one.
    person
        .run([
            "put",
            "--no-resume",
            "tree/file 2",
            "tree/file 2",
            &person.remote(""),
        ])
        .code(0)
        .says(&["1 already there"]);
    // Who was stopped hears what goes on.
    std::os::unix::fs::symlink("nowhere", person.path("tree/dangling")).unwrap();
    person
        .run(["put", "-r", "tree", &person.remote("third")])
        .code(4)
        .says(&["dangling: FAILED", "name it with /. at its end to go on"]);
}

#[test]
fn room_on_this_machine_is_looked_at_before_the_first_byte() {
    let person = Person::new(&[]);
    std::fs::create_dir_all(person.there("")).unwrap();
    let huge = std::fs::File::create(person.there("huge")).unwrap();
    // Sparse, and larger than what is free on any disk of those who run this.
    huge.set_len(15 << 40).unwrap();
    person
        .run(["get", &person.remote("huge"), "."])
        .code(1)
        .says(&["no room here: 15.0 TiB to be written", "nothing was fetched"]);
    assert!(!person.path("huge").exists() && !person.path("huge.part").exists());
}

#[test]
fn links_of_this_machine_are_written_through() {
    let person = Person::new(&[]);
    let whole = bytes(MIB, 1);
    std::fs::write(person.there("f"), &whole).unwrap();
    let link = |to: &str| {
        let _ = std::fs::remove_file(person.path("link"));
        std::os::unix::fs::symlink(to, person.path("link")).unwrap();
    };
    let get = |more: &[&str]| person.run([&["get"], more, &[&person.remote("f")[..], "link"]].concat());
    std::fs::create_dir(person.path("d")).unwrap();
    std::fs::write(person.path("d/real"), &whole[..1000]).unwrap();
    link("d/real");
    get(&[]).code(0).says(&["resumed at 1000 B"]);
    assert!(std::fs::read(person.path("d/real")).unwrap() == whole);
    std::fs::write(person.path("d/real"), "something else").unwrap();
    get(&[]).code(4);
    get(&["--overwrite"]).code(0);
    assert!(std::fs::read(person.path("d/real")).unwrap() == whole);
    assert!(person.path("link").is_symlink());
    link("nowhere");
    get(&["--overwrite"])
        .code(4)
        .says(&["something is there that is not a file"]);
    get(&["--rename"]).code(0);
    assert!(person.path("link").is_symlink() && !person.path("link.part").exists());
}

#[test]
fn the_longest_names_go_both_ways() {
    let person = Person::new(&[]);
    for length in [250, 251, 255] {
        let name = "n".repeat(length);
        let whole = person.file(&name, 100_000, 1);
        person.run(["put", &name, &person.remote("")]).code(0);
        std::fs::remove_file(person.path(&name)).unwrap();
        person.run(["get", &person.remote(&name), "."]).code(0);
        assert!(std::fs::read(person.path(&name)).unwrap() == whole);
    }
}

#[test]
fn a_file_and_what_looks_like_its_part_do_not_mix() {
    let person = Person::new(&[]);
    let there = person.there("d");
    std::fs::create_dir_all(&there).unwrap();
    let names = ["film", "film.part", "film.part.part"];
    for (seed, name) in (1..).zip(names) {
        std::fs::write(there.join(name), bytes(2 * MIB + 1000 * usize::from(seed), seed)).unwrap();
    }
    for into in 0..4 {
        let into = into.to_string();
        person.run(["get", "-r", &person.remote("d"), &into]).code(0);
        for name in names {
            let same = std::fs::read(person.path(&into).join(name)).unwrap()
                == std::fs::read(there.join(name)).unwrap();
            assert!(same, "{name}");
        }
        assert_eq!(std::fs::read_dir(person.path(&into)).unwrap().count(), 3);
    }
}

#[test]
fn two_files_are_not_stored_as_one() {
    let person = Person::new(&[]);
    let mut contents = Vec::new();
    for (seed, name) in (1..).zip(["1", "2"]) {
        for dir in [person.path(name), person.there(name)] {
            std::fs::create_dir_all(&dir).unwrap();
            contents.push(bytes(300_000, seed));
            std::fs::write(dir.join("x"), contents.last().unwrap()).unwrap();
        }
    }
    std::fs::create_dir(person.there("to")).unwrap();
    std::fs::create_dir(person.path("to")).unwrap();
    let both = ["1/x", "2/x"];
    let put = |more: &str| person.run(["put", more, both[0], both[1], &person.remote("to")]);
    let from = both.map(|name| person.remote(name));
    let get = |more: &str| person.run(["get", more, &from[0], &from[1], "to"]);
    let first = || (person.there("to/x"), person.path("to/x"));
    let second = || (person.there("to/x.1"), person.path("to/x.1"));
    put("--verify=auto").code(4).says(&["another file of this run"]);
    get("--verify=auto").code(4).says(&["another file of this run"]);
    for file in [first().0, first().1] {
        assert!(std::fs::read(file).unwrap() == contents[0], "the first is whole");
    }
    for file in [first().0, first().1] {
        std::fs::remove_file(file).unwrap();
    }
    put("--rename").code(0);
    get("--rename").code(0);
    for (files, content) in [(first(), &contents[0]), (second(), &contents[2])] {
        for file in [files.0, files.1] {
            assert!(std::fs::read(file).unwrap() == *content);
        }
    }
}
