//! Commands: what they get, and what becomes of those that fail.

use super::*;

#[test]
fn a_command_gets_the_event_and_the_file_and_no_name_as_an_argument() {
    let script = format!(
        "{TELL}\ncat <&3 > DIR/content\nls -l /proc/self/fd > DIR/descriptors\necho \"$# $*\" > DIR/words\nenv > DIR/env\npwd > DIR/pwd"
    );
    let hooks = "[[hooks]]\non = [\"uploaded\"]\nmatch = \"/in/**\"\ncommand = [\"DIR/hook\", \"a b\", \"$(touch DIR/run)\"]\n";
    let story = HookStory::start(&script, hooks);
    let mut sftp = story.server.raw("alice");
    ok(&mut sftp, &mkdir("in", &Attrs::default()), b"");
    put(&mut sftp, "elsewhere", b"1");
    let name = "in/$(touch x)`y`; z\u{1b}";
    put(&mut sftp, name, b"content");
    story.wait_for_empty_queue();
    let told = story.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let meta = std::fs::metadata(story.server.home("alice").join(name)).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    let expected = serde_json::json!({
        "event": "uploaded", "user": "alice", "path": format!("/{name}"), "size": 7, "attempt": 1, "v": 2,
        "file": {"device": meta.dev(), "inode": meta.ino(), "size": 7},
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(told[0][field], *value, "{field} of {}", told[0]);
    }
    assert_eq!(told[0]["delivery"], 1);
    assert_eq!(story.read("content"), "content");
    assert_eq!(story.read("pwd"), "/\n");
    assert_eq!(
        story.read("words"),
        format!("2 a b $(touch {}/run)\n", story.server.path().display())
    );
    assert!(!story.read("env").contains("touch"), "{}", story.read("env"));
    // Those of the shell and of ls itself, and nothing of the server.
    let descriptors = story.read("descriptors");
    assert!(!descriptors.contains("socket:"), "{descriptors}");
    assert!(descriptors.contains(" 3 -> "), "{descriptors}");
    assert!(!story.path("run").exists() && !story.path("x").exists());
    // The event is in the audit log, too.
    wait_for("both uploads in the audit log", || {
        named(&story.server, "uploaded").len() == 2
    });
}

#[test]
fn a_command_that_fails_is_tried_again_and_set_aside_at_last() {
    let script = format!("{TELL}\ncat DIR/says\nexit \"$(cat DIR/code)\"");
    let hooks = "[[hooks]]\non = [\"uploaded\"]\ncommand = [\"DIR/hook\"]\nretries = 1\n";
    let mut story = HookStory::new(&script, hooks);
    story.write("code", "7");
    story.write("says", "no\u{1b}[31m room\nmore\n");
    story.server.serve();
    let mut sftp = story.server.raw("alice");
    put(&mut sftp, "a", b"1");
    let entry = story.wait_for_set_aside();
    assert_eq!(entry["attempts"], 2, "{entry}");
    assert_eq!(entry["path"], "/a");
    let error = entry["error"].as_str().unwrap();
    assert!(
        error.starts_with("exit code 7: no") && error.ends_with("room"),
        "{error}"
    );
    assert!(!error.contains('\u{1b}'), "{error:?}");
    let attempts: Vec<Value> = story.told().iter().map(|told| told["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2]);
    story.server.wait_for_log("a hook has failed: set aside");
    // The next one goes on.
    story.write("code", "0");
    put(&mut sftp, "b", b"1");
    let told = story.wait_for_told(3);
    assert_eq!(told[2]["path"], "/b");
    wait_for("only the one that was set aside", || story.list().len() == 1);
    let id = entry["id"].to_string();
    assert_eq!(
        story.server.admin_ok(&["hooks", "retry", &id], ""),
        "1 event is tried again\n"
    );
    let told = story.wait_for_told(4);
    assert_eq!((&told[3]["path"], &told[3]["attempt"]), (&"/a".into(), &1.into()));
    story.wait_for_empty_queue();
    let missing = story.server.admin(&["hooks", "drop", &id], "");
    let errors = String::from_utf8_lossy(&missing.stderr);
    assert!(errors.contains("there is no entry"), "{errors}");
    assert_eq!(
        story.server.admin_ok(&["hooks", "drop", "--all"], ""),
        "unchanged\n"
    );
}

#[test]
fn the_queue_can_be_changed_without_a_server() {
    let mut story = HookStory::start("exit 1", ON_UPLOADS);
    story.put("a", b"1");
    story.put("b", b"1");
    wait_for("both to be set aside", || {
        story
            .list()
            .iter()
            .filter(|entry| entry["state"] == "set_aside")
            .count()
            == 2
    });
    story.server.signal("TERM");
    story.server.wait_for_exit();
    assert_eq!(story.list().len(), 2);
    let text = story.server.admin_ok(&["hooks", "list"], "");
    assert!(
        text.contains("set_aside") && text.contains("exit code 1"),
        "{text}"
    );
    story.server.admin_ok(&["hooks", "drop", "1"], "");
    story.server.admin_ok(&["hooks", "retry", "--all"], "");
    let list = story.list();
    assert_eq!(
        (list.len(), &list[0]["state"]),
        (1, &"waiting".into()),
        "{list:?}"
    );
    story.script(TELL);
    story.server.serve();
    assert_eq!(story.wait_for_told(1)[0]["path"], "/b");
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_has_started() {
    let script = "sleep 1000 &\necho $$ $! > DIR/pids\nsleep 1000";
    let hooks = "[[hooks]]\non = [\"uploaded\"]\ncommand = [\"DIR/hook\"]\nretries = 0\ntimeout_secs = 5\n";
    let story = HookStory::start(script, hooks);
    story.put("a", b"1");
    let began = std::time::Instant::now();
    let entry = story.wait_for_set_aside();
    assert_eq!(entry["error"], "it took too long and was killed");
    // Without the setting, it would be 30 s.
    assert!(
        began.elapsed() < std::time::Duration::from_secs(25),
        "{:?}",
        began.elapsed()
    );
    let pids: Vec<u32> = story
        .read("pids")
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2);
    wait_for("the processes to be gone, and waited for", || {
        pids.iter()
            .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    });
    let helper = story.running_helper();
    wait_for("no zombie of the helper", || {
        !processes().into_iter().any(|pid| parent(pid) == Some(helper))
    });
}

#[test]
fn what_a_command_leaves_behind_ends_with_it_and_its_zombies_are_waited_for() {
    let script = format!("sleep 1000 &\necho $! > DIR/pids\nsh -c 'sh -c \"exit 3\" & exit 0'\n{TELL}");
    let story = HookStory::start(&script, ON_UPLOADS);
    story.put("a", b"1");
    story.wait_for_told(1);
    story.wait_for_empty_queue();
    let pid: u32 = story.read("pids").trim().parse().unwrap();
    wait_for("the process to be gone", || {
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    });
    let helper = story.running_helper();
    wait_for("no zombie of the helper", || {
        !processes().into_iter().any(|pid| parent(pid) == Some(helper))
    });
}

#[test]
fn a_command_that_cannot_be_executed_says_why() {
    let hooks = "[[hooks]]\non = [\"uploaded\"]\ncommand = [\"DIR/missing\"]\nretries = 0\n";
    let mut story = HookStory::new(TELL, hooks);
    let checked = story.server.admin(&["check"], "");
    let warnings =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{warnings}");
    assert!(
        warnings.contains("missing\" of [[hooks]] cannot be run: no such file"),
        "{warnings}"
    );
    story.server.serve();
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap();
    assert!(error.starts_with("the command cannot be run: \""), "{error}");
    assert!(
        error.contains("missing\": no such file or directory (hint: install it"),
        "{error}"
    );
}

#[test]
fn a_command_that_prints_much_fills_no_memory() {
    let script = format!("echo first\nhead -c 268435456 /dev/zero\nhead -c 10000000 /dev/zero >&2\n{TELL}");
    let hooks = "[[hooks]]\non = [\"uploaded\"]\ncommand = [\"DIR/hook\"]\ntimeout_secs = 300\n";
    let story = HookStory::start(&script, hooks);
    story.put("a", b"1");
    story.wait_for_told(1);
    story.wait_for_empty_queue();
    let helper = story.running_helper();
    let status = std::fs::read_to_string(format!("/proc/{helper}/status")).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn events_of_a_session_are_told_in_their_order() {
    let hooks = "[[hooks]]\non = [\"uploaded\", \"renamed\", \"removed\"]\ncommand = [\"DIR/hook\"]\n";
    let story = HookStory::start(TELL, hooks);
    let mut sftp = story.server.raw("alice");
    let mut expected = Vec::new();
    for n in 0..8 {
        let name = format!("f{n}");
        put(&mut sftp, &name, b"1");
        ok(&mut sftp, &rename(&name, format!("g{n}")), b"");
        ok(&mut sftp, &remove(format!("g{n}")), b"");
        expected.extend([
            format!("uploaded /f{n}"),
            format!("renamed /f{n}"),
            format!("removed /g{n}"),
        ]);
    }
    let told = story.wait_for_told(expected.len());
    let told: Vec<String> = told
        .iter()
        .map(|told| {
            let path = told["path"].as_str().or(told["from"].as_str()).unwrap();
            format!("{} {path}", told["event"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, expected);
    // The file was removed before its upload was told: there is nothing to read.
    assert!(
        story
            .told()
            .iter()
            .any(|told| told["event"] == "removed" && told["file"].is_null())
    );
}

#[test]
fn a_reload_changes_hooks_for_new_events() {
    let story = HookStory::start(TELL, ON_UPLOADS);
    story.put("a", b"1");
    story.wait_for_told(1);
    let config = std::fs::read_to_string(story.server.config()).unwrap();
    std::fs::write(
        story.server.config(),
        config.replace("\"uploaded\"", "\"directory_made\""),
    )
    .unwrap();
    let text = story.server.admin_ok(&["reload"], "");
    assert!(text.contains("changes in [[hooks]]"), "{text}");
    let mut sftp = story.server.raw("alice");
    put(&mut sftp, "b", b"1");
    ok(&mut sftp, &mkdir("d", &Attrs::default()), b"");
    let told = story.wait_for_told(2);
    assert_eq!(told[1]["event"], "directory_made");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn events_of_a_hook_that_is_gone_are_set_aside() {
    let story = HookStory::start("exit 1", &ON_UPLOADS.replace("retries = 0", "retries = 50"));
    story.put("a", b"1");
    wait_for("the first failure", || story.list()[0]["attempts"] != 0);
    let config = std::fs::read_to_string(story.server.config()).unwrap();
    std::fs::write(
        story.server.config(),
        config.replace("/hook\"]", "/hook\", \"new\"]"),
    )
    .unwrap();
    story.server.admin_ok(&["reload"], "");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap();
    assert!(error.contains("no hook of the configuration"), "{error}");
}

#[test]
fn scp_is_answered_after_the_entry_is_on_the_disk() {
    let story = HookStory::start("until [ -e DIR/go ]; do sleep 0.02; done", ON_UPLOADS);
    story.write("local", "12345");
    let mut command = story.server.client("scp", "alice", By::Key);
    command
        .arg("-O")
        .arg(story.path("local"))
        .arg("alice@127.0.0.1:p");
    let output = testkit::stock::run(command, "");
    assert!(output.status.success(), "{output:?}");
    let queue = std::fs::read_to_string(story.path("data/hooks.queue")).unwrap();
    assert!(queue.contains("\"path\":\"/p\""), "{queue}");
    story.write("go", "");
    story.wait_for_empty_queue();
}
