//! Servers that cannot hash files.

use homeport::plan::Policy;
use homeport::transfer::{Direction, Job, Outcome, Proof, Settings, Verify};

use crate::client::transfer::table::openssh;
use crate::client::transfer::{assert_same, bytes, read};
use testkit::reference;

#[tokio::test(flavor = "multi_thread")]
async fn with_an_openssh_that_cannot_hash() {
    // The usual setting for accounts that may only use SFTP.
    let (sshd, client) = openssh("ForceCommand internal-sftp").await;
    let ours = bytes(3, 300_000);
    client.write("up", &ours);
    client.write("part", &ours);
    std::fs::write(sshd.path("files/part"), &ours[..1000]).unwrap();
    std::fs::write(sshd.path("files/down"), &ours).unwrap();
    let jobs = vec![
        client.up("up"),
        client.up("part"),
        client.down("down", ours.len()),
    ];
    let run = client.run(Settings::default(), jobs).await;
    for (name, resumed_from) in [("up", 0), ("part", 1000), ("down", 0)] {
        let proof = Proof::Sizes;
        assert_eq!(
            run.ended[name],
            Ok(Outcome::Sent { resumed_from, proof }),
            "{run:?}"
        );
    }
    for path in [
        sshd.path("files/up"),
        sshd.path("files/part"),
        client.local("down"),
    ] {
        assert_same(&read(&path).unwrap(), &ours, "without hashes");
    }
    assert_eq!(run.warnings.lines().count(), 1, "{}", run.warnings);
}

/// The server starts another program than the requested command, which waits for input or never ends.
#[tokio::test(flavor = "multi_thread")]
async fn with_an_openssh_that_runs_something_else() {
    let program = reference::program();
    let (sshd, client) = openssh(&format!("ForceCommand {program}")).await;
    client.write("f", &bytes(4, 300_000));
    let run = client.run(Settings::default(), vec![client.up("f")]).await;
    let expected = Outcome::Sent {
        resumed_from: 0,
        proof: Proof::Sizes,
    };
    assert_eq!(*run.only(), Ok(expected), "{run:?}");
    assert_same(&read(&sshd.path("files/f")).unwrap(), &bytes(4, 300_000), "sent");
}

/// Files of the same size may differ.
#[tokio::test(flavor = "multi_thread")]
async fn without_hashes_the_ends_of_files_are_compared() {
    const END: usize = 256 << 10;
    let (sshd, client) = openssh("ForceCommand internal-sftp").await;
    let ours = bytes(5, 3 * END);
    let changed = |at: usize| {
        let mut other = ours.clone();
        other[at] ^= 1;
        other
    };
    let (end, middle) = (changed(3 * END - 1), changed(3 * END / 2));
    for (name, theirs, outcome) in [
        ("first byte", &changed(0)[..], Err("other content")),
        ("last byte", &end, Err("other content")),
        // A difference in the middle is not noticed, and the message says so.
        ("middle", &middle, Ok(Outcome::Same(Proof::Sizes))),
        ("same", &ours, Ok(Outcome::Same(Proof::Sizes))),
        ("small", &changed(7)[..100], Err("not its beginning")),
        (
            "no beginning",
            &changed(2 * END - 1)[..2 * END],
            Err("not its beginning"),
        ),
    ] {
        for direction in [Direction::Up, Direction::Down] {
            let (here, there) = (client.local(name), sshd.path(&format!("files/{name}")));
            let (from, to) = match direction {
                Direction::Up => (&here, &there),
                Direction::Down => (&there, &here),
            };
            std::fs::write(from, &ours).unwrap();
            std::fs::write(to, theirs).unwrap();
            let job = Job {
                size: ours.len() as u64,
                ..client.job(direction, name)
            };
            let run = client.run(Settings::default(), vec![job.clone()]).await;
            match (run.only(), outcome) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(*found, expected, "{name}: {run:?}");
                    assert!(run.warnings.contains("its size and its ends"), "{run:?}");
                }
                (_, expected) => run.failed_with(&[expected.unwrap_err()]),
            }
            assert_eq!(read(to).unwrap(), theirs);
            let always = Settings {
                verify: Verify::Always,
                ..Settings::default()
            };
            client
                .run(always, vec![job.clone()])
                .await
                .failed_with(&["cannot hash"]);
            assert_eq!(
                read(to).unwrap(),
                theirs,
                "nothing was sent that cannot be proven"
            );
            let overwrite = Settings {
                conflicts: Policy::Overwrite,
                ..Settings::default()
            };
            let run = client.run(overwrite, vec![job]).await;
            assert!(
                matches!(run.only(), Ok(Outcome::Sent { resumed_from: 0, .. })),
                "{run:?}"
            );
            assert_eq!(read(to).unwrap(), ours);
        }
    }
}
