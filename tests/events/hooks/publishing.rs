//! `move_to`: uploads that a command has checked, and users who change them meanwhile.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use testkit::packets::extended_paths;

#[test]
fn a_file_that_the_command_accepts_is_moved_and_charged_as_before() {
    let story = HookStory::checking();
    story.go();
    let used = || used(&story, &["alice"]);
    story.put("in/d/a", b"12345");
    let event = first(&story.server, "published");
    assert_eq!(
        (&event["from"], &event["to"], &event["size"], &event["user"]),
        (
            &"/in/d/a".into(),
            &"/clean/d/a".into(),
            &5.into(),
            &"alice".into()
        )
    );
    assert_eq!(story.content("clean/d/a").as_deref(), Some("12345"));
    assert!(!story.in_home("in/d/a").exists());
    // Directories in, d, clean and clean/d, and the file.
    assert_eq!(used(), HomeUse { bytes: 5, files: 5 });
    // A second one of the same name replaces it.
    story.put("in/d/a", b"123");
    wait_for("the second one", || named(&story.server, "published").len() == 2);
    assert_eq!(story.content("clean/d/a").as_deref(), Some("123"));
    assert_eq!(used(), HomeUse { bytes: 3, files: 5 });
    story.server.admin_ok(&["quota", "scan", "alice"], "");
    assert_eq!(used(), HomeUse { bytes: 3, files: 5 });
    // What was moved is not checked again, nor is what lies elsewhere.
    story.put("clean/b", b"1");
    story.put("elsewhere", b"1");
    story.wait_for_empty_queue();
    assert_eq!(story.told().len(), 2);
}

#[test]
fn a_file_that_the_command_refuses_is_held_with_its_words() {
    let story = HookStory::checking();
    story.write("says", "fd[3]: Eicar-Test FOUND\nmore\n");
    story.write("code", "1");
    story.go();
    story.put("in/a", b"virus");
    let event = first(&story.server, "held");
    assert_eq!(
        (&event["path"], &event["reason"], &event["user"]),
        (
            &"/in/a".into(),
            &"fd[3]: Eicar-Test FOUND".into(),
            &"alice".into()
        )
    );
    assert_eq!(story.content("in/a").as_deref(), Some("virus"));
    assert!(!story.in_home("clean").exists());
    story.wait_for_empty_queue();
    // A check that cannot be made now decides nothing.
    story.write("code", "75");
    story.put("in/b", b"2");
    wait_for("the first attempt", || {
        story.list().first().is_some_and(|entry| entry["attempts"] != 0)
    });
    story.write("code", "0");
    wait_for("it to be moved", || story.content("clean/b").is_some());
}

