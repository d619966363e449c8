//! Keys that an outside source judges: only after the client has signed.

use super::*;

/// A program that notes its questions, and accepts carol with any key.
const ACCEPT: &str = "question=$(cat)
printf '%s\\n' \"$question\" >> DIR/asked
case $question in
    *'\"user\":\"carol\"'*'\"proof\":\"publickey\"'*) cat DIR/answer ;;
    *) echo '{\"user\":null}' ;;
esac";

fn by_key(story: &SourceStory, user: &str) -> bool {
    story.server.sign_in(user, By::Key, "").status.success()
}

#[test]
fn a_key_is_judged_after_the_signature() {
    let mut story = SourceStory::of_program(ACCEPT, "proofs = [\"publickey\"]");
    story.server.add_user("alice", &[]);
    for user in ["carol", "nobody"] {
        story.server.make_key(user);
    }
    story.server.serve();
    assert!(by_key(&story, "carol"), "{}", story.server.log());
    let asked = story.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let public = std::fs::read_to_string(story.server.key("carol").with_extension("pub")).unwrap();
    let key: Vec<&str> = public.split(' ').take(2).collect();
    assert_eq!(asked[0]["key"], key.join(" "));
    assert_eq!(asked[0]["password"], Value::Null);
    assert!(!by_key(&story, "nobody"));
    wait_for("the denial", || {
        story
            .denials()
            .iter()
            .any(|denial| denial["code"] == "external_refused")
    });
    // Local users have their own keys, and passwords are not judged here.
    let count = story.asked().len();
    assert!(by_key(&story, "alice"), "{}", story.server.log());
    std::fs::rename(story.server.key("nobody"), story.server.key("alice")).unwrap();
    assert!(!by_key(&story, "alice"));
    assert_eq!(story.refused("carol", "right")["code"], "external_off");
    assert_eq!(story.asked().len(), count);
    // What was accepted once is not accepted by the record.
    story.script("exit 1");
    assert!(!by_key(&story, "carol"));
    story.configure("command = [\"DIR/source\"]");
    story.reload();
    assert!(!by_key(&story, "carol"));
}

#[test]
fn a_revoked_key_is_not_even_asked_about() {
    let mut story = SourceStory {
        server: TestServer::new(&[("auth", QUICK), ("auth", "revoked_keys = \"revoked\"")]),
    };
    story.answer(r#"{"user":{"name":"carol"}}"#);
    story.script(ACCEPT);
    story.configure("command = [\"DIR/source\"]\nproofs = [\"publickey\"]");
    story.server.make_key("carol");
    let public = story.server.key("carol").with_extension("pub");
    std::fs::copy(&public, story.path("revoked")).unwrap();
    story.server.serve();
    assert!(!by_key(&story, "carol"));
    assert!(story.asked().is_empty());
    std::fs::write(story.path("revoked"), "").unwrap();
    story.reload();
    let mut session = RawSftp::start(story.server.raw_command("carol"));
    std::fs::copy(&public, story.path("revoked")).unwrap();
    story.reload();
    assert_eq!(session.receive(testkit::PATIENCE), testkit::raw::Received::Ended);
}
