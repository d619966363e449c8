//! A source that fails, hangs, or answers nonsense.

use super::*;

/// Asserts that carol's sign-in fails for this reason, and that nothing is stored or shown of it.
fn fails(story: &SourceStory, says: &str) {
    let denial = story.refused("carol", "right-password");
    assert_eq!(denial["code"], "external_failed", "{denial}");
    let reason = denial["reason"].as_str().unwrap();
    assert!(reason.contains(says), "{says}: {reason}");
    assert!(!reason.contains("right-password"), "{reason}");
    assert!(
        !story.server.log().contains("right-password"),
        "{}",
        story.server.log()
    );
    assert!(!story.is_stored("carol"), "{says}");
}

#[test]
fn every_other_answer_is_a_refusal_and_says_why() {
    let story = SourceStory::start("", "timeout_secs = 30");
    let check = |script: &str, says: &str| {
        story.script(script);
        fails(&story, says);
    };
    check("", "has answered nothing");
    check("echo yes", "is not JSON");
    check("head -c 1073741824 /dev/zero", "more than 65536 bytes");
    // It goes on to print, and does not mind that nobody reads.
    check(
        "trap '' PIPE; head -c 1073741824 /dev/zero; exit 0",
        "more than 65536 bytes",
    );
    check("cat", "unknown field");
    check("cat >&2; exit 1", "left out");
    check("read -r question; set -x; : \"$question\"; exit 1", "left out");
    check(
        "echo 'no such directory' >&2; exit 75",
        "exit code 75: no such directory",
    );
    check("kill -9 $$", "signal 9");
    let user = |fields: &str| format!("echo '{{\"v\":1,\"user\":{{\"name\":\"carol\"{fields}}}}}'");
    check(&user("").replace("carol", "root"), "another user, \"root\"");
    check(&user("").replace("carol", "Carol"), "another user, \"Carol\"");
    check(
        &user(",\"permission\":\"list\""),
        "unknown setting \"permission\"",
    );
    // It is not advised to answer what it must not.
    let advice = "its settings are comment, group, home, expires_at, ";
    check(&user(",\"xyzzy\":1"), advice);
    check(&user(",\"permissions\":\"everything\""), "permissions");
    check(&user(",\"password_hash\":\"none\""), "not for an outside source");
    check(&user(",\"home\":\"/etc\""), "is not beneath");
    check(
        &user(",\"home\":\"../../../../../../../../../tmp/x\""),
        "is not beneath",
    );
    check(&user(",\"home\":\"..\""), "cannot be a home");
    check(&user(",\"group\":\"nobody\""), "group");
    check(&user(",\"quota_bytes\":-1"), "quota_bytes");
    check(&user(",\"expires_at\":\"soon\""), "expires_at");
    // A record that can be used is, after all that.
    story.script(&user(",\"home\":\"customers/carol\",\"expires_at\":null"));
    story.welcome("carol", "right-password");
    assert!(story.server.home("customers").join("carol").is_dir());
}

#[test]
fn a_home_is_made_only_when_the_sign_in_has_succeeded() {
    let story = SourceStory::start(JUDGE, "");
    let answer = |more: &str| {
        let user = format!("{{\"name\":\"carol\",\"home\":\"customers/carol\"{more}}}");
        story.answer(&format!("{{\"v\":1,\"user\":{user}}}"));
    };
    for refusal in [
        ",\"allowed_from\":[\"192.0.2.0/24\"]",
        ",\"expires_at\":\"2001-01-01\"",
        ",\"require\":[\"password\",\"publickey\"]",
    ] {
        answer(refusal);
        assert!(!story.signs_in("carol", "right"), "{refusal}");
        assert!(story.is_stored("carol"), "{refusal}");
        assert!(!story.server.home("customers").exists(), "{refusal}");
    }
    let checked = story.server.admin(&["check"], "");
    let checked = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.contains("the server makes it at sign-in"), "{checked}");
    answer("");
    story.welcome("carol", "right");
    assert!(story.server.home("customers").join("carol").is_dir());
}

