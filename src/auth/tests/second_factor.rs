//! Second factors: one-time codes, recovery codes, and new passwords in place of expired ones.

use super::*;
use crate::auth::password::rules::PasswordRules;
use crate::auth::recovery::RecoveryCode;
use crate::auth::totp::{TotpSecret, step_at};
use crate::store::FactorStore as _;

/// Users with second factors, in the order of [`SignInFixture`].
struct CodesFixture {
    f: SignInFixture,
    file: SecretsKeyFile,
    secret: TotpSecret,
    recovery: RecoveryCode,
}

impl CodesFixture {
    async fn new() -> Self {
        Self::with(quick()).await
    }

    async fn with(settings: AuthSettings) -> Self {
        let mut f = SignInFixture::with(settings, VerifierBounds::default()).await;
        let file = SecretsKeyFile::in_directory(f._dir.path());
        f.auth = f.auth.with_secrets_key(file.clone());
        let fixture = Self {
            f,
            file,
            secret: TotpSecret::generate().unwrap(),
            recovery: RecoveryCode::generate().unwrap(),
        };
        fixture.enroll("calvin").await;
        fixture
    }

    async fn enroll(&self, user: &str) {
        let record = self.f.store.user(&name(user)).await.unwrap().unwrap();
        let key = self.file.read_or_make().unwrap();
        let sealed = key.seal(&self.secret, record.incarnation).unwrap();
        self.f
            .change(user, move |user| user.totp = Some(sealed.clone()))
            .await;
        let hashes = [self.recovery.hash(record.incarnation)];
        self.f
            .store
            .set_recovery_codes(&name(user), &hashes)
            .await
            .unwrap();
    }

    async fn require(&self, user: &str, factors: &[Factor]) {
        let factors: BTreeSet<Factor> = factors.iter().copied().collect();
        self.f
            .change(user, move |user| user.settings.require = Some(factors.clone()))
            .await;
    }

    /// Returns the code of the current step, or of one some steps later. It is accepted unless it was used: the grace
    /// covers the time until it is checked.
    fn code(&self, later: i64) -> String {
        self.secret.code(step_at(Timestamp::now().as_second()) + later)
    }

    async fn by_code(&self, user: &str, code: &str, passed: &Proofs) -> Result<Login, Denial> {
        let code = Secret::new(code.to_owned());
        self.f.attempt(user, HERE, Credential::Code(&code), passed).await
    }

    async fn by_password(&self, passed: &Proofs) -> Result<Login, Denial> {
        let password = Secret::new("secret".to_owned());
        self.f
            .attempt("calvin", HERE, Credential::Password(&password), passed)
            .await
    }

    async fn by_key(&self, passed: &Proofs) -> Result<Login, Denial> {
        let key = key(KEY);
        self.f
            .attempt("calvin", HERE, Credential::VerifiedKey(&key), passed)
            .await
    }

    /// Returns the proofs of a user who has given the password, and must give a code.
    async fn after_password(&self) -> Proofs {
        let (passed, remaining) = partial(self.by_password(&Proofs::default()).await);
        assert_eq!(remaining, [Factor::Totp].into());
        passed
    }
}

fn partial(outcome: Result<Login, Denial>) -> (Proofs, BTreeSet<Factor>) {
    match outcome {
        Err(Denial::Partial { passed, remaining }) => (passed, remaining),
        other => panic!("not a partial success: {other:?}"),
    }
}

fn reason(outcome: Result<Login, Denial>) -> &'static str {
    match outcome {
        Err(Denial::Failed { reason, .. }) => reason.code(),
        other => panic!("not a failure: {other:?}"),
    }
}

#[tokio::test]
async fn a_password_alone_is_not_enough_for_who_has_codes() {
    let c = CodesFixture::new().await;
    let passed = c.after_password().await;
    let login = c.by_code("calvin", &c.code(0), &passed).await.unwrap();
    assert_eq!(login.factors(), &[Factor::Password, Factor::Totp].into());
    // A wrong password leads nowhere, and a user without codes needs none.
    assert_eq!(
        reason(c.f.password("calvin", HERE, "wrong").await),
        "wrong_password"
    );
    c.f.add("tom", |_| {}).await;
    assert!(c.f.password("tom", HERE, "secret").await.is_ok());
    // The key alone is as good as before.
    assert!(c.by_key(&Proofs::default()).await.is_ok());
}

