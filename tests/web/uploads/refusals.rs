//! What peers may send wrong.

use super::tus_client::{PIECE, metadata};
use super::{expect_exact_use, parts, start};

#[test]
fn a_creation_with_anything_wrong_creates_nothing() {
    let (server, alice) = start(&[]);
    server.sftp_ok("alice", "pwd\n");
    let good = metadata("/f", &[]);
    let check = |headers: &[(&str, &str)], status: u16, code: &str| {
        let reply = alice.ask("POST", "/api/v1/uploads", headers, b"").expect(status);
        assert_eq!(reply.code(), code, "{headers:?}");
        reply
    };
    let metadata_of = |path: &str| metadata(path, &[]);
    let length = ("Upload-Length", "5");
    let named = ("Upload-Metadata", good.as_str());
    let reply = check(
        &[length, named, ("Tus-Resumable", "0.2.2")],
        412,
        "precondition_failed",
    );
    assert_eq!(reply.header("tus-version"), Some("1.0.0"));
    check(
        &[length, named, ("Tus-Resumable", "")],
        412,
        "precondition_failed",
    );
    check(&[named], 400, "bad_request");
    check(&[length], 400, "bad_request");
    for wrong in ["-1", "+1", "1.5", "0x10", "ten", " ", "1 2"] {
        check(&[("Upload-Length", wrong), named], 400, "bad_request");
    }
    for huge in ["9223372036854775808", "99999999999999999999999999"] {
        check(&[("Upload-Length", huge), named], 413, "too_large");
    }
    check(&[("Upload-Defer-Length", "1"), named], 400, "bad_request");
    check(&[length, named, ("Upload-Concat", "partial")], 400, "bad_request");
    for wrong in [
        "path",
        "path !!!",
        "path L2Y=,path L2Y=",
        "name L2Y=",
        "path L2Y=,sha256 Zm9v",
        "path L2Y=,mtime eA==",
    ] {
        check(&[length, ("Upload-Metadata", wrong)], 400, "bad_request");
    }
    for path in ["/", "/d/", "/../x", "/a/./b", "/a\0b"] {
        check(
            &[length, ("Upload-Metadata", &metadata_of(path))],
            400,
            "bad_request",
        );
    }
    let reserved = format!("/.homeport-upload-{}", "0".repeat(32));
    check(
        &[length, ("Upload-Metadata", &metadata_of(&reserved))],
        403,
        "forbidden",
    );
    check(
        &[length, ("Upload-Metadata", &metadata_of("/missing/f"))],
        404,
        "not_found",
    );
    let long = format!("/{}", "x".repeat(300));
    check(
        &[length, ("Upload-Metadata", &metadata_of(&long))],
        400,
        "bad_request",
    );
    let keys = (0..17).map(|key| format!("k{key}")).collect::<Vec<_>>().join(",");
    check(&[length, ("Upload-Metadata", &keys)], 413, "too_large");
    assert!(alice.list().is_empty() && parts(&server).is_empty());
    expect_exact_use(&server);
}

#[test]
fn a_piece_with_anything_wrong_changes_nothing() {
    let (server, alice) = start(&[]);
    let upload = alice.create("/f", 10);
    alice.patch(&upload, 0, b"01234").expect(204);
    let check = |path: &str, headers: &[(&str, &str)], status: u16, code: &str| {
        let reply = alice.ask("PATCH", path, headers, b"56789").expect(status);
        assert_eq!(reply.code(), code, "{headers:?}");
        reply
    };
    let five = ("Upload-Offset", "5");
    for offset in ["0", "4", "6", "10", "11", "9223372036854775807"] {
        let reply = check(&upload, &[PIECE, ("Upload-Offset", offset)], 409, "conflict");
        assert_eq!(reply.offset(), 5);
    }
    for offset in ["-1", "+5", "5.0", "x"] {
        check(&upload, &[PIECE, ("Upload-Offset", offset)], 400, "bad_request");
    }
    check(
        &upload,
        &[PIECE, ("Upload-Offset", "9223372036854775808")],
        413,
        "too_large",
    );
    check(&upload, &[PIECE], 400, "bad_request");
    check(&upload, &[five], 415, "unsupported_type");
    check(
        &upload,
        &[five, ("Content-Type", "application/octet-stream")],
        415,
        "unsupported_type",
    );
    check(
        &upload,
        &[PIECE, five, ("Tus-Resumable", "2.0.0")],
        412,
        "precondition_failed",
    );
    for checksum in ["sha1", "sha1 AAAA", "crc32 AAAA", "sha1 !"] {
        check(
            &upload,
            &[PIECE, five, ("Upload-Checksum", checksum)],
            400,
            "bad_request",
        );
    }
    for id in [
        "0",
        "x",
        "00000000000000000000000000000000",
        "0000000000000000000000000000000G",
    ] {
        check(&format!("/api/v1/uploads/{id}"), &[PIECE, five], 404, "not_found");
    }
    assert_eq!(alice.offset(&upload), 5);
    alice.patch(&upload, 5, b"").expect(204);
    alice.patch(&upload, 5, b"56789").expect(204);
    expect_exact_use(&server);
}

#[test]
fn the_method_may_stand_in_a_header() {
    let (_server, alice) = start(&[]);
    let upload = alice.create("/f", 10);
    let method = |name: &'static str| ("X-HTTP-Method-Override", name);
    let headers = [PIECE, ("Upload-Offset", "0"), method("PATCH")];
    let reply = alice.ask("POST", &upload, &headers, b"01234").expect(204);
    assert_eq!(reply.offset(), 5);
    assert_eq!(
        alice
            .ask("POST", &upload, &[method("HEAD")], b"")
            .expect(200)
            .offset(),
        5
    );
    alice.ask("POST", &upload, &[method("GET")], b"").expect(405);
    alice.ask("POST", &upload, &[], b"").expect(405);
    alice.ask("POST", &upload, &[method("DELETE")], b"").expect(204);
    alice.ask("HEAD", &upload, &[], b"").expect(404);
}
