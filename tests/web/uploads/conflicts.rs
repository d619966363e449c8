//! Names that are taken, and quotas that are full: the part stays, and goes on later.

use std::fs;

use testkit::wait_for;

use super::{MIB, expect_exact_use, parts, start, uploaded};

#[test]
fn a_taken_name_is_a_conflict_until_somebody_decides() {
    let (server, alice) = start(&[]);
    let home = server.home("alice");
    let old = server.path().join("old");
    fs::write(&old, b"old").unwrap();
    server.sftp_ok("alice", &format!("put {} report.pdf\n", old.display()));
    let conflict = || {
        let upload = alice.create("/report.pdf", 3);
        let reply = alice.patch(&upload, 0, b"new").expect(409);
        assert_eq!((reply.code().as_str(), reply.offset()), ("conflict", 3));
        upload
    };
    let upload = conflict();
    // Whoever sees the whole length in a reply 200 reports success.
    let reply = alice.ask("HEAD", &upload, &[], b"").expect(423);
    assert_eq!((reply.offset(), reply.header("upload-length")), (3, Some("3")));
    assert_eq!(alice.patch(&upload, 3, b"").expect(409).code(), "conflict");
    let listed = alice.list();
    assert_eq!((&listed[0]["offset"], &listed[0]["size"]), (&3.into(), &3.into()));
    assert_eq!(fs::read(home.join("report.pdf")).unwrap(), b"old");
    assert_eq!(uploaded(&server).len(), 1, "the one of the file that was there");
    expect_exact_use(&server);

    let finish = |upload: &str, query: &str| alice.ask("POST", &format!("{upload}/finish{query}"), &[], b"");
    for bad in ["?overwrite=true&rename=true", "?overwrite=perhaps"] {
        assert_eq!(finish(&upload, bad).expect(400).code(), "bad_request");
    }
    assert_eq!(finish(&upload, "").expect(409).code(), "conflict");
    let done = finish(&upload, "?rename=true").expect(200).json();
    assert_eq!(
        (&done["v"], &done["path"]),
        (&1.into(), &"/report (1).pdf".into())
    );
    let done = finish(&conflict(), "?rename=true").expect(200).json();
    assert_eq!(done["path"], "/report (2).pdf");
    let upload = conflict();
    let done = finish(&upload, "?overwrite=true").expect(200).json();
    assert_eq!((&done["path"], &done["size"]), (&"/report.pdf".into(), &3.into()));
    finish(&upload, "?overwrite=true").expect(410);
    let upload = conflict();
    fs::remove_file(home.join("report.pdf")).unwrap();
    assert_eq!(alice.offset(&upload), 3, "the name is free, so HEAD publishes");
    for name in ["report.pdf", "report (1).pdf", "report (2).pdf"] {
        assert_eq!(fs::read(home.join(name)).unwrap(), b"new", "{name}");
    }
    assert!(parts(&server).is_empty() && alice.list().is_empty());
    let expected = [
        "/report.pdf",
        "/report (1).pdf",
        "/report (2).pdf",
        "/report.pdf",
        "/report.pdf",
    ];
    wait_for("an event for each file", || {
        uploaded(&server).len() >= expected.len()
    });
    let published: Vec<_> = uploaded(&server)
        .into_iter()
        .map(|event| event["path"].clone())
        .collect();
    assert_eq!(published, expected);
}

#[test]
fn an_unfinished_upload_cannot_be_finished_by_a_decision() {
    let (server, alice) = start(&[]);
    let upload = alice.create("/f", 5);
    alice.patch(&upload, 0, b"hell").expect(204);
    let reply = alice.ask("POST", &format!("{upload}/finish?overwrite=true"), &[], b"");
    assert_eq!(reply.expect(400).code(), "bad_request");
    assert_eq!(alice.offset(&upload), 4);
    assert!(!server.home("alice").join("f").exists());
}

#[test]
fn a_directory_is_never_replaced() {
    let (server, alice) = start(&[]);
    server.sftp_ok("alice", "mkdir d\n");
    alice.try_create("/d", 1, &[]).expect(409);
    let upload = alice.create("/late", 1);
    server.sftp_ok("alice", "mkdir late\n");
    alice.patch(&upload, 0, b"x").expect(409);
    let reply = alice.ask("POST", &format!("{upload}/finish?overwrite=true"), &[], b"");
    reply.expect(409);
    let reply = alice.ask("POST", &format!("{upload}/finish?rename=true"), &[], b"");
    assert_eq!(reply.expect(200).json()["path"], "/late (1)");
}

#[test]
fn an_upload_over_the_quota_goes_on_when_there_is_room() {
    let (server, alice) = start(&["--quota", "3MiB"]);
    let content = vec![7; 2 * MIB];
    server.sftp_ok("alice", "pwd\n");
    let blocker = alice.create("/blocker", content.len() as u64);
    alice.patch(&blocker, 0, &content).expect(204);
    let upload = alice.create("/f", content.len() as u64);
    let reply = alice.patch(&upload, 0, &content).expect(507);
    assert_eq!(reply.code(), "over_quota");
    let sentence = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(sentence.contains("quota exceeded"), "{sentence}");
    let offset = reply.offset();
    assert!(offset > 0 && offset <= MIB as u64, "{offset}");
    assert_eq!(alice.offset(&upload), offset);
    alice.open_patch(&upload, offset, 100 * MIB).reply().expect(413);
    expect_exact_use(&server);
    server.sftp_ok("alice", "rm blocker\n");
    let rest = &content[offset as usize..];
    alice.patch(&upload, offset, rest).expect(204);
    assert_eq!(fs::read(server.home("alice").join("f")).unwrap(), content);
    expect_exact_use(&server);
}

#[test]
fn what_can_never_fit_is_refused_at_once() {
    let (server, alice) = start(&["--quota", "1MiB"]);
    let reply = alice.try_create("/huge", 10 << 40, &[]).expect(507);
    assert_eq!(reply.code(), "over_quota");
    let sentence = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        sentence.contains("10.0 TiB") && sentence.contains("1.0 MiB"),
        "{sentence}"
    );
    assert!(alice.list().is_empty() && parts(&server).is_empty());
    server.wait_for_audit("\"over_quota\"");
    alice.create("/fits", MIB as u64);
    expect_exact_use(&server);
}

#[test]
fn first_bytes_over_the_quota_begin_an_upload_all_the_same() {
    let (server, alice) = start(&["--quota", "1MiB"]);
    server.sftp_ok("alice", "pwd\n");
    let blocker = alice.create("/blocker", MIB as u64 / 2);
    alice.patch(&blocker, 0, &vec![1; MIB / 2]).expect(204);
    let metadata = super::metadata_of("/f");
    let headers = [
        super::PIECE,
        ("Upload-Length", "1048576"),
        ("Upload-Metadata", metadata.as_str()),
    ];
    let reply = alice
        .ask("POST", "/api/v1/uploads", &headers, &vec![2; MIB])
        .expect(201);
    let upload = reply.header("location").unwrap();
    assert!(reply.offset() < MIB as u64);
    server.sftp_ok("alice", "rm blocker\n");
    let rest = MIB - reply.offset() as usize;
    alice.patch(upload, reply.offset(), &vec![2; rest]).expect(204);
    expect_exact_use(&server);
}
