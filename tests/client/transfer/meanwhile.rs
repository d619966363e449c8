//! What others do while a connection is broken: nothing of theirs is replaced, and what was sent is found again.

use std::sync::atomic::Ordering::SeqCst;

use homeport::plan::Policy;
use homeport::transfer::{Direction, Job, Outcome, Settings};

use super::broken::{behind_proxy, proven};
use super::{assert_same, bytes, read};

/// What a run has begun is its own: it is replaced without a question, but what was there before is not.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_break_nothing_of_others_is_replaced() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let content = bytes(4, 4 << 20);
    client.write("ours", &content);
    let settings = Settings {
        resume: false,
        ..Settings::default()
    };
    proxy.flow(Direction::Up).cuts.lock().unwrap().push_back(2 << 20);
    let run = client.run(settings, vec![client.up("ours")]).await;
    proven(&run);
    assert_eq!(run.resumed_from(), 0, "it was not to be resumed");
    assert_same(
        &read(&server.home("alice").join("ours")).unwrap(),
        &content,
        "anew",
    );

    // A download that breaks, and somebody makes a file of that name meanwhile.
    proxy.hold_at(
        Direction::Down,
        proxy.flow(Direction::Down).taken.load(SeqCst) + (1 << 20),
    );
    let meanwhile = async {
        proxy.held(Direction::Down).await;
        client.write("ours", b"somebody else's");
        proxy.let_go(Direction::Down);
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

/// A file that somebody has made while the connection was away is not this run's.
#[tokio::test(flavor = "multi_thread")]
async fn what_appears_during_a_break_is_not_replaced() {
    for policy in [Policy::Ask, Policy::Skip, Policy::Rename] {
        let (server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(8, 4 << 20);
        let home = server.home("alice");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("f"), &content).unwrap();
        let flow = proxy.flow(Direction::Down);
        proxy.hold_at(Direction::Down, flow.taken.load(SeqCst) + (1 << 20));
        let meanwhile = async {
            proxy.held(Direction::Down).await;
            client.write("f", b"somebody else's");
            flow.cuts.lock().unwrap().push_back(0);
            proxy.let_go(Direction::Down);
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

/// What had the name before stays, also when the connection breaks in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_given_another_name_keeps_it() {
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
        let flow = proxy.flow(direction);
        let now = flow.taken.load(SeqCst);
        flow.cuts
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
