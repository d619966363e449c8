//! The real server under pressure: replies in order whatever is mixed, tiny and shut windows, rekeying, and clients
//! that starve themselves or others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test says what it expects by failing"
)]

#[path = "../support/mod.rs"]
mod support;

mod channels;
mod credit;
mod crowds;
mod deadlocks;
mod descriptors;
mod doors;
mod events;
mod exchanges;
mod guessers;
mod mix;
mod order;
mod peer;
mod shares;
mod starve;
mod stock;

/// Content that no two offsets of a file share.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = mix::Random::new(seed);
    let mut content: Vec<u8> = (0..length.div_ceil(8))
        .flat_map(|_| random.next().to_le_bytes())
        .collect();
    content.truncate(length);
    content
}

/// Runs an async story on two threads.
fn story(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(story);
}
