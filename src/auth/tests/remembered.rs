//! Tests which remembered sign-ins hold, and what ends them.

use super::*;
use crate::auth::password::rules::PasswordRules;
use crate::domain::user::{SealedSecret, UserSource};

/// Signs a user in by password, and remembers it.
async fn remembered(f: &SignInFixture, user: &str) -> RememberedSignIn {
    let login = f.password(user, HERE, "secret").await.unwrap();
    f.auth.remember(&login).unwrap()
}

async fn resumed(f: &SignInFixture, remembered: &RememberedSignIn) -> Result<Login, Revocation> {
    f.auth.resume(remembered, HERE.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_sign_in_by_password_goes_on_and_one_by_key_does_not() {
    let f = SignInFixture::new().await;
    let kept = remembered(&f, "calvin").await;
    assert_eq!((kept.user.as_str(), kept.factors.len()), ("calvin", 1));
    let login = resumed(&f, &kept).await.unwrap();
    assert_eq!(login.user(), &name("calvin"));
    assert_eq!(login.factors(), &[Factor::Password].into());
    assert!(!login.is_admin() && login.token().is_none());
    // It can be remembered again, and later reviews know its proofs.
    assert_eq!(f.auth.remember(&login), Some(kept));
    f.change("calvin", |user| user.password_hash = Some(cheap("another")))
        .await;
    let review = f.auth.review(&login, HERE.parse().unwrap()).await.unwrap();
    assert_eq!(review, Review::Ends(Revocation::Password));
    let by_key = f.key("calvin", HERE, KEY).await.unwrap();
    assert_eq!(f.auth.remember(&by_key), None);
}

#[tokio::test]
async fn it_ends_with_whatever_its_user_has_lost() {
    let f = SignInFixture::new().await;
    type Change = fn(&mut User);
    let rows: [(&str, Change, Option<Revocation>); 9] = [
        ("remark", |u| u.comment = "other".into(), None),
        ("more rights", |u| u.settings.permissions = None, None),
        ("administrator", |u| u.is_admin = true, None),
        (
            "password",
            |u| u.password_hash = Some(cheap("another")),
            Some(Revocation::Secrets),
        ),
        (
            "no password",
            |u| u.password_hash = None,
            Some(Revocation::Secrets),
        ),
        ("disabled", |u| u.enabled = false, Some(Revocation::Enabled)),
        (
            "expired",
            |u| u.expires_at = Some("2001-01-01T00:00:00Z".parse().unwrap()),
            Some(Revocation::Time),
        ),
        (
            "address",
            |u| u.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()]),
            Some(Revocation::Address),
        ),
        (
            "factors",
            |u| u.settings.require = Some([Factor::Password, Factor::PublicKey].into()),
            Some(Revocation::Factors),
        ),
    ];
    for (number, (what, change, lost)) in rows.into_iter().enumerate() {
        let user = format!("user{number}");
        f.add(&user, |_| {}).await;
        let kept = remembered(&f, &user).await;
        f.change(&user, change).await;
        assert_eq!(resumed(&f, &kept).await.err(), lost, "{what}");
    }
}

#[tokio::test]
async fn the_same_password_set_again_is_another_one_and_a_better_hash_is_not() {
    let f = SignInFixture::new().await;
    let set = |at: &str| Some(at.parse::<Timestamp>().unwrap());
    f.add("tom", |user| user.password_set_at = set("2026-01-01T00:00:00Z"))
        .await;
    let kept = remembered(&f, "tom").await;
    // A new salt makes another hash of the same password.
    f.change("tom", |user| user.password_hash = Some(cheap("secret")))
        .await;
    assert!(resumed(&f, &kept).await.is_ok());
    f.change("tom", move |user| {
        user.password_set_at = set("2026-01-02T00:00:00Z")
    })
    .await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Secrets));
}

