//! The server under load and misuse: replies in order under any mix of requests, small and shut windows, rekeying, and
//! clients that would starve others.

mod channels;
mod crowds;
mod deadlocks;
mod descriptors;
mod events;
mod exchanges;
mod guessers;
mod memory;
mod misuse;
mod mix;
mod order;
mod peer;
mod rates;
mod shares;
mod starve;
mod stock;
mod threads;
mod timeouts;

use testkit::random::noise;

/// Runs an async test on two threads.
fn story(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(story);
}
