//! What scripts see with `--json`: objects that `docs/json.md` describes, each of which begins with its version.

use clap::CommandFactory as _;

use super::*;

/// Returns the objects of a text, one per line. Each must begin with the version.
#[track_caller]
fn objects(text: &str) -> Vec<serde_json::Value> {
    let parse = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}"));
        assert!(line.starts_with("{\"v\":1,"), "{line}");
        assert_eq!(line.matches("\"v\":").count(), 1, "{line}");
        object
    };
    text.lines().map(parse).collect()
}

/// The verbs of the client, each with words after which it prints at least one object. `:` stands for the server.
const VERBS: &[(&str, &[&str])] = &[
    ("get", &[":f", "copy"]),
    ("put", &["f", ":g"]),
    ("sync", &["tree", ":d"]),
    ("check", &["tree", ":"]),
    ("ls", &[":"]),
    ("cat", &[":nothing"]),
    ("less", &[":nothing"]),
    ("edit", &[":f", ":nothing"]),
    ("tail", &[":nothing"]),
    ("mkdir", &[":f"]),
    ("rm", &[":nothing"]),
    ("rmdir", &[":nothing"]),
    ("mv", &[":nothing", ":other"]),
    ("cp", &[":nothing", ":other"]),
    ("ln", &["-s", "x", ":f"]),
    ("touch", &[":nothing/x"]),
    ("chmod", &["600", ":nothing"]),
    ("df", &[":"]),
    ("du", &[":"]),
    ("stat", &[":"]),
    ("find", &[":"]),
    ("sum", &[":f"]),
];

/// The commands that need no server, and print no JSON.
const WITHOUT_SERVER: &[&str] = &["completions", "man"];

#[test]
fn whatever_a_verb_prints_begins_with_the_version() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("d")).unwrap();
    std::fs::write(sandbox.stored("f"), "f").unwrap();
    sandbox.create_file("f", 100_000, 1);
    std::fs::create_dir(sandbox.local("tree")).unwrap();
    std::fs::write(sandbox.local("tree/new"), "new").unwrap();
    for (verb, words) in VERBS {
        let word = |word: &&str| match word.strip_prefix(':') {
            Some(path) => sandbox.remote(path),
            None => (*word).to_owned(),
        };
        let words: Vec<String> = words.iter().map(word).collect();
        let before = ["--json".to_owned(), (*verb).to_owned()];
        let result = sandbox.run(before.iter().chain(&words));
        let printed = objects(&result.out).len() + objects(&result.err).len();
        assert!(printed > 0, "{verb} prints nothing");
    }
}

#[test]
fn no_verb_that_prints_json_is_forgotten() {
    let cli = homeport::cli::Cli::command();
    let names: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let is_tried = VERBS.iter().any(|(verb, _)| *verb == name) || WITHOUT_SERVER.contains(&name);
        assert!(
            is_tried,
            "{name} --json is not tried; does each object that it prints have its version?"
        );
    }
}

#[test]
fn with_json_everything_is_an_object_that_is_documented() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("d")).unwrap();
    sandbox.create_file("f", 100_000, 1);
    std::fs::create_dir(sandbox.local("tree")).unwrap();
    std::fs::create_dir(sandbox.local("empty")).unwrap();
    std::fs::write(sandbox.local("tree/new"), "new").unwrap();
    let json = |words: &[&str], code| {
        let result = sandbox.run([&["--json"], words].concat()).expect_code(code);
        (objects(&result.out), objects(&result.err))
    };
    let mut seen = Vec::new();
    for (words, code) in [
        (&["put", "f", &sandbox.remote("")][..], 0),
        (&["put", "d-that-is-not-there", &sandbox.remote("")], 4),
        (&["get", &sandbox.remote("d"), "."], 4),
        (&["ls", &sandbox.remote("")], 0),
        (&["sum", &sandbox.remote("f")], 0),
        (&["df", &sandbox.remote("")], 0),
        (&["stat", &sandbox.remote("f")], 0),
        (&["find", &sandbox.remote(""), "-type", "f"], 0),
        (&["du", &sandbox.remote("")], 0),
        (&["sync", "tree", &sandbox.remote("d")], 0),
        (&["check", "tree", &sandbox.remote("d")], 0),
        (&["check", "tree", &sandbox.remote("")], 5),
        (&["sync", "-n", "--delete", "tree", &sandbox.remote("")], 0),
        (
            &[
                "sync",
                "--links",
                "--delete",
                "--yes",
                "empty",
                &sandbox.remote("d"),
            ],
            1,
        ),
        (&["mkdir", &sandbox.remote("made")], 0),
        (&["rm", &sandbox.remote("nothing")], 1),
        (&["ls", &sandbox.remote("nothing")], 1),
        (&["ls", "no-server"], 1),
        (&["put", "--no-such-option"], 2),
        (&["put", "f", "g"], 2),
    ] {
        let (out, err) = json(words, code);
        assert!(
            matches!(code, 0 | 4 | 5) || !err.is_empty(),
            "{words:?} says nothing"
        );
        seen.extend(out);
        seen.extend(err);
    }
    let shell = sandbox
        .command(["--json", sandbox.remote("").trim_end_matches(':')])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut shell = shell.unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(b"pwd\ncd d\ncd -\nlpwd\n")
        .unwrap();
    let shown = CommandResult::of(shell.wait_with_output().unwrap()).expect_code(0);
    assert_eq!(objects(&shown.out).len(), 3, "{}", shown.out);
    seen.extend(objects(&shown.out));
    let names_nothing = |path: &serde_json::Value| path == "/nothing";
    assert!(
        seen.iter()
            .any(|object| object["event"] == "error" && names_nothing(&object["path"]))
    );
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap();
    let (page, _) = page.split_once("\n# What `homeportd` shows\n").unwrap();
    let mut members = 0;
    for object in &seen {
        for name in object.as_object().unwrap().keys() {
            members += 1;
            let named = page.contains(&format!("`{name}`"));
            assert!(named, "docs/json.md does not describe \"{name}\" of {object}");
        }
        if let Some(event) = object["event"].as_str() {
            assert!(page.contains(&format!("`{event}`")), "{event}");
        }
    }
    assert!(members > 50, "{members}");
}