#[test]
fn a_program_that_hangs_is_ended_in_time() {
    let story = SourceStory::start("echo $$ > DIR/pid; sleep 1000 & wait", "timeout_secs = 5");
    fails(&story, "took too long and was killed");
    let pid = std::fs::read_to_string(story.path("pid")).unwrap();
    let process = PathBuf::from(format!("/proc/{}", pid.trim()));
    wait_for("the program to be gone", || !process.exists());
    // Others go on: a local user signs in while it hangs.
    story.server.add_user("alice", &[]);
    story.welcome("alice", &testkit::server::password("alice"));
}

#[test]
fn what_a_program_leaves_behind_is_not_waited_for() {
    let story = SourceStory::start(
        "setsid sleep 1000 >&1 & echo $! > DIR/pid; cat DIR/answer",
        "timeout_secs = 60",
    );
    let began = std::time::Instant::now();
    story.welcome("carol", "right");
    assert!(began.elapsed() < std::time::Duration::from_secs(55));
    let pid = std::fs::read_to_string(story.path("pid")).unwrap();
    let _ = std::process::Command::new("kill").arg(pid.trim()).status();
}

#[test]
fn a_record_of_earlier_is_not_enough_without_a_cache() {
    let story = SourceStory::start(JUDGE, "");
    story.welcome("carol", "right");
    story.script("exit 1");
    assert_eq!(story.refused("carol", "right")["code"], "external_failed");
    story.configure("");
    story.reload();
    assert_eq!(story.refused("carol", "right")["code"], "external_off");
    assert!(!story.signs_in("nobody", "right"));
}

#[test]
fn a_cache_bridges_a_failure_for_the_same_proof_alone() {
    let story = SourceStory::start(JUDGE, "cache_secs = 600");
    story.welcome("carol", "right");
    story.welcome("carol", "right");
    assert_eq!(story.asked().len(), 1);
    story.script("exit 1");
    story.welcome("carol", "right");
    assert_eq!(story.refused("carol", "wrong")["code"], "external_failed");
    story.server.admin_ok(&["user", "disable", "carol"], "");
    assert_eq!(story.refused("carol", "right")["code"], "user_disabled");
    story.server.admin_ok(&["user", "enable", "carol"], "");
    story.server.admin_ok(&["user", "remove", "carol"], "");
    assert_eq!(story.refused("carol", "right")["code"], "external_failed");
}

#[test]
fn the_throttle_holds_and_failures_of_the_source_do_not_count() {
    let throttle = "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 3, forgive_secs = 1000 }";
    let mut story = SourceStory {
        server: TestServer::new(&[("auth", throttle)]),
    };
    story.answer(r#"{"user":{"name":"carol"}}"#);
    story.script("exit 1");
    story.configure("command = [\"DIR/source\"]");
    story.server.serve();
    for _ in 0..5 {
        assert_eq!(story.refused("nobody", "guess")["code"], "external_failed");
    }
    story.script(JUDGE);
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(
            story.refused("nobody", "guess")["code"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert!(codes.iter().any(|code| code == "throttled"), "{codes:?}");
    assert!(story.asked().len() < 5);
}

#[test]
fn check_tries_the_source() {
    let story = SourceStory::of_program(JUDGE, "");
    let check = |says: Option<&str>| {
        let output = story.server.admin(&["check"], "");
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("ask ") && text.contains("/source"), "{text}");
        match says {
            Some(says) => assert!(text.contains(says), "{says}: {text}"),
            None => assert!(!text.contains("[auth.external]:"), "{text}"),
        }
    };
    check(None);
    assert_eq!(story.asked()[0]["user"], "homeport-check");
    story.script("echo 'the directory is down' >&2; exit 75");
    check(Some("the directory is down"));
    story.script(r#"echo '{"user":{"name":"homeport-check"}}'"#);
    check(Some("does it accept everybody?"));
    assert!(!story.is_stored("homeport-check"));
}
