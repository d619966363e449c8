//! Tests hashes of other systems: how late failures are answered, and how the hashes are replaced.

use super::*;
use crate::auth::password::{CURRENT, cost, usual_cost};
use crate::domain::user::PasswordHash;
use crate::store::FactorStore as _;

const MD5: &str = "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1";
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

fn set_at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

async fn add(f: &SignInFixture, name: &str, hash: &str) {
    f.add(name, |user| {
        user.password_hash = Some(PasswordHash::new(hash.to_owned()));
        user.password_set_at = Some(set_at());
    })
    .await;
}

async fn hash_of(f: &SignInFixture, user: &str) -> PasswordHash {
    let user = f.store.user(&name(user)).await.unwrap().unwrap();
    user.password_hash.unwrap()
}

#[tokio::test]
async fn with_hashes_of_other_costs_all_failures_are_answered_at_the_same_time() {
    let f = SignInFixture::new().await;
    add(&f, "md5", MD5).await;
    add(&f, "bcrypt", BCRYPT).await;
    f.add("usual", |user| {
        user.password_hash = Some(password::hash(&Secret::new("secret".to_owned())).unwrap());
    })
    .await;
    f.add("keyonly", |user| user.password_hash = None).await;
    f.add("disabled", |user| user.enabled = false).await;
    // Nobody has told the authenticator yet.
    assert_eq!(
        f.auth.pacing.floor.answer_after(Duration::ZERO, Duration::ZERO),
        Duration::ZERO
    );
    f.auth.cover_hashes(-1).await.unwrap();
    let floor = f.auth.pacing.floor.answer_after(Duration::ZERO, Duration::ZERO);
    let usual = usual_cost() * 2;
    assert!(
        floor <= usual && floor + Duration::from_millis(1) > usual,
        "none takes longer than the dummy: {floor:?}"
    );
    for (user, password) in [
        ("md5", "wrong"),
        ("bcrypt", "wrong"),
        ("usual", "wrong"),
        ("keyonly", "secret"),
        ("disabled", "secret"),
        ("nobody", "secret"),
        ("not a name", "secret"),
    ] {
        let secret = Secret::new(password.to_owned());
        let attempt = Attempt {
            user,
            peer: HERE.parse().unwrap(),
            credential: Credential::Password(&secret),
            passed: Proofs::default(),
            offered: None,
        };
        let (runs, before) = (f.auth.pacing.verifier.runs(), Instant::now());
        let denied = f.auth.login(attempt).await;
        let known = Instant::now();
        let Err(Denial::Failed { answer_at, .. }) = denied else {
            panic!("{user}: {denied:?}");
        };
        assert_eq!(f.auth.pacing.verifier.runs() - runs, 1, "{user}");
        let after = answer_at - before;
        // On a machine that is so busy that a hash takes longer than that, the next multiple is right.
        let late = u32::try_from((known - before).as_nanos() / floor.as_nanos()).unwrap();
        assert!(
            after >= floor && after <= floor * (late + 2),
            "{user}: {after:?} of {floor:?}"
        );
    }
    for (user, password) in [("md5", "secret"), ("bcrypt", "secret"), ("usual", "secret")] {
        assert!(f.password(user, ELSEWHERE, password).await.is_ok(), "{user}");
    }
}

#[tokio::test]
async fn only_what_has_changed_is_read_again() {
    let f = SignInFixture::new().await;
    let seen = f.store.version().await.unwrap();
    let slow = format!("$2y$14${}", &BCRYPT[7..]);
    add(&f, "slow", &slow).await;
    let later = f.store.version().await.unwrap();
    f.auth.cover_hashes(later).await.unwrap();
    assert_eq!(
        f.auth.pacing.floor.answer_after(Duration::ZERO, Duration::ZERO),
        Duration::ZERO
    );
    f.auth.cover_hashes(seen).await.unwrap();
    let slow = cost(&PasswordHash::new(slow));
    assert!(f.auth.pacing.floor.answer_after(Duration::ZERO, Duration::ZERO) > slow);
}

#[tokio::test]
async fn the_first_success_replaces_the_hash_and_sessions_go_on() {
    let f = Arc::new(SignInFixture::new().await);
    add(&f, "md5", MD5).await;
    assert_eq!(reason(f.password("md5", HERE, "wrong").await), "wrong password");
    let login = f.password("md5", HERE, "secret").await.unwrap();
    assert_eq!(
        hash_of(&f, "md5").await.as_phc(),
        MD5,
        "the sign-in does not wait for it"
    );
    let (quit, ours) = (CancellationToken::new(), Arc::clone(&f));
    let ended = quit.clone();
    let upgrading = tokio::spawn(async move { ours.auth.upgrade_hashes(ended).await });
    while !hash_of(&f, "md5").await.as_phc().starts_with(CURRENT) {
        tokio::task::yield_now().await;
    }
    quit.cancel();
    upgrading.await.unwrap();
    let here = HERE.parse().unwrap();
    let review = f.auth.review(&login, here).await.unwrap();
    assert!(matches!(review, Review::Continues { .. }), "{review:?}");
    assert!(f.password("md5", HERE, "secret").await.is_ok());
    assert_eq!(reason(f.password("md5", HERE, "wrong").await), "wrong password");
    // A new password ends the session, although the hash was replaced before.
    let changed = password::hash(&Secret::new("another".to_owned())).unwrap();
    f.change("md5", move |user| {
        user.password_hash = Some(changed.clone());
        user.password_set_at = Some(Timestamp::now());
    })
    .await;
    let review = f.auth.review(&login, here).await.unwrap();
    assert_eq!(review, Review::Ends(Revocation::Password));
}

#[tokio::test]
async fn a_record_that_has_changed_meanwhile_keeps_its_hash() {
    let f = SignInFixture::new().await;
    add(&f, "md5", MD5).await;
    f.password("md5", HERE, "secret").await.unwrap();
    let upgrade = f.auth.upgrades.next().await.unwrap();
    f.change("md5", |user| {
        user.password_hash = Some(PasswordHash::new(BCRYPT.to_owned()))
    })
    .await;
    upgrade.run(&f.auth.pacing.verifier, &f.auth.store).await;
    assert_eq!(hash_of(&f, "md5").await.as_phc(), BCRYPT);
    // A store that cannot be written, as on a full disk, fails nothing.
    f.password("md5", HERE, "secret").await.unwrap();
    let upgrade = f.auth.upgrades.next().await.unwrap();
    f.store.close().await;
    upgrade.run(&f.auth.pacing.verifier, &f.auth.store).await;
    assert!(
        f.store
            .replace_hash(&User::blank(name("md5")), &PasswordHash::new(MD5.to_owned()))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn passwords_that_wait_to_be_hashed_are_bounded() {
    let f = SignInFixture::new().await;
    add(&f, "md5", MD5).await;
    for _ in 0..100 {
        f.password("md5", HERE, "secret").await.unwrap();
        f.password("calvin", HERE, "secret").await.unwrap();
    }
    let mut waiting = 0;
    while tokio::time::timeout(Duration::ZERO, f.auth.upgrades.next())
        .await
        .is_ok()
    {
        waiting += 1;
    }
    assert_eq!(waiting, 64, "argon2id hashes are not among them");
}
