//! The real server under pressure: replies in order whatever is mixed, tiny and shut windows, rekeying, and clients
//! that starve themselves or others.

mod channels;
mod credit;
mod crowds;
mod deadlocks;
mod descriptors;
mod doors;
mod events;
mod exchanges;
mod guessers;
mod misuse;
mod mix;
mod order;
mod peer;
mod shares;
mod starve;
mod stock;
mod threads;

use testkit::random::noise;

/// Runs an async story on two threads.
fn story(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(story);
}
