//! Addresses that are called.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use hmac::{Hmac, KeyInit as _, Mac as _};
use testkit::http::{HttpsServer, http_server};

fn answer(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n{headers}\r\n")
}

fn hook(url: &str, more: &str) -> String {
    format!("[[hooks]]\non = [\"uploaded\"]\nurl = \"{url}\"\n{more}\n")
}

#[test]
fn a_signed_request_is_repeated_until_it_succeeds() {
    let (port, requests) = http_server(vec![answer("500 Broken", ""), answer("204 No Content", "")]);
    let url = format!("http://127.0.0.1:{port}/homeport?token=hidden");
    let mut story = HookStory::new("", &hook(&url, "secret_file = \"hook.secret\""));
    story.write("hook.secret", "0123456789abcdef0123456789abcdef\n");
    std::fs::set_permissions(story.path("hook.secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = story.server.admin(&["check"], "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    std::fs::set_permissions(story.path("hook.secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    story.server.serve();
    assert_eq!(story.helper(), None, "no program is to be run");
    story.put("a", b"123");
    let receive = || requests.recv_timeout(testkit::PATIENCE).unwrap();
    let (first, second) = (receive(), receive());
    assert_eq!(first.line, "POST /homeport?token=hidden HTTP/1.1");
    for (request, attempt) in [(&first, 1), (&second, 2)] {
        assert_eq!(request.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(
            (&body["path"], &body["delivery"]),
            (&"/a".into(), &1.into()),
            "{body}"
        );
        assert_eq!((&body["attempt"], &body["file"]), (&attempt.into(), &Value::Null));
        let signature = request.header("homeport-signature").unwrap();
        let (time, mac) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut expected = Hmac::<sha2::Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef").unwrap();
        expected.update(format!("{time}.{}", request.body).as_bytes());
        let expected: String = expected
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(mac, expected);
    }
    story.wait_for_empty_queue();
    story.server.wait_for_log("it answered 500");
    let log = story.server.log();
    assert!(
        !log.contains("hidden") && !log.contains("0123456789abcdef"),
        "{log}"
    );
}

#[test]
fn redirects_are_not_followed_and_errors_are_set_aside() {
    let (other, elsewhere) = http_server(vec![answer("200 OK", "")]);
    let location = format!("location: http://127.0.0.1:{other}/\r\n");
    let (port, requests) = http_server(vec![
        answer("307 Temporary Redirect", &location),
        answer("404 Not Found", ""),
    ]);
    let story = HookStory::start("", &hook(&format!("http://127.0.0.1:{port}/"), "retries = 0"));
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap();
    assert!(
        error.contains("307") && error.contains("redirects are not followed"),
        "{error}"
    );
    assert_eq!(entry["hook"], format!("http://127.0.0.1:{port}"));
    story.put("b", b"1");
    wait_for("the second one", || {
        let list = story.list();
        list.len() == 2
            && list[1]["error"]
                .as_str()
                .is_some_and(|error| error.contains("404"))
    });
    assert_eq!(requests.try_iter().count(), 2);
    assert!(elsewhere.try_recv().is_err());
}

#[test]
fn an_address_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let story = HookStory::start(
        "",
        &hook(
            &format!("http://127.0.0.1:{port}/"),
            "retries = 0\ntimeout_secs = 1",
        ),
    );
    story.put("a", b"1");
    let began = std::time::Instant::now();
    let entry = story.wait_for_set_aside();
    assert!(entry["error"].as_str().unwrap().contains("timeout"), "{entry}");
    // Without the setting, it would be 30 s.
    assert!(
        began.elapsed() < std::time::Duration::from_secs(25),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn an_address_where_nothing_listens_is_said_with_what_to_do() {
    // The port is bound as long as the test runs, so that no other program gets it, but nothing listens on it.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let story = HookStory::start("", &hook(&format!("http://127.0.0.1:{port}/"), "retries = 0"));
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap();
    assert!(
        error.starts_with("the connection was refused (hint: nothing listens there"),
        "{error}"
    );
    let listed = story.server.admin_ok(&["hooks", "list"], "");
    assert!(listed.contains("nothing listens there"), "{listed}");
}

#[test]
fn a_certificate_that_the_system_does_not_trust_is_refused() {
    let mut story = HookStory::new("", "");
    let https = HttpsServer::start(story.server.path(), "");
    let url = format!("https://localhost:{}/", https.port);
    story.configure(&hook(&url, "retries = 0"));
    story.server.serve();
    story.put("a", b"1");
    let entry = story.wait_for_set_aside();
    let error = entry["error"].as_str().unwrap();
    let expected = "its certificate is not of an authority that this system trusts (hint: ";
    assert!(
        error.starts_with(expected) && error.contains("SSL_CERT_FILE"),
        "{error}"
    );
    story.server.wait_for_log(expected);
    story.server.signal("TERM");
    story.server.wait_for_exit();
    // The same one, trusted, from a file that lies where nothing of the configuration does.
    let elsewhere = tempfile::tempdir().unwrap();
    let certificate = elsewhere.path().join("ca.pem");
    std::fs::copy(story.path("cert.pem"), &certificate).unwrap();
    let variable = format!("SSL_CERT_FILE={}", certificate.display());
    story.server.serve_by(&["env", &variable]);
    story.server.admin_ok(&["hooks", "retry", "--all"], "");
    story.wait_for_empty_queue();
    story.server.signal("TERM");
    story.server.wait_for_exit();
    // And from a directory whose links lead to yet another one.
    let links = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&certificate, links.path().join("01234567.0")).unwrap();
    let variable = format!("SSL_CERT_DIR={}", links.path().display());
    story.server.serve_by(&["env", &variable]);
    story.put("b", b"1");
    story.wait_for_empty_queue();
}
