//! The verbs that look at files of the server, against `homeportd` and a stock `sshd`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::both_servers::{make_tree, on_both};
use super::*;

fn sorted(result: &CommandResult) -> Vec<&str> {
    let mut lines: Vec<&str> = result.out.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn files_are_printed_in_order_and_byte_by_byte() {
    on_both(|run, home| {
        let large = bytes(3_000_000, 7);
        std::fs::write(home.join("one"), &large).unwrap();
        std::fs::write(home.join("two"), "\u{1b}[2J\n").unwrap();
        let printed = run(&["cat", ":one", ":two", ":none", ":."]);
        assert_eq!(printed.code, Some(1));
        assert!(printed.err.contains("none: no such file"), "{}", printed.err);
        assert!(printed.err.contains("it is a directory"), "{}", printed.err);
        let expected = String::from_utf8_lossy(&[&large[..], b"\x1b[2J\n"].concat()).into_owned();
        assert!(printed.out == expected, "{} bytes", printed.out.len());
        // Without a terminal the pager is not needed.
        assert_eq!(run(&["less", ":two"]).expect_code(0).out, "\u{1b}[2J\n");
    });
}

#[test]
fn the_last_lines_are_those_of_tail() {
    on_both(|run, home| {
        let long: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        for (name, text) in [
            ("long", long.as_str()),
            ("open end", "a\nb\nc"),
            ("empty", ""),
            ("short", "x\n"),
            ("one line", &"y".repeat(200_000)),
        ] {
            std::fs::write(home.join(name), text).unwrap();
            for lines in ["0", "1", "2", "10", "15000", "30000"] {
                let theirs = Command::new("tail")
                    .args(["-n", lines, name])
                    .current_dir(home)
                    .output();
                let ours = run(&["tail", "-n", lines, &format!(":{name}")]).expect_code(0);
                let theirs = String::from_utf8(theirs.unwrap().stdout).unwrap();
                assert!(
                    ours.out == theirs,
                    "tail -n {lines} {name}: {:?}",
                    ours.out.get(..100)
                );
            }
        }
        let several = run(&["tail", "-n", "1", ":open end", ":short"]).expect_code(0);
        assert!(
            several.out.ends_with("short <==\nx\n") && several.out.starts_with("==> "),
            "{}",
            several.out
        );
    });
}

#[test]
fn trees_are_searched_without_following_links() {
    on_both(|run, home| {
        make_tree(home);
        let found = |tests: &[&str]| {
            let words = [&["find", ":tree"][..], tests].concat();
            let result = run(&words).expect_code(0);
            let base = result
                .out
                .lines()
                .next()
                .map_or(0, |line| line.find("tree").unwrap_or(0));
            sorted(&result)
                .iter()
                .map(|line| line[base..].to_owned())
                .collect::<Vec<_>>()
        };
        let all = [
            "tree",
            "tree/a.txt",
            "tree/deep",
            "tree/deep/.hidden",
            "tree/deep/b.log",
            "tree/out",
        ];
        assert_eq!(found(&[]), all);
        assert_eq!(found(&["-name", "*.log"]), ["tree/deep/b.log"]);
        assert_eq!(found(&["-iname", "A.*"]), ["tree/a.txt"]);
        assert_eq!(found(&["-name", ".*"]), ["tree/deep/.hidden"]);
        assert_eq!(found(&["-type", "d"]), ["tree", "tree/deep"]);
        assert_eq!(found(&["--type", "l"]), ["tree/out"]);
        assert_eq!(found(&["-size", "+1K"]), ["tree/deep/b.log"]);
        assert_eq!(found(&["-size", "3c", "-type", "f"]), ["tree/a.txt"]);
        assert_eq!(found(&["-maxdepth", "1", "-type", "f"]), ["tree/a.txt"]);
        assert_eq!(found(&["-mtime", "+1"]), [""; 0]);
        assert_eq!(found(&["-mtime", "-1", "-type", "d"]), ["tree", "tree/deep"]);
        let zero = run(&["find", ":tree", "-name", "a*", "-print0"]).expect_code(0);
        assert!(zero.out.ends_with("tree/a.txt\0"), "{:?}", zero.out);
        run(&["find", ":none"])
            .expect_code(1)
            .expect_stderr(&["none: no such file"]);
        run(&["find", ":tree", "-size", "x"]).expect_code(2);
    });
}

#[test]
fn a_tree_of_many_directories_is_read_whole() {
    on_both(|run, home| {
        for outer in 0..30 {
            for inner in 0..30 {
                let directory = home.join(format!("many/{outer}/{inner}"));
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(directory.join("f"), "12345").unwrap();
            }
        }
        let files = run(&["find", ":many", "-type", "f"]).expect_code(0);
        assert_eq!(files.out.lines().count(), 900);
        let total = run(&["du", "-sb", ":many"]).expect_code(0);
        assert!(total.out.starts_with("4500\t"), "{}", total.out);
    });
}

#[test]
fn sizes_are_added_up() {
    on_both(|run, home| {
        make_tree(home);
        std::fs::remove_file(home.join("tree/out")).unwrap();
        let amounts = |words: &[&str]| {
            let result = run(&[&["du"][..], words].concat()).expect_code(0);
            result
                .out
                .lines()
                .map(|line| line.split('\t').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(amounts(&["-b", ":tree"]), ["2000", "2003"]);
        assert_eq!(amounts(&[":tree"]), ["2", "2"]);
        assert_eq!(amounts(&["-sh", ":tree"]), ["2.0 KiB"]);
        assert_eq!(amounts(&["-b", "-d", "0", ":tree"]), ["2003"]);
        assert_eq!(amounts(&["-b", ":tree/a.txt"]), ["3"]);
        let zero = run(&["du", "-b0", ":tree"]).expect_code(0);
        let lines: Vec<&str> = zero.out.split('\0').collect();
        let ends = |line: usize, words: [&str; 2]| {
            lines[line].starts_with(words[0]) && lines[line].ends_with(words[1])
        };
        assert!(
            ends(0, ["2000\t", "tree/deep"]) && ends(1, ["2003\t", "tree"]),
            "{lines:?}"
        );
        assert_eq!(lines[2..], [""]);
        let json = run(&["--json", "du", "-s", ":tree"]).expect_code(0);
        let object: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((&object["bytes"], &object["files"]), (&2003.into(), &3.into()));
    });
}

#[test]
fn details_of_files_are_shown() {
    on_both(|run, home| {
        std::fs::write(home.join("f"), vec![0; 2048]).unwrap();
        std::fs::set_permissions(home.join("f"), std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("f", home.join("l")).unwrap();
        let shown = run(&["stat", ":f"]).expect_code(0);
        for part in [
            "type      file",
            "2048 bytes (2.0 KiB)",
            "0640 -rw-r-----",
            "modified  20",
        ] {
            assert!(shown.out.contains(part), "{part}: {}", shown.out);
        }
        let link = run(&["stat", ":l"]).expect_code(0);
        assert!(
            link.out.contains("type      link\n  target    f\n"),
            "{}",
            link.out
        );
        assert!(
            run(&["stat", "-L", ":l"])
                .expect_code(0)
                .out
                .contains("2048 bytes")
        );
        let json = run(&["--json", "stat", ":f"]).expect_code(0);
        let object: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((&object["mode"], &object["size"]), (&"0640".into(), &2048.into()));
        assert_eq!(
            object["modified"],
            std::fs::metadata(home.join("f")).unwrap().mtime()
        );
        run(&["stat", ":none"])
            .expect_code(1)
            .expect_stderr(&["none: no such file"]);
    });
}

#[test]
fn one_line_of_ls_is_the_same_for_a_directory_and_a_file() {
    on_both(|run, home| {
        std::fs::create_dir(home.join("d")).unwrap();
        std::fs::write(home.join("d/f"), vec![0; 3000]).unwrap();
        symlink("f", home.join("d/l")).unwrap();
        let directory = run(&["ls", "-l", ":d"]).expect_code(0).out;
        let file = run(&["ls", "-l", ":d/f"]).expect_code(0).out;
        let without_name = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
        let first = directory.lines().next().unwrap();
        let modified = std::fs::metadata(home.join("d/f")).unwrap().mtime();
        let local = Command::new("date")
            .args(["-d", &format!("@{modified}"), "+%Y-%m-%d %H:%M"])
            .output();
        let local = String::from_utf8(local.unwrap().stdout).unwrap();
        assert!(first.contains(&format!(" 3000 {}", local.trim())), "{first}");
        assert_eq!(without_name(first), without_name(file.trim_end()));
        assert!(directory.contains("l -> f\n"), "{directory}");
        assert!(
            run(&["ls", "-lh", ":d/f"])
                .expect_code(0)
                .out
                .contains(" 2.9 KiB ")
        );
        assert!(run(&["ls", "-ld", ":d"]).expect_code(0).out.starts_with("drwx"));
        assert_eq!(run(&["ls", "--classify", ":d"]).expect_code(0).out, "f\nl@\n");
        std::fs::create_dir(home.join("d/sub")).unwrap();
        std::fs::write(home.join("d/sub/x"), "").unwrap();
        let below = run(&["ls", "-R", ":d"]).expect_code(0).out;
        assert!(
            below.contains("f\nl\nsub\n\n") && below.ends_with("d/sub:\nx\n"),
            "{below}"
        );
    });
}

#[test]
fn names_go_to_a_pipe_as_they_are() {
    on_both(|run, home| {
        for name in ["می\u{200c}خواهم", "ශ්\u{200d}රී", "👩\u{200d}👧", "a\tb"] {
            std::fs::write(home.join(name), "").unwrap();
        }
        let listed = run(&["ls", ":"]).expect_code(0);
        assert_eq!(
            sorted(&listed),
            ["a\tb", "ශ්\u{200d}රී", "👩\u{200d}👧", "می\u{200c}خواهم"]
                .iter()
                .copied()
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
    });
}
