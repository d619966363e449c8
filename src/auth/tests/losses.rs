//! Tests what a sign-in and a session lose when the user's record changes.

use super::*;
use crate::domain::user::{Permission, PermissionRules};

#[tokio::test]
async fn a_first_factor_that_was_taken_away_counts_no_more() {
    let f = SignInFixture::new().await;
    let both = |u: &mut User| u.settings.require = Some([Factor::PublicKey, Factor::Password].into());
    let secret = Secret::new("secret".into());
    let key = key(KEY);
    let first = async |credential: Credential<'_>| match f
        .attempt("careful", HERE, credential, &Proofs::default())
        .await
    {
        Err(Denial::Partial { passed, .. }) => passed,
        other => panic!("{other:?}"),
    };
    let second = async |credential: Credential<'_>, passed: &Proofs| {
        let result = f.attempt("careful", HERE, credential, passed).await;
        matches!(result, Err(Denial::Partial { .. }))
    };
    f.add("careful", both).await;
    let by_key = first(Credential::VerifiedKey(&key)).await;
    f.change("careful", |u| u.keys = vec![OTHER_KEY.to_owned()]).await;
    assert!(
        second(Credential::Password(&secret), &by_key).await,
        "the key was removed"
    );
    f.change("careful", |u| u.keys = vec![KEY.to_owned()]).await;
    let by_password = first(Credential::Password(&secret)).await;
    f.change("careful", |u| u.password_hash = Some(cheap("another")))
        .await;
    assert!(
        second(Credential::VerifiedKey(&key), &by_password).await,
        "another password"
    );
    f.change("careful", |u| u.password_hash = Some(cheap("secret")))
        .await;
    let by_key = first(Credential::VerifiedKey(&key)).await;
    f.store.remove_user(&name("careful")).await.unwrap();
    f.add("careful", both).await;
    assert!(
        second(Credential::Password(&secret), &by_key).await,
        "another record"
    );
}

