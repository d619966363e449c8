//! Transfers are proven while they are under way: by continued hashes, or an upload range by range.

use homeport::transfer::{HashChoice, Outcome, Proof, Settings};

use super::broken::behind_proxy;
use super::faulty_server::{Faults, FaultyServer, HashFault, HashedBytes};
use super::proof::all_sent;
use super::{assert_same, bytes, read};
use testkit::wait_for;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_proven_while_later_ones_are_sent() {
    const LENGTH: usize = 150 * MIB;
    for flips in [None, Some(40 * MIB as u64), Some(LENGTH as u64 - 1)] {
        let faulty = FaultyServer::start(Faults {
            flips,
            ..Faults::default()
        })
        .await;
        let client = faulty.client().await;
        client.write("file", &bytes(1, LENGTH));
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        let hashed = faulty.hashed();
        assert!(
            hashed.iter().any(|hashed| hashed.size < LENGTH as u64),
            "{hashed:?}"
        );
        if flips.is_some() {
            run.failed_with(&["VERIFICATION FAILED"]);
            continue;
        }
        all_sent(&run, 1, Proof::Md5, 0);
        // The display has counted the proven ranges up to the whole file.
        assert_eq!(run.compared["file"], LENGTH as u64);
        // Each byte was hashed once.
        assert!(hashed.iter().all(|hashed| hashed.length > 0), "{hashed:?}");
        assert_eq!(
            hashed.iter().map(|hashed| hashed.length).sum::<u64>(),
            LENGTH as u64
        );
        assert!(hashed.is_sorted_by_key(|hashed| hashed.offset));
    }
}

/// A server that continues the client's hash, and flips a byte that it stores or sends.
async fn continuing(flips: Option<u64>, reads_flipped: Option<u64>) -> FaultyServer {
    FaultyServer::start(Faults {
        continues_hashes: true,
        flips,
        reads_flipped,
        ..Faults::default()
    })
    .await
}

