use parking_lot::Mutex;
use std::fmt::Write as _;

use base::hash_state::{HashState, RunningHash};

use super::continued::{BadRanges, ContinuedRanges, ContinuedWork};
use super::*;
use crate::io::HomeIo;
use crate::storage::{FileFacts, Metadata, SetAttrs, Space};

/// A file in memory. Its client can leave while it is read.
struct FileInMemory {
    io: HomeIo,
    bytes: Vec<u8>,
    leave_at: Option<(u64, CancellationToken)>,
    furthest: Mutex<u64>,
}

impl OpenFile for FileInMemory {
    fn read_at(&self, buffer: &mut [u8], offset: u64, _wait: Wait) -> Result<usize> {
        let mut furthest = self.furthest.lock();
        *furthest = (*furthest).max(offset);
        if let Some((at, gone)) = &self.leave_at
            && offset >= *at
        {
            gone.cancel();
        }
        let rest = self
            .bytes
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn write_at(&self, _data: &[u8], _offset: u64, _wait: Wait) -> Result<()> {
        Err(Error::BadHandle)
    }
    fn stat(&self) -> Result<Metadata> {
        Err(Error::BadHandle)
    }
    fn set_attrs(&self, _attrs: &SetAttrs) -> Result<()> {
        Err(Error::BadHandle)
    }
    fn sync(&self) -> Result<()> {
        Ok(())
    }
    fn finish(&self, _wait: Wait) -> Result<()> {
        Ok(())
    }
    fn space(&self, _wait: Wait) -> Result<Space> {
        Err(Error::BadHandle)
    }
    fn abandon(&self) {}
    fn facts(&self) -> FileFacts {
        FileFacts::default()
    }
    fn scheduler(&self) -> &HomeIo {
        &self.io
    }
}

fn noise(length: usize) -> Vec<u8> {
    let blend = |n: usize| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[2];
    (0..length).map(blend).collect()
}

fn memory(bytes: Vec<u8>) -> Arc<FileInMemory> {
    Arc::new(FileInMemory {
        io: HomeIo::unscheduled(),
        bytes,
        leave_at: None,
        furthest: Mutex::new(0),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn work(file: &Arc<FileInMemory>, algorithm: Algorithm, offset: u64, length: u64) -> Work {
    Work {
        file: Arc::clone(file) as Arc<dyn OpenFile>,
        algorithm,
        range: Range { offset, length },
        block: None,
        quick_check: None,
    }
}

fn digest(work: &Work) -> String {
    hex(&work
        .compute(&CpuSlots::new(1), &CancellationToken::new())
        .unwrap())
}

#[test]
fn digests_are_those_of_the_standards() {
    // The expected digests of "abc" are from RFC 1321 and FIPS 180-4.
    let file = memory(b"xabcx".to_vec());
    let check = |algorithm, expected: &str| {
        assert_eq!(digest(&work(&file, algorithm, 1, 3)), expected, "{algorithm:?}");
        assert_eq!(Algorithm::length(algorithm) * 2, expected.len());
    };
    check(Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72");
    check(Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(
        Algorithm::Sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    check(
        Algorithm::Sha512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
    assert_eq!(
        digest(&work(&file, Algorithm::Md5, 0, 0)),
        "d41d8cd98f00b204e9800998ecf8427e"
    );
}

#[test]
fn ranges_are_exact_whatever_the_buffers() {
    let bytes = noise(3 * BUFFER_SIZE + 77);
    let file = memory(bytes.clone());
    let edges = [
        (0, bytes.len()),
        (0, BUFFER_SIZE),
        (0, BUFFER_SIZE + 1),
        (1, BUFFER_SIZE),
        (BUFFER_SIZE - 1, 2 * BUFFER_SIZE + 2),
        (5, bytes.len() + 1000),
    ];
    for (offset, length) in edges {
        let end = bytes.len().min(offset + length);
        let mut hasher = Algorithm::Md5.hasher();
        hasher.update(&bytes[offset..end]);
        let expected = hex(&hasher.finalize());
        assert_eq!(
            digest(&work(&file, Algorithm::Md5, offset as u64, length as u64)),
            expected,
            "{length} bytes from {offset}"
        );
    }
}

#[test]
fn blocks_have_a_digest_each() {
    let bytes = noise(2 * BUFFER_SIZE);
    let file = memory(bytes.clone());
    for (length, block) in [
        (1000, 256),
        (1024, 256),
        (bytes.len(), 65_537),
        (10, 256),
        (0, 256),
    ] {
        let mut asked = work(&file, Algorithm::Sha1, 3, length as u64);
        asked.block = NonZeroU64::new(block as u64);
        let piece = &bytes[3..(3 + length).min(bytes.len())];
        let expected: String = piece
            .chunks(block)
            .map(|chunk| {
                let mut hasher = Algorithm::Sha1.hasher();
                hasher.update(chunk);
                hex(&hasher.finalize())
            })
            .collect();
        assert_eq!(digest(&asked), expected, "{length} by {block}");
    }
}

#[test]
fn a_quick_check_that_fails_reads_no_further() {
    let bytes = noise(4 * BUFFER_SIZE);
    let file = memory(bytes.clone());
    let mut asked = work(&file, Algorithm::Md5, 100, bytes.len() as u64);
    asked.quick_check = Some([7; 16]);
    assert_eq!(digest(&asked), "");
    assert_eq!(*file.furthest.lock(), 100);
    let mut hasher = Algorithm::Md5.hasher();
    hasher.update(&bytes[100..2148]);
    asked.quick_check = hasher.finalize().to_vec().try_into().ok();
    let unchecked = work(&file, Algorithm::Md5, 100, bytes.len() as u64);
    assert_eq!(digest(&asked), digest(&unchecked));
}

#[test]
fn hashing_ends_when_the_client_leaves() {
    let gone = CancellationToken::new();
    let file = Arc::new(FileInMemory {
        io: HomeIo::unscheduled(),
        bytes: noise(40 * BUFFER_SIZE),
        leave_at: Some((2 * BUFFER_SIZE as u64, gone.clone())),
        furthest: Mutex::new(0),
    });
    let all = file.bytes.len() as u64;
    let outcome = work(&file, Algorithm::Md5, 0, all).compute(&CpuSlots::new(1), &gone);
    assert_eq!(outcome, Err(Error::Cancelled));
    assert!(*file.furthest.lock() <= 3 * BUFFER_SIZE as u64);
}

/// The states of a hash of these bytes at successive offsets, as a client has them.
fn states(algorithm: Algorithm, bytes: &[u8], offsets: impl Iterator<Item = usize>) -> Vec<HashState> {
    let state = |offset: usize| {
        let mut hash = RunningHash::new(HashState::initial(algorithm).unwrap());
        hash.update(&bytes[..offset]);
        assert_eq!(hash.state().1, offset as u64);
        hash.state().0
    };
    offsets.map(state).collect()
}

/// Work on successive ranges of a file with these bytes, beginning at this offset.
fn continued(algorithm: Algorithm, bytes: &[u8], offset: usize, step: usize) -> ContinuedWork {
    let states = states(algorithm, bytes, (offset..bytes.len()).step_by(step));
    let length = (bytes.len() - offset) as u64;
    ContinuedWork {
        file: memory(bytes.to_vec()),
        algorithm,
        ranges: ContinuedRanges::new(offset as u64, length, step as u64, states).unwrap(),
    }
}

#[test]
fn ranges_are_continued_from_the_states_before_them() {
    const PIECE: usize = BUFFER_SIZE / 8;
    let check = |algorithm: Algorithm, length: usize, offset: usize, step: usize| {
        let bytes = noise(length);
        let work = continued(algorithm, &bytes, offset, step);
        let digests = work.compute(&CpuSlots::new(1), &CancellationToken::new());
        let ends = (offset..length)
            .step_by(step)
            .map(|begin| length.min(begin + step));
        let expected: Vec<u8> = ends
            .flat_map(|end| {
                let mut hasher = algorithm.hasher();
                hasher.update(&bytes[..end]);
                hasher.finalize().to_vec()
            })
            .collect();
        assert_eq!(
            digests.unwrap(),
            expected,
            "{algorithm:?}: {length} bytes from {offset} by {step}"
        );
    };
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        check(algorithm, 1, 0, 1);
        check(algorithm, 64 * 9, 64, 64);
        check(algorithm, 64 * 20 + 5, 0, 64);
        check(algorithm, 5 * PIECE, 0, PIECE);
        check(algorithm, 9 * (PIECE + 64) + 63, 0, PIECE + 64);
        check(algorithm, BUFFER_SIZE + 100, 128, BUFFER_SIZE * 2);
        check(algorithm, 2 * BUFFER_SIZE, BUFFER_SIZE, BUFFER_SIZE);
    }
}

#[test]
fn ranges_beyond_the_end_of_a_file_have_no_digest() {
    let bytes = noise(64 * 40);
    for kept in [0, 63, 64 * 20, 64 * 40 - 1] {
        for step in [64 * 8, 64 * 40] {
            let mut work = continued(Algorithm::Md5, &bytes, 0, step);
            work.file = memory(bytes[..kept].to_vec());
            let digests = work.compute(&CpuSlots::new(1), &CancellationToken::new());
            assert_eq!(digests, Ok(Vec::new()), "{kept} {step}");
        }
    }
}

#[test]
fn a_changed_byte_changes_the_digest_of_its_range_alone() {
    let bytes = noise(64 * 40);
    let unchanged = continued(Algorithm::Md5, &bytes, 0, 64 * 4);
    let digests = |work: &ContinuedWork| {
        let digests = work.compute(&CpuSlots::new(1), &CancellationToken::new());
        digests.unwrap().as_chunks::<16>().0.to_vec()
    };
    let expected = digests(&unchanged);
    for changed in [0, 64 * 4 - 1, 64 * 4, 64 * 39, 64 * 40 - 1] {
        let mut work = continued(Algorithm::Md5, &bytes, 0, 64 * 4);
        let mut other = bytes.clone();
        other[changed] ^= 1;
        work.file = memory(other);
        for (number, (found, expected)) in digests(&work).iter().zip(&expected).enumerate() {
            assert_eq!(
                found == expected,
                number != changed / (64 * 4),
                "{changed} {number}"
            );
        }
    }
}

#[test]
fn ranges_and_states_must_fit_together() {
    let check = |offset, length, step, count: usize, expected| {
        let states = vec![HashState::MD5; count];
        let made = ContinuedRanges::new(offset, length, step, states);
        assert_eq!(made.err(), expected, "{offset} {length} {step} {count}");
    };
    check(0, 1, 1, 1, None);
    check(64, 100, 100, 1, None);
    check(0, 129, 64, 3, None);
    check(0, 64 * 64, 64, 64, None);
    check(0, 64 * 65, 64, 65, Some(BadRanges::TooMany));
    check(1, 10, 10, 1, Some(BadRanges::WithinBlock));
    check(0, 130, 65, 2, Some(BadRanges::WithinBlock));
    check(u64::MAX - 63, 64, 64, 1, Some(BadRanges::OtherCount));
    check(0, u64::MAX, 64, 2, Some(BadRanges::OtherCount));
    for (length, step, count) in [
        (0, 64, 0),
        (0, 64, 1),
        (64, 0, 1),
        (64, 64, 0),
        (64, 64, 2),
        (65, 64, 1),
    ] {
        check(0, length, step, count, Some(BadRanges::OtherCount));
    }
}

#[test]
fn continuing_ends_when_the_client_leaves() {
    let gone = CancellationToken::new();
    let bytes = noise(40 * BUFFER_SIZE);
    for step in [4 * BUFFER_SIZE, 40 * BUFFER_SIZE] {
        let gone = gone.child_token();
        let mut work = continued(Algorithm::Sha256, &bytes, 0, step);
        work.file = Arc::new(FileInMemory {
            io: HomeIo::unscheduled(),
            bytes: bytes.clone(),
            leave_at: Some((2 * BUFFER_SIZE as u64, gone.clone())),
            furthest: Mutex::new(0),
        });
        let outcome = work.compute(&CpuSlots::new(1), &gone);
        assert_eq!(outcome, Err(Error::Cancelled));
    }
}
