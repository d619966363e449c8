//! `--limit-rate`: all files together stay below the rate.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use homeport::transfer::Settings;

use crate::client::transfer::client::Client;
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const KIB: usize = 1 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn all_files_together_stay_below_the_rate() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let settings = Settings {
        limit_rate: NonZeroU64::new(500 * KIB as u64),
        ..Settings::default()
    };
    // Large files, and small ones that are sent in one piece.
    let sizes = [
        (400, "one"),
        (400, "two"),
        (60, "three"),
        (60, "four"),
        (60, "five"),
    ];
    for (number, (size, name)) in (0..).zip(sizes) {
        client.write(name, &bytes(number, size * KIB));
    }
    let began = Instant::now();
    let jobs = sizes.map(|(_, name)| client.up(name)).to_vec();
    let run = client.run(settings, jobs).await;
    assert_eq!(run.summary.sent, 5, "{run:?}");
    // 980 KiB, of which the last block is not waited for.
    assert!(
        began.elapsed() > Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    let began = Instant::now();
    let jobs = ["one", "two"].map(|name| {
        std::fs::rename(client.local(name), client.local(&format!("{name}.sent"))).unwrap();
        client.down(name, 400 * KIB)
    });
    let run = client.run(settings, jobs.to_vec()).await;
    assert_eq!(run.summary.sent, 2, "{run:?}");
    assert!(
        began.elapsed() > Duration::from_millis(1200),
        "{:?}",
        began.elapsed()
    );
    for name in ["one", "two"] {
        let sent = read(&client.local(&format!("{name}.sent"))).unwrap();
        assert_same(&read(&client.local(name)).unwrap(), &sent, name);
    }
}
