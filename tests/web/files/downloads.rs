//! Downloads: whole, in parts, at a rate, and broken off.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use testkit::random::noise;

use super::{age, events, start, write, write_sparse};

#[test]
fn a_file_is_sent_whole_or_in_parts() {
    let (server, alice) = start(&[]);
    let content = noise(3_000_017, 1);
    let path = server.home("alice").join("d/report.bin");
    write(&path, &content);
    age(&path);
    let url = "/api/v1/files/d/report.bin";
    let whole = alice.get(url).expect(200);
    assert!(whole.body == content);
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(
        whole.header("last-modified"),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
    let ranged = |range: &str, more: &[(&str, &str)]| {
        let headers = [&[("Range", range)][..], more].concat();
        alice.ask("GET", url, &headers, b"")
    };
    let part = ranged("bytes=1000000-1999999", &[]).expect(206);
    assert!(part.body == content[1_000_000..2_000_000]);
    assert_eq!(
        part.header("content-range"),
        Some("bytes 1000000-1999999/3000017")
    );
    assert!(ranged("bytes=-17", &[("If-Range", &tag)]).expect(206).body == content[3_000_000..]);
    assert!(ranged("bytes=5-", &[("If-Range", "\"other\"")]).expect(200).body == content);
    let behind = ranged("bytes=3000017-", &[]).expect(416);
    assert_eq!(behind.header("content-range"), Some("bytes */3000017"));
    assert_eq!(behind.code(), "range");
    let head = alice.ask("HEAD", url, &[("Range", "bytes=0-9")], b"").expect(206);
    assert_eq!(head.header("content-length"), Some("10"));
    assert!(head.body.is_empty());
    let same = alice.ask("GET", url, &[("If-None-Match", &tag)], b"");
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(same.header("etag"), Some(tag.as_str()));
    assert_eq!(
        alice
            .ask("GET", url, &[("If-Match", "\"other\"")], b"")
            .expect(412)
            .code(),
        "precondition_failed"
    );
    let sha256 = alice.get(&format!("{url}?hash=sha256")).expect(200).json();
    let expected = data_encoding::HEXLOWER.encode(&Sha256::digest(&content));
    assert_eq!(
        (sha256["algorithm"].as_str(), sha256["hex"].as_str()),
        (Some("sha256"), Some(&*expected))
    );
    assert_eq!(
        alice.get(&format!("{url}?hash=crc32")).expect(400).code(),
        "bad_request"
    );
    assert_eq!(
        alice.get("/api/v1/files/d?hash=md5").expect(409).code(),
        "wrong_kind"
    );
    let closed = events(&server, "closed", 4);
    assert!(
        closed.iter().all(|event| event["path"] == "/d/report.bin"),
        "{closed:?}"
    );
}

#[test]
fn nothing_in_a_file_runs_in_a_browser() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    for name in ["a.png", "a.svg", "a.html", "a.txt", "empty"] {
        write(&home.join(name), b"<script>");
    }
    write(&home.join("empty"), b"");
    fs::write(home.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), b"latin").unwrap();
    let check = |url: &str, kind: &str, disposition: &str| {
        let reply = alice.get(&format!("/api/v1/files/{url}")).expect(200);
        assert_eq!(reply.header("content-type"), Some(kind), "{url}");
        assert!(
            reply
                .header("content-disposition")
                .unwrap()
                .starts_with(disposition),
            "{url}"
        );
        assert_eq!(
            reply.header("content-security-policy"),
            Some("sandbox; default-src 'none'")
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    };
    check("a.png", "image/png", "attachment; filename=\"a.png\"");
    check("a.png?inline", "image/png", "inline");
    check("a.txt?inline", "text/plain; charset=utf-8", "inline");
    for active in ["a.svg", "a.html"] {
        check(
            &format!("{active}?inline"),
            "application/octet-stream",
            "attachment",
        );
    }
    check("empty", "application/octet-stream", "attachment");
    check(
        "caf%E9",
        "application/octet-stream",
        "attachment; filename=\"caf_\"",
    );
}

#[test]
fn a_download_keeps_to_the_rate_of_its_user() {
    let (server, alice) = start(&["--rate-down", "256KiB"]);
    let content = noise(768 * 1024, 2);
    write(&server.home("alice").join("f"), &content);
    let began = Instant::now();
    assert!(alice.get("/api/v1/files/f").expect(200).body == content);
    // The first piece is free, and the others take a second each.
    assert!(
        began.elapsed() > Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
}

/// A client that reads nothing more is cut off, too.
#[test]
fn a_session_that_is_ended_ends_its_downloads() {
    let (server, alice) = start(&[]);
    write_sparse(&server.home("alice").join("f"), 8 << 30);
    let mut reply = alice.open("GET", "/api/v1/files/f", &[]).reply();
    assert_eq!(reply.status, 200);
    reply.read(1000);
    server.admin_ok(&["sessions", "kick", "--user", "alice"], "");
    let closed = events(&server, "closed", 1);
    assert_eq!(closed[0]["path"], "/f");
    assert!(!reply.skip(1000), "a download that was broken off looks whole");
}

#[test]
fn a_file_that_becomes_shorter_never_looks_whole() {
    let (server, alice) = start(&[]);
    let path = server.home("alice").join("f");
    write_sparse(&path, 1 << 30);
    let mut reply = alice.open("GET", "/api/v1/files/f", &[]).reply();
    reply.read(1000);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    assert!(!reply.skip(1000));
}
