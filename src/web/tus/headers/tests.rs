use http::StatusCode;

use super::*;
use crate::web::url_path::UrlPathError;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn b64(value: &str) -> String {
    BASE64.encode(value.as_bytes())
}

fn creation(length: &str, metadata: &str) -> Result<UploadCreation, TusError> {
    UploadCreation::from_headers(&headers(&[
        ("upload-length", length),
        ("upload-metadata", metadata),
    ]))
}

#[test]
fn an_upload_has_a_length_and_a_path() {
    let hash = "0123456789abcdef".repeat(4);
    let metadata = format!(
        "path {},mtime {}, sha256 {},filename {},empty,also ",
        b64("/docs/a b.txt"),
        b64("-5"),
        b64(&hash),
        b64("a b.txt")
    );
    let created = creation("9223372036854775807", &metadata).unwrap();
    assert_eq!(created.length, LARGEST);
    assert_eq!(created.target.path.absolute(), b"/docs/a b.txt");
    assert_eq!(created.target.mtime, Some(-5));
    let digest = created.target.sha256.unwrap();
    assert_eq!(base::visible::hex(&digest), hash);
    let plain = creation("0", &format!("path {}", b64("a"))).unwrap();
    assert_eq!(
        (plain.length, plain.target.mtime, plain.target.sha256),
        (0, None, None)
    );
}

#[test]
fn lengths_that_no_file_has_are_refused() {
    let path = format!("path {}", b64("a"));
    let check = |length: &str, expected: TusError| {
        assert_eq!(creation(length, &path), Err(expected), "{length}");
    };
    for malformed in ["", "-1", "+1", "1.5", "0x10", "1 2"] {
        check(malformed, TusError::Number("Upload-Length"));
    }
    check("9223372036854775808", TusError::TooLarge("Upload-Length"));
    check("99999999999999999999999", TusError::TooLarge("Upload-Length"));
    let missing = headers(&[("upload-metadata", path.as_str())]);
    let expected = TusError::Missing("Upload-Length");
    assert_eq!(UploadCreation::from_headers(&missing), Err(expected));
    let twice = headers(&[("upload-length", "1"), ("upload-length", "1")]);
    let expected = TusError::Repeated("Upload-Length");
    assert_eq!(UploadCreation::from_headers(&twice), Err(expected));
}

#[test]
fn what_is_not_supported_is_refused_with_words() {
    let check = |name: &'static str, value: &str, expected: &str| {
        let headers = headers(&[
            (name, value),
            ("upload-length", "1"),
            ("upload-metadata", "path YQ=="),
        ]);
        let error = UploadCreation::from_headers(&headers).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    };
    check("upload-defer-length", "1", "send Upload-Length");
    check("upload-concat", "partial", "one upload");
}

#[test]
fn the_version_is_checked_first() {
    for version in [None, Some("0.2.2"), Some("1.0.1"), Some("")] {
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            headers.insert(TUS_RESUMABLE, version.parse().unwrap());
        }
        let error = UploadPiece::from_headers(&headers).unwrap_err();
        assert_eq!(error, TusError::Version);
        assert_eq!(error.status(), StatusCode::PRECONDITION_FAILED);
    }
}

#[test]
fn metadata_is_read_strictly() {
    let check = |metadata: &str, expected: TusError| {
        assert_eq!(creation("1", metadata), Err(expected), "{metadata:.60}");
    };
    for malformed in [
        "",
        ",",
        "path YQ==,",
        "path YQ",
        "path YQ=",
        "path Y Q==",
        "path  YQ==",
        "path YR==",
        "path ????",
    ] {
        check(malformed, TusError::Metadata);
    }
    check("path YQ==,path YQ==", TusError::MetadataRepeated);
    let no_path = TusError::Missing("Upload-Metadata with the key \"path\"");
    check("filename YQ==", no_path);
    let file = TusError::MetadataValue("path", "the path of a file");
    for path in ["", "/", "dir/"] {
        check(&format!("path {}", b64(path)), file.clone());
    }
    for path in ["..", "/a/../b", "./a"] {
        check(&format!("path {}", b64(path)), TusError::Path(UrlPathError::Dots));
    }
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|key| format!("k{key}")).collect();
        keys.join(",")
    };
    assert_eq!(pairs(keys(16).as_bytes()).unwrap().len(), 16);
    check(&keys(17), TusError::MetadataTooLarge);
    check(
        &format!("path {}", "YWFh".repeat(5000)),
        TusError::MetadataTooLarge,
    );
    let path = b64("a");
    for (key, value) in [("mtime", "now"), ("mtime", ""), ("sha256", "abc"), ("sha256", "")] {
        let error = creation("1", &format!("path {path},{key} {}", b64(value))).unwrap_err();
        assert!(
            matches!(error, TusError::MetadataValue(name, _) if name == key),
            "{error}"
        );
    }
}

