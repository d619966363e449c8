//! A faulty server can make a transfer fail, and nothing worse.

use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use homeport::transfer::{Outcome, Proof, Settings, Verify};

use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::{assert_same, bytes, read};

/// The size of the file: more than one request, and not a multiple of one.
const LENGTH: usize = 300_001;

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found() {
    for (length, flips) in [(1000, 999), (LENGTH, 0), (LENGTH, 200_000), (LENGTH, LENGTH - 1)] {
        let faulty = FaultyServer::start(Faults {
            flips: Some(flips as u64),
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        client.write("file", &bytes(1, length));
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        run.failed_with(&[
            "VERIFICATION FAILED: the MD5 is ",
            " on the server (hint: ",
            "--overwrite",
        ]);
        assert_eq!((run.summary.differ, run.summary.exit_code()), (1, 5));
        // Without verification, the difference is not noticed.
        let settings = Settings {
            verify: Verify::Never,
            conflicts: homeport::plan::Policy::Overwrite,
            ..Settings::default()
        };
        let run = client.run(settings, vec![client.up("file")]).await;
        let proof = Proof::NotAsked;
        assert_eq!(
            run.only(),
            &Ok(Outcome::Sent {
                resumed_from: 0,
                proof
            })
        );
    }
}

/// The server hashes what it stores, but sends other bytes, as with a broken disk or network.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_differs_is_not_published() {
    for length in [1000, LENGTH] {
        let faulty = FaultyServer::start(Faults {
            reads_flipped: Some(500),
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        let content = bytes(2, length);
        faulty.put("file", &content);
        let run = client
            .run(Settings::default(), vec![client.down("file", length)])
            .await;
        run.failed_with(&["VERIFICATION FAILED"]);
        assert_eq!(run.summary.exit_code(), 5);
        assert!(!client.local("file").exists());
        assert!(client.local("file.part").exists(), "for who wants to look at it");
        // An existing file of that name is not changed.
        client.write("file", b"before");
        let settings = Settings {
            conflicts: homeport::plan::Policy::Overwrite,
            ..Settings::default()
        };
        let run = client.run(settings, vec![client.down("file", length)]).await;
        run.failed_with(&["VERIFICATION FAILED"]);
        assert_eq!(read(&client.local("file")).unwrap(), b"before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_hashes_is_reported() {
    let faulty = FaultyServer::start(Faults {
        no_hashes: true,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    let content = bytes(3, LENGTH);
    client.write("file", &content);
    faulty.put("file", &content[..100_000]);
    let run = client.run(Settings::default(), vec![client.up("file")]).await;
    let (resumed_from, proof) = (100_000, Proof::Sizes);
    assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }));
    assert!(
        run.warnings
            .contains("the server cannot hash; only its size was compared"),
        "{}",
        run.warnings
    );
    assert_same(&faulty.get("file").unwrap(), &content, "sent");
    let run = client.run(Settings::default(), vec![client.up("file")]).await;
    assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Sizes)));
    // With `--verify always`, the transfer fails.
    let settings = Settings {
        verify: Verify::Always,
        ..Settings::default()
    };
    client.write("other", &content);
    let run = client.run(settings, vec![client.up("other")]).await;
    run.failed_with(&["the server cannot hash, and --verify=always was asked for"]);
    faulty.put("down", &content);
    let run = client.run(settings, vec![client.down("down", LENGTH)]).await;
    run.failed_with(&["the server cannot hash, and --verify=always was asked for"]);
    assert!(!client.local("down").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn short_and_reordered_replies_are_assembled() {
    for (short, backwards) in [(Some(1000), 0), (Some(32_767), 7), (None, 7), (Some(1), 0)] {
        let faulty = FaultyServer::start(Faults {
            short,
            backwards,
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        let length = if short == Some(1) { 2000 } else { LENGTH };
        let content = bytes(4, length);
        faulty.put("file", &content);
        let run = client
            .run(Settings::default(), vec![client.down("file", length)])
            .await;
        assert_eq!(run.resumed_from(), 0);
        assert_same(&read(&client.local("file")).unwrap(), &content, "short answers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn false_sizes_do_no_harm() {
    let content = bytes(5, LENGTH);
    // The server reports a smaller size: the whole file is downloaded all the same.
    let faulty = FaultyServer::start(Faults {
        size_lie: -100_000,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    faulty.put("file", &content);
    let run = client
        .run(Settings::default(), vec![client.down("file", LENGTH - 100_000)])
        .await;
    assert_eq!(run.resumed_from(), 0);
    assert_same(
        &read(&client.local("file")).unwrap(),
        &content,
        "more than it said",
    );

    // The server reports a larger size.
    let faulty = FaultyServer::start(Faults {
        size_lie: 100_000,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    faulty.put("file", &content);
    let run = client
        .run(Settings::default(), vec![client.down("file", LENGTH + 100_000)])
        .await;
    run.failed_with(&["the server said that the file has 400001 bytes, but it ended after 300001"]);
    assert!(!client.local("file").exists());

    // The server reports the largest size there is: the client does not allocate it.
    let faulty = FaultyServer::start(Faults {
        size_lie: i64::MAX,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    faulty.put("file", b"a few bytes");
    let run = client
        .run(Settings::default(), vec![client.down("file", 1 << 40)])
        .await;
    run.failed_with(&["but it ended after 11"]);
}

/// Without hashes, only the length of a part says how far it is contiguous, so it must not have holes.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_has_no_holes_after_a_broken_connection() {
    let faulty = FaultyServer::start(Faults {
        no_hashes: true,
        backwards: 7,
        dies_after: Some(12),
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    let content = bytes(6, 4 << 20);
    faulty.put("file", &content);
    let run = client
        .run(Settings::default(), vec![client.down("file", content.len())])
        .await;
    assert!(run.only().is_ok(), "{run:?}");
    assert_same(&read(&client.local("file")).unwrap(), &content, "after the break");
}

/// As rclone does. The beginning is not a hole afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_empties_what_is_completed_gets_all_of_it() {
    for no_hashes in [false, true] {
        let faulty = FaultyServer::start(Faults {
            no_hashes,
            empties_opened: true,
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        for length in [LENGTH, 20_000] {
            let content = bytes(1, length);
            client.write("file", &content);
            faulty.put("file", &content[..length / 2]);
            let run = client.run(Settings::default(), vec![client.up("file")]).await;
            assert_eq!(run.resumed_from(), 0);
            assert_eq!((run.moved, run.summary.exit_code()), (length as u64, 0));
            assert!(run.warnings.contains("the server empties files"), "{run:?}");
            assert_same(&faulty.get("file").unwrap(), &content, "sent");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_keeps_the_bytes_before_it() {
    for no_hashes in [false, true] {
        let faults = || Faults {
            no_hashes,
            // The second request of 32 KiB is refused, and the others are not.
            refuses: Some(32_768),
            ..Faults::default()
        };
        let content = bytes(7, LENGTH);
        let faulty = FaultyServer::start(faults()).await;
        let client = faulty.client().await;
        client.write("file", &content);
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        run.failed_with(&["cannot write to the file on the server: the disk \\u{1b}[31mbroke"]);
        let there = faulty.get("file").unwrap();
        assert_same(&there, &content[..there.len()], "a beginning of the file");
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        assert_eq!(run.resumed_from(), there.len() as u64);
        assert_same(&faulty.get("file").unwrap(), &content, "completed");

        let faulty = FaultyServer::start(faults()).await;
        let client = faulty.client().await;
        faulty.put("file", &content);
        let job = || vec![client.down("file", LENGTH)];
        let run = client.run(Settings::default(), job()).await;
        run.failed_with(&["cannot read the file on the server: the disk \\u{1b}[31mbroke"]);
        let run = client.run(Settings::default(), job()).await;
        assert!(run.only().is_ok(), "{run:?}");
        assert_same(&read(&client.local("file")).unwrap(), &content, "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_reconnects_when_the_server_disconnects() {
    // The server disconnects at every stage: at INIT, at the first STAT, between the requests, at the end.
    let all = (1..26).map(|dies_after| async move {
        let faulty = FaultyServer::start(Faults {
            dies_after: Some(dies_after),
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        let content = bytes(8, LENGTH);
        client.write("up", &content);
        faulty.put("down", &content);
        let jobs = vec![client.up("up"), client.down("down", LENGTH)];
        let run = client.run(Settings::default(), jobs).await;
        assert_eq!(
            (run.summary.sent, run.summary.failed),
            (2, 0),
            "{dies_after}: {run:?}"
        );
        assert_same(&faulty.get("up").unwrap(), &content, "up");
        assert_same(&read(&client.local("down")).unwrap(), &content, "down");
    });
    // They run at the same time, because each waits for half a second before it reconnects.
    let mut running: tokio::task::JoinSet<()> = all.collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_replies_are_awaited() {
    let late = Duration::from_secs(3);
    let faulty = FaultyServer::start(Faults {
        late,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    let content = bytes(9, LENGTH);
    client.write("up", &content);
    faulty.put("down", &content);
    let jobs = vec![client.up("up"), client.down("down", LENGTH)];
    let run = client.run(Settings::default(), jobs).await;
    assert_eq!(run.summary.sent, 2, "{run:?}");
    assert_same(&faulty.get("up").unwrap(), &content, "up");
    assert_same(&read(&client.local("down")).unwrap(), &content, "down");
    assert_eq!(run.warnings, "");
}

/// Names in a listing that would leave the directory are reported and skipped.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_never_leave_the_directory() {
    let hostile: [&[u8]; 6] = [
        b"../escaped",
        b"../../.ssh/authorized_keys",
        b"/tmp/homeport-escaped",
        b"a/b",
        b"a\0b",
        b"",
    ];
    let harmless: [&[u8]; 3] = [b"\x1b]0;owned\x07", b"two\nlines", b"\xff"];
    let faulty = FaultyServer::start(Faults {
        names: [&hostile[..], &harmless]
            .concat()
            .into_iter()
            .map(<[u8]>::to_vec)
            .collect(),
        directory: Some(b"/dir".to_vec()),
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    for name in hostile.iter().chain(&harmless) {
        let path = [b"/dir/", *name].concat();
        faulty.files.lock().unwrap().insert(path, b"12345".to_vec());
    }
    let place = client.local("place");
    std::fs::create_dir_all(place.join("deep")).unwrap();
    let mut command = Command::new(testkit::programs::homeport());
    command
        .args(["get", "-r", "tom@127.0.0.1:/dir", "deep"])
        .args([
            "-P",
            &faulty.port.to_string(),
            "-F",
            "none",
            "--accept-new",
            "--known-hosts",
        ])
        .arg(client.local("known_hosts"))
        .arg("-i")
        .arg(faulty.key())
        .env_remove("SSH_AUTH_SOCK")
        .current_dir(&place)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{words}");
    let refused = words
        .matches("the server sent a name that would leave the directory")
        .count();
    assert_eq!(refused, hostile.len(), "{words}");
    assert!(
        words.lines().all(|line| !line.contains(char::is_control)),
        "{words:?}"
    );
    let mut found = Vec::new();
    let mut waiting = vec![place.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => found.push(path.strip_prefix(&place).unwrap().as_os_str().as_bytes().to_vec()),
            }
        }
    }
    found.sort();
    let mut expected = harmless.map(|name| [b"deep/dir/", name].concat());
    expected.sort();
    assert_eq!(found, expected);
    assert!(!std::path::Path::new("/tmp/homeport-escaped").exists());
}