/// What a user does while the command looks at `/in/d/a`.
type Attack = (&'static str, fn(&HookStory, &mut RawSftp));

/// Attacks after which nothing may be published.
const HELD: &[Attack] = &[
    ("the name is another file", |_, sftp| {
        ok(sftp, &rename("in/d/a", "in/d/b"), b"");
        put(sftp, "x", b"evil");
        ok(sftp, &rename("x", "in/d/a"), b"");
    }),
    ("the name is a link", |_, sftp| {
        ok(sftp, &rename("in/d/a", "in/d/b"), b"");
        put(sftp, "x", b"evil");
        ok(sftp, &testkit::packets::symlink("/x", "in/d/a"), b"");
    }),
    ("the directory above is another one", |_, sftp| {
        ok(sftp, &rename("in/d", "in/e"), b"");
        ok(sftp, &mkdir("in/d", &Attrs::default()), b"");
        put(sftp, "x", b"evil");
        ok(sftp, &rename("x", "in/d/a"), b"");
    }),
    ("the directory above is a link", |_, sftp| {
        ok(sftp, &rename("in/d", "e"), b"");
        ok(sftp, &mkdir("f", &Attrs::default()), b"");
        put(sftp, "f/a", b"evil");
        ok(sftp, &testkit::packets::symlink("/f", "in/d"), b"");
    }),
    ("the file has a second name", |_, sftp| {
        ok(
            sftp,
            &extended_paths("hardlink@openssh.com", &[b"in/d/a", b"y"]),
            b"",
        );
    }),
    ("the file is removed", |_, sftp| ok(sftp, &remove("in/d/a"), b"")),
    ("the target is a link", |_, sftp| {
        ok(sftp, &mkdir("elsewhere", &Attrs::default()), b"");
        ok(sftp, &testkit::packets::symlink("/elsewhere", "clean"), b"");
    }),
    ("a directory of the target is a link", |_, sftp| {
        ok(sftp, &mkdir("elsewhere", &Attrs::default()), b"");
        ok(sftp, &mkdir("clean", &Attrs::default()), b"");
        ok(sftp, &testkit::packets::symlink("/elsewhere", "clean/d"), b"");
    }),
    ("the target is a file", |_, sftp| put(sftp, "clean", b"")),
    ("the target is a directory", |_, sftp| {
        for name in ["clean", "clean/d", "clean/d/a"] {
            ok(sftp, &mkdir(name, &Attrs::default()), b"");
        }
    }),
];

#[test]
fn nothing_but_the_checked_file_is_published() {
    for (what, attack) in HELD {
        let story = HookStory::checking();
        let mut sftp = story.server.raw("alice");
        put(&mut sftp, "in/d/a", b"good");
        story.wait_for_told(1);
        attack(&story, &mut sftp);
        story.go();
        let event = first(&story.server, "held");
        assert_eq!(event["path"], "/in/d/a", "{what}: {event}");
        story.wait_for_empty_queue();
        assert!(named(&story.server, "published").is_empty(), "{what}");
        let published = ["clean/d/a", "clean/a", "elsewhere/a", "elsewhere/d/a"];
        assert!(
            !published.iter().any(|name| story.in_home(name).is_file()),
            "{what}"
        );
        assert!(!story.read("seen").contains("evil"), "{what}");
    }
}

#[test]
fn a_write_after_the_check_has_the_command_asked_again() {
    let story = HookStory::checking();
    let mut sftp = story.server.raw("alice");
    put(&mut sftp, "in/a", b"good");
    story.wait_for_told(1);
    // Of the same length, and with the same modification time.
    let path = story.in_home("in/a");
    let modified = path.metadata().unwrap().modified().unwrap();
    let handle = sftp.handle(&open("in/a", WRITE));
    ok(&mut sftp, &write(bogus(&handle), 0, b"evil"), &handle);
    std::fs::File::open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    // The handle stays open meanwhile.
    story.go();
    let told = story.wait_for_told(2);
    assert_eq!(
        (&told[1]["delivery"], &told[1]["attempt"]),
        (&1.into(), &2.into())
    );
    assert!(story.content("clean/a").is_none());
    story.write("code", "1");
    // The handle is closed only then: a command that has seen 0 before may have accepted the file as it is now.
    let event = first(&story.server, "held");
    assert_eq!(event["path"], "/in/a");
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    assert!(story.content("clean/a").is_none());
    assert!(story.read("seen").ends_with("evil"), "{}", story.read("seen"));
}

#[test]
fn a_file_that_a_handle_may_write_is_not_moved() {
    let story = HookStory::checking();
    let mut sftp = story.server.raw("alice");
    put(&mut sftp, "in/a", b"good");
    story.wait_for_told(1);
    let handle = sftp.handle(&open("in/a", WRITE));
    story.go();
    wait_for("the first attempt", || {
        story.list().first().is_some_and(|entry| entry["attempts"] != 0)
    });
    assert!(story.content("clean/a").is_none());
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    wait_for("it to be moved", || story.content("clean/a").is_some());
    // A handle that only reads is no obstacle.
    put(&mut sftp, "in/b", b"good");
    sftp.handle(&open("in/b", READ));
    wait_for("it to be moved", || story.content("clean/b").is_some());
}

#[test]
fn a_crash_at_each_step_publishes_once_or_again() {
    let mut story = HookStory::checking();
    story.put("in/a", b"1");
    story.wait_for_told(1);
    // While the command runs.
    story.server.signal("KILL");
    story.server.wait_for_exit();
    story.go();
    story.server.serve();
    wait_for("it to be moved", || story.content("clean/a").is_some());
    first(&story.server, "published");
    // After the rename, before its record.
    std::fs::remove_file(story.path("go")).unwrap();
    story.put("in/b", b"2");
    story.wait_for_told(3);
    story.server.signal("KILL");
    story.server.wait_for_exit();
    std::fs::rename(story.in_home("in/b"), story.in_home("clean/b")).unwrap();
    story.go();
    story.server.serve();
    wait_for("it to be published", || {
        named(&story.server, "published").len() == 2
    });
    assert!(named(&story.server, "held").is_empty());
    assert_eq!(
        story.told().len(),
        4,
        "the command is asked again, about the file where it is"
    );
    assert_eq!(story.content("clean/b").as_deref(), Some("2"));
    story.wait_for_empty_queue();
}

#[test]
fn a_file_that_its_user_moves_to_the_target_is_not_published_without_a_check() {
    let story = HookStory::checking();
    story.write("code", "75");
    story.go();
    let mut sftp = story.server.raw("alice");
    ok(&mut sftp, &mkdir("clean", &Attrs::default()), b"");
    put(&mut sftp, "in/a", b"evil");
    wait_for("the first attempt", || {
        story.list().first().is_some_and(|entry| entry["attempts"] != 0)
    });
    ok(&mut sftp, &rename("in/a", "clean/a"), b"");
    story.write("says", "bad\n");
    story.write("code", "1");
    let event = first(&story.server, "held");
    assert_eq!(event["reason"], "bad");
    assert!(named(&story.server, "published").is_empty());
}

/// Returns where a folder of the server lies.
fn folder_path(story: &HookStory, name: &str) -> PathBuf {
    story.server.path().join("data/homes").join(name)
}

fn add_folder(story: &HookStory, name: &str, more: &[&str]) {
    let place = folder_path(story, name);
    let words = ["folder", "add", name, place.to_str().unwrap()];
    story.server.admin_ok(&[&words[..], more].concat(), "");
}

/// What `quota show` says of a home or a folder.
#[derive(Debug, PartialEq, Eq)]
struct HomeUse {
    bytes: u64,
    files: u64,
}

fn used(story: &HookStory, words: &[&str]) -> HomeUse {
    let text = story
        .server
        .admin_ok(&[&["quota", "show"][..], words, &["--json"]].concat(), "");
    let usage: Value = serde_json::from_str(&text).unwrap();
    HomeUse {
        bytes: usage["used_bytes"].as_u64().unwrap(),
        files: usage["used_files"].as_u64().unwrap(),
    }
}

#[test]
fn a_folder_that_the_user_does_not_see_gets_what_was_found_clean() {
    let story = HookStory::checking();
    add_folder(&story, "clean", &["--file-mode", "0640", "--dir-mode", "0750"]);
    story.go();
    story.put("in/d/a", b"12345");
    let event = first(&story.server, "published");
    assert_eq!(
        (&event["from"], &event["to"], &event["to_folder"]),
        (&"/in/d/a".into(), &"/clean/d/a".into(), &"clean".into())
    );
    assert_eq!(event.get("folder"), None);
    let place = folder_path(&story, "clean").join("d/a");
    assert_eq!(std::fs::read(&place).unwrap(), b"12345");
    assert_eq!(
        std::fs::metadata(&place).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert!(!story.in_home("in/d/a").exists() && !story.in_home("clean").exists());
    // Directories in and d of the home; d and the file in the folder.
    assert_eq!(used(&story, &["alice"]), HomeUse { bytes: 0, files: 2 });
    assert_eq!(
        used(&story, &["--folder", "clean"]),
        HomeUse { bytes: 5, files: 2 }
    );
    for scan in [&["alice"][..], &["--folder", "clean"]] {
        story
            .server
            .admin_ok(&[&["quota", "scan"][..], scan].concat(), "");
    }
    assert_eq!(used(&story, &["alice"]), HomeUse { bytes: 0, files: 2 });
    assert_eq!(
        used(&story, &["--folder", "clean"]),
        HomeUse { bytes: 5, files: 2 }
    );
}

#[test]
fn an_upload_in_a_folder_is_moved_to_another_one() {
    let hooks = CHECKED.replace("/in/**", "/team/in/**");
    let mut story = HookStory::new(DECIDE, &hooks);
    story.go();
    add_folder(&story, "team", &[]);
    add_folder(&story, "clean", &["--quota", "8"]);
    story
        .server
        .admin_ok(&["user", "set", "alice", "--folder", "team=all"], "");
    story.server.serve();
    let mut sftp = story.server.raw("alice");
    for directory in ["team/in", "team/in/d"] {
        ok(&mut sftp, &mkdir(directory, &Attrs::default()), b"");
    }
    put(&mut sftp, "team/in/d/a", b"12345");
    let event = first(&story.server, "published");
    assert_eq!(
        (
            &event["from"],
            &event["folder"],
            &event["to"],
            &event["to_folder"]
        ),
        (
            &"/team/in/d/a".into(),
            &"team".into(),
            &"/clean/d/a".into(),
            &"clean".into()
        )
    );
    assert_eq!(
        used(&story, &["--folder", "team"]),
        HomeUse { bytes: 0, files: 2 }
    );
    assert_eq!(
        used(&story, &["--folder", "clean"]),
        HomeUse { bytes: 5, files: 2 }
    );
    // One that does not fit is tried again, and says where it does not fit.
    put(&mut sftp, "team/in/d/b", b"12345");
    wait_for("the first attempt", || {
        story.list().first().is_some_and(|entry| {
            let told = entry.to_string();
            told.contains("quota exceeded: 5 B of 8 B used in the folder clean")
        })
    });
    assert!(folder_path(&story, "team").join("in/d/b").exists());
    story
        .server
        .admin_ok(&["folder", "set", "clean", "--quota", "1KiB"], "");
    wait_for("it to be moved", || {
        folder_path(&story, "clean").join("d/b").exists()
    });
}