#[tokio::test]
async fn a_code_is_taken_once_and_never_before_another_one() {
    let c = CodesFixture::new().await;
    let passed = c.after_password().await;
    let (now, next) = (c.code(0), c.code(1));
    assert!(c.by_code("calvin", &now, &passed).await.is_ok());
    assert_eq!(reason(c.by_code("calvin", &now, &passed).await), "code_used");
    assert!(c.by_code("calvin", &next, &passed).await.is_ok());
    for used in [now, next] {
        assert_eq!(reason(c.by_code("calvin", &used, &passed).await), "code_used");
    }
    for wrong in ["", "12345", "1234567", "abcdef", "abcd-abcd-abcd-abcd"] {
        assert_eq!(
            reason(c.by_code("calvin", wrong, &passed).await),
            "wrong_code",
            "{wrong}"
        );
    }
    let odd = Secret::from_bytes(b"\xff\xfe".to_vec());
    let outcome = c.f.attempt("calvin", HERE, Credential::Code(&odd), &passed).await;
    assert_eq!(reason(outcome), "wrong_code");
}

#[tokio::test]
async fn a_code_proves_nothing_before_another_factor() {
    let c = CodesFixture::new().await;
    let nothing = Proofs::default();
    for user in ["calvin", "nobody", ".."] {
        let outcome = c.by_code(user, &c.code(0), &nothing).await;
        assert!(matches!(outcome, Err(Denial::Failed { .. })), "{user}");
    }
    // It was not used up by that. Proofs of another user do not count either.
    let passed = c.after_password().await;
    c.f.add("tom", |_| {}).await;
    c.enroll("tom").await;
    assert_eq!(
        reason(c.by_code("tom", &c.code(0), &passed).await),
        "other_factor"
    );
    assert!(c.by_code("calvin", &c.code(0), &passed).await.is_ok());
}

#[tokio::test]
async fn every_combination_is_required_in_any_order() {
    let c = CodesFixture::new().await;
    use Factor::{Password, PublicKey, Totp};
    let nothing = Proofs::default();

    c.require("calvin", &[PublicKey, Totp]).await;
    assert_eq!(reason(c.by_password(&nothing).await), "other_factor");
    let (passed, remaining) = partial(c.by_key(&nothing).await);
    assert_eq!(remaining, [Totp].into());
    assert!(c.by_code("calvin", &c.code(0), &passed).await.is_ok());

    // The code is not asked for in addition to a key and a password.
    c.require("calvin", &[PublicKey, Password]).await;
    let (passed, remaining) = partial(c.by_password(&nothing).await);
    assert_eq!(remaining, [PublicKey].into());
    assert!(c.by_key(&passed).await.is_ok());

    c.require("calvin", &[Password, Totp]).await;
    assert_eq!(reason(c.by_key(&nothing).await), "other_factor");
    let passed = c.after_password().await;
    assert!(c.by_code("calvin", &c.code(1), &passed).await.is_ok());

    c.enroll("calvin").await;
    c.require("calvin", &[PublicKey, Password, Totp]).await;
    let (passed, remaining) = partial(c.by_key(&nothing).await);
    assert_eq!(remaining, [Password, Totp].into());
    let (passed, remaining) = partial(c.by_code("calvin", &c.code(0), &passed).await);
    assert_eq!(remaining, [Password].into());
    let login = c.by_password(&passed).await.unwrap();
    assert_eq!(login.factors(), &[PublicKey, Password, Totp].into());

    // Without a second factor, none that is required can be given.
    c.f.add("tom", |user| {
        user.settings.require = Some([PublicKey, Totp].into())
    })
    .await;
    let (passed, _) = partial(c.f.key("tom", HERE, KEY).await);
    assert_eq!(reason(c.by_code("tom", &c.code(0), &passed).await), "no_totp");
}

