//! continue-hash@homeport: the hash of what is in the file now, from states that the client tells, beside later requests.

use std::time::Duration;

use base::digest::Algorithm;
use base::hash_state::{HashState, RunningHash};

use crate::proof::hashes::{MD5_OF_ABC, hex, md5_handle, md5_in, sum, text};
use crate::proof::noise;
use testkit::packets::*;
use testkit::raw::{RawSftp, Received};
use testkit::replies::{Reader, Reply, decode};
use testkit::server::TestServer;
use testkit::{PATIENCE, wait_for};

/// The length of the ranges.
const STEP: usize = 64 * 1024;

/// Returns a request for ranges of a file of which the client has these bytes.
fn request(algorithm: Algorithm, bytes: &[u8], offset: usize) -> Request {
    let states = (offset..bytes.len()).step_by(STEP).flat_map(|begin| {
        let mut hash = RunningHash::new(HashState::initial(algorithm).unwrap());
        hash.update(&bytes[..begin]);
        hash.state().0.to_bytes()
    });
    let length = (bytes.len() - offset) as u64;
    raw_request(
        algorithm.name(),
        (offset as u64, length, STEP as u64),
        states.collect(),
    )
}

fn raw_request(algorithm: &str, (offset, length, step): (u64, u64, u64), states: Vec<u8>) -> Request {
    let parts = vec![
        Part::Handle(nth(0)),
        text(algorithm),
        Part::U64(offset),
        Part::U64(length),
        Part::U64(step),
        Part::Text(states),
    ];
    extended("continue-hash@homeport", parts)
}

/// Returns the hashes in a reply.
fn hashes(reply: Reply, algorithm: Algorithm) -> Vec<String> {
    let Reply::Extended(body) = reply else {
        panic!("no hashes but {reply:?}")
    };
    let mut reader = Reader(&body);
    let hashes = reader.string().unwrap();
    assert!(reader.0.is_empty(), "something follows the hashes");
    hashes.chunks(algorithm.length()).map(hex).collect()
}

/// Returns the hashes of the beginnings of these bytes by the machine's own tool.
fn beginnings(tool: &str, bytes: &[u8], offset: usize) -> Vec<String> {
    let begins = (offset..bytes.len()).step_by(STEP);
    let ends = begins.map(|begin| bytes.len().min(begin + STEP));
    ends.map(|end| sum(tool, &bytes[..end])).collect()
}

#[test]
fn the_hash_of_abc_is_continued_from_nothing() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    std::fs::write(server.home("alice").join("abc"), "abc").unwrap();
    let handle = session.handle(&open("abc", READ));
    let reply = session.ask_about(&request(Algorithm::Md5, b"abc", 0), &handle);
    assert_eq!(hashes(reply, Algorithm::Md5), [MD5_OF_ABC]);
}

#[test]
fn each_range_is_continued_from_the_state_before_it() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let content = noise(10 * STEP + 77);
    std::fs::write(server.home("alice").join("f"), &content).unwrap();
    let handle = session.handle(&open("f", READ));
    for (algorithm, tool) in [(Algorithm::Md5, "md5sum"), (Algorithm::Sha256, "sha256sum")] {
        for offset in [0, 64, 9 * STEP, 10 * STEP] {
            let reply = session.ask_about(&request(algorithm, &content, offset), &handle);
            let expected = beginnings(tool, &content, offset);
            assert_eq!(hashes(reply, algorithm), expected, "{tool} from {offset}");
        }
    }
}

/// Whatever was written, and by whom, the hash is that of the bytes that are there when it is asked for.
#[test]
fn the_bytes_that_are_in_the_file_now_are_hashed() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let mut writer = server.raw("alice");
    let path = server.home("alice").join("f");
    let mut content = noise(4 * STEP);
    let writing = writer.handle(&open("f", READ | WRITE | CREAT));
    let handle = session.handle(&open("f", READ));
    let write_at = |writer: &mut RawSftp, offset: usize, piece: &[u8]| {
        let reply = writer.ask_about(&write(nth(0), offset as u64, piece), &writing);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    };
    let check = |session: &mut RawSftp, content: &[u8], what: &str| {
        let reply = session.ask_about(&request(Algorithm::Md5, content, 0), &handle);
        let expected = beginnings("md5sum", content, 0);
        assert_eq!(hashes(reply, Algorithm::Md5), expected, "{what}");
    };
    // The pieces come in another order than they lie in the file.
    for number in [3, 1, 0, 2] {
        let begin = number * STEP;
        write_at(&mut writer, begin, &content[begin..begin + STEP]);
    }
    check(&mut session, &content, "out of order");
    content[STEP + 5..STEP + 8].copy_from_slice(b"new");
    write_at(&mut writer, STEP + 5, b"new");
    check(&mut session, &content, "overwritten");
    // Another program of the machine writes the file, too.
    content[7] ^= 1;
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &content[7..8], 7).unwrap();
    check(&mut session, &content, "by another program");
    content.extend(b"more");
    write_at(&mut writer, 4 * STEP, b"more");
    check(&mut session, &content, "longer");
    // What was true before is not true any more.
    file.set_len(2 * STEP as u64).unwrap();
    let reply = session.ask_about(&request(Algorithm::Md5, &content, 0), &handle);
    assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    content.truncate(2 * STEP);
    check(&mut session, &content, "shorter");
    let reply = session.ask_about(&md5_handle(nth(0), 0, 0), &handle);
    assert_eq!(md5_in(reply, "md5-hash-handle"), sum("md5sum", &content));
}

/// A size that no machine hashes within a test, and that ext4 supports, in bytes.
const ENDLESS: u64 = 1 << 43;

