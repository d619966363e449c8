//! Tests the delays, the throttle and the queue from the view of attempts.

use super::*;
use crate::store::FactorStore as _;

#[tokio::test]
async fn refusals_are_held_back_and_successes_are_not() {
    let mut settings = quick();
    settings.throttle.first_delay_ms = 40;
    settings.throttle.max_delay_ms = 100_000;
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
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
    // The next refusal would take 320 ms, and after these failures a thousand seconds would not be enough.
    for _ in 0..18 {
        f.auth.pacing.throttle().failed(here(), Instant::now().into_std());
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
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
    f.add("tom", |_| {}).await;
    assert!(f.password("tom", HERE, "secret").await.is_ok());
    for _ in 0..5 {
        reason(f.password("nobody", HERE, "guess").await);
    }
    let before = f.auth.pacing.verifier.runs();
    for (user, password) in [("nobody", "guess"), ("calvin", "wrong"), ("calvin", "secret")] {
        assert_eq!(
            reason(f.password(user, HERE, password).await),
            "too many failures before"
        );
    }
    assert_eq!(f.auth.pacing.verifier.runs(), before);
    // Attempts from another address, with a key, or from a known address are not affected.
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
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
    for _ in 0..100 {
        f.auth.pacing.throttle().failed(here(), Instant::now().into_std());
    }
    let start = std::time::Instant::now();
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
    assert!(start.elapsed() >= Duration::from_millis(1000));
}

#[tokio::test]
async fn guesses_in_parallel_gain_nothing() {
    let mut settings = quick();
    settings.throttle.failures = 5;
    let queue = VerifierBounds {
        workers: 1,
        ..VerifierBounds::default()
    };
    let f = Arc::new(SignInFixture::with(settings, queue).await);
    let guesses = (0..60).map(|n| {
        let f = Arc::clone(&f);
        tokio::spawn(async move { reason(f.password(&format!("u{n}"), HERE, "guess").await) })
    });
    for guess in guesses.collect::<Vec<_>>() {
        guess.await.unwrap();
    }
    assert_eq!(f.auth.pacing.verifier.runs(), 5);
}

#[tokio::test]
async fn three_hundred_honest_users_behind_one_address_get_in() {
    let f = Arc::new(SignInFixture::new().await);
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
    let queue = VerifierBounds {
        workers: 1,
        waiting: 0,
        waiting_per_source: 0,
    };
    let f = SignInFixture::with(quick(), queue).await;
    let held = f
        .auth
        .pacing
        .verifier
        .acquire(crate::auth::verifier::QueuedAttempt {
            source: here(),
            name: None,
            known: false,
        });
    let held = held.await.unwrap();
    let refused = reason(f.password("calvin", HERE, "secret").await);
    assert_eq!(refused, "too many passwords are waiting to be verified");
    assert_eq!(f.auth.pacing.verifier.runs(), 0);
    assert!(f.key("calvin", HERE, KEY).await.is_ok());
    drop(held);
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
    let delay = f.auth.pacing.throttle().failed(here(), Instant::now().into_std());
    assert_eq!(delay, Duration::from_millis(1), "that was the first failure");
}

#[tokio::test]
async fn a_store_that_fails_is_a_refusal_with_its_cause_in_the_log() {
    let f = SignInFixture::new().await;
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
    // This failure was not counted: the next failure is the first one in both tables.
    let now = Instant::now().into_std();
    let delay = f
        .auth
        .pacing
        .throttle()
        .wrong_password(here(), Some(&name("calvin")), now);
    assert_eq!(delay, Duration::from_millis(1));
}

/// Twelve failures of other users come first, then attempts of users who were known there, also after a restart.
#[tokio::test]
async fn who_was_there_before_gets_in_at_once_also_after_a_restart() {
    let mut settings = quick();
    settings.throttle.failures = 5;
    settings.throttle.first_delay_ms = 60_000;
    settings.throttle.max_delay_ms = 60_000;
    let f = SignInFixture::with(settings.clone(), VerifierBounds::default()).await;
    f.add("tom", |_| {}).await;
    f.add("new", |_| {}).await;
    f.password("calvin", HERE, "secret").await.unwrap();
    // A sign-in by key counts as well, because it proves that the user was there.
    f.key("tom", HERE, KEY).await.unwrap();
    assert!(f.auth.history().write().await);
    let after = Authenticator::new(f.store.clone(), settings);
    after.history().recall().await;
    for auth in [&f.auth, &after] {
        for n in 0..12 {
            let name = name(&format!("u{n}"));
            auth.pacing
                .throttle()
                .wrong_password(here(), Some(&name), Instant::now().into_std());
        }
        for (user, gets_in) in [("calvin", true), ("tom", true), ("new", false)] {
            let secret = Secret::new("secret".to_owned());
            let attempt = Attempt {
                user,
                peer: HERE.parse().unwrap(),
                credential: Credential::Password(&secret),
                passed: Proofs::default(),
                offered: None,
            };
            // The delay is a minute. Whoever must wait for it is not even looked at.
            let patience = Duration::from_secs(if gets_in { 20 } else { 1 });
            let before = auth.pacing.verifier.runs();
            let within = tokio::time::timeout(patience, auth.login(attempt)).await;
            assert_eq!(matches!(within, Ok(Ok(_))), gets_in, "{user}");
            assert_eq!(auth.pacing.verifier.runs() > before, gets_in, "{user}");
        }
    }
    // Removed users are forgotten, here and in the store.
    f.store.remove_user(&name("tom")).await.unwrap();
    f.auth.history().forget(&name("tom"));
    let now = Instant::now().into_std();
    assert!(!f.auth.pacing.throttle().knows(here(), Some(&name("tom")), now));
    let kept = f.store.sign_ins(Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].user, name("calvin"));
}

