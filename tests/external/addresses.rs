//! An address that judges passwords.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use testkit::http::{HttpsServer, http_server};

const YES: &str = r#"{"v":1,"user":{"name":"carol","quota_files":7}}"#;

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// Starts a server whose source is this address.
fn start(url: &str, settings: &str) -> SourceStory {
    let mut story = SourceStory::new();
    story.configure(&format!("url = \"{url}\"\n{settings}"));
    story.server.serve();
    story
}

#[test]
fn it_is_asked_by_a_signed_request() {
    let (port, requests) = http_server(vec![
        answer("200 OK", "", YES),
        answer("200 OK", "", r#"{"user":null}"#),
    ]);
    let story = SourceStory::new();
    std::fs::write(story.path("secret"), "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(story.path("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut story = story;
    story.configure(&format!(
        "url = \"http://127.0.0.1:{port}/users?token=hidden\"\nsecret_file = \"secret\""
    ));
    story.server.serve();
    story.welcome("carol", "right");
    let request = requests.recv_timeout(testkit::PATIENCE).unwrap();
    assert_eq!(request.line, "POST /users?token=hidden HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("homeport-signature").unwrap().starts_with("t="));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        (&body["user"], &body["password"]),
        (&"carol".into(), &"right".into())
    );
    assert_eq!(story.show("carol")["quota_files"], 7);
    assert_eq!(story.refused("carol", "wrong")["code"], "external_refused");
    assert!(!story.server.log().contains("hidden"), "{}", story.server.log());
}

#[test]
fn what_is_no_answer_is_a_refusal() {
    let (other, elsewhere) = http_server(vec![answer("200 OK", "", YES)]);
    let location = format!("location: http://127.0.0.1:{other}/\r\n");
    let check = |answers: Vec<String>, says: &str| {
        let (port, _requests) = http_server(answers);
        let story = start(&format!("http://127.0.0.1:{port}/"), "");
        let denial = story.refused("carol", "right");
        assert_eq!(denial["code"], "external_failed");
        assert!(denial["reason"].as_str().unwrap().contains(says), "{denial}");
        assert!(!story.is_stored("carol"));
    };
    check(vec![answer("500 Broken", "", YES)], "it answered 500");
    check(
        vec![answer("307 Temporary Redirect", &location, "")],
        "redirects are not followed",
    );
    check(
        vec![answer("200 OK", "", &" ".repeat(100_000))],
        "more than 65536 bytes",
    );
    check(vec![answer("200 OK", "", "<html>")], "is not JSON");
    check(vec![answer("204 No Content", "", "")], "has answered nothing");
    assert!(elsewhere.try_recv().is_err());
}

#[test]
fn one_that_does_not_answer_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let story = start(&format!("http://127.0.0.1:{port}/"), "timeout_secs = 1");
    let denial = story.refused("carol", "right");
    assert_eq!(denial["code"], "external_failed");
    assert!(denial["reason"].as_str().unwrap().contains("timeout"), "{denial}");
}

#[test]
fn a_certificate_that_the_system_does_not_trust_is_refused() {
    let mut story = SourceStory::new();
    let https = HttpsServer::start(story.server.path(), YES);
    story.configure(&format!("url = \"https://localhost:{}/\"", https.port));
    story.server.serve();
    let denial = story.refused("carol", "right");
    let reason = denial["reason"].as_str().unwrap();
    assert!(
        reason.contains("its certificate is not of an authority that this system trusts (hint: "),
        "{denial}"
    );
    // The check tries the source, too.
    let checked = story.server.admin(&["check"], "");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(
        said.contains("that this system trusts") && said.contains("SSL_CERT_FILE"),
        "{said}"
    );
    story.server.signal("TERM");
    story.server.wait_for_exit();
    let variable = format!("SSL_CERT_FILE={}", story.path("cert.pem").display());
    story.server.serve_by(&["env", &variable]);
    story.welcome("carol", "right");
}

#[test]
fn a_reload_replaces_it() {
    let (port, _requests) = http_server(vec![answer("200 OK", "", YES)]);
    let mut story = SourceStory::new();
    story.server.serve();
    assert_eq!(story.refused("carol", "right")["code"], "unknown_user");
    story.configure(&format!("url = \"http://127.0.0.1:{port}/\""));
    story.reload();
    story.welcome("carol", "right");
    // The process that runs programs is started when the first program comes.
    story.script(JUDGE);
    story.configure("command = [\"DIR/source\"]");
    story.reload();
    story.welcome("carol", "right");
}
