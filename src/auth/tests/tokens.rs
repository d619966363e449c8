//! Tests which tokens are accepted, what a login by one may do, and how wrong ones are counted.

use super::*;
use crate::auth::tokens::AccessToken;
use crate::domain::token::TokenScope;
use crate::domain::user::UserSource;
use crate::store::WebStore as _;

/// Gives a user a token, and returns it with its id.
async fn given(f: &SignInFixture, user: &str, change: impl FnOnce(&mut TokenRecord)) -> (Secret, i64) {
    let token = AccessToken::generate().unwrap();
    let record = f.store.user(&name(user)).await.unwrap().unwrap();
    let mut record = TokenRecord {
        id: 0,
        user: record.name,
        incarnation: record.incarnation,
        hash: token.hash(),
        scope: TokenScope::Files,
        comment: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: None,
        last_used_at: None,
    };
    change(&mut record);
    let id = f.store.add_token(&record).await.unwrap();
    (Secret::new(token.reveal().to_owned()), id)
}

async fn presented(
    f: &SignInFixture,
    peer: &str,
    token: &Secret,
) -> Result<(Login, TokenRecord), (DenialReason, Instant)> {
    match f.auth.token(token, peer.parse().unwrap()).await {
        Ok(accepted) => Ok(accepted),
        Err(Denial::Failed { reason, answer_at }) => Err((reason, answer_at)),
        Err(other) => panic!("not a refusal: {other:?}"),
    }
}

async fn refused(f: &SignInFixture, peer: &str, token: &Secret) -> &'static str {
    presented(f, peer, token).await.unwrap_err().0.code()
}

#[tokio::test]
async fn a_token_takes_the_place_of_all_factors() {
    let f = SignInFixture::new().await;
    f.add("careful", |user| {
        user.settings.require = Some([Factor::Password, Factor::Totp].into());
    })
    .await;
    let (token, id) = given(&f, "careful", |_| {}).await;
    let before = Timestamp::now().as_second();
    let (login, record) = presented(&f, HERE, &token).await.unwrap();
    assert_eq!((login.user(), login.token()), (&name("careful"), Some(id)));
    assert!(login.factors().is_empty() && login.until().is_none());
    assert_eq!(record.scope, TokenScope::Files);
    assert_eq!(f.auth.remember(&login), None);
    let peer: IpAddr = HERE.parse().unwrap();
    let review = async || f.auth.review(&login, peer).await.unwrap();
    assert!(matches!(review().await, Review::Continues { until: None, .. }));
    // The use is noted, once a minute.
    let noted = async || f.store.tokens(None).await.unwrap()[0].last_used_at.unwrap();
    let first = noted().await;
    assert!(first.as_second() >= before);
    f.store
        .token_used(id, first + jiff::SignedDuration::from_secs(30))
        .await
        .unwrap();
    presented(&f, HERE, &token).await.unwrap();
    assert_eq!(noted().await.as_second(), first.as_second() + 30);
    // Other proofs may change, and the session ends with the token.
    f.change("careful", |user| user.password_hash = Some(cheap("another")))
        .await;
    assert!(matches!(review().await, Review::Continues { .. }));
    assert!(f.store.remove_token(&name("careful"), id).await.unwrap());
    assert_eq!(review().await, Review::Ends(Revocation::Token));
    assert_eq!(refused(&f, HERE, &token).await, "unknown_token");
}

#[tokio::test]
async fn a_token_is_no_better_than_its_user() {
    let f = SignInFixture::new().await;
    f.add_refused(Factor::PublicKey).await;
    f.add("carol", |user| user.source = UserSource::External).await;
    for (user, code) in [
        ("disabled", "user_disabled"),
        ("expired", "user_expired"),
        ("placed", "address"),
        ("carol", "external_off"),
    ] {
        let (token, _) = given(&f, user, |_| {}).await;
        assert_eq!(refused(&f, HERE, &token).await, code, "{user}");
    }
    // Required factors were those of whoever has given it.
    let (token, _) = given(&f, "factor", |_| {}).await;
    assert!(presented(&f, HERE, &token).await.is_ok());
    let (token, _) = given(&f, "calvin", |_| {}).await;
    f.store.remove_user(&name("calvin")).await.unwrap();
    f.add("calvin", |_| {}).await;
    assert_eq!(refused(&f, HERE, &token).await, "unknown_token");
}