/// However a path is typed, scripts see one form of it, in results and in errors.
#[test]
fn paths_of_the_server_have_one_form_in_json() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("d/e")).unwrap();
    std::fs::write(sandbox.stored("d/e/f"), "f").unwrap();
    std::fs::write(sandbox.local("g"), "g").unwrap();
    let forms = ["d/e", "./d/e", "/d/e", "d//e", "d/./e/", "/d/e//", "~/d/e"];
    let paths = |words: &[&str], code| -> Vec<String> {
        let result = sandbox.run([&["--json"], words].concat()).expect_code(code);
        let objects = objects(&result.out).into_iter().chain(objects(&result.err));
        let path = |object: serde_json::Value| {
            let path = object["path"].as_str().or_else(|| object["remote"].as_str());
            path.map(str::to_owned)
        };
        objects.filter_map(path).collect()
    };
    for form in forms {
        let named = |below: &str| sandbox.remote(&format!("{form}{below}"));
        for (words, expected) in [
            (&["ls"][..], &["/d/e/f"][..]),
            (&["find"], &["/d/e", "/d/e/f"]),
            (&["du"], &["/d/e"]),
            (&["stat"], &["/d/e"]),
            (&["df"], &["/d/e"]),
        ] {
            assert_eq!(
                paths(&[words, &[&named("")]].concat(), 0),
                expected,
                "{words:?} {form}"
            );
        }
        assert_eq!(paths(&["sum", &named("/f")], 0), ["/d/e/f"], "{form}");
        for words in [
            &["cat"][..],
            &["chmod", "644"],
            &["ls"],
            &["rm"],
            &["rmdir"],
            &["stat"],
            &["sum"],
            &["tail"],
        ] {
            let missing = paths(&[words, &[&named("//no")]].concat(), 1);
            assert_eq!(missing, ["/d/e/no"], "{words:?} {form}");
        }
        let put = paths(&["put", "--overwrite", "g", &named("//g")], 0);
        assert!(
            !put.is_empty() && put.iter().all(|path| path == "/d/e/g"),
            "{put:?}"
        );
        sandbox.run(["rm", &named("/g")]).expect_code(0);
    }
}

#[test]
fn the_hash_of_a_file_is_said_where_it_is_asked_for() {
    let sandbox = ClientSandbox::new(&[]);
    let bytes = sandbox.create_file("f", 100_000, 1);
    let expected: String = {
        use md5::Digest as _;
        let hash = md5::Md5::digest(&bytes);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (here, there) = ("f", sandbox.remote("f"));
    let end = |words: &[&str]| {
        let result = sandbox.run([&["--json"], words].concat()).expect_code(0);
        let ends: Vec<_> = objects(&result.out)
            .into_iter()
            .filter(|object| object["event"] == "end")
            .collect();
        assert_eq!(ends.len(), 1, "{}", result.out);
        ends[0].clone()
    };
    // A new file, the same again, the other way, and by SHA-256.
    for words in [
        &["put", here, &there][..],
        &["put", here, &there],
        &["get", &there, "copy"],
    ] {
        let end = end(words);
        assert_eq!(
            (&end["md5"], &end["sha256"]),
            (&expected.as_str().into(), &().into()),
            "{end}"
        );
    }
    let other = sandbox.remote("g");
    let end = end(&["put", "--hash=sha256", here, &other]);
    assert!(end["md5"].is_null(), "{end}");
    assert_eq!(end["sha256"].as_str().unwrap().len(), 64, "{end}");
    sandbox
        .run(["-v", "put", here, &sandbox.remote("h")])
        .expect_code(0)
        .expect_stderr(&[&format!("f: MD5 {expected}")]);
    let spoken = sandbox.run(["put", here, &sandbox.remote("i")]).expect_code(0);
    assert!(!spoken.err.contains(&expected), "{}", spoken.err);
}