#[tokio::test]
async fn a_recovery_code_takes_the_place_of_a_code_once() {
    let c = CodesFixture::new().await;
    let passed = c.after_password().await;
    let shown = c.recovery.shown();
    assert!(c.by_code("calvin", &shown.to_uppercase(), &passed).await.is_ok());
    assert_eq!(reason(c.by_code("calvin", &shown, &passed).await), "wrong_code");
    assert!(c.by_code("calvin", &c.code(0), &passed).await.is_ok());
}

#[tokio::test]
async fn a_stolen_password_does_not_guess_codes() {
    let c = CodesFixture::new().await;
    let passed = c.after_password().await;
    let right = c.code(0);
    let wrong = format!("{:06}", (right.parse::<u32>().unwrap() + 499_999) % 1_000_000);
    let delay = || {
        let now = Instant::now().into_std();
        c.f.auth
            .pacing
            .throttle()
            .refusal_delay(here(), Some(&name("calvin")), now)
    };
    assert_eq!(delay(), Duration::from_millis(1));
    for _ in 0..10 {
        assert_eq!(reason(c.by_code("calvin", &wrong, &passed).await), "wrong_code");
    }
    assert_eq!(
        delay(),
        Duration::from_millis(2),
        "they count for the address, too"
    );
    for code in [&wrong, &right] {
        assert_eq!(reason(c.by_code("calvin", code, &passed).await), "throttled");
    }
    // Its owner still has a way.
    assert!(c.by_code("calvin", &c.recovery.shown(), &passed).await.is_ok());
}

#[tokio::test]
async fn without_the_key_for_secrets_no_code_is_accepted() {
    let c = CodesFixture::new().await;
    let passed = c.after_password().await;
    let elsewhere = c.file.path().with_extension("away");
    std::fs::rename(c.file.path(), &elsewhere).unwrap();
    assert_eq!(
        reason(c.by_code("calvin", &c.code(0), &passed).await),
        "secrets_key"
    );
    assert!(c.by_key(&Proofs::default()).await.is_ok(), "keys need no secret");
    // Another key does not open it, and the right one does so at once.
    c.file.read_or_make().unwrap();
    assert_eq!(
        reason(c.by_code("calvin", &c.code(0), &passed).await),
        "secrets_key"
    );
    std::fs::rename(&elsewhere, c.file.path()).unwrap();
    assert!(c.by_code("calvin", &c.code(0), &passed).await.is_ok());
}

#[tokio::test]
async fn sessions_end_when_the_second_factor_changes() {
    let c = CodesFixture::new().await;
    c.f.add("tom", |_| {}).await;
    let by_password = c.f.password("tom", HERE, "secret").await.unwrap();
    let by_key = c.f.key("tom", HERE, KEY).await.unwrap();
    let passed = c.after_password().await;
    let by_code = c.by_code("calvin", &c.code(0), &passed).await.unwrap();
    let check = async |login: &Login, expected: Option<Revocation>| {
        let review = c.f.auth.review(login, HERE.parse().unwrap()).await.unwrap();
        match (review, expected) {
            (Review::Ends(lost), Some(expected)) => assert_eq!(lost, expected),
            (Review::Continues { .. }, None) => {}
            other => panic!("{other:?}"),
        }
    };
    check(&by_password, None).await;
    c.enroll("tom").await;
    check(&by_password, Some(Revocation::Factors)).await;
    check(&by_key, None).await;
    // A rename keeps the secret.
    check(&by_code, None).await;
    c.f.change("calvin", |user| user.name = name("hobbes")).await;
    let password = Secret::new("secret".to_owned());
    let credential = Credential::Password(&password);
    let (passed, _) = partial(c.f.attempt("hobbes", HERE, credential, &Proofs::default()).await);
    assert!(c.by_code("hobbes", &c.code(1), &passed).await.is_ok());
    c.f.change("hobbes", |user| user.name = name("calvin")).await;
    // Another secret, and none, end what the former one has signed in.
    c.enroll("calvin").await;
    check(&by_code, Some(Revocation::Totp)).await;
    c.f.change("calvin", |user| user.totp = None).await;
    check(&by_code, Some(Revocation::Totp)).await;
}