/// Asserts that each byte from an offset on was hashed once, in order.
fn hashed_once(hashed: &[HashedBytes], from: u64, length: u64) {
    let mut at = from;
    for range in hashed {
        assert_eq!(range.offset, at, "{hashed:?}");
        at += range.length;
    }
    assert_eq!(at, length, "{hashed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_hashed_once_by_each_end_while_it_is_sent() {
    const LENGTH: usize = 100 * MIB + 77;
    let content = bytes(1, LENGTH);
    for (hash, flips) in [
        (HashChoice::Md5, None),
        (HashChoice::Sha256, None),
        (HashChoice::Md5, Some(0)),
        (HashChoice::Md5, Some(40 * MIB as u64)),
        (HashChoice::Md5, Some(LENGTH as u64 - 1)),
    ] {
        let faulty = continuing(flips, None).await;
        let client = faulty.client().await;
        client.write("file", &content);
        let settings = Settings {
            hash,
            ..Settings::default()
        };
        let run = client.run(settings, vec![client.up("file")]).await;
        let hashed = faulty.hashed();
        assert!(
            hashed.iter().any(|hashed| hashed.size < LENGTH as u64),
            "{hashed:?}"
        );
        if flips.is_some() {
            run.failed_with(&["VERIFICATION FAILED"]);
            continue;
        }
        let proof = match hash {
            HashChoice::Md5 => Proof::Md5,
            _ => Proof::Sha256,
        };
        all_sent(&run, 1, proof, 0);
        assert_eq!(run.compared["file"], LENGTH as u64);
        hashed_once(&hashed, 0, LENGTH as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_hashed_once_by_each_end_while_it_is_fetched() {
    const LENGTH: usize = 100 * MIB + 77;
    let content = bytes(2, LENGTH);
    for flipped in [None, Some(0), Some(40 * MIB as u64), Some(LENGTH as u64 - 1)] {
        let faulty = continuing(None, flipped).await;
        let client = faulty.client().await;
        faulty.put("file", &content);
        let run = client
            .run(Settings::default(), vec![client.down("file", LENGTH)])
            .await;
        if flipped.is_some() {
            run.failed_with(&["VERIFICATION FAILED"]);
            assert!(!client.local("file").exists());
            continue;
        }
        all_sent(&run, 1, Proof::Md5, 0);
        assert_same(&read(&client.local("file")).unwrap(), &content, "received");
        assert_eq!(run.compared["file"], LENGTH as u64);
        hashed_once(&faulty.hashed(), 0, LENGTH as u64);
    }
}

/// The beginning was sent by another run: it is proven beside the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_is_proven_with_the_rest() {
    const LENGTH: usize = 60 * MIB;
    for kept in [20 * MIB, 20 * MIB + 70] {
        let content = bytes(3, LENGTH);
        let proof = Proof::Md5;
        let resumed_from = kept as u64;
        // The beginning is compared before, then it is continued from nothing, and then the rest from its last block.
        let check = |hashed: Vec<HashedBytes>| {
            let [compared, head, rest @ ..] = &hashed[..] else {
                panic!("{hashed:?}");
            };
            assert_eq!(
                (compared.offset, compared.length),
                (0, resumed_from),
                "{hashed:?}"
            );
            assert_eq!((head.offset, head.length), (0, resumed_from), "{hashed:?}");
            hashed_once(rest, resumed_from / 64 * 64, LENGTH as u64);
        };
        let faulty = continuing(None, None).await;
        let client = faulty.client().await;
        client.write("file", &content);
        faulty.put("file", &content[..kept]);
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }), "{run:?}");
        assert_same(&faulty.get("file").unwrap(), &content, "sent");
        check(faulty.hashed());

        let faulty = continuing(None, None).await;
        let client = faulty.client().await;
        faulty.put("file", &content);
        client.write("file.part", &content[..kept]);
        let run = client
            .run(Settings::default(), vec![client.down("file", LENGTH)])
            .await;
        assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }), "{run:?}");
        assert_same(&read(&client.local("file")).unwrap(), &content, "received");
        check(faulty.hashed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_continued_hashes_is_found_out() {
    const LENGTH: usize = 40 * MIB;
    let faulty = FaultyServer::start(Faults {
        continues_hashes: true,
        hashes: HashFault::Lie,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    let content = bytes(4, LENGTH);
    client.write("up", &content);
    faulty.put("down", &content);
    for job in [client.up("up"), client.down("down", LENGTH)] {
        let run = client.run(Settings::default(), vec![job]).await;
        run.failed_with(&["VERIFICATION FAILED: the MD5 is "]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn homeportd_continues_hashes() {
    const LENGTH: usize = 72 * MIB + 1;
    let (server, _proxy, client) = behind_proxy(&[]).await;
    let content = bytes(5, LENGTH);
    let questions = || server.audit().matches("\"hashed\"").count();
    for (hash, proof) in [(HashChoice::Md5, Proof::Md5), (HashChoice::Sha256, Proof::Sha256)] {
        let settings = Settings {
            hash,
            ..Settings::default()
        };
        let name = format!("{proof:?}");
        client.write(&name, &content);
        let before = questions();
        let run = client.run(settings, vec![client.up(&name)]).await;
        all_sent(&run, 1, proof, 0);
        assert_same(
            &read(&server.home("alice").join(&name)).unwrap(),
            &content,
            "sent",
        );
        std::fs::remove_file(client.local(&name)).unwrap();
        let run = client.run(settings, vec![client.down(&name, LENGTH)]).await;
        all_sent(&run, 1, proof, 0);
        assert_same(&read(&client.local(&name)).unwrap(), &content, "received");
        // A question for each 32 MiB, each way, and none for the whole file.
        wait_for("the events of all hashes", || questions() >= before + 6);
        assert_eq!(questions(), before + 6);
    }
}
