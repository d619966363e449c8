//! Runs fuzz targets without a fuzzer: the body runs over its seeds, and over mutations of them that are the same in
//! each run. That takes a second or two, needs no other toolchain, and finds broken code at once. `scripts/fuzz` runs
//! the same bodies under libFuzzer for as long as needed.

use std::fs;
use std::path::Path;

use super::random::Random;

/// The number of mutations of each target. All targets together take a few seconds.
const MUTATIONS: u64 = 20_000;

/// The longest mutation, in bytes. Longer inputs are slow, and find nothing that short inputs do not find.
const LONGEST: u64 = 8 * 1024;

/// Runs the body of a fuzz target over its seeds (`fuzz/seeds/TARGET`) and their mutations. An input that makes it
/// panic is printed.
pub fn smoke(target: &str, body: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(seeds.len() > 4, "{target} has few seeds");
    for seed in &seeds {
        run(seed, body);
    }
    let mut random = Random::new(1);
    for _ in 0..MUTATIONS {
        let mut input = pick(&seeds, &mut random).clone();
        for _ in 0..=random.within(0..4) {
            mutate(&mut input, &seeds, &mut random);
        }
        input.truncate(LONGEST as usize);
        run(&input, body);
    }
}

fn run(input: &[u8], body: fn(&[u8])) {
    /// Prints the input if the body panics.
    struct PrintOnPanic<'a>(&'a [u8]);
    impl Drop for PrintOnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input is b\"{}\"", self.0.escape_ascii());
            }
        }
    }
    let _printer = PrintOnPanic(input);
    body(input);
}

fn pick<'a>(seeds: &'a [Vec<u8>], random: &mut Random) -> &'a Vec<u8> {
    &seeds[random.within(0..seeds.len() as u64) as usize]
}

/// Changes an input in one of the ways that fuzzers use.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    /// Bytes that have a meaning for one of the parsers, or lie at the edge of a number range.
    const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \\/.*?\"'`$&|;#=,!@-~[]{}09";
    let length = input.len() as u64;
    let at = random.within(0..length + 1) as usize;
    let end = (at as u64 + random.within(1..9)).min(length) as usize;
    match random.within(0..8) {
        0 if at < input.len() => input[at] ^= 1 << random.within(0..8),
        1 if at < input.len() => input[at] = random.number() as u8,
        2 => input.insert(at, BYTES[random.within(0..BYTES.len() as u64) as usize]),
        3 => drop(input.drain(at..end)),
        4 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let other = pick(seeds, random);
            let from = random.within(0..other.len() as u64 + 1) as usize;
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        // Overwrites four bytes with a number at the edge of a range.
        6 if at + 4 <= input.len() => {
            let edges = [
                0,
                1,
                u32::MAX,
                i32::MAX as u32,
                1 << 31,
                length as u32,
                length as u32 + 1,
                256,
            ];
            let number = edges[random.within(0..edges.len() as u64) as usize];
            input[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        _ => input.truncate(at),
    }
}