#[tokio::test]
async fn a_token_ends_at_its_time() {
    let f = SignInFixture::new().await;
    let end: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let (token, _) = given(&f, "calvin", |record| record.expires_at = Some(end)).await;
    let (login, _) = presented(&f, HERE, &token).await.unwrap();
    assert_eq!(login.until(), Some(end));
    let user = f.store.user(&name("calvin")).await.unwrap();
    let (peer, trust) = (HERE.parse().unwrap(), f.auth.keys().trust());
    let review = |now| login.review(user.as_ref(), peer, now, &trust);
    assert_eq!(review(Timestamp::now()), Ok(Some(end)));
    assert_eq!(review(end), Err(Revocation::Token));
    let past = Some("2001-01-01T00:00:00Z".parse().unwrap());
    let (token, _) = given(&f, "calvin", |record| record.expires_at = past).await;
    assert_eq!(refused(&f, HERE, &token).await, "token_expired");
}

#[tokio::test]
async fn tokens_for_administrators_end_with_their_office() {
    let f = SignInFixture::new().await;
    let (token, _) = given(&f, "calvin", |record| record.scope = TokenScope::Admin).await;
    assert_eq!(refused(&f, HERE, &token).await, "not_admin");
    f.change("calvin", |user| user.is_admin = true).await;
    let (login, record) = presented(&f, HERE, &token).await.unwrap();
    assert!(login.is_admin() && record.scope == TokenScope::Admin);
    let (files, _) = given(&f, "calvin", |_| {}).await;
    let (of_files, _) = presented(&f, HERE, &files).await.unwrap();
    f.change("calvin", |user| user.is_admin = false).await;
    let peer: IpAddr = HERE.parse().unwrap();
    let review = f.auth.review(&login, peer).await.unwrap();
    assert_eq!(review, Review::Ends(Revocation::Admin));
    let review = f.auth.review(&of_files, peer).await.unwrap();
    assert!(matches!(review, Review::Continues { .. }));
}

#[tokio::test]
async fn wrong_tokens_count_for_their_address_like_wrong_passwords() {
    let throttle = ThrottleSettings {
        failures: 4,
        first_delay_ms: 1000,
        max_delay_ms: 4000,
        ..ThrottleSettings::default()
    };
    let settings = AuthSettings {
        throttle,
        ..AuthSettings::default()
    };
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
    let (right, _) = given(&f, "calvin", |_| {}).await;
    let unknown = Secret::new("hpt_abcdefghijklmnopqrstuvwxyz234567".into());
    let nonsense = Secret::from_bytes(vec![0xff; 100_000]);
    for (token, secs) in [(&unknown, 1), (&nonsense, 2), (&unknown, 4), (&unknown, 4)] {
        let start = Instant::now();
        let (reason, answer_at) = presented(&f, HERE, token).await.unwrap_err();
        assert_eq!(reason.code(), "unknown_token");
        assert!(answer_at >= start + Duration::from_secs(secs), "{secs}");
    }
    let full = |peer: &str| {
        let now = Instant::now().into_std();
        let source = Source::from(peer.parse::<IpAddr>().unwrap());
        !f.auth.pacing.throttle().admits(source, None, now)
    };
    assert!(full(HERE) && !full(ELSEWHERE), "passwords from there wait, too");
    assert!(
        presented(&f, HERE, &right).await.is_ok(),
        "nobody can be kept out"
    );
}