/// A source that is in constant use is stored once a day, the time of the last sign-in each time.
#[tokio::test]
async fn the_time_of_each_last_sign_in_is_stored() {
    let f = SignInFixture::new().await;
    let earlier = Instant::now().into_std().checked_sub(Duration::from_secs(1000));
    let calvin = name("calvin");
    f.auth
        .pacing
        .throttle()
        .signed_in(here(), &calvin, earlier.unwrap());
    let last = async || {
        assert!(f.auth.history().write().await);
        f.store.last_sign_ins(Some(&calvin)).await.unwrap()[&calvin]
    };
    let before = last().await;
    f.password("calvin", HERE, "secret").await.unwrap();
    let after = last().await;
    assert!(after.duration_since(before).as_secs() >= 999, "{before} {after}");
    assert_eq!(last().await, after, "nothing is new");
}

#[tokio::test]
async fn sign_ins_that_cannot_be_recorded_succeed_and_are_recorded_later() {
    let f = SignInFixture::new().await;
    f.password("calvin", HERE, "secret").await.unwrap();
    f.store.close().await;
    assert!(!f.auth.history().write().await);
    assert!(!f.auth.history().write().await, "it is still to be done");
}

#[tokio::test]
async fn a_peer_that_does_not_wait_for_the_verdict_has_failed() {
    let queue = VerifierBounds {
        workers: 1,
        ..VerifierBounds::default()
    };
    let f = Arc::new(SignInFixture::with(quick(), queue).await);
    // The peer gives up before the verdict is known.
    let busy = f.auth.pacing.verifier.occupy();
    let ours = Arc::clone(&f);
    let peer = tokio::spawn(async move { ours.password("calvin", HERE, "secret").await });
    while f.auth.pacing.verifier.permits_in_use() == 0 {
        tokio::task::yield_now().await;
    }
    peer.abort();
    assert!(peer.await.unwrap_err().is_cancelled());
    drop(busy);
    let delay = f.auth.pacing.throttle().failed(here(), Instant::now().into_std());
    assert_eq!(delay, Duration::from_millis(2), "that was the second failure");
}
