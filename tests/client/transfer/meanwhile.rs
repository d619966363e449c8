//! Changes by others while a connection is broken: their files are not replaced, and the bytes that were sent are found
//! again.

use std::sync::atomic::Ordering::SeqCst;

use homeport::plan::Policy;
use homeport::transfer::{Direction, Job, Outcome, Settings};

use super::broken::{behind_proxy, proven};
use super::{assert_same, bytes, read};

/// A file that the run itself created is replaced without a prompt, but a file that existed before is not.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_not_replaced_after_a_broken_connection() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let content = bytes(4, 4 << 20);
    client.write("ours", &content);
    let settings = Settings {
        resume: false,
        ..Settings::default()
    };
    proxy
        .direction_state(Direction::Up)
        .cuts
        .lock()
        .unwrap()
        .push_back(2 << 20);
    let run = client.run(settings, vec![client.up("ours")]).await;
    proven(&run);
    assert_eq!(run.resumed_from(), 0, "it was not to be resumed");
    assert_same(
        &read(&server.home("alice").join("ours")).unwrap(),
        &content,
        "anew",
    );

    // Another program creates a file of that name while the connection of a download is broken.
    proxy.pause_at(
        Direction::Down,
        proxy.direction_state(Direction::Down).taken.load(SeqCst) + (1 << 20),
    );
    let meanwhile = async {
        proxy.wait_for_pause(Direction::Down).await;
        client.write("ours", b"somebody else's");
        proxy.resume(Direction::Down);
    };
    std::fs::remove_file(client.local("ours")).unwrap();
    let settings = Settings {
        conflicts: Policy::Ask,
        ..Settings::default()
    };
    let jobs = vec![client.down("ours", content.len())];
    let (run, ()) = tokio::join!(client.run(settings, jobs), meanwhile);
    run.failed_with(&["a file of the same size but with other content is there"]);
    assert_eq!(read(&client.local("ours")).unwrap(), b"somebody else's");
}

/// A file that another program created while the connection was broken does not belong to the run.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_created_during_a_break_is_not_replaced() {
    for policy in [Policy::Ask, Policy::Skip, Policy::Rename] {
        let (server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(8, 4 << 20);
        let home = server.home("alice");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("f"), &content).unwrap();
        let direction_state = proxy.direction_state(Direction::Down);
        proxy.pause_at(Direction::Down, direction_state.taken.load(SeqCst) + (1 << 20));
        let meanwhile = async {
            proxy.wait_for_pause(Direction::Down).await;
            client.write("f", b"somebody else's");
            direction_state.cuts.lock().unwrap().push_back(0);
            proxy.resume(Direction::Down);
        };
        let settings = Settings {
            conflicts: policy,
            ..Settings::default()
        };
        let jobs = vec![client.down("f", content.len())];
        let (run, ()) = tokio::join!(client.run(settings, jobs), meanwhile);
        assert_eq!(run.warnings.matches("connected again").count(), 1, "{run:?}");
        assert_eq!(read(&client.local("f")).unwrap(), b"somebody else's", "{run:?}");
        match policy {
            Policy::Skip => assert_eq!(*run.only(), Ok(Outcome::Skipped)),
            Policy::Rename => assert_same(&read(&client.local("f.1")).unwrap(), &content, "renamed"),
            _ => run.failed_with(&["a shorter file is there"]),
        }
    }
}

/// The file that had the name before stays, even if the connection breaks in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_keeps_its_name_after_a_broken_connection() {
    for direction in [Direction::Up, Direction::Down] {
        let (server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(7, 4 << 20);
        let home = server.home("alice");
        let (from, there) = match direction {
            Direction::Up => (client.local("f"), home.join("f")),
            Direction::Down => (home.join("f"), client.local("f")),
        };
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(&from, &content).unwrap();
        std::fs::write(&there, b"somebody else's").unwrap();
        let settings = Settings {
            conflicts: Policy::Rename,
            ..Settings::default()
        };
        let job = Job {
            size: content.len() as u64,
            ..client.job(direction, "f")
        };
        let direction_state = proxy.direction_state(direction);
        let now = direction_state.taken.load(SeqCst);
        direction_state
            .cuts
            .lock()
            .unwrap()
            .extend([now + (1 << 20), now + (3 << 20)]);
        let run = client.run(settings, vec![job]).await;
        proven(&run);
        assert_eq!(run.warnings.matches("connected again").count(), 2, "{run:?}");
        assert_eq!(read(&there).unwrap(), b"somebody else's");
        let renamed = there.with_file_name("f.1");
        assert_same(&read(&renamed).unwrap(), &content, "under another name");
    }
}
