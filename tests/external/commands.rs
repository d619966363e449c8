//! A program that judges passwords.

use super::*;
use testkit::packets::{Attrs, CREAT, READ, TRUNC, WRITE, bogus, close, mkdir, open, write};
use testkit::raw::Received;
use testkit::replies::Reply;

#[test]
fn its_users_sign_in_and_have_what_it_says() {
    let mut story = SourceStory::of_program(JUDGE, "");
    story.answer(
        r#"{"v":1,"user":{"name":"carol","comment":"of the directory","quota_bytes":"1KiB","permissions":"list,read,create"}}"#,
    );
    story.server.add_user("alice", &[]);
    story.server.serve();
    story.welcome("carol", "right");
    let asked = &story.asked()[0];
    assert_eq!(asked["v"], 1);
    assert_eq!(
        (&asked["user"], &asked["ip"]),
        (&"carol".into(), &"127.0.0.1".into())
    );
    assert_eq!(
        (&asked["proof"], &asked["password"]),
        (&"password".into(), &"right".into())
    );
    let shown = story.show("carol");
    assert_eq!(shown["source"], "external");
    assert_eq!(shown["quota_bytes"], 1024);
    assert_eq!(shown["comment"], "of the directory");
    assert_eq!(shown["has_password"], false);
    story.wait_for_change("external add", "carol");
    let list = story.server.admin_ok(&["user", "list"], "");
    assert!(list.contains("outside source"), "{list}");

    let mut session = story.session();
    let handle = session.handle(&open("f", WRITE | CREAT | TRUNC));
    let full = session.ask_about(&write(bogus(&handle), 0, vec![7; 2000]), &handle);
    assert!(matches!(full, Reply::Status { code: 4, .. }), "{full:?}");
    session.ask_about(&close(bogus(&handle)), &handle);
    let forbidden = session.ask(&mkdir("d", &Attrs::default()));
    assert!(
        matches!(forbidden, Reply::Status { code: 3, .. }),
        "{forbidden:?}"
    );

    // Wrong passwords and unknown names look the same, and leave nothing behind.
    assert_eq!(story.refused("carol", "wrong")["code"], "external_refused");
    assert_eq!(story.refused("nobody", "wrong")["code"], "external_refused");
    assert!(!story.is_stored("nobody"));
    // It is asked neither about local users, nor about empty passwords.
    let count = story.asked().len();
    story.welcome("alice", &testkit::server::password("alice"));
    assert_eq!(story.refused("alice", "right")["code"], "wrong_password");
    assert_eq!(story.refused("nobody", "")["code"], "unknown_user");
    assert_eq!(story.refused("carol", "")["code"], "external_off");
    assert_eq!(story.asked().len(), count);
    assert!(
        !story.server.log().contains("\"right\""),
        "{}",
        story.server.log()
    );
}

#[test]
fn what_it_takes_away_ends_the_other_sessions() {
    let story = SourceStory::start(JUDGE, "");
    let mut session = story.session();
    let handle = session.handle(&open("f", READ | WRITE | CREAT));
    assert!(matches!(
        session.ask_about(&write(bogus(&handle), 0, b"1"), &handle),
        Reply::Status { code: 0, .. }
    ));
    story.answer(r#"{"v":1,"user":{"name":"carol","permissions":"read-only"}}"#);
    story.welcome("carol", "right");
    assert_eq!(session.receive(testkit::PATIENCE), Received::Ended);
    story.wait_for_change("external set", "carol");
    // The same answer again changes nothing.
    let count = story.events("admin").len();
    story.welcome("carol", "right");
    assert_eq!(story.events("admin").len(), count);
}

#[test]
fn operators_have_the_last_word() {
    let story = SourceStory::start(JUDGE, "");
    story.welcome("carol", "right");
    let mut session = story.session();
    story.server.admin_ok(&["user", "disable", "carol"], "");
    assert_eq!(session.receive(testkit::PATIENCE), Received::Ended);
    assert_eq!(story.refused("carol", "right")["code"], "user_disabled");
    story.server.admin_ok(&["user", "enable", "carol"], "");
    story.welcome("carol", "right");
    for refused in [
        &["user", "passwd", "carol", "--password-stdin"][..],
        &["user", "rename", "carol", "caroline"],
    ] {
        let output = story.server.admin(refused, "another secret");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("[auth.external]"), "{refused:?}: {errors}");
    }
    story.server.admin_ok(&["user", "remove", "carol"], "");
    story.welcome("carol", "right");
    // A local user of the same name is another one.
    story.server.admin_ok(&["user", "remove", "carol"], "");
    let home = story.server.home("carol").display().to_string();
    story.server.admin_ok(
        &["user", "add", "carol", "--home", &home, "--password-stdin"],
        "a long secret",
    );
    let count = story.asked().len();
    assert_eq!(story.refused("carol", "right")["code"], "wrong_password");
    story.welcome("carol", "a long secret");
    assert_eq!(story.asked().len(), count);
    assert_eq!(story.show("carol")["source"], "local");
}

#[test]
fn a_user_of_the_source_does_not_get_the_home_of_another_by_the_name_alone() {
    let mut story = SourceStory::of_program(JUDGE, "");
    let home = story.server.home("carol").display().to_string();
    story.server.add_user("alice", &["--home", &home]);
    story.server.serve();
    let refused = story.refused("carol", "right");
    assert_eq!(refused["code"], "external_failed");
    let reason = refused["reason"].as_str().unwrap();
    assert!(
        reason.contains("it is the home of the user \"alice\""),
        "{reason}"
    );
    assert!(!story.is_stored("carol"));
    story.answer(r#"{"v":1,"user":{"name":"carol","home":"carol"}}"#);
    story.welcome("carol", "right");
}

#[test]
fn a_file_of_users_leaves_them_alone_unless_it_declares_them() {
    let story = SourceStory::start(JUDGE, "");
    story.welcome("carol", "right");
    let file = story.path("users.toml");
    std::fs::write(&file, "[users.bob]\n").unwrap();
    let file = file.to_str().unwrap();
    story.server.admin_ok(&["user", "apply", file, "--prune"], "");
    story.welcome("carol", "right");
    assert!(!story.server.admin_ok(&["user", "export"], "").contains("carol"));
    std::fs::write(file, "[users.bob]\n[users.carol]\n").unwrap();
    story.server.admin_ok(&["user", "apply", file], "");
    assert_eq!(story.show("carol")["source"], "local");
    assert_eq!(story.refused("carol", "right")["code"], "no_password");
}

#[test]
fn their_sessions_are_kicked_by_their_name_whether_or_not_the_source_answers() {
    let mut story = SourceStory::of_program(JUDGE, "");
    story.server.add_user("alice", &[]);
    story.server.serve();
    let mut sessions = [story.session(), story.session()];
    let mut other = story.server.raw("alice");
    story.script("exit 1");
    let kick = ["sessions", "kick", "--user", "carol"];
    assert_eq!(story.server.admin_ok(&kick, ""), "disconnected 2 sessions\n");
    for session in &mut sessions {
        assert_eq!(session.receive(testkit::PATIENCE), Received::Ended);
    }
    story.wait_for_change("sessions kick", "carol");
    wait_for("both ends in the audit log", || {
        let ended = story.events("session_ended");
        ended.iter().filter(|event| event["user"] == "carol").count() == 2
    });
    // Sessions of others go on, and the user may come again.
    other.handle(&open("f", WRITE | CREAT | TRUNC));
    story.script(JUDGE);
    story.welcome("carol", "right");
    wait_for("nobody to be left", || {
        story.server.admin(&kick, "").status.code() == Some(3)
    });
}
