//! Commands that see other files than SFTP does, as with a `chroot` for SFTP alone: their hashes neither fail a good
//! transfer nor prove a bad one.

use std::collections::BTreeMap;

use base::digest::{Algorithm, Style, line};
use homeport::transfer::{Outcome, Proof, Settings};
use md5::Digest as _;

use super::bytes;
use super::faulty_server::{Faults, FaultyServer, Shell};
use super::proof::{all_sent, with_shell};
use crate::client::commands::CommandResult;

/// More bytes than are compared as a whole.
const LENGTH: usize = 600_001;

/// Starts a server whose commands see these files.
async fn seeing(files: BTreeMap<Vec<u8>, Vec<u8>>, one_name: bool) -> FaultyServer {
    let files = Some(files);
    FaultyServer::start(with_shell(Shell {
        files,
        one_name,
        ..Shell::default()
    }))
    .await
}

/// Other bytes of the same length.
fn other(content: &[u8]) -> Vec<u8> {
    let mut other = content.to_vec();
    other[0] ^= 1;
    other
}

/// Some files are the same by chance, as when a backup lies under the same paths.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_see_some_files_that_are_the_same() {
    let content = |number: u64| bytes(number, 3000 + number as usize);
    let files = (0..12).map(|number| {
        let seen = match number % 2 {
            0 => content(number),
            _ => other(&content(number)),
        };
        (format!("/{number}").into_bytes(), seen)
    });
    let faulty = seeing(files.collect(), false).await;
    let client = faulty.client().await;
    let mut jobs = Vec::new();
    for number in 0..12 {
        client.write(&number.to_string(), &content(number));
        jobs.push(client.up(&number.to_string()));
    }
    // One after the other, so that the hash of the first file is right before that of the second is wrong.
    for job in jobs {
        let run = client.run(Settings::default(), vec![job]).await;
        assert!(matches!(run.only(), Ok(Outcome::Sent { .. })), "{run:?}");
    }
    for number in 0..12 {
        assert_eq!(faulty.get(&number.to_string()), Some(content(number)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_see_the_right_file_while_sftp_has_another() {
    for length in [100, LENGTH] {
        let content = bytes(1, length);
        let files = BTreeMap::from([(b"/file".to_vec(), content.clone())]);
        let faulty = seeing(files, false).await;
        let client = faulty.client().await;
        client.write("file", &content);
        for (there, words) in [
            (other(&content), "other content is there"),
            (other(&content)[..length / 2].to_vec(), "not its beginning"),
        ] {
            faulty.put("file", &there);
            let run = client.run(Settings::default(), vec![client.up("file")]).await;
            run.failed_with(&[words]);
            assert_eq!(faulty.get("file"), Some(there), "it is not touched");
        }
    }
}

/// rclone answers for what it has stored, while newer bytes are still in its cache.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hashes_what_was_there_before() {
    for (length, proof, warnings) in [(100, Proof::Sizes, 1), (LENGTH, Proof::Md5, 0)] {
        let content = bytes(1, length);
        let files = BTreeMap::from([(b"/file".to_vec(), other(&content))]);
        let faulty = seeing(files, true).await;
        let client = faulty.client().await;
        client.write("file", &content);
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        all_sent(&run, 1, proof, warnings);
        assert_eq!(faulty.get("file"), Some(content));
    }
}

/// The commands are trusted after one comparison, so a tree of files does not cost one for each.
#[tokio::test(flavor = "multi_thread")]
async fn commands_are_trusted_after_one_comparison() {
    let faulty = FaultyServer::start(with_shell(Shell::default())).await;
    let client = faulty.client().await;
    let mut jobs = Vec::new();
    for number in 0..100 {
        let name = number.to_string();
        client.write(&name, &bytes(number, 100));
        jobs.push(client.up(&name));
    }
    let run = client.run(Settings::default(), jobs).await;
    all_sent(&run, 100, Proof::Md5, 0);
    let commands = faulty.commands();
    let heads = commands.iter().filter(|command| command.starts_with("head "));
    assert_eq!(heads.count(), 1, "{commands:?}");
}

/// A server without `head`, whose commands see the right file while SFTP shows another of the same size: an equal hash
/// neither proves that file nor makes the commands trustworthy for the next.
#[tokio::test(flavor = "multi_thread")]
async fn an_equal_hash_does_not_confirm_commands_without_head() {
    let content = bytes(1, LENGTH);
    let files = BTreeMap::from([(b"/file".to_vec(), content.clone())]);
    let shell = Shell {
        files: Some(files),
        one_name: true,
        ..Shell::default()
    };
    let faulty = FaultyServer::start(Faults {
        // The bytes that SFTP stores differ from those that the command sees.
        flips: Some(100),
        ..with_shell(shell)
    })
    .await;
    let client = faulty.client().await;
    client.write("file", &content);
    let run = client.run(Settings::default(), vec![client.up("file")]).await;
    all_sent(&run, 1, Proof::Sizes, 1);
}

/// A file that is too large to be read back is compared by its ends, and its hash counts then.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_proven_by_a_server_without_head() {
    let shell = Shell {
        files: None,
        one_name: true,
        ..Shell::default()
    };
    for (flips, proof, warnings) in [(None, Proof::Md5, 0), (Some(9), Proof::Sizes, 1)] {
        let content = bytes(2, 17 << 20);
        let seen = BTreeMap::from([(b"/file".to_vec(), content.clone())]);
        let shell = Shell {
            files: flips.map(|_| seen),
            ..shell.clone()
        };
        let faulty = FaultyServer::start(Faults {
            flips,
            ..with_shell(shell)
        })
        .await;
        let client = faulty.client().await;
        client.write("file", &content);
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        all_sent(&run, 1, proof, warnings);
    }
}

/// A large file on a server without `head`: a small one beside it shows whether `md5sum` sees the same files, and
/// without one all bytes are read.
#[tokio::test(flavor = "multi_thread")]
async fn sum_of_a_large_file_on_a_server_without_head() {
    let (content, small) = (bytes(3, 17 << 20), b"small".to_vec());
    let right = line(
        Style::default(),
        Algorithm::Md5,
        &md5::Md5::digest(&content),
        b"/large",
    );
    let right = String::from_utf8(right).unwrap();
    let seen = |large: &[u8], small: &[u8]| {
        Some(BTreeMap::from([
            (b"/large".to_vec(), large.to_vec()),
            (b"/small".to_vec(), small.to_vec()),
        ]))
    };
    for (files, has_neighbour, printed) in [
        (None, true, Some(&right)),
        (None, false, Some(&right)),
        (seen(&content, b"other"), true, None),
        (seen(&other(&content), &small), false, None),
    ] {
        let names = match has_neighbour {
            true => vec![b"large".to_vec(), b"small".to_vec()],
            false => Vec::new(),
        };
        let one_name = true;
        let faulty = FaultyServer::start(Faults {
            names,
            ..with_shell(Shell {
                files,
                one_name,
                ..Shell::default()
            })
        })
        .await;
        faulty.put("large", &content);
        faulty.put("small", &small);
        let mut sum = std::process::Command::new(testkit::programs::homeport());
        sum.args(["sum", "tom@127.0.0.1:/large", "-P", &faulty.port.to_string()])
            .args(["-F", "none", "--accept-new", "--batch", "-i"])
            .arg(faulty.key())
            .arg("--known-hosts")
            .arg(faulty.key().with_file_name("known_hosts"));
        let ended = tokio::task::spawn_blocking(move || sum.output().unwrap()).await;
        let result = CommandResult::of(ended.unwrap());
        match printed {
            Some(line) => assert_eq!(&result.expect_code(0).out, line),
            None => drop(
                result
                    .expect_code(1)
                    .expect_stderr(&["see other files than its SFTP"]),
            ),
        }
        let compared = faulty.commands().iter().any(|command| command == "md5sum /small");
        assert_eq!(compared, has_neighbour);
    }
}
