//! Completions of lines, with directories that exist in memory only.

use super::*;
use base::words::words;

/// The directories of a server and of this machine, in memory only.
struct MadeUpDirectories;

impl Lister for MadeUpDirectories {
    fn list(&self, side: Side, directory: &[u8], _prefix: &[u8]) -> Vec<Entry> {
        let names: &[&[u8]] = match (side, directory) {
            (Side::Remote, b"") => &[
                b"my file.txt",
                b"my photos/",
                b"it's",
                b"f[1].txt",
                b"unique",
                b"docs/",
                b".hidden",
                b"-dash",
                b"\x1b[2Jevil",
                b"cod\xe2\x80\xaetxt.exe",
                b"bad\xff",
                b"../up",
                b"..",
                "Grüße".as_bytes(),
                "می\u{200c}خواهم.txt".as_bytes(),
                "ශ්\u{200d}රී".as_bytes(),
                "👩\u{200d}👧 x".as_bytes(),
            ],
            (Side::Remote, b"docs/") => &[b"a.txt", b"b.txt", b"deep/"],
            (Side::Remote, b"my photos/") => &[b"one two.jpg"],
            (Side::Local, b"") => &[b"local.txt", b"land/", b"unique-here"],
            (Side::Local, b"./~/") => &[b"no home.txt"],
            (Side::Remote, b"~/") => &[b"far home.txt"],
            (Side::Local, b"~/") => &[b"in home.txt"],
            _ => &[],
        };
        let entry = |name: &&[u8]| match name.strip_suffix(b"/") {
            Some(name) => Entry {
                name: name.to_vec(),
                directory: Some(true),
            },
            None => Entry {
                name: name.to_vec(),
                directory: Some(false),
            },
        };
        names.iter().map(entry).collect()
    }
}

/// Returns the line with each of its completions.
fn lines(line: &str) -> Vec<String> {
    let choices = complete(line, true, &MadeUpDirectories);
    let text = |choice: Choice| format!("{}{}", &line[..choices.start], choice.text);
    choices.all.into_iter().map(text).collect()
}

#[test]
fn lines_are_completed() {
    for (line, expected) in [
        ("up", &["upload "][..]),
        ("re", &["reget", "remov", "remove", "rename", "reput"]),
        ("mput x u", &["mput x unique-here "]),
        ("mget docs/a.txt my\\ p", &[r"mget docs/a.txt my\ photos/"]),
        ("tail می", &["tail می\u{200c}خواهم.txt "]),
        ("cat ශ", &["cat ශ්\u{200d}රී "]),
        ("stat 👩", &["stat 👩\u{200d}👧\\ x "]),
        ("!ls lo", &[]),
        ("nothing ", &[]),
        ("get uni", &["get unique "]),
        ("get my", &[r"get my\ file.txt", r"get my\ photos/"]),
        ("get 'my f", &["get 'my file.txt' "]),
        ("get \"my f", &["get \"my file.txt\" "]),
        ("get \"my p", &["get \"my photos/"]),
        ("get my\\ photos/", &[r"get my\ photos/one\ two.jpg "]),
        ("get \"my photos/", &["get \"my photos/one two.jpg\" "]),
        ("get my\" f", &["get \"my file.txt\" "]),
        ("get it", &["get it\\'s "]),
        ("get 'it", &["get 'it'\\''s' "]),
        ("get f", &["get f\\[1].txt "]),
        ("get -p -- -", &["get -p -- ./-dash "]),
        (
            "get docs/",
            &["get docs/a.txt", "get docs/b.txt", "get docs/deep/"],
        ),
        ("get .", &["get .hidden "]),
        ("get Gr", &["get Grüße "]),
        ("get */", &[]),
        // Names that cannot be typed, or that leave the directory, are not offered.
        ("get cod", &[]),
        ("get bad", &[]),
        ("get ..", &[]),
        // The first word of a command decides which side is listed.
        ("get u", &["get unique "]),
        ("get x l", &["get x land/"]),
        ("get x u", &["get x unique "]),
        ("get --verify auto u", &["get --verify auto unique "]),
        ("put u", &["put unique-here "]),
        ("put x d", &["put x docs/"]),
        ("put x u", &["put x unique-here "]),
        ("put ~/", &["put ~/in\\ home.txt "]),
        ("put '~/", &["put '~/no home.txt' "]),
        ("get ~/", &["get ~/far\\ home.txt "]),
        ("cd ", &["cd docs/", "cd my\\ photos/"]),
        ("cd docs/", &["cd docs/deep/"]),
        ("cd docs d", &[]),
        ("lcd ", &["lcd land/"]),
        ("lls lo", &["lls local.txt "]),
        ("rm -r uni", &["rm -r unique "]),
        ("pwd ", &[]),
        // Options, their values, and commands.
        ("get --o", &["get --overwrite "]),
        ("get --verify n", &["get --verify never "]),
        ("get --re", &["get --recursive", "get --rename"]),
        ("help dow", &["help download "]),
        (
            "ls -",
            &[
                "ls --all",
                "ls --classify",
                "ls --directory",
                "ls --help",
                "ls --human",
                "ls --null",
                "ls --recursive",
                "ls --reverse",
                "ls -0",
                "ls -1",
                "ls -F",
                "ls -R",
                "ls -S",
                "ls -a",
                "ls -d",
                "ls -h",
                "ls -l",
                "ls -r",
                "ls -t",
            ],
        ),
    ] {
        assert_eq!(lines(line), expected, "{line}");
    }
}

#[test]
fn in_the_middle_of_a_line_no_end_is_added() {
    let choices = complete("get \"my f", false, &MadeUpDirectories);
    assert_eq!(choices.all[0].text, "\"my file.txt");
    assert_eq!(choices.all[0].shown, "my file.txt");
}

#[test]
fn completed_names_are_parsed_as_the_same_names() {
    for prefix in ["get ", "get '", "get \"", "rm docs/", "rm 'docs/"] {
        let choices = complete(prefix, true, &MadeUpDirectories);
        assert!(!choices.all.is_empty(), "{prefix}");
        for choice in choices.all {
            let mut line = format!("{}{}", &prefix[..choices.start], choice.text);
            line.extend(unfinished(line.as_bytes()).open.map(char::from));
            let read = words(line.as_bytes()).unwrap();
            assert_eq!(read.len(), 2, "{line}");
            let name = read[1].bytes();
            let in_docs = prefix.ends_with("docs/");
            let name = if in_docs {
                name.strip_prefix(b"docs/").unwrap()
            } else {
                name
            };
            let name = name.strip_prefix(b"./").unwrap_or(name);
            assert_eq!(name, choice.shown.as_bytes(), "{line}");
            assert!(!is_pattern(&read[1].marked().collect::<Vec<_>>()), "{line}");
        }
    }
}

#[test]
fn too_many_candidates_are_completed_to_their_common_beginning() {
    struct HugeDirectory;
    impl Lister for HugeDirectory {
        fn list(&self, _side: Side, _directory: &[u8], _prefix: &[u8]) -> Vec<Entry> {
            let entry = |number| Entry {
                name: format!("name{number}").into_bytes(),
                directory: Some(false),
            };
            (0..70_000).map(entry).collect()
        }
    }
    let all = complete("get n", true, &HugeDirectory).all;
    let texts: Vec<&str> = all.iter().map(|choice| choice.text.as_str()).collect();
    assert_eq!(texts, ["name"]);
}
