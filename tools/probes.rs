//! Measures the time of key probes: for unknown users, for users without keys, and for users with one key or many.
//!
//! `cargo run --release -p homeport-tools --bin probes` prints the median and the 99th percentile of each, in
//! microseconds. An attacker could measure the difference between rows if answers did not have a fixed time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement says what it expects by failing"
)]

use std::time::Instant;

use homeportd::domain::user::{User, UserName};
use homeportd::store::Store;
use homeportd::store::sql::SqlStore;

const ROUNDS: usize = 20_000;
const USERS: [(&str, Option<usize>); 4] = [
    ("nobody", None),
    ("no-keys", Some(0)),
    ("one-key", Some(1)),
    ("61-keys", Some(61)),
];

fn user(name: &str, keys: usize) -> User {
    User {
        keys: (0..keys)
            .map(|n| format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{n:043} key {n}"))
            .collect(),
        home: format!("/srv/homes/{name}").into(),
        ..User::blank(name.parse().unwrap())
    }
}

#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("homeport-probes-{}", base::temporary::random_digits()));
    let store = SqlStore::open(&dir.join("homeport.db")).await.unwrap();
    for (name, keys) in USERS {
        if let Some(keys) = keys {
            store.add_user(&user(name, keys)).await.unwrap();
        }
    }
    let names: Vec<UserName> = USERS.iter().map(|(name, _)| name.parse().unwrap()).collect();
    let offered = "AAAAC3NzaC1lZDI1NTE5AAAAIoffered-by-somebody";
    let mut took = [const { Vec::new() }; USERS.len()];
    for round in 0..ROUNDS {
        // The names take turns, so that a busy machine slows all of them equally.
        for step in 0..names.len() {
            let which = (round + step) % names.len();
            let began = Instant::now();
            let found = store.user_with_key(&names[which], offered).await.unwrap();
            took[which].push(began.elapsed());
            assert_eq!(found.is_some(), USERS[which].1.is_some());
        }
    }
    for ((name, _), took) in USERS.iter().zip(&mut took) {
        took.sort();
        let at = |part: usize| took[took.len() * part / 100].as_secs_f64() * 1e6;
        println!("{name:>8}: {:6.1} µs, 99 %: {:6.1} µs", at(50), at(99));
    }
    store.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}
