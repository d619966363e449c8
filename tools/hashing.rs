//! Measures how fast files are hashed, compared with the digests alone over memory, in alternating rounds of one run.
//!
//! ```sh
//! cargo run --release -p homeport-tools --bin hashing            # 1 GiB
//! cargo run --release -p homeport-tools --bin hashing -- 256 9   # MiB, rounds
//! ```
//!
//! The file is in the page cache, as it is after an upload. A ratio of 100 % means that reading costs nothing. The rows
//! md5+ and sha256+ continue hashes range by range, as the server does while a file is transferred: MD5 hashes several
//! ranges side by side, and is faster than alone.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::digest::Algorithm;
use base::hash_state::{HashState, LANES, RunningHash};
use homeportd::domain::path::VirtualPath;
use homeportd::io::cpu_slots::CpuSlots;
use homeportd::storage::hash::continued::{ContinuedRanges, ContinuedWork};
use homeportd::storage::hash::{HashWork as _, Range, Work};
use homeportd::storage::local::LocalStorage;
use homeportd::storage::{OpenFile, OpenHow, Storage, Wait};
use tokio_util::sync::CancellationToken;

/// The number of bytes that the server reads at once.
const PIECE: usize = 256 * 1024;
/// The number of bytes of a range, as the client asks for them.
const STEP: usize = 4 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mib: usize = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let directory =
        std::env::temp_dir().join(format!("homeport-hashing-{}", base::temporary::random_digits()));
    std::fs::create_dir(&directory)?;
    let outcome = measure(&directory, mib, rounds);
    std::fs::remove_dir_all(&directory)?;
    outcome
}

fn measure(directory: &std::path::Path, mib: usize, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    let content: Vec<u8> = (0..mib << 20)
        .map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[5])
        .collect();
    std::fs::File::create(directory.join("file"))?.write_all_at(&content, 0)?;
    let storage = LocalStorage::open(directory)?;
    println!("{mib} MiB, medians of {rounds}");
    println!("{:<8} {:>12} {:>12} {:>7}", "", "memory", "file", "ratio");
    for algorithm in Algorithm::ALL {
        let (mut memory, mut file) = (Vec::new(), Vec::new());
        let mut continued = Vec::new();
        let ranges = ranges(algorithm, &content)?;
        for _ in 0..rounds {
            let begun = Instant::now();
            let mut hasher = algorithm.hasher();
            for piece in content.chunks(PIECE) {
                hasher.update(piece);
            }
            let expected = hasher.finalize();
            memory.push(begun.elapsed());
            let begun = Instant::now();
            let got = hash(&storage, algorithm, content.len() as u64)?;
            file.push(begun.elapsed());
            assert_eq!(*expected, *got, "the digests differ");
            if !ranges.is_empty() {
                let begun = Instant::now();
                let got = continue_hash(&storage, algorithm, &ranges)?;
                continued.push(begun.elapsed());
                assert!(got.ends_with(&expected), "the digests differ");
            }
        }
        let memory = median(memory);
        print_row(algorithm.name(), mib, memory, median(file));
        if !continued.is_empty() {
            print_row(&format!("{}+", algorithm.name()), mib, memory, median(continued));
        }
    }
    Ok(())
}

fn print_row(name: &str, mib: usize, memory: Duration, file: Duration) {
    let rate = |time: Duration| mib as f64 / time.as_secs_f64();
    println!(
        "{name:<8} {:>8.0} MiB/s {:>8.0} MiB/s {:>6.1}%",
        rate(memory),
        rate(file),
        100.0 * memory.as_secs_f64() / file.as_secs_f64()
    );
}

/// The ranges of the file with their states, in requests of several; none if the algorithm cannot be continued.
fn ranges(algorithm: Algorithm, content: &[u8]) -> Result<Vec<ContinuedRanges>, Box<dyn std::error::Error>> {
    let Some(state) = HashState::initial(algorithm) else {
        return Ok(Vec::new());
    };
    let mut hash = RunningHash::new(state);
    let mut requests = Vec::new();
    for some in content.chunks(LANES * STEP) {
        let offset = hash.length();
        let mut states = Vec::new();
        for range in some.chunks(STEP) {
            states.push(hash.state().0);
            hash.update(range);
        }
        requests.push(ContinuedRanges::new(
            offset,
            some.len() as u64,
            STEP as u64,
            states,
        )?);
    }
    Ok(requests)
}

fn continue_hash(
    storage: &LocalStorage,
    algorithm: Algorithm,
    requests: &[ContinuedRanges],
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let file = open(storage)?;
    let (slots, gone) = (CpuSlots::new(2), CancellationToken::new());
    let mut last = Vec::new();
    for ranges in requests {
        let work = ContinuedWork {
            file: Arc::clone(&file),
            algorithm,
            ranges: ranges.clone(),
        };
        last = work.compute(&slots, &gone)?;
    }
    Ok(last)
}

fn open(storage: &LocalStorage) -> Result<Arc<dyn OpenFile>, Box<dyn std::error::Error>> {
    let read = OpenHow {
        read: true,
        ..OpenHow::default()
    };
    let path = VirtualPath::parse(b"file")?;
    Ok(storage.open(&path, read, Wait::Allowed)?)
}

fn hash(
    storage: &LocalStorage,
    algorithm: Algorithm,
    length: u64,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let work = Work {
        file: open(storage)?,
        algorithm,
        range: Range { offset: 0, length },
        block: None,
        quick_check: None,
    };
    Ok(work.compute(&CpuSlots::new(2), &CancellationToken::new())?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
