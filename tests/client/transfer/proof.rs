//! Proof that never harms: a hash that cannot be had is one warning, and only hashes of the same bytes that differ are
//! a failure.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use homeport::plan::Policy;
use homeport::transfer::{Direction, HashChoice, Outcome, Proof, Settings, Verify};

use super::broken::behind_proxy;
use super::client::{Client, Run};
use super::faulty_server::{Faults, FaultyServer, HashFault, Shell};
use super::table::openssh;
use super::{assert_same, bytes, read};

const MIB: usize = 1 << 20;
/// The file of which a download is paused after 1 MiB. At most 24 MiB are under way then.
const SIZE: usize = 48 * MIB;
const NOT_READ_YET: u64 = 40 << 20;
/// More bytes than are compared as a whole where nothing hashes.
const LENGTH: usize = 600_001;

const ALWAYS: fn() -> Settings = || Settings {
    verify: Verify::Always,
    ..Settings::default()
};

fn sent(proof: Proof) -> Result<Outcome, String> {
    let resumed_from = 0;
    Ok(Outcome::Sent { resumed_from, proof })
}

/// Asserts that all files were sent with this proof, and that as many warnings were printed.
pub fn all_sent(run: &Run, files: usize, proof: Proof, warnings: usize) {
    assert_eq!(run.ended.len(), files);
    assert!(run.ended.values().all(|end| *end == sent(proof)), "{run:?}");
    assert_eq!(run.summary.exit_code(), 0);
    assert_eq!(run.warnings.lines().count(), warnings, "{}", run.warnings);
}

