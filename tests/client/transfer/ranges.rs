//! The ranges of an upload are proven while later ones are still being sent.

use homeport::transfer::{Proof, Settings};

use super::bytes;
use super::faulty_server::{Faults, FaultyServer};
use super::proof::all_sent;

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
