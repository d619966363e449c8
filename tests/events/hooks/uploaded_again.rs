//! `move_to`: files that are uploaded again while an earlier version of them is checked. Each version is published at most
//! once, by its own event, and never without the command having seen its bytes.

use super::*;
use testkit::packets::extended_paths;

/// Reads the file first. Then it does what [`DECIDE`] does, but refuses what has the word `evil`.
const READ_FIRST: &str = "content=$(cat <&3)
printf '%s\\n' \"$(cat)\" >> DIR/told
until [ -e DIR/go ]; do sleep 0.02; done
printf '%s;' \"$content\" >> DIR/seen
case $content in *evil*) echo evil; exit 1;; esac";

/// A server that checks uploads to `/in` with [`READ_FIRST`]. The first version of `/in/a` is being checked.
fn checking_first(content: &[u8]) -> (HookStory, RawSftp) {
    let story = HookStory::start(READ_FIRST, CHECKED);
    let mut sftp = story.server.raw("alice");
    ok(&mut sftp, &mkdir("in", &Attrs::default()), b"");
    put(&mut sftp, "in/a", content);
    story.wait_for_told(1);
    (story, sftp)
}

/// Returns the sizes of the files that were published, in their order, once nothing waits any more.
fn published_sizes(story: &HookStory) -> Vec<u64> {
    story.wait_for_empty_queue();
    // The audit log is written in its order.
    let mark = "nothing is left to publish";
    story
        .server
        .admin_ok(&["user", "set", "alice", "--comment", mark], "");
    story.server.wait_for_audit(mark);
    let events = named(&story.server, "published");
    events
        .iter()
        .map(|event| event["size"].as_u64().unwrap())
        .collect()
}

/// Returns the number of the event and of the attempt of each time that the command was run.
fn deliveries(story: &HookStory) -> Vec<[u64; 2]> {
    let number = |event: &Value, field: &str| event[field].as_u64().unwrap();
    let told = story.told();
    told.iter()
        .map(|event| [number(event, "delivery"), number(event, "attempt")])
        .collect()
}

#[test]
fn a_version_that_comes_while_the_command_runs_is_published_once_by_its_own_event() {
    let (story, mut sftp) = checking_first(b"1");
    put(&mut sftp, "in/a", b"22");
    put(&mut sftp, "in/a", b"333");
    story.go();
    assert_eq!(published_sizes(&story), [3]);
    assert_eq!(story.content("clean/a").as_deref(), Some("333"));
    assert!(!story.in_home("in/a").exists());
    assert_eq!(deliveries(&story), [[1, 1], [2, 1], [3, 1]]);
    assert_eq!(story.read("seen"), "1;333;333;");
    assert!(named(&story.server, "held").is_empty());
}

#[test]
fn a_version_that_is_begun_while_the_command_runs_is_published_once_when_it_is_whole() {
    let (story, mut sftp) = checking_first(b"1");
    let handle = sftp.handle(&open("in/a", WRITE | CREAT | TRUNC));
    story.go();
    wait_for("the first attempt", || {
        story.list().first().is_some_and(|entry| entry["attempts"] != 0)
    });
    assert!(story.content("clean/a").is_none());
    std::fs::remove_file(story.path("go")).unwrap();
    ok(&mut sftp, &write(bogus(&handle), 0, b"22"), &handle);
    ok(&mut sftp, &close(bogus(&handle)), &handle);
    story.go();
    assert_eq!(published_sizes(&story), [2]);
    assert_eq!(story.content("clean/a").as_deref(), Some("22"));
    assert!(story.read("seen").ends_with("22;"), "{}", story.read("seen"));
    assert_eq!(deliveries(&story).last(), Some(&[2, 1]));
}

#[test]
fn another_file_under_the_same_name_is_published_once() {
    /// How the second version takes the name.
    type Replacement = (&'static str, fn(&mut RawSftp));
    let rows: &[Replacement] = &[
        ("a rename over it", |sftp| {
            put(sftp, "in/a.part", b"22");
            let posix_rename = extended_paths("posix-rename@openssh.com", &[b"in/a.part", b"in/a"]);
            ok(sftp, &posix_rename, b"");
        }),
        // The inode may be the same again.
        ("a removal", |sftp| {
            ok(sftp, &remove("in/a"), b"");
            put(sftp, "in/a", b"22");
        }),
    ];
    for (what, replace) in rows {
        let (story, mut sftp) = checking_first(b"1");
        replace(&mut sftp);
        story.go();
        assert_eq!(published_sizes(&story), [2], "{what}");
        assert_eq!(story.content("clean/a").as_deref(), Some("22"), "{what}");
        let [last, ..] = deliveries(&story).pop().unwrap();
        assert_eq!(last, 2, "{what}: by the event of the second version");
    }
}

#[test]
fn each_version_is_decided_about_by_what_the_command_says_to_it() {
    // A later version that is refused is not published by the yes to the earlier one.
    let (story, mut sftp) = checking_first(b"good");
    put(&mut sftp, "in/a", b"evil");
    story.go();
    assert!(published_sizes(&story).is_empty());
    assert_eq!(named(&story.server, "held").len(), 1);
    assert_eq!(story.content("in/a").as_deref(), Some("evil"));
    assert!(story.content("clean/a").is_none());
    // A later version that is accepted is published, whatever was said about the earlier one.
    let (story, mut sftp) = checking_first(b"evil");
    put(&mut sftp, "in/a", b"good");
    story.go();
    assert_eq!(published_sizes(&story), [4]);
    assert_eq!(named(&story.server, "held").len(), 1);
    assert_eq!(story.content("clean/a").as_deref(), Some("good"));
}

#[test]
fn an_event_that_was_set_aside_ends_when_a_later_version_is_published() {
    let story = HookStory::start(DECIDE, &CHECKED.replace("retries = 3", "retries = 0"));
    story.write("code", "75");
    story.go();
    let mut sftp = story.server.raw("alice");
    ok(&mut sftp, &mkdir("in", &Attrs::default()), b"");
    put(&mut sftp, "in/a", b"1");
    put(&mut sftp, "in/b", b"1");
    wait_for("both to be set aside", || {
        let list = story.list();
        list.len() == 2 && list.iter().all(|entry| entry["state"] == "set_aside")
    });
    story.write("code", "0");
    put(&mut sftp, "in/a", b"22");
    wait_for("it to be published", || {
        !named(&story.server, "published").is_empty()
    });
    wait_for("its earlier event to end", || story.list().len() == 1);
    let left = story.list().remove(0);
    assert_eq!(left["path"], "/in/b", "{left}");
    story
        .server
        .admin_ok(&["hooks", "retry", &left["id"].to_string()], "");
    assert_eq!(published_sizes(&story), [2, 1]);
}