#[tokio::test]
async fn an_expired_password_is_replaced_at_the_end_of_the_sign_in() {
    let password = PasswordRules {
        min_length: 8,
        max_age: Some(Duration::from_secs(24 * 3600)),
    };
    let c = CodesFixture::with(AuthSettings { password, ..quick() }).await;
    c.f.change("calvin", |user| {
        user.password_set_at = Some(Timestamp::UNIX_EPOCH)
    })
    .await;
    // A key does not expire with the password, and the second factor comes first.
    assert!(c.by_key(&Proofs::default()).await.is_ok());
    let passed = c.after_password().await;
    let Err(Denial::PasswordExpired { passed: complete }) = c.by_code("calvin", &c.code(0), &passed).await
    else {
        panic!("the password has expired");
    };
    let set = async |passed: &Proofs, new: &[u8]| {
        let new = Secret::from_bytes(new.to_vec());
        let peer = HERE.parse().unwrap();
        c.f.auth.set_own_password("calvin", peer, passed, &new).await
    };
    for (new, expected) in [
        (&b""[..], "The new password is refused: it is empty"),
        (b"short", "fewer than 8 characters"),
        (&[b'x'; 1025], "longer than 1024"),
    ] {
        match set(&complete, new).await {
            Err(NewPasswordDenial::Rules(why)) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        set(&Proofs::default(), b"long enough").await,
        Err(NewPasswordDenial::Failed(_))
    ));
    let runs = c.f.auth.pacing.verifier.runs();
    let login = set(&complete, b"l\xe4ng enough").await.unwrap().unwrap();
    // It is compared with the old one on the threads of the sign-ins, on which no copy of a password is left.
    assert_eq!(c.f.auth.pacing.verifier.runs(), runs + 1);
    assert_eq!(login.factors(), &[Factor::Password, Factor::Totp].into());
    let review = c.f.auth.review(&login, HERE.parse().unwrap()).await.unwrap();
    assert!(matches!(review, Review::Continues { .. }), "{review:?}");
    assert_eq!(reason(c.by_password(&Proofs::default()).await), "wrong_password");
    let new = Secret::from_bytes(b"l\xe4ng enough".to_vec());
    let credential = Credential::Password(&new);
    let (_, remaining) = partial(c.f.attempt("calvin", HERE, credential, &Proofs::default()).await);
    assert_eq!(remaining, [Factor::Totp].into());
    // The proofs of the old password set no second one.
    assert!(matches!(
        set(&complete, b"another one").await,
        Err(NewPasswordDenial::Failed(_))
    ));
}

/// An operator may have changed the record since the user was asked for a new password.
#[tokio::test]
async fn who_may_not_sign_in_any_more_sets_no_password() {
    let password = PasswordRules {
        min_length: 8,
        max_age: Some(Duration::from_secs(24 * 3600)),
    };
    let f = SignInFixture::with(AuthSettings { password, ..quick() }, VerifierBounds::default()).await;
    type RecordEdit = fn(&mut User);
    let changes: [(&str, RecordEdit); 4] = [
        ("the user is disabled", |user| user.enabled = false),
        ("the user has expired", |user| {
            user.expires_at = Some(Timestamp::UNIX_EPOCH)
        }),
        ("address", |user| {
            user.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()])
        }),
        ("was changed during the sign-in", |user| {
            user.settings.require = Some([Factor::PublicKey, Factor::Password].into())
        }),
    ];
    let new = Secret::new("long enough".to_owned());
    for (number, (why, change)) in changes.into_iter().enumerate() {
        let user = format!("tom{number}");
        f.add(&user, |user| user.password_set_at = Some(Timestamp::UNIX_EPOCH))
            .await;
        let Err(Denial::PasswordExpired { passed }) = f.password(&user, HERE, "secret").await else {
            panic!("the password has expired");
        };
        f.change(&user, change).await;
        let peer = HERE.parse().unwrap();
        match f.auth.set_own_password(&user, peer, &passed, &new).await {
            Err(NewPasswordDenial::Failed(error)) => assert!(error.to_string().contains(why), "{error}"),
            other => panic!("{why}: {other:?}"),
        }
        let record = f.store.user(&name(&user)).await.unwrap().unwrap();
        assert_eq!(record.password_set_at, Some(Timestamp::UNIX_EPOCH), "{why}");
    }
}
