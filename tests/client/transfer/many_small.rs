//! Many small files on a server that hashes by commands.

use std::time::Duration;

use homeport::transfer::{Direction, Settings};

use crate::client::transfer::faulty_server::{Faults, FaultyServer, Shell};

/// How many small files are transferred.
const FILES: usize = 1200;
/// How many small files send or fetch their bytes at once.
const UNDER_WAY: usize = 64;
/// A command starts when no file was opened for this long.
const QUIET: Duration = Duration::from_secs(1);

/// The number of names that a command hashes.
fn names(command: &str) -> usize {
    command
        .split(' ')
        .filter(|word| word.trim_matches('\'').starts_with('/'))
        .count()
}

/// Files that wait for their hashes do not keep others from being transferred, and all of them share the next command.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_shell_hashes_more_files_at_once_than_are_under_way() {
    for direction in [Direction::Up, Direction::Down] {
        let server = FaultyServer::start(Faults {
            no_hashes: true,
            shell: Some(Shell {
                starts_when_quiet: QUIET,
                ..Shell::default()
            }),
            ..Faults::default()
        })
        .await;
        let client = server.client().await;
        let job = |number: usize| {
            let (name, content) = (format!("f{number}"), format!("content {number}"));
            match direction {
                Direction::Up => {
                    client.write(&name, content.as_bytes());
                    client.up(&name)
                }
                Direction::Down => {
                    server.put(&name, content.as_bytes());
                    client.down(&name, content.len())
                }
            }
        };
        let jobs = (0..FILES).map(job).collect();
        let run = client.run(Settings::default(), jobs).await;
        assert_eq!(
            run.summary.proven, FILES as u64,
            "{direction:?}: {}",
            run.warnings
        );
        let commands = server.commands();
        let largest = commands.iter().map(|command| names(command)).max().unwrap();
        assert!(largest > UNDER_WAY, "{direction:?}: {largest} of {commands:?}");
        // The first file did not wait for others.
        assert!(
            commands.iter().any(|command| names(command) < UNDER_WAY),
            "{direction:?}: {commands:?}"
        );
    }
}