#[tokio::test]
async fn a_session_ends_with_whatever_it_has_and_its_user_has_not() {
    let f = SignInFixture::new().await;
    let future: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let peer: IpAddr = HERE.parse().unwrap();
    let both: &[Factor] = &[Factor::PublicKey, Factor::Password];
    let timed = format!("expiry-time=\"20990101Z\" {KEY}");
    f.add("all", |u| u.settings.permissions = Some(PermissionRules::all()))
        .await;
    let original = f.store.user(&name("all")).await.unwrap().unwrap();
    let by_key = f.key("all", HERE, KEY).await.unwrap();
    let by_password = f.password("all", HERE, "secret").await.unwrap();
    assert_eq!(by_key.until(), None);
    let continues = |until| Review::Continues {
        rates: crate::domain::rate::RateRules::default(),
        until,
        max_sessions: Some(3),
    };
    // Each row holds a change, its effect on the session by key, and its effect on the session by password.
    type Row<'a> = (&'a str, Box<dyn Fn(&mut User) + Send + 'a>, Review, Review);
    let both_end = |lost| (Review::Ends(lost), Review::Ends(lost));
    let row = |what, change: Box<dyn Fn(&mut User) + Send>, (key, password)| -> Row<'_> {
        (what, change, key, password)
    };
    let stay = (continues(None), continues(None));
    let rows = [
        row("nothing", Box::new(|_| {}), stay),
        row(
            "disabled",
            Box::new(|u| u.enabled = false),
            both_end(Revocation::Enabled),
        ),
        row(
            "expired",
            Box::new(|u| u.expires_at = Some("2001-01-01T00:00:00Z".parse().unwrap())),
            both_end(Revocation::Time),
        ),
        row(
            "will expire",
            Box::new(move |u| u.expires_at = Some(future)),
            (continues(Some(future)), continues(Some(future))),
        ),
        row(
            "moved",
            Box::new(|u| u.home = "/srv/moved".into()),
            both_end(Revocation::Home),
        ),
        row(
            "read only",
            Box::new(|u| u.settings.permissions = Some(Permissions::read_only().into())),
            both_end(Revocation::Permission(Permission::Create)),
        ),
        row(
            "one permission less",
            Box::new(|u| {
                let others = Permission::ALL.into_iter().filter(|p| *p != Permission::Link);
                u.settings.permissions = Some(others.collect::<Permissions>().into());
            }),
            both_end(Revocation::Permission(Permission::Link)),
        ),
        row(
            "address",
            Box::new(|u| u.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()])),
            both_end(Revocation::Address),
        ),
        row(
            "the address that it comes from",
            Box::new(|u| u.settings.allowed_from = Some(vec!["192.0.2.0/24".parse().unwrap()])),
            stay,
        ),
        row(
            "more factors",
            Box::new(move |u| u.settings.require = Some(both.iter().copied().collect())),
            both_end(Revocation::Factors),
        ),
        row(
            "keys only",
            Box::new(|u| u.settings.require = Some([Factor::PublicKey].into())),
            (continues(None), Review::Ends(Revocation::Factors)),
        ),
        row(
            "no key",
            Box::new(|u| u.keys.clear()),
            (Review::Ends(Revocation::Key), continues(None)),
        ),
        row(
            "another key",
            Box::new(|u| u.keys = vec![OTHER_KEY.to_owned()]),
            (Review::Ends(Revocation::Key), continues(None)),
        ),
        row(
            "one key more, and another comment",
            Box::new(|u| u.keys = vec![OTHER_KEY.to_owned(), format!("restrict {KEY} new")]),
            stay,
        ),
        row(
            "the key from elsewhere",
            Box::new(|u| u.keys = vec![format!("from=\"10.0.0.1\" {KEY}")]),
            (Review::Ends(Revocation::Key), continues(None)),
        ),
        row(
            "the key for some time",
            Box::new(move |u| u.keys = vec![timed.clone()]),
            (
                continues(Some("2099-01-01T00:00:00Z".parse().unwrap())),
                continues(None),
            ),
        ),
        row(
            "another password",
            Box::new(|u| u.password_hash = Some(cheap("another"))),
            (continues(None), Review::Ends(Revocation::Password)),
        ),
        row(
            "no password",
            Box::new(|u| u.password_hash = None),
            (continues(None), Review::Ends(Revocation::Password)),
        ),
    ];
    for (what, change, key, password) in rows {
        let changed = original.clone();
        f.change("all", move |u| *u = changed.clone()).await;
        let before = f.auth.review(&by_key, peer).await.unwrap();
        assert_eq!(before, continues(None), "before {what}");
        let mut changed = original.clone();
        change(&mut changed);
        f.change("all", move |u| *u = changed.clone()).await;
        assert_eq!(f.auth.review(&by_key, peer).await.unwrap(), key, "{what}, by key");
        assert_eq!(
            f.auth.review(&by_password, peer).await.unwrap(),
            password,
            "{what}, by password"
        );
    }
    // An additional permission is not a loss, and losing it again is not a loss either.
    let login = f.key("calvin", HERE, KEY).await.unwrap();
    f.change("calvin", |u| {
        u.settings.permissions = Some(PermissionRules::all())
    })
    .await;
    f.change("calvin", |u| {
        u.settings.permissions = Some(Permissions::read_only().into())
    })
    .await;
    assert_eq!(f.auth.review(&login, peer).await.unwrap(), continues(None));
    f.store.remove_user(&name("calvin")).await.unwrap();
    assert_eq!(
        f.auth.review(&login, peer).await.unwrap(),
        Review::Ends(Revocation::User)
    );
    f.add("calvin", |_| {}).await;
    assert_eq!(
        f.auth.review(&login, peer).await.unwrap(),
        Review::Ends(Revocation::Incarnation)
    );
    f.store.close().await;
    assert!(
        f.auth.review(&login, peer).await.is_err(),
        "a store that cannot answer"
    );
}

/// The attempt after an accepted offer asks the store for nothing, and is judged as any other.
#[tokio::test]
async fn a_key_that_was_offered_is_not_looked_up_again() {
    let f = SignInFixture::new().await;
    f.add("tom", |u| {
        u.settings.allowed_from = Some(vec!["192.0.2.0/24".parse().unwrap()])
    })
    .await;
    let here: IpAddr = HERE.parse().unwrap();
    let offered = f.auth.offered("tom", here, &key(KEY)).await.unwrap();
    f.store.close().await;
    let attempt = async |user: &str, peer: &str, text: &str| {
        let key = key(text);
        let attempt = Attempt {
            user,
            peer: peer.parse().unwrap(),
            credential: Credential::VerifiedKey(&key),
            passed: Proofs::default(),
            offered: offered.clone(),
        };
        f.auth.login(attempt).await
    };
    let login = attempt("tom", HERE, KEY).await.unwrap();
    assert_eq!(login.user().as_str(), "tom");
    let elsewhere = reason(attempt("tom", ELSEWHERE, KEY).await);
    assert!(elsewhere.contains("address"), "{elsewhere}");
    // For another user or key the store is asked, which is closed.
    for (user, text) in [("calvin", KEY), ("tom", OTHER_KEY)] {
        let refused = attempt(user, HERE, text).await;
        assert!(
            matches!(
                &refused,
                Err(Denial::Failed {
                    reason: DenialReason::Store(_),
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}
