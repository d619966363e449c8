use std::net::IpAddr;

use super::*;
use crate::auth::password::cheap;

fn attempt(source: &str, name: &str) -> QueuedAttempt {
    QueuedAttempt {
        source: source.parse::<IpAddr>().unwrap().into(),
        name: name.parse().ok(),
        known: false,
    }
}

fn one_worker() -> Arc<Verifier> {
    Arc::new(Verifier::new(VerifierBounds {
        workers: 1,
        waiting: 3,
        waiting_per_source: 2,
    }))
}

type Waiting = tokio::task::JoinHandle<Result<FairPermit, QueueFull>>;

/// Starts an attempt, and returns once it waits in the queue.
async fn waits(verifier: &Arc<Verifier>, source: &str, name: &str) -> Waiting {
    let (ours, attempt) = (Arc::clone(verifier), attempt(source, name));
    let before = ours.shared.state().line.joined();
    let waiting = tokio::spawn(async move { ours.acquire(attempt).await });
    while verifier.shared.state().line.joined() == before && !waiting.is_finished() {
        tokio::task::yield_now().await;
    }
    waiting
}

#[tokio::test]
async fn a_full_queue_refuses_and_places_come_back() {
    let verifier = one_worker();
    let first = verifier.acquire(attempt("192.0.2.1", "a")).await.unwrap();
    let second = waits(&verifier, "192.0.2.1", "a").await;
    let third = waits(&verifier, "192.0.2.1", "b").await;
    let refused = verifier.acquire(attempt("192.0.2.1", "c")).await;
    assert_eq!(refused.unwrap_err(), QueueFull, "its source has its share");
    let other = waits(&verifier, "192.0.2.2", "o").await;
    // The queue is full, so an attempt from another source evicts the newest one of the source that has the most.
    let late = waits(&verifier, "192.0.2.3", "x").await;
    assert_eq!(third.await.unwrap().unwrap_err(), QueueFull);
    // A peer that disconnects gives up its place at once.
    other.abort();
    assert!(other.await.unwrap_err().is_cancelled());
    assert_eq!(verifier.shared.state().line.len(), 2);
    drop(first);
    let permit = late.await.unwrap().unwrap();
    assert!(!second.is_finished(), "its source was served before");
    drop(permit);
    drop(second.await.unwrap().unwrap());
    drop(verifier.acquire(attempt("192.0.2.9", "z")).await.unwrap());
    assert_eq!(verifier.shared.state().taken, 0);
}

#[tokio::test]
async fn a_permit_is_kept_by_its_job_when_the_peer_hangs_up() {
    let verifier = one_worker();
    let permit = verifier.acquire(attempt("192.0.2.1", "a")).await.unwrap();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    // The only worker thread is busy.
    verifier.workers.submit(Box::new(move |_| {
        gate.recv().unwrap();
        Box::new(|| ())
    }));
    let (ours, hash) = (Arc::clone(&verifier), cheap("secret"));
    let verifying = tokio::spawn(async move {
        let secret = Secret::new("secret".to_owned());
        ours.verify(&permit, &secret, Some(&hash)).await
    });
    let next = waits(&verifier, "192.0.2.2", "b").await;
    verifying.abort();
    assert!(verifying.await.unwrap_err().is_cancelled());
    assert!(!next.is_finished() && verifier.shared.state().taken == 1);
    go.send(()).unwrap();
    next.await.unwrap().unwrap();
    assert_eq!(verifier.runs(), 1);
}

#[tokio::test]
async fn permits_skip_attempts_that_were_abandoned() {
    let verifier = one_worker();
    let first = verifier.acquire(attempt("192.0.2.1", "a")).await.unwrap();
    let left = waits(&verifier, "192.0.2.2", "b").await;
    let stays = waits(&verifier, "192.0.2.3", "c").await;
    // The attempt is given its turn, but ends without taking it.
    drop(first);
    left.abort();
    assert!(stays.await.unwrap().is_ok());
}

#[tokio::test]
async fn permits_for_key_exchanges_rotate_among_addresses() {
    let queue = VerifierBounds {
        workers: 1,
        ..VerifierBounds::default()
    };
    let exchanges = Arc::new(FairSemaphore(Arc::new(FairQueue {
        bounds: queue,
        state: Mutex::default(),
    })));
    let first = exchanges
        .acquire("192.0.2.1".parse().unwrap(), false)
        .await
        .unwrap();
    let (order, served) = std::sync::mpsc::channel();
    let mut waiting = Vec::new();
    // Many attempts come from one address, then one from another address, then one from a signed-in peer.
    let crowd = (0..20).map(|_| ("192.0.2.1", false));
    for (source, signed_in) in crowd.chain([("192.0.2.2", false), ("192.0.2.1", true)]) {
        let (exchanges, order) = (Arc::clone(&exchanges), order.clone());
        let before = exchanges.0.state().line.joined();
        let shared = Arc::clone(&exchanges.0);
        waiting.push(tokio::spawn(async move {
            let permit = exchanges
                .acquire(source.parse().unwrap(), signed_in)
                .await
                .unwrap();
            order.send((source, signed_in)).unwrap();
            drop(permit);
        }));
        while shared.state().line.joined() == before {
            tokio::task::yield_now().await;
        }
    }
    drop(first);
    for task in waiting {
        task.await.unwrap();
    }
    drop(order);
    let order: Vec<_> = served.iter().collect();
    assert_eq!(order[..2], [("192.0.2.1", true), ("192.0.2.2", false)]);
    assert_eq!(exchanges.0.state().taken, 0);
}
