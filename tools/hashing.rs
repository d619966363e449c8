//! Measures how fast files are hashed, compared with the digests alone over memory, in alternating rounds of one run.
//!
//! ```sh
//! cargo run --release -p homeport-tools --bin hashing            # 1 GiB
//! cargo run --release -p homeport-tools --bin hashing -- 256 9   # MiB, rounds
//! ```
//!
//! The file is in the page cache, as it is after an upload. A ratio of 100 % means that reading costs nothing.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::digest::Algorithm;
use homeportd::domain::path::VirtualPath;
use homeportd::io::cpu_slots::CpuSlots;
use homeportd::storage::hash::{HashWork as _, Range, Work};
use homeportd::storage::local::LocalStorage;
use homeportd::storage::{OpenHow, Storage, Wait};
use tokio_util::sync::CancellationToken;

/// The number of bytes that the server reads at once.
const PIECE: usize = 256 * 1024;

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
        }
        let (memory, file) = (median(memory), median(file));
        let rate = |time: Duration| mib as f64 / time.as_secs_f64();
        println!(
            "{:<8} {:>8.0} MiB/s {:>8.0} MiB/s {:>6.1}%",
            algorithm.name(),
            rate(memory),
            rate(file),
            100.0 * memory.as_secs_f64() / file.as_secs_f64()
        );
    }
    Ok(())
}

fn hash(
    storage: &LocalStorage,
    algorithm: Algorithm,
    length: u64,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let read = OpenHow {
        read: true,
        ..OpenHow::default()
    };
    let work = Work {
        file: Arc::clone(&storage.open(&VirtualPath::parse(b"file")?, read, Wait::Allowed)?),
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
