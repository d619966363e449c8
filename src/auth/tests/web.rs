//! Remembered sign-ins of browsers, and tokens.

use super::*;
use crate::domain::token::TokenScope;
use crate::store::web::{NewToken, WebStore as _};
use sha2::{Digest as _, Sha256};

const HERE: &str = "192.0.2.1";

type Change = fn(&mut User);

/// Changes of a record, and what a browser has lost by each; `None` if it stays signed in.
const CHANGES: &[(&str, Change, Option<Revocation>)] = &[
    ("nothing", |_| {}, None),
    ("a comment", |user| user.comment = "new".to_owned(), None),
    (
        "another password",
        |user| {
            user.password_hash = Some(cheap("other"));
            user.password_set_at = Some(Timestamp::now());
        },
        Some(Revocation::Password),
    ),
    (
        "no password",
        |user| user.password_hash = None,
        Some(Revocation::Password),
    ),
    ("disabled", |user| user.enabled = false, Some(Revocation::Enabled)),
    (
        "expired",
        |user| user.expires_at = Some("2001-01-01T00:00:00Z".parse().unwrap()),
        Some(Revocation::Time),
    ),
    (
        "other addresses",
        |user| user.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()]),
        Some(Revocation::Address),
    ),
    (
        "another factor",
        |user| user.settings.require = Some([Factor::PublicKey].into()),
        Some(Revocation::Factors),
    ),
];

#[tokio::test]
async fn a_browser_stays_signed_in_as_long_as_the_record_accepts_it() {
    for (what, change, lost) in CHANGES {
        let f = SignInFixture::new().await;
        let login = f.password("calvin", HERE, "secret").await.unwrap();
        let remembered = f.auth.web().remember(&login).unwrap();
        f.change("calvin", *change).await;
        let resumed = f
            .auth
            .web()
            .resume(&remembered, HERE.parse().unwrap())
            .await
            .unwrap();
        match (resumed, lost) {
            (Ok(resumed), None) => assert_eq!(resumed.factors(), login.factors(), "{what}"),
            (Err(found), Some(lost)) => assert_eq!(found, *lost, "{what}"),
            (resumed, _) => panic!("{what}: {resumed:?}"),
        }
    }
}

#[tokio::test]
async fn a_login_is_renewed_for_the_secrets_that_the_record_has_now() {
    let f = SignInFixture::new().await;
    let login = f.password("calvin", HERE, "secret").await.unwrap();
    let here = HERE.parse().unwrap();
    let renew = async || {
        let web = f.auth.web();
        web.renew(&login, login.factors(), here).await.unwrap()
    };
    let other_password: Change = |user| {
        user.password_hash = Some(cheap("other"));
        user.password_set_at = Some(Timestamp::now());
    };
    f.change("calvin", other_password).await;
    let renewed = renew().await.unwrap();
    let remembered = f.auth.web().remember(&renewed).unwrap();
    let resumed = f.auth.web().resume(&remembered, here).await.unwrap();
    assert_eq!(resumed.unwrap().factors(), login.factors());
    // What the record requires besides was not passed.
    let more: Change = |user| user.settings.require = Some([Factor::PublicKey].into());
    f.change("calvin", more).await;
    assert_eq!(renew().await.unwrap_err(), Revocation::Factors);
    f.store.remove_user(&name("calvin")).await.unwrap();
    assert_eq!(renew().await.unwrap_err(), Revocation::User);
    f.add("calvin", |_| {}).await;
    assert_eq!(renew().await.unwrap_err(), Revocation::Incarnation);
}

#[tokio::test]
async fn another_user_of_the_same_name_is_not_signed_in() {
    let f = SignInFixture::new().await;
    let login = f.password("calvin", HERE, "secret").await.unwrap();
    let remembered = f.auth.web().remember(&login).unwrap();
    f.store.remove_user(&name("calvin")).await.unwrap();
    let resume = async || {
        f.auth
            .web()
            .resume(&remembered, HERE.parse().unwrap())
            .await
            .unwrap()
    };
    assert_eq!(resume().await.unwrap_err(), Revocation::User);
    f.add("calvin", |_| {}).await;
    assert_eq!(resume().await.unwrap_err(), Revocation::Incarnation);
}

#[tokio::test]
async fn a_sign_in_by_key_is_not_remembered() {
    let f = SignInFixture::new().await;
    let login = f.key("calvin", HERE, KEY).await.unwrap();
    assert_eq!(f.auth.web().remember(&login), None);
}

/// Adds a token of `calvin`, and returns its text.
async fn token(f: &SignInFixture, expires_at: Option<Timestamp>) -> Secret {
    let text = "hpt_example";
    let new = NewToken {
        hash: Sha256::digest(text).into(),
        user: name("calvin"),
        scope: TokenScope::Files,
        comment: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at,
    };
    f.store.add_token(&new).await.unwrap();
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_token_stands_for_all_factors_and_for_nothing_else() {
    let by_token = async |f: &SignInFixture, token: &Secret| {
        let judged = f.auth.web().token(token, HERE.parse().unwrap()).await;
        judged.map(|accepted| accepted.login)
    };
    for (what, change, lost) in CHANGES {
        let f = SignInFixture::new().await;
        let token = token(&f, None).await;
        f.change("calvin", *change).await;
        let accepted = by_token(&f, &token).await;
        match lost {
            None | Some(Revocation::Password | Revocation::Factors) => {
                let login = accepted.unwrap();
                let review = f.auth.review(&login, HERE.parse().unwrap()).await.unwrap();
                assert!(matches!(review, Review::Continues { .. }), "{what}: {review:?}");
                assert!(login.factors().is_empty());
            }
            Some(_) => {
                let refused = reason(accepted);
                assert!(refused.contains("the user"), "{what}: {refused}");
            }
        }
    }
    let f = SignInFixture::new().await;
    let token = token(&f, Some("2001-01-01T00:00:00Z".parse().unwrap())).await;
    assert_eq!(reason(by_token(&f, &token).await), "the token has expired");
    let wrong = Secret::new("hpt_other".to_owned());
    assert_eq!(reason(by_token(&f, &wrong).await), "unknown token");
    f.store.remove_user(&name("calvin")).await.unwrap();
    f.add("calvin", |_| {}).await;
    assert_eq!(reason(by_token(&f, &token).await), "unknown token");
}