#[test]
fn later_requests_of_the_channel_are_answered_meanwhile() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let file = std::fs::File::create(server.home("alice").join("large")).unwrap();
    file.set_len(ENDLESS).unwrap();
    let handle = session.handle(&open("large", READ));
    let writing = session.handle(&open("f", WRITE | CREAT));
    let endless = raw_request("md5", (0, ENDLESS, ENDLESS), HashState::MD5.to_bytes());
    let handles = [handle.clone()];
    let context = Context {
        base: "",
        handles: &handles,
    };
    assert!(session.send(&endless.encode(1_000_000, &context)));
    let before = server.cpu_ticks();
    wait_for("the hashing to begin", || server.cpu_ticks() > before + 5);
    // Each reply has the id of its request, which is asserted: the endless hash is not answered before.
    for number in 0..50 {
        let reply = session.ask_about(&write(nth(0), number * 3, b"abc"), &writing);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
        let reply = session.ask_about(&request(Algorithm::Md5, &[0; 100], 0), &handle);
        assert_eq!(hashes(reply, Algorithm::Md5), [sum("md5sum", &[0; 100])]);
    }
    assert_eq!(session.receive(Duration::ZERO), Received::Silence);
}

/// Otherwise a client could keep more files open than its user may.
#[test]
fn a_file_that_is_hashed_counts_as_open_after_its_handle_was_closed() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    server.serve_by(&["prlimit", "--nofile=1024:1024"]);
    let file = std::fs::File::create(server.home("alice").join("large")).unwrap();
    file.set_len(ENDLESS).unwrap();
    let mut session = server.raw("alice");
    let mut held = Vec::new();
    while let Reply::Handle(handle) = session.ask(&open("large", READ)) {
        held.push(handle);
        assert!(held.len() < 1024, "there is no limit");
    }
    let mut close_one = |session: &mut RawSftp| {
        let handle = held.pop().unwrap();
        let reply = session.ask_about(&close(nth(0)), &handle);
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    };
    close_one(&mut session);
    let handle = session.handle(&open("large", READ));
    let endless = raw_request("md5", (0, ENDLESS, ENDLESS), HashState::MD5.to_bytes());
    let handles = [handle.clone()];
    let context = Context {
        base: "",
        handles: &handles,
    };
    assert!(session.send(&endless.encode(1_000_000, &context)));
    let reply = session.ask_about(&close(nth(0)), &handle);
    assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    let reply = session.ask(&open("large", READ));
    assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    // A file that is not hashed makes room at once.
    close_one(&mut session);
    session.handle(&open("large", READ));
}

/// A client may close its side after its last request.
#[test]
fn a_channel_that_ends_gets_its_hashes_first() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    let content = noise(2 * STEP);
    std::fs::write(server.home("alice").join("f"), &content).unwrap();
    let handle = session.handle(&open("f", READ));
    let asked = request(Algorithm::Md5, &content, 0);
    let handles = [handle];
    let context = Context {
        base: "",
        handles: &handles,
    };
    for id in 100..110 {
        assert!(session.send(&asked.encode(id, &context)));
    }
    drop(session.take_stdin());
    let mut ids = Vec::new();
    while let Received::Packet(packet) = session.receive(PATIENCE) {
        let (id, reply) = decode(&packet);
        assert_eq!(hashes(reply, Algorithm::Md5), beginnings("md5sum", &content, 0));
        ids.extend(id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (100..110).collect::<Vec<_>>());
}

#[test]
fn invalid_requests_get_an_error_message() {
    let server = TestServer::start(&["alice"]);
    let mut session = server.raw("alice");
    std::fs::write(server.home("alice").join("abc"), "abc").unwrap();
    let handle = session.handle(&open("abc", READ));
    let state = HashState::MD5.to_bytes();
    let mut expect = |asked: Request, code: u32, sentence: &str| {
        let reply = session.ask_about(&asked, &handle);
        let Reply::Status {
            code: got, message, ..
        } = &reply
        else {
            panic!("{asked:?}: {reply:?}")
        };
        let message = String::from_utf8_lossy(message);
        assert_eq!(*got, code, "{asked:?}: {message}");
        assert!(message.contains(sentence), "{asked:?}: {message}");
    };
    for algorithm in ["", "sha1", "sha512", "MD5", "md5,sha256"] {
        expect(
            raw_request(algorithm, (0, 3, 3), state.clone()),
            8,
            "only md5 and sha256",
        );
    }
    for states in [vec![], vec![0; 32], vec![0; 64 * 16]] {
        expect(
            raw_request("md5", (0, 3, 3), states),
            5,
            "one state for each range",
        );
    }
    expect(raw_request("md5", (0, 3, 3), vec![0; 15]), 5, "16 bytes");
    expect(
        raw_request("md5", (0, 3, 3), vec![0; 65 * 16]),
        5,
        "at most 64 ranges",
    );
    expect(raw_request("md5", (1, 2, 2), state.clone()), 5, "multiple of 64");
    expect(
        raw_request("md5", (0, 4, 4), state.clone()),
        4,
        "past the end of the file (3 bytes)",
    );
    expect(
        raw_request("md5", (0, u64::MAX, u64::MAX), state.clone()),
        4,
        "past the end",
    );
    expect(
        raw_request("md5", (u64::MAX - 63, 64, 64), state.clone()),
        5,
        "one state",
    );
    let whole = raw_request("md5", (0, 3, 3), state);
    let reply = session.ask_about(&whole, b"none");
    assert!(matches!(reply, Reply::Status { code: 4, .. }), "{reply:?}");
    let written = session.handle(&open("new", WRITE | CREAT));
    let reply = session.ask_about(&whole, &written);
    assert!(
        matches!(reply, Reply::Status { code: 3, .. }),
        "not opened for reading: {reply:?}"
    );
}
