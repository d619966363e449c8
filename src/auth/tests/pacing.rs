//! Delays, the throttle and the queue, as attempts meet them.

use super::*;

#[tokio::test]
async fn refusals_are_held_back_and_successes_are_not() {
    let mut settings = quick();
    settings.throttle.first_delay_ms = 40;
    settings.throttle.max_delay_ms = 100_000;
    let f = Fixture::with(settings, Queue::default()).await;
    for (attempt, at_least) in [(1, 40), (2, 80), (3, 160)] {
        let start = std::time::Instant::now();
        if attempt == 2 {
            reason(f.key("calvin", HERE, OTHER_KEY).await);
        } else {
            reason(f.password("calvin", HERE, "wrong").await);
        }
        assert!(
            start.elapsed() >= Duration::from_millis(at_least),
            "{attempt}: {:?}",
            start.elapsed()
        );
    }
    // The next refusal would take 320 ms, and after these a thousand seconds would not be enough.
    for _ in 0..18 {
        f.auth.throttle().failed(here(), Instant::now().into_std());
    }
    assert!(f.key("calvin", HERE, KEY).await.is_ok());
    assert!(
        f.auth
            .offered("calvin", HERE.parse().unwrap(), &key(KEY))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn after_many_failures_passwords_from_there_are_not_looked_at() {
    let mut settings = quick();
    settings.throttle.failures = 5;
    let f = Fixture::with(settings, Queue::default()).await;
    f.add("tom", |_| {}).await;
    assert!(f.password("tom", HERE, "secret").await.is_ok());
    for _ in 0..5 {
        reason(f.password("nobody", HERE, "guess").await);
    }
    let before = f.auth.verifier.runs();
    for (user, password) in [("nobody", "guess"), ("calvin", "wrong"), ("calvin", "secret")] {
        assert_eq!(
            reason(f.password(user, HERE, password).await),
            "too many failures before"
        );
    }
    assert_eq!(f.auth.verifier.runs(), before);
    // Not concerned: who comes from elsewhere, has a key, or was here before.
    assert!(f.password("calvin", ELSEWHERE, "secret").await.is_ok());
    assert!(f.key("calvin", HERE, KEY).await.is_ok());
    assert!(f.password("tom", HERE, "secret").await.is_ok());
}

#[tokio::test]
async fn an_honest_user_waits_until_enough_is_forgiven_and_gets_in() {
    let mut settings = quick();
    settings.throttle.failures = 5;
    settings.throttle.forgive_secs = 1;
    settings.throttle.max_delay_ms = 1500;
    settings.throttle.first_delay_ms = 1500;
    let f = Fixture::with(settings, Queue::default()).await;
    for _ in 0..100 {
        f.auth.throttle().failed(here(), Instant::now().into_std());
    }
    let start = std::time::Instant::now();
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
    assert!(start.elapsed() >= Duration::from_millis(1000));
}

#[tokio::test]
async fn guesses_in_parallel_gain_nothing() {
    let mut settings = quick();
    settings.throttle.failures = 5;
    let queue = Queue {
        workers: 1,
        ..Queue::default()
    };
    let f = Arc::new(Fixture::with(settings, queue).await);
    let guesses = (0..60).map(|n| {
        let f = Arc::clone(&f);
        tokio::spawn(async move { reason(f.password(&format!("u{n}"), HERE, "guess").await) })
    });
    for guess in guesses.collect::<Vec<_>>() {
        guess.await.unwrap();
    }
    assert_eq!(f.auth.verifier.runs(), 5);
}

#[tokio::test]
async fn three_hundred_honest_users_behind_one_address_get_in() {
    let f = Arc::new(Fixture::new().await);
    let users = (0..300).map(|_| {
        let f = Arc::clone(&f);
        tokio::spawn(async move { f.password("calvin", HERE, "secret").await.map(|_| ()) })
    });
    for user in users.collect::<Vec<_>>() {
        user.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_refuses_without_hashing_and_without_blame() {
    let queue = Queue {
        workers: 1,
        waiting: 0,
        waiting_per_source: 0,
    };
    let f = Fixture::with(quick(), queue).await;
    let held = f.auth.verifier.turn(here()).await.unwrap();
    let refused = reason(f.password("calvin", HERE, "secret").await);
    assert_eq!(refused, "too many passwords are waiting to be verified");
    assert_eq!(f.auth.verifier.runs(), 0);
    assert!(f.key("calvin", HERE, KEY).await.is_ok());
    drop(held);
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
    let delay = f.auth.throttle().failed(here(), Instant::now().into_std());
    assert_eq!(delay, Duration::from_millis(1), "that was the first failure");
}

#[tokio::test]
async fn a_store_that_fails_is_a_refusal_with_its_cause_in_the_log() {
    let f = Fixture::new().await;
    f.store.close().await;
    for denied in [
        f.password("calvin", HERE, "secret").await,
        f.key("calvin", HERE, KEY).await,
    ] {
        let reason = reason(denied);
        assert!(reason.contains("cannot use the store"), "{reason}");
    }
    assert!(
        f.auth
            .offered("calvin", HERE.parse().unwrap(), &key(KEY))
            .await
            .is_err()
    );
    // Nobody is to blame for it: a first failure comes next, on both counts.
    let now = Instant::now().into_std();
    let delay = f
        .auth
        .throttle()
        .wrong_password(here(), Some(&name("calvin")), now);
    assert_eq!(delay, Duration::from_millis(1));
}
