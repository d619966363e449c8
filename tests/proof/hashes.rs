//! The hash extensions byte by byte, against vectors of the drafts and RFC 1321.

use russh::SshId;
use russh::client::Config;
use russh::keys::load_secret_key;

use crate::proof::noise;
use testkit::packets::*;
use testkit::raw::RawSftp;
use testkit::reference::which;
use testkit::replies::{Reader, Reply};
use testkit::russh_client::Session;
use testkit::server::TestServer;

pub const MD5_OF_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
const SHA1_OF_ABC: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

pub fn text(words: &str) -> Part {
    Part::Text(words.into())
}

/// Returns an md5-hash request without a quick check.
pub fn md5(path: &str, start: u64, length: u64) -> Request {
    md5_checked(path, start, length, b"")
}

pub fn md5_checked(path: &str, start: u64, length: u64, quick: &[u8]) -> Request {
    let parts = vec![
        text(path),
        Part::U64(start),
        Part::U64(length),
        Part::Text(quick.into()),
    ];
    extended("md5-hash", parts)
}

pub fn md5_handle(handle: Handle, start: u64, length: u64) -> Request {
    let parts = vec![
        Part::Handle(handle),
        Part::U64(start),
        Part::U64(length),
        text(""),
    ];
    extended("md5-hash-handle", parts)
}

/// Returns a check-file-name request for a range of a file.
pub fn check(path: &str, algorithms: &str, range: (u64, u64), block: u32) -> Request {
    check_of("check-file-name", text(path), algorithms, range, block)
}

pub fn check_of(
    name: &str,
    subject: Part,
    algorithms: &str,
    (start, length): (u64, u64),
    block: u32,
) -> Request {
    let parts = vec![
        subject,
        text(algorithms),
        Part::U64(start),
        Part::U64(length),
        Part::U32(block),
    ];
    extended(name, parts)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the hash in a reply to md5-hash, which must repeat this name.
pub fn md5_in(reply: Reply, name: &str) -> String {
    let Reply::Extended(body) = reply else {
        panic!("no hash but {reply:?}")
    };
    let mut reader = Reader(&body);
    assert_eq!(reader.string().unwrap(), name.as_bytes());
    let hash = hex(&reader.string().unwrap());
    assert!(reader.0.is_empty(), "something follows the hash");
    hash
}

/// Returns the hash of these bytes by the machine's own tool.
pub fn sum(tool: &str, bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    let output = std::process::Command::new(which(tool))
        .arg(file.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

fn md5_of(session: &mut RawSftp, request: &Request) -> String {
    md5_in(session.ask(request), "md5-hash")
}

#[test]
fn md5_hash_as_the_draft_has_it() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let home = server.home("alice");
    let big = noise(1_000_001);
    std::fs::write(home.join("abc"), "abc").unwrap();
    std::fs::write(home.join("empty"), "").unwrap();
    std::fs::write(home.join("big"), &big).unwrap();

    // The whole reply consists of the request's name and the hash, both as strings.
    let vector = [&b"\0\0\0\x08md5-hash\0\0\0\x10"[..], &unhex(MD5_OF_ABC)].concat();
    assert_eq!(session.ask(&md5("abc", 0, 0)), Reply::Extended(vector));
    assert_eq!(md5_of(&mut session, &md5("/abc", 0, 3)), MD5_OF_ABC);
    assert_eq!(
        md5_of(&mut session, &md5("abc", 0, u64::MAX)),
        MD5_OF_ABC,
        "past the end: to the end"
    );
    assert_eq!(md5_of(&mut session, &md5("empty", 0, 0)), MD5_OF_NOTHING);
    assert_eq!(
        md5_of(&mut session, &md5("abc", 1, 0)),
        MD5_OF_NOTHING,
        "a start without a length"
    );
    assert_eq!(
        md5_of(&mut session, &md5("abc", 3, 5)),
        MD5_OF_NOTHING,
        "at the end"
    );
    for (start, length) in [(0, 1_000_001), (1, 1_000_000), (65_535, 262_145), (999_999, 9)] {
        let end = big.len().min(start + length);
        let expected = sum("md5sum", &big[start..end]);
        let got = md5_of(&mut session, &md5("big", start as u64, length as u64));
        assert_eq!(got, expected, "{length} bytes from {start}");
    }
    let handle = session.handle(&open("big", READ));
    let reply = session.ask_about(&md5_handle(nth(0), 0, 0), &handle);
    assert_eq!(md5_in(reply, "md5-hash-handle"), sum("md5sum", &big));
}

#[test]
fn bytes_that_were_just_written_are_hashed() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let handle = session.handle(&open("new", READ | WRITE | CREAT));
    let mut expected = Vec::new();
    for round in 0..20u8 {
        let piece = vec![round; 40_000];
        let reply = session.ask_about(&write(nth(0), expected.len() as u64, &piece), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }));
        expected.extend(piece);
        let reply = session.ask_about(&md5_handle(nth(0), 0, 0), &handle);
        assert_eq!(md5_in(reply, "md5-hash-handle"), sum("md5sum", &expected));
    }
}