#[tokio::test]
async fn a_sign_in_is_renewed_by_what_its_user_has_changed() {
    let f = SignInFixture::new().await;
    let login = f.password("calvin", HERE, "secret").await.unwrap();
    let peer: IpAddr = HERE.parse().unwrap();
    let factors: BTreeSet<Factor> = [Factor::Password].into();
    f.change("calvin", |user| user.password_hash = Some(cheap("another")))
        .await;
    let renewed = f.auth.renew(&login, &factors, peer).await.unwrap().unwrap();
    assert_eq!(renewed.factors(), &factors);
    let kept = f.auth.remember(&renewed).unwrap();
    assert!(resumed(&f, &kept).await.is_ok());
    f.change("calvin", |user| user.enabled = false).await;
    let lost = f.auth.renew(&login, &factors, peer).await.unwrap().err();
    assert_eq!(lost, Some(Revocation::Enabled));
    f.store.remove_user(&name("calvin")).await.unwrap();
    f.add("calvin", |_| {}).await;
    let lost = f.auth.renew(&login, &factors, peer).await.unwrap().err();
    assert_eq!(lost, Some(Revocation::Incarnation));
}

#[tokio::test]
async fn another_second_factor_ends_it() {
    let f = SignInFixture::new().await;
    let kept = remembered(&f, "calvin").await;
    let secret = |text: &str| Some(SealedSecret::new(text.to_owned()));
    f.change("calvin", move |user| user.totp = secret("one")).await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Factors));
    // As it is after a sign-in by password and code.
    let user = f.store.user(&name("calvin")).await.unwrap().unwrap();
    let factors: BTreeSet<Factor> = [Factor::Password, Factor::Totp].into();
    let kept = RememberedSignIn {
        fingerprint: Proofs::repeated(&user, &factors).fingerprint(user.source),
        factors,
        ..kept
    };
    let login = resumed(&f, &kept).await.unwrap();
    assert_eq!(login.factors(), &[Factor::Password, Factor::Totp].into());
    f.change("calvin", move |user| user.totp = secret("two")).await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Secrets));
    f.change("calvin", |user| user.totp = None).await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Secrets));
}

#[tokio::test]
async fn it_is_of_one_record_alone() {
    let f = SignInFixture::new().await;
    let kept = remembered(&f, "calvin").await;
    f.store.remove_user(&name("calvin")).await.unwrap();
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::User));
    f.add("calvin", |_| {}).await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Incarnation));
}

#[tokio::test]
async fn users_of_an_outside_source_are_remembered_while_they_are_its() {
    let f = SignInFixture::new().await;
    f.add("carol", |user| {
        user.password_hash = None;
        user.source = UserSource::External;
    })
    .await;
    let user = f.store.user(&name("carol")).await.unwrap().unwrap();
    let factors: BTreeSet<Factor> = [Factor::Password].into();
    let kept = RememberedSignIn {
        user: name("carol"),
        incarnation: user.incarnation,
        fingerprint: Proofs::repeated(&user, &factors).fingerprint(user.source),
        factors,
    };
    assert!(resumed(&f, &kept).await.is_ok());
    f.change("carol", |user| user.enabled = false).await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Enabled));
    f.change("carol", |user| {
        user.enabled = true;
        user.source = UserSource::Local;
        user.password_hash = Some(cheap("secret"));
    })
    .await;
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Secrets));
}

#[tokio::test]
async fn an_expired_password_and_a_method_that_is_off_end_it() {
    let mut settings = quick();
    settings.password = PasswordRules {
        max_age: Some(Duration::from_secs(90 * 86_400)),
        ..PasswordRules::default()
    };
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
    f.add("tom", |user| user.password_set_at = Some(Timestamp::now()))
        .await;
    let kept = remembered(&f, "tom").await;
    let old: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    f.change("tom", move |user| user.password_set_at = Some(old))
        .await;
    let user = f.store.user(&name("tom")).await.unwrap().unwrap();
    let kept = RememberedSignIn {
        fingerprint: Proofs::repeated(&user, &kept.factors).fingerprint(user.source),
        ..kept
    };
    assert_eq!(resumed(&f, &kept).await.err(), Some(Revocation::Password));
    let store: Arc<dyn Store> = f.store.clone();
    let keys_only = AuthSettings {
        methods: [Method::PublicKey].into(),
        ..quick()
    };
    let auth = Authenticator::new(store, keys_only);
    let resumed = auth.resume(&kept, HERE.parse().unwrap()).await.unwrap();
    assert_eq!(resumed.err(), Some(Revocation::Method));
}
