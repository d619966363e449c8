//! Visitors of shares: what they may do, and what ends it.

use super::*;
use crate::auth::shares::SharePass;
use crate::domain::path::VirtualPath;
use crate::domain::user::PasswordHash;
use crate::store::web::ShareRecord;

/// A share of calvin's directory `/docs`, for downloads and uploads.
async fn share(f: &SignInFixture, password: Option<PasswordHash>) -> ShareRecord {
    let owner = f.store.user(&name("calvin")).await.unwrap().unwrap();
    ShareRecord {
        id: 7,
        hash: [7; 32],
        user: owner.name,
        incarnation: owner.incarnation,
        title: "docs".to_owned(),
        path: b"/docs".to_vec(),
        is_directory: true,
        allows_download: true,
        allows_upload: true,
        password_hash: password,
        expires_at: None,
        uses_left: None,
        bytes_left: None,
        created_at: Timestamp::now(),
        used: 0,
    }
}

fn reason(denial: Denial) -> &'static str {
    match denial {
        Denial::Failed { reason, .. } => reason.code(),
        other => panic!("{other:?}"),
    }
}

async fn pass(
    f: &SignInFixture,
    share: &ShareRecord,
    password: Option<&str>,
) -> Result<SharePass, &'static str> {
    let password = password.map(|text| Secret::new(text.to_owned()));
    let peer = ELSEWHERE.parse().unwrap();
    let passed = f.auth.shares().pass(share, password.as_ref(), peer).await;
    passed.map_err(reason)
}

#[tokio::test]
async fn a_visitor_may_do_what_the_owner_and_the_share_allow() {
    let f = SignInFixture::new().await;
    f.change("calvin", |user| {
        user.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()]);
    })
    .await;
    let share = share(&f, None).await;
    let pass = pass(&f, &share, None).await.unwrap();
    let login = f.auth.shares().login(&share, &pass).await.unwrap();
    // The owner may list and read.
    assert_eq!(login.permissions().to_string(), "/=none /docs=list,read");
    let at = |path: &[u8]| {
        login
            .permissions()
            .at(&VirtualPath::parse(path).unwrap())
            .to_string()
    };
    assert_eq!(
        (at(b"/docs/a"), at(b"/other")),
        ("list,read".to_owned(), "none".to_owned())
    );
    assert_eq!((login.user().as_str(), login.share()), ("calvin", Some(7)));
    assert!(login.factors().is_empty() && f.auth.remember(&login).is_none());
}

type Change = fn(&mut User);

/// Changes of the owner's record, and what ends a visit.
const CHANGES: &[(&str, Change, Option<Revocation>)] = &[
    ("a comment", |user| user.comment = "new".to_owned(), None),
    (
        "another password",
        |user| user.password_hash = Some(cheap("other")),
        None,
    ),
    (
        "other addresses",
        |user| user.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()]),
        None,
    ),
    (
        "more permissions",
        |user| user.settings.permissions = Some(Permissions::all().into()),
        None,
    ),
    ("disabled", |user| user.enabled = false, Some(Revocation::Enabled)),
    (
        "expired",
        |user| user.expires_at = Some("2001-01-01T00:00:00Z".parse().unwrap()),
        Some(Revocation::Time),
    ),
    (
        "fewer permissions",
        |user| user.settings.permissions = Some("list".parse::<Permissions>().unwrap().into()),
        Some(Revocation::Permission(crate::domain::user::Permission::Read)),
    ),
];

#[tokio::test]
async fn a_visit_ends_with_what_it_needs_of_its_owner() {
    for (what, change, lost) in CHANGES {
        let f = SignInFixture::new().await;
        let share = share(&f, None).await;
        let pass = pass(&f, &share, None).await.unwrap();
        let login = f.auth.shares().login(&share, &pass).await.unwrap();
        f.change("calvin", *change).await;
        let review = f.auth.review(&login, ELSEWHERE.parse().unwrap()).await.unwrap();
        let ended = match review {
            Review::Ends(lost) => Some(lost),
            Review::Continues { .. } => None,
        };
        assert_eq!(ended, *lost, "{what}");
    }
}

#[tokio::test]
async fn a_share_ends_at_its_time_and_with_its_owner() {
    let f = SignInFixture::new().await;
    let share = share(&f, None).await;
    let granted = pass(&f, &share, None).await.unwrap();
    let now = Timestamp::now();
    let expired = ShareRecord {
        expires_at: Some(now),
        ..share.clone()
    };
    assert_eq!(pass(&f, &expired, None).await.unwrap_err(), "share_expired");
    let other = ShareRecord {
        incarnation: share.incarnation + 1,
        ..share.clone()
    };
    let refused = f.auth.shares().login(&other, &granted).await.unwrap_err();
    assert_eq!(reason(refused), "unknown_user");
    let soon = ShareRecord {
        expires_at: Some(now + jiff::SignedDuration::from_hours(1)),
        ..share.clone()
    };
    let login = f.auth.shares().login(&soon, &granted).await.unwrap();
    assert_eq!(login.until(), soon.expires_at);
    let owner = f.store.user(&name("calvin")).await.unwrap();
    let trust = f.auth.keys().trust();
    let later = now + jiff::SignedDuration::from_hours(2);
    let reviewed = login.review(owner.as_ref(), ELSEWHERE.parse().unwrap(), later, &trust);
    assert_eq!(reviewed, Err(Revocation::Share));
}

#[tokio::test]
async fn a_password_is_asked_for_and_counted() {
    let f = SignInFixture::new().await;
    let share = share(&f, Some(cheap("sesame"))).await;
    assert_eq!(pass(&f, &share, None).await.unwrap_err(), "wrong_password");
    let passed = pass(&f, &share, Some("sesame")).await.unwrap();
    f.auth.shares().login(&share, &passed).await.unwrap();
    // With another password, what was proven before counts no more.
    let changed = ShareRecord {
        password_hash: Some(cheap("other")),
        ..share.clone()
    };
    let refused = f.auth.shares().login(&changed, &passed).await.unwrap_err();
    assert_eq!(reason(refused), "wrong_password");
    let settings = ThrottleSettings::default();
    for _ in 0..settings.failures {
        assert_eq!(
            pass(&f, &share, Some("wrong")).await.unwrap_err(),
            "wrong_password"
        );
    }
    // The address has failed too often, for this share and for users.
    assert_eq!(pass(&f, &share, Some("sesame")).await.unwrap_err(), "throttled");
    let user = f.password("calvin", ELSEWHERE, "secret").await;
    assert_eq!(reason(user.unwrap_err()), "throttled");
}

#[tokio::test]
async fn many_addresses_do_not_guess_the_password_of_a_share() {
    let f = SignInFixture::new().await;
    let share = share(&f, Some(cheap("sesame"))).await;
    let guess = async |last: u8, text: &str| {
        let peer = IpAddr::from([203, 0, 113, last]);
        let password = Secret::new(text.to_owned());
        let passed = f.auth.shares().pass(&share, Some(&password), peer).await;
        passed.map(|_| ()).map_err(reason)
    };
    let mut wrong = 0;
    while guess(wrong, "wrong").await == Err("wrong_password") {
        wrong += 1;
        assert!(wrong < 90, "all of them were examined");
    }
    assert!(wrong >= 60, "{wrong}");
    assert_eq!(guess(100, "sesame").await, Err("throttled"));
}
