use std::net::IpAddr;

use super::*;

/// With `m=8,t=1,p=1`: costs nothing to verify.
pub(in crate::auth) fn cheap(password: &str) -> PasswordHash {
    let params = Params::new(8, 1, 1, None).unwrap();
    let hash: phc::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .unwrap();
    PasswordHash::new(hash.to_string())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn source(text: &str) -> Source {
    text.parse::<IpAddr>().unwrap().into()
}

async fn verify(verifier: &Verifier, password: &str, hash: Option<&PasswordHash>) -> Verdict {
    let turn = verifier.turn(source("192.0.2.1")).await.unwrap();
    verifier.verify(&turn, &secret(password), hash).await
}

#[tokio::test]
async fn a_password_is_hashed_and_recognised() {
    let one = hash(&secret("123456")).unwrap();
    assert!(
        one.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        one.as_phc()
    );
    assert_eq!(import(one.as_phc()).unwrap(), one);
    let verifier = Verifier::new(Queue::default());
    assert_eq!(verify(&verifier, "123456", Some(&one)).await, Verdict::Right);
    assert_eq!(verify(&verifier, "1234567", Some(&one)).await, Verdict::Wrong);
    assert_ne!(one, hash(&secret("123456")).unwrap(), "the salt is fresh");
}

#[test]
fn impossible_passwords_are_refused() {
    assert!(hash(&secret("")).is_err());
    assert!(hash(&secret(&"x".repeat(MAX_PASSWORD + 1))).is_err());
    assert!(hash(&secret(&"x".repeat(MAX_PASSWORD))).is_ok());
}

#[tokio::test]
async fn nobody_and_users_without_a_hash_cost_one_run_of_the_same_size() {
    let dummy = usable(DUMMY).unwrap();
    let real = hash(&secret("x")).unwrap();
    let real = usable(real.as_phc()).unwrap();
    assert_eq!(
        Params::try_from(&dummy).unwrap(),
        Params::try_from(&real).unwrap()
    );
    assert_eq!(dummy.salt.unwrap().len(), real.salt.unwrap().len());
    let verifier = Verifier::new(Queue::default());
    assert_eq!(verify(&verifier, "", None).await, Verdict::Wrong);
    assert_eq!(verifier.runs(), 1);
    let broken = PasswordHash::new("$argon2id$nonsense".into());
    assert_eq!(verify(&verifier, "x", Some(&broken)).await, Verdict::BadHash);
    assert_eq!(verifier.runs(), 2);
}

#[tokio::test]
async fn hashes_of_other_parameters_are_verified_with_their_own_within_bounds() {
    let cheap = cheap("secret");
    let verifier = Verifier::new(Queue::default());
    assert_eq!(verify(&verifier, "secret", Some(&cheap)).await, Verdict::Right);
    let check = |phc: &str, says: &str| {
        let error = import(phc).unwrap_err().to_string();
        assert!(error.contains(says), "{phc}: {error}");
    };
    let (salt, out) = ("c29tZXNhbHRzYWx0", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    check(
        &format!("$argon2id$v=19$m=262145,t=1,p=1${salt}${out}"),
        "more than",
    );
    check(
        &format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt}${out}"),
        "more than",
    );
    check(
        &format!("$argon2id$v=19$m=1024,t=1025,p=1${salt}${out}"),
        "more than",
    );
    check(
        &format!("$argon2id$v=19$m=1024,t=1,p=17${salt}${out}"),
        "more than",
    );
    check(&format!("$argon2id$v=16$m=1024,t=1,p=1${salt}${out}"), "version");
    check(&format!("$argon2id$m=1024,t=1,p=1${salt}${out}"), "version");
    check(&format!("$argon2i$v=19$m=1024,t=1,p=1${salt}${out}"), "argon2id");
    check(&format!("$2b$m=1024,t=1,p=1${salt}${out}"), "");
    check(&format!("$argon2id$v=19$m=1024,t=1,p=1${salt}"), "missing");
    check("$2y$10$abcdefghijklmnopqrstuuJ8.v0fM4kH4", "");
    check("123456", "");
    check("", "");
    assert!(import(&format!("$argon2id$v=19$m=65536,t=3,p=4${salt}${out}")).is_ok());
}

#[tokio::test]
async fn a_full_line_refuses_and_one_source_cannot_fill_it() {
    let verifier = Arc::new(Verifier::new(Queue {
        workers: 1,
        waiting: 3,
        waiting_per_source: 1,
    }));
    let (a, b, c) = (source("192.0.2.1"), source("192.0.2.2"), source("192.0.2.3"));
    let waits = |source: Source| {
        let verifier = Arc::clone(&verifier);
        let mut turn = Box::pin(async move { verifier.turn(source).await });
        // One poll: it takes its places and waits.
        let waker = std::task::Waker::noop();
        let polled = turn.as_mut().poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_pending());
        turn
    };
    let first = verifier.turn(a).await.unwrap();
    let second = waits(a);
    assert_eq!(
        verifier.turn(a).await.unwrap_err(),
        QueueFull,
        "its own line is full"
    );
    // Another source is not held up.
    let other = verifier.turn(b).await.unwrap();
    let more = waits(b);
    assert_eq!(
        verifier.turn(c).await.unwrap_err(),
        QueueFull,
        "the common line is full"
    );
    assert_eq!(verifier.runs(), 0);
    // Places come back, also from attempts that were given up.
    drop(more);
    drop(verifier.turn(c).await.unwrap());
    drop(first);
    second.await.unwrap();
    drop(other);
    drop(verifier.turn(b).await.unwrap());
}

#[tokio::test]
async fn lanes_of_sources_that_left_are_forgotten() {
    let verifier = Verifier::new(Queue {
        workers: 1,
        waiting: 4,
        waiting_per_source: 4,
    });
    for host in 0..=255 {
        drop(verifier.turn(source(&format!("192.0.2.{host}"))).await.unwrap());
    }
    assert!(verifier.lanes.lock().unwrap().len() <= 6);
}