/// Sends and fetches a large file and some small ones.
async fn both_ways(faulty: &FaultyServer, client: &Client, proof: Proof, warnings: usize) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let name = format!("it's {number}");
        let content = bytes(number, if number == 0 { LENGTH } else { 100 });
        client.write(&name, &content);
        up.push(client.up(&name));
        faulty.put(&format!("there {number}"), &content);
        down.push(client.down(&format!("there {number}"), content.len()));
    }
    for jobs in [up, down] {
        let run = client.run(Settings::default(), jobs).await;
        all_sent(&run, 20, proof, warnings);
    }
    assert_same(&faulty.get("it's 0").unwrap(), &bytes(0, LENGTH), "sent");
    assert_same(
        &read(&client.local("there 0")).unwrap(),
        &bytes(0, LENGTH),
        "received",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_cannot_be_had_is_one_warning() {
    for hashes in [HashFault::Denied, HashFault::Short, HashFault::OfNothing] {
        let faulty = FaultyServer::start(Faults {
            hashes,
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        both_ways(&faulty, &client, Proof::Sizes, 1).await;
        // Only those who insist on a proof get a failure.
        client.write("always", &bytes(1, LENGTH));
        let run = client.run(ALWAYS(), vec![client.up("always")]).await;
        run.failed_with(&["cannot hash", "--verify=always was asked for"]);
        assert_eq!(run.summary.exit_code(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_hashes_makes_a_transfer_fail_and_nothing_worse() {
    let faulty = FaultyServer::start(Faults {
        hashes: HashFault::Lie,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    let content = bytes(1, LENGTH);
    client.write("up", &content);
    faulty.put("down", &content);
    for job in [client.up("up"), client.down("down", LENGTH)] {
        let run = client.run(Settings::default(), vec![job]).await;
        run.failed_with(&["VERIFICATION FAILED: the MD5 is "]);
        assert_eq!(run.summary.exit_code(), 5);
    }
    assert_same(&faulty.get("up").unwrap(), &content, "sent");
    assert_same(&read(&client.local("down.part")).unwrap(), &content, "received");
}

/// An account that may only put new files may not read them, not even for a hash.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_only_create_files() {
    let (server, _proxy, client) = behind_proxy(&["--permissions", "create"]).await;
    let mut jobs = Vec::new();
    for number in 0..20 {
        let name = number.to_string();
        client.write(&name, &bytes(number, if number == 0 { 3 * MIB } else { 1000 }));
        jobs.push(client.up(&name));
    }
    let run = client.run(Settings::default(), jobs).await;
    all_sent(&run, 20, Proof::Sizes, 1);
    let stored = read(&server.home("alice").join("0")).unwrap();
    assert_same(&stored, &bytes(0, 3 * MIB), "sent");
}

/// A file whose size is wrong at the end has not arrived, whatever can be hashed.
#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_compared_where_hashes_cannot_be() {
    let faulty = FaultyServer::start(Faults {
        no_hashes: true,
        size_lie: -1,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    client.write("up", &bytes(1, LENGTH));
    let run = client.run(Settings::default(), vec![client.up("up")]).await;
    run.failed_with(&["VERIFICATION FAILED: 600001 bytes were sent, and the file on the server has 600000"]);
    assert_eq!(run.summary.exit_code(), 5);
}

pub fn with_shell(shell: Shell) -> Faults {
    Faults {
        no_hashes: true,
        shell: Some(shell),
        ..Faults::default()
    }
}

/// As on a NAS, where SFTP has the path `/file` of what a shell sees as `/volume1/home/file`.
#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_sees_no_such_file() {
    let files = Some(BTreeMap::new());
    let faulty = FaultyServer::start(with_shell(Shell {
        files,
        ..Shell::default()
    }))
    .await;
    let client = faulty.client().await;
    both_ways(&faulty, &client, Proof::Sizes, 1).await;
    let commands = faulty.commands().len();
    assert!(commands < 20, "it was given up: {commands}");
}

/// As with a `chroot` for SFTP alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_sees_other_files_under_the_same_names() {
    let mut files = BTreeMap::new();
    for number in 0..20 {
        for name in [format!("/it's {number}"), format!("/there {number}")] {
            files.insert(name.into_bytes(), b"another file".to_vec());
        }
    }
    let files = Some(files);
    let faulty = FaultyServer::start(with_shell(Shell {
        files,
        ..Shell::default()
    }))
    .await;
    let client = faulty.client().await;
    both_ways(&faulty, &client, Proof::Sizes, 1).await;
    // What is there already is not taken for something else.
    let jobs = (0..20)
        .map(|number| client.up(&format!("it's {number}")))
        .collect();
    let run = client.run(Settings::default(), jobs).await;
    assert_eq!((run.summary.same, run.summary.exit_code()), (20, 0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_found_by_a_shell_that_sees_the_file() {
    for one_name in [false, true] {
        for (length, flips) in [(100, 7), (LENGTH, 300_000)] {
            let faulty = FaultyServer::start(Faults {
                flips: Some(flips),
                ..with_shell(Shell {
                    one_name,
                    ..Shell::default()
                })
            })
            .await;
            let client = faulty.client().await;
            // Once a hash was right, the program is known to see the files of SFTP.
            client.write("before", b"1234567");
            let run = client.run(Settings::default(), vec![client.up("before")]).await;
            all_sent(&run, 1, Proof::Md5, 0);
            client.write("file", &bytes(1, length));
            let run = client.run(Settings::default(), vec![client.up("file")]).await;
            run.failed_with(&["VERIFICATION FAILED"]);
        }
    }
    // The first file of a connection is enough if the beginning shows that it is the same file.
    let faulty = FaultyServer::start(Faults {
        flips: Some(300_000),
        ..with_shell(Shell::default())
    })
    .await;
    let client = faulty.client().await;
    client.write("file", &bytes(1, LENGTH));
    let run = client.run(Settings::default(), vec![client.up("file")]).await;
    run.failed_with(&["VERIFICATION FAILED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_share_commands() {
    // However slowly files are sent, those that come while a command starts share the next one.
    let faulty = FaultyServer::start(with_shell(Shell {
        starts_when_quiet: Duration::from_millis(200),
        ..Shell::default()
    }))
    .await;
    let client = faulty.client().await;
    let mut jobs = Vec::new();
    for number in 0..300 {
        let name = format!("it's \\ file {number}\n\"$HOME\"");
        client.write(&name, &bytes(number, 100));
        jobs.push(client.up(&name));
    }
    let run = client.run(Settings::default(), jobs).await;
    all_sent(&run, 300, Proof::Md5, 0);
    let commands = faulty.commands();
    assert!(commands.len() < 150, "{} commands for 300 files", commands.len());
    assert!(commands.iter().all(|command| command.len() < 25 << 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_takes_one_name() {
    let faulty = FaultyServer::start(with_shell(Shell {
        one_name: true,
        ..Shell::default()
    }))
    .await;
    let client = faulty.client().await;
    both_ways(&faulty, &client, Proof::Md5, 0).await;
}

/// Names that a shell must not read as anything but names.
#[tokio::test(flavor = "multi_thread")]
async fn strange_names_are_proven_by_openssh() {
    let (sshd, client) = openssh("").await;
    let names = [
        "a b",
        "it's",
        "$HOME `id`",
        "new\nline",
        "back\\slash",
        "-c",
        "~",
        "*",
        "h\u{e9}\r!",
        "#x;y&z",
    ];
    let mut jobs = Vec::new();
    for name in names {
        client.write(name, name.as_bytes());
        jobs.push(client.up(name));
    }
    let run = client.run(Settings::default(), jobs).await;
    all_sent(&run, names.len(), Proof::Md5, 0);
    for name in names {
        assert_eq!(read(&sshd.path("files").join(name)).unwrap(), name.as_bytes());
    }
}

/// Fetches a file, and changes it after 1 MiB.
async fn fetch(settings: Settings, change: impl FnOnce(&Path)) -> (Run, Client) {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let there = server.home("alice").join("file");
    std::fs::create_dir_all(server.home("alice")).unwrap();
    std::fs::write(&there, bytes(1, SIZE)).unwrap();
    proxy.pause_at(Direction::Down, MIB as u64);
    let changing = async {
        proxy.wait_for_pause(Direction::Down).await;
        change(&there);
        proxy.resume(Direction::Down);
    };
    let jobs = vec![client.down("file", SIZE)];
    let (run, ()) = tokio::join!(client.run(settings, jobs), changing);
    (run, client)
}

fn open(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_while_it_is_fetched() {
    let (run, client) = fetch(Settings::default(), |path| {
        open(path).write_all_at(b"more", SIZE as u64).unwrap()
    })
    .await;
    all_sent(&run, 1, Proof::Md5, 1);
    assert!(run.warnings.contains("grew on the server"), "{}", run.warnings);
    let all = [&bytes(1, SIZE)[..], b"more"].concat();
    assert_same(&read(&client.local("file")).unwrap(), &all, "all of it");
}

/// What is here may not be a beginning of the file any more, which the same command would take for a conflict.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_shrinks_while_it_is_fetched() {
    let why = "the server said that the file has 50331648 bytes, but it ended after 41943040";
    for (conflicts, option) in [(Policy::Ask, " with --overwrite"), (Policy::Overwrite, "")] {
        let settings = Settings {
            conflicts,
            ..Settings::default()
        };
        let shrink = |path: &Path| open(path).set_len(NOT_READ_YET).unwrap();
        let (run, client) = fetch(settings, shrink).await;
        run.failed_with(&[&format!("{why} (hint: run the same command again{option})")]);
        assert!(!client.local("file").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_fetched() {
    let (run, client) = fetch(Settings::default(), |path| {
        let other = path.with_file_name("other");
        std::fs::write(&other, b"other").unwrap();
        std::fs::rename(other, path).unwrap();
    })
    .await;
    // It was fetched through a handle, which stays the same file.
    assert_eq!(run.only(), &sent(Proof::Md5), "{run:?}");
    assert_same(
        &read(&client.local("file")).unwrap(),
        &bytes(1, SIZE),
        "as it was",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_content_changes_while_it_is_fetched() {
    let (run, client) = fetch(Settings::default(), |path| {
        let file = open(path);
        for at in [0, NOT_READ_YET] {
            file.write_all_at(b"other", at).unwrap();
        }
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
    })
    .await;
    run.failed_with(&["the file changed on the server while it was fetched"]);
    assert!(!client.local("file").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn sha256_where_both_ends_have_it() {
    let (_server, _proxy, client) = behind_proxy(&[]).await;
    let settings = |hash| Settings {
        hash,
        conflicts: Policy::Overwrite,
        ..Settings::default()
    };
    let fast = match base::cpu::has_sha_instructions() {
        true => Proof::Sha256,
        false => Proof::Md5,
    };
    for (name, length) in [("small", 100), ("large", 3 * MIB)] {
        client.write(name, &bytes(1, length));
        let run = client
            .run(settings(HashChoice::Sha256), vec![client.up(name)])
            .await;
        all_sent(&run, 1, Proof::Sha256, 0);
        std::fs::remove_file(client.local(name)).unwrap();
        let run = client
            .run(settings(HashChoice::Fast), vec![client.down(name, length)])
            .await;
        all_sent(&run, 1, fast, 0);
        let run = client
            .run(settings(HashChoice::Sha256), vec![client.up(name)])
            .await;
        assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Sha256)));
    }
    // The commands for it are too slow.
    let (_sshd, client) = openssh("").await;
    for (hash, proof, warnings) in [
        (HashChoice::Fast, Proof::Md5, 0),
        (HashChoice::Sha256, Proof::Sizes, 1),
    ] {
        client.write("file", &bytes(2, 1000 + warnings));
        let run = client.run(settings(hash), vec![client.up("file")]).await;
        all_sent(&run, 1, proof, warnings);
    }
}
