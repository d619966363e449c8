//! What ends a link: guesses, passwords, times, visits and bytes.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use testkit::wait_for;

use super::{Link, MIB, download, share, start, text};

#[test]
fn a_guessed_token_is_a_failure_of_its_address() {
    let (server, alice) = start(&[]);
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let link = download(&server, &alice, "/a");
    let guess = Link {
        path: "/s/AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        ..download(&server, &alice, "/a")
    };
    let begin = std::time::Instant::now();
    guess.expect("GET", "/files/a", 404);
    assert!(begin.elapsed().as_millis() >= 450, "{:?}", begin.elapsed());
    guess.expect("GET", "", 404);
    server.wait_for_audit("\"code\":\"unknown_share\"");
    link.expect("GET", "/files/a", 200);
    // The token is in neither log.
    let token = link.path.strip_prefix("/s/").unwrap();
    assert!(!server.audit().contains(token) && !server.log().contains(token));
}

#[test]
fn a_link_with_a_password_asks_for_it() {
    let (server, alice) = start(&[]);
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let wish = json!({"path": "/a", "download": true, "password": "open sesame"});
    let link = share(&server, &alice, wish);
    let page = text(&link.expect("GET", "", 200));
    assert!(
        page.contains("type=\"password\"") && !page.contains("files/a"),
        "{page}"
    );
    link.expect("GET", "/files/a", 403);
    assert_eq!(link.opened("wrong"), None);
    server.wait_for_audit("\"code\":\"wrong_password\"");
    let cookie = link.opened("open+sesame").unwrap();
    assert_eq!(link.fetch(&cookie), 200);
    link.expect("GET", "/files/a", 403);
    assert_eq!(link.fetch(&format!("__Host-share-{}=guess", link.id)), 403);
    // The cookie of another link opens nothing.
    let wish = json!({"path": "/a", "download": true, "password": "open sesame"});
    let other = share(&server, &alice, wish);
    assert_eq!(other.fetch(&cookie), 403);
    let value = cookie.split_once('=').unwrap().1;
    assert_eq!(other.fetch(&format!("__Host-share-{}={value}", other.id)), 403);
}

#[test]
fn a_link_ends_at_its_time() {
    let (server, alice) = start(&[]);
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let end = Timestamp::now() + SignedDuration::from_secs(3);
    let wish = json!({"path": "/a", "download": true, "expires_at": end.to_string()});
    let link = share(&server, &alice, wish);
    link.expect("GET", "/files/a", 200);
    wait_for("the link to end", || link.get("/files/a").status == 410);
    assert!(Timestamp::now().as_second() >= end.as_second());
    // Its session has ended, too.
    server.wait_for_audit("the share has expired");
}

#[test]
fn visits_are_counted_and_requests_are_not() {
    let (server, alice) = start(&[]);
    fs::write(server.home("alice").join("a"), "hello").unwrap();
    let link = share(
        &server,
        &alice,
        json!({"path": "/a", "download": true, "uses": 2}),
    );
    // Looking at the page is no visit: programs do that with every link that is sent.
    for _ in 0..3 {
        link.expect("GET", "", 200);
    }
    link.expect("GET", "/files/a", 403);
    let first = link.opened("").unwrap();
    for _ in 0..3 {
        assert_eq!(link.fetch(&first), 200);
    }
    let second = link.opened("").unwrap();
    assert_eq!(link.opened(""), None);
    assert_eq!((link.fetch(&first), link.fetch(&second)), (200, 200));
    let listed = alice.ask("GET", "/api/v1/shares", &[], b"").json();
    let listed = &listed["shares"][0];
    assert_eq!((&listed["used"], &listed["uses_left"]), (&json!(2), &json!(0)));
}

#[test]
fn bytes_are_paid_before_they_are_sent() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    fs::create_dir(home.join("docs")).unwrap();
    fs::write(home.join("docs/a"), vec![1; MIB]).unwrap();
    let wish = json!({"path": "/docs", "download": true, "upload": true, "bytes": 5 * MIB / 2});
    let link = share(&server, &alice, wish);
    link.expect("GET", "/files/a", 200);
    link.expect("HEAD", "/files/a", 200);
    // A visitor who breaks off has had the bytes all the same.
    let broken_off = link.open("GET", "/files/a", &[]);
    let left = || {
        let listed = alice.ask("GET", "/api/v1/shares", &[], b"").json();
        listed["shares"][0]["bytes_left"].as_u64().unwrap()
    };
    wait_for("the second download to be paid", || left() == (MIB / 2) as u64);
    broken_off.break_off();
    link.expect("GET", "/files/a", 410);
    let part = link.ask("GET", "/files/a", &[("Range", "bytes=0-9")], b"");
    assert_eq!((part.status, part.body.len()), (206, 10));
    let metadata = super::super::uploads::tus_client::metadata("/b", &[]);
    let length = MIB.to_string();
    let headers = [("Upload-Length", length.as_str()), ("Upload-Metadata", &metadata)];
    assert_eq!(link.ask("POST", "/api/uploads", &headers, b"").status, 413);
    assert_eq!(left(), (MIB / 2 - 10) as u64);
}