#[test]
fn a_quick_check_saves_the_rest() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let content = noise(10_000);
    std::fs::write(server.home("alice").join("f"), &content).unwrap();
    std::fs::write(server.home("alice").join("abc"), "abc").unwrap();
    let right = unhex(&sum("md5sum", &content[100..2148]));
    let whole = sum("md5sum", &content[100..]);
    assert_eq!(
        md5_of(&mut session, &md5_checked("f", 100, 20_000, &right)),
        whole
    );
    assert_eq!(
        md5_of(&mut session, &md5_checked("f", 101, 20_000, &right)),
        "",
        "it differs"
    );
    // A range of less than 2048 bytes is checked as a whole.
    let short = unhex(MD5_OF_ABC);
    assert_eq!(
        md5_of(&mut session, &md5_checked("abc", 0, 0, &short)),
        MD5_OF_ABC
    );
    assert_eq!(md5_of(&mut session, &md5_checked("abc", 0, 2, &short)), "");
}

#[test]
fn files_beyond_four_gibibytes() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let size = (4u64 << 30) + 3;
    let file = std::fs::File::create(server.home("alice").join("large")).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"abc", size - 3).unwrap();
    assert_eq!(md5_of(&mut session, &md5("large", size - 3, 3)), MD5_OF_ABC);
    assert_eq!(md5_of(&mut session, &md5("large", size - 3, 100)), MD5_OF_ABC);
    let around = session.ask(&check("large", "sha1", ((4 << 30) - 1, 1), 0));
    assert_eq!(around, plain("sha1", &unhex(&sum("sha1sum", b"\0"))));
}

fn plain(algorithm: &str, hashes: &[u8]) -> Reply {
    let name = [&(algorithm.len() as u32).to_be_bytes()[..], algorithm.as_bytes()].concat();
    Reply::Extended([&name[..], hashes].concat())
}

#[test]
fn check_file_by_algorithm_and_block() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let content = noise(1000);
    std::fs::write(server.home("alice").join("f"), &content).unwrap();
    std::fs::write(server.home("alice").join("abc"), "abc").unwrap();
    std::fs::write(server.home("alice").join("empty"), "").unwrap();
    for (algorithm, tool) in [
        ("md5", "md5sum"),
        ("sha1", "sha1sum"),
        ("sha256", "sha256sum"),
        ("sha512", "sha512sum"),
    ] {
        let hash = |piece: &[u8]| unhex(&sum(tool, piece));
        let whole = session.ask(&check("f", algorithm, (0, 0), 0));
        assert_eq!(whole, plain(algorithm, &hash(&content)), "{algorithm}");
        let blocks: Vec<u8> = content[10..].chunks(256).flat_map(hash).collect();
        let reply = session.ask(&check("f", algorithm, (10, 0), 256));
        assert_eq!(reply, plain(algorithm, &blocks), "{algorithm} by blocks");
        let exact: Vec<u8> = content[10..522].chunks(256).flat_map(hash).collect();
        let reply = session.ask(&check("f", algorithm, (10, 512), 256));
        assert_eq!(reply, plain(algorithm, &exact), "{algorithm}, two blocks exactly");
        let nothing = session.ask(&check("empty", algorithm, (0, 0), 0));
        assert_eq!(nothing, plain(algorithm, &hash(b"")));
        assert_eq!(
            session.ask(&check("empty", algorithm, (0, 0), 256)),
            plain(algorithm, b""),
            "no block"
        );
    }
    // The server uses the first algorithm of the client's list that it knows.
    let first = session.ask(&check("abc", "crc32,sha224, sha1,md5", (0, 0), 0));
    assert_eq!(first, plain("sha1", &unhex(SHA1_OF_ABC)));
    let handle = session.handle(&open("abc", READ));
    let by_handle = check_of("check-file-handle", Part::Handle(nth(0)), "sha1", (0, 0), 0);
    assert_eq!(
        session.ask_about(&by_handle, &handle),
        plain("sha1", &unhex(SHA1_OF_ABC))
    );
    // paramiko's request is interpreted differently.
    let bare = check_of("check-file", Part::Handle(nth(0)), "sha1", (0, 0), 0);
    let vector = [&b"\0\0\0\x0acheck-file\0\0\0\x04sha1"[..], &unhex(SHA1_OF_ABC)].concat();
    assert_eq!(session.ask_about(&bare, &handle), Reply::Extended(vector));
}