#[test]
fn a_path_of_any_bytes_is_kept() {
    let path = BASE64.encode(b"caf\xe9");
    let created = creation("1", &format!("path {path}")).unwrap();
    assert_eq!(created.target.path.absolute(), b"/caf\xe9");
}

fn piece(pairs: &[(&'static str, &str)]) -> Result<UploadPiece, TusError> {
    UploadPiece::from_headers(&headers(pairs))
}

#[test]
fn a_piece_has_an_offset_and_the_type() {
    let kind = ("content-type", CONTENT_TYPE_OF_PIECES);
    let offset = ("upload-offset", "70");
    let expected = UploadPiece {
        offset: 70,
        checksum: None,
    };
    assert_eq!(piece(&[kind, offset]), Ok(expected));
    assert_eq!(piece(&[offset]), Err(TusError::ContentType));
    for other in [
        "application/octet-stream",
        "application/offset+octet-stream; a=b",
        "",
    ] {
        assert_eq!(
            piece(&[("content-type", other), offset]),
            Err(TusError::ContentType)
        );
    }
    assert_eq!(piece(&[kind]), Err(TusError::Missing("Upload-Offset")));
    let negative = piece(&[kind, ("upload-offset", "-1")]);
    assert_eq!(negative, Err(TusError::Number("Upload-Offset")));
}

#[test]
fn a_creation_may_bring_the_first_bytes() {
    let first = |pairs: &[(&'static str, &str)]| UploadPiece::of_creation(&headers(pairs));
    let kind = ("content-type", CONTENT_TYPE_OF_PIECES);
    let whole = UploadPiece {
        offset: 0,
        checksum: None,
    };
    assert_eq!(first(&[kind, ("content-length", "5")]), Ok(Some(whole.clone())));
    // Some clients give an empty body this type, too.
    assert_eq!(first(&[kind, ("content-length", "0")]), Ok(Some(whole)));
    assert_eq!(first(&[]), Ok(None));
    assert_eq!(first(&[("content-length", "0")]), Ok(None));
    assert_eq!(first(&[("content-length", "5")]), Err(TusError::ContentType));
    assert_eq!(
        first(&[("transfer-encoding", "chunked")]),
        Err(TusError::ContentType)
    );
    let wrong = first(&[kind, ("upload-checksum", "sha1")]);
    assert_eq!(wrong, Err(TusError::Checksum));
}

#[test]
fn checksums_have_the_length_of_their_function() {
    let check = |value: &str, expected: Result<PieceHash, TusError>| {
        let pairs = [
            ("content-type", CONTENT_TYPE_OF_PIECES),
            ("upload-offset", "0"),
            ("upload-checksum", value),
        ];
        let found = piece(&pairs).map(|piece| piece.checksum.unwrap().algorithm);
        assert_eq!(found, expected, "{value}");
    };
    // The digests of nothing.
    check("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", Ok(PieceHash::Sha1));
    check("md5 1B2M2Y8AsgTpgAmY7PhCfg==", Ok(PieceHash::Md5));
    check(
        "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        Ok(PieceHash::Sha256),
    );
    check("sha256 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", Err(TusError::Checksum));
    check("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk", Err(TusError::Checksum));
    check("sha1", Err(TusError::Checksum));
    check("sha1 ", Err(TusError::Checksum));
    check("sha512 AAAA", Err(TusError::ChecksumAlgorithm));
    check(
        "SHA1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        Err(TusError::ChecksumAlgorithm),
    );
}

#[test]
fn the_end_is_a_date() {
    assert_eq!(expires(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
}
