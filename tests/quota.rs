//! Quotas from outside: messages of stock clients, races for the last bytes, and `kill -9`.
//!
//! `HOMEPORT_TEST_ROUNDS=200` sets the number of races and kills for a full run; by default they are few.

mod crashes;
mod host;
mod over_quota;
mod races;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::packets::{APPEND, Attrs, CREAT, READ, TRUNC, WRITE};
use testkit::packets::{bogus, copy_data, fsetstat, open, remove, rename, write};
use testkit::raw::{RawSftp, Received};
use testkit::server::TestServer;

/// The bytes of one mebibyte.
const MIB: u64 = 1 << 20;

/// Returns the number of rounds of random tests.
fn rounds(few: u32) -> u32 {
    std::env::var("HOMEPORT_TEST_ROUNDS").map_or(few, |text| text.parse().unwrap())
}

/// What lies in a home.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DiskUse {
    /// The sum of the sizes of all files.
    pub(crate) bytes: u64,
    /// The number of files, directories and links.
    pub(crate) files: u64,
}

/// What the server knows about a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KnownUse {
    used: DiskUse,
    /// Whether this is what lies on the disk, and not an upper bound.
    exact: bool,
}

impl KnownUse {
    fn exactly(used: DiskUse) -> Self {
        Self { used, exact: true }
    }
}

/// Counts the bytes and the files below a directory, each inode once.
pub(crate) fn on_disk(home: &Path) -> DiskUse {
    let mut seen = std::collections::HashSet::new();
    let mut found = DiskUse::default();
    let mut below = vec![home.to_owned()];
    while let Some(dir) = below.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                below.push(path);
                found.files += 1;
            } else if seen.insert(meta.ino()) {
                found.files += 1;
                found.bytes += if meta.is_file() { meta.len() } else { 0 };
            }
        }
    }
    found
}

/// Pseudo-random numbers that are the same in each run.
struct PseudoRandom(u64);

impl PseudoRandom {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }
}

/// Changes its own and shared files until `stop` is set or the session ends; refusals are allowed.
fn change_files(mut sftp: RawSftp, seed: u64, stop: &AtomicBool) {
    let mut random = PseudoRandom(seed * 2 + 1);
    let mut id = 1_000;
    let mut handles = Vec::new();
    let mut ask = |request: testkit::packets::Request| -> Option<testkit::replies::Reply> {
        id += 1;
        let context = testkit::packets::Context {
            base: "",
            handles: &[],
        };
        if !sftp.send(&request.encode(id, &context)) {
            return None;
        }
        match sftp.receive(testkit::PATIENCE) {
            Received::Packet(packet) => Some(testkit::replies::decode(&packet).1),
            _ => None,
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let name = format!("file{}", random.below(6));
        let pick = |random: &mut PseudoRandom, handles: &[Vec<u8>]| {
            let index = random.below(handles.len().max(1) as u64) as usize;
            bogus(handles.get(index).map_or(&b"none"[..], |handle| handle))
        };
        let at = random.below(300_000);
        let request = match random.below(12) {
            0 | 1 if handles.len() < 6 => {
                let flags = [0, APPEND, TRUNC][random.below(3) as usize];
                open(&name, READ | WRITE | CREAT | flags)
            }
            0..=6 => {
                let data = vec![7; random.below(9_000) as usize];
                write(pick(&mut random, &handles), at, data)
            }
            7 => {
                let from = pick(&mut random, &handles);
                copy_data(from, 0, random.below(50_000), pick(&mut random, &handles), at)
            }
            8 => fsetstat(pick(&mut random, &handles), &Attrs::size(at)),
            9 => remove(&name),
            10 => rename(&name, format!("file{}", random.below(6))),
            _ => match handles.pop() {
                Some(handle) => testkit::packets::close(bogus(&handle)),
                None => continue,
            },
        };
        match ask(request) {
            Some(testkit::replies::Reply::Handle(handle)) => handles.push(handle),
            Some(_) => {}
            None => return,
        }
    }
}

/// Returns the stored usage of the only home.
fn stored_usage(server: &TestServer) -> Option<KnownUse> {
    let output = std::process::Command::new("sqlite3")
        .arg(server.path().join("data/homeport.db"))
        .arg("SELECT bytes, files, exact FROM home_usage")
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = line.trim().split('|').filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [bytes, files, exact] => Some(KnownUse {
            used: DiskUse { bytes, files },
            exact: exact == 1,
        }),
        _ => None,
    }
}