/// Apache MINA SSHD reads each hash as a string.
#[test]
fn apache_mina_gets_hashes_in_its_own_format() {
    let server = TestServer::start(&["alice"]);
    std::fs::write(server.home("alice").join("f"), [7; 600]).unwrap();
    let blocks: Vec<u8> = [256, 256, 88]
        .iter()
        .flat_map(|&length| [&b"\0\0\0\x10"[..], &unhex(&sum("md5sum", &vec![7; length]))].concat())
        .collect();
    let vector = [&b"\0\0\0\x0acheck-file\0\0\0\x03md5"[..], &blocks].concat();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = Config {
            client_id: SshId::Standard("SSH-2.0-APACHE-SSHD-2.15.0".into()),
            ..Config::default()
        };
        let key = load_secret_key(server.key("alice"), None).unwrap();
        let mut session = Session::start(config, server.port(), "alice", &key).await;
        let reply = session.ask(&check("f", "md5", (0, 0), 256), b"").await;
        assert_eq!(reply, Reply::Extended(vector));
    });
}

#[test]
fn version_announces_the_extensions_that_are_answered() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let Reply::Version { version, extensions } = session.repeat_init() else {
        panic!("no VERSION")
    };
    assert_eq!(version, 3);
    let data = |name: &str| {
        let found = extensions.iter().find(|(given, _)| given == name.as_bytes());
        found
            .unwrap_or_else(|| panic!("{name} is not announced"))
            .1
            .clone()
    };
    for name in [
        "md5-hash",
        "md5-hash-handle",
        "check-file",
        "check-file-name",
        "check-file-handle",
        "space-available",
        "copy-data",
    ] {
        data(name);
    }
    let blob = data("supported");
    let mut reader = Reader(&blob);
    let attributes = reader.u32().unwrap();
    assert_eq!(
        attributes & 0x05,
        0x05,
        "size and permissions, or WinSCP greys them out"
    );
    let (_bits, _flags, _access) = (
        reader.u32().unwrap(),
        reader.u32().unwrap(),
        reader.u32().unwrap(),
    );
    assert_eq!(reader.u32(), Some(261_120), "the largest READ");
    let mut named = Vec::new();
    while !reader.0.is_empty() {
        named.push(String::from_utf8(reader.string().unwrap()).unwrap());
    }
    for name in [
        "md5-hash",
        "md5-hash-handle",
        "check-file-name",
        "check-file-handle",
    ] {
        assert!(named.iter().any(|given| given == name), "{name} in {named:?}");
    }
    let blob = data("vendor-id");
    let mut reader = Reader(&blob);
    assert_eq!(reader.string().unwrap(), b"Homeport");
    assert_eq!(reader.string().unwrap(), b"homeportd");
    assert_eq!(reader.string().unwrap(), env!("CARGO_PKG_VERSION").as_bytes());
    assert_eq!(reader.u64(), Some(0));
    assert!(reader.0.is_empty());
}

#[test]
fn space_available_reports_the_rest_of_the_quota() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB"]);
    server.serve();
    let mut session = server.raw("alice");
    let handle = session.handle(&open("f", WRITE | CREAT));
    session.ask_about(&write(nth(0), 0, vec![1; 4096 * 3]), &handle);
    for path in ["/", ".", "", "f"] {
        let Reply::Extended(body) = session.ask(&extended("space-available", vec![text(path)])) else {
            panic!("{path}")
        };
        let mut reader = Reader(&body);
        let numbers: Vec<u64> = (0..4).map(|_| reader.u64().unwrap()).collect();
        let free = (1 << 20) - 3 * 4096;
        assert_eq!(numbers, [1 << 20, free, 1 << 20, free], "{path}");
        assert_eq!(reader.u32(), Some(4096));
        assert!(reader.0.is_empty());
    }
    let reply = session.ask(&extended("space-available", vec![text("missing")]));
    assert!(matches!(reply, Reply::Status { code: 2, .. }), "{reply:?}");
}

pub fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
