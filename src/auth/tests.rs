//! Tests which attempts are accepted and which are refused. Delays and limits are tested in [`pacing`].

mod certificates;
mod external;
mod foreign;
mod keys;
mod losses;
mod pacing;
mod remembered;
mod second_factor;
mod shares;
mod tokens;

use std::collections::BTreeSet;
use std::path::Path;

use russh::keys::PublicKey;
use tempfile::TempDir;
use tokio::time::sleep_until;

use super::password::cheap;
use super::*;
use crate::domain::settings::MemberSettings;
use crate::domain::user::User;
use crate::domain::user::{Factor, Limit, Permissions};
use crate::store::sql::SqlStore;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJNM52vydpi1r8D6nvjQcQnulTGFj/Q4flZ4ZzKVpN74";
const OTHER_KEY: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCIdaVTuJuzADcHWKh+Sy5mN6dU+BDH+fORcT5MWCStO1ByaNyLsAI9XK57RBGtQYwJI6Z491SPmtIAcBr/U/u0=";
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn key(text: &str) -> PresentedKey {
    PresentedKey::verified(&PublicKey::from_openssh(text).unwrap(), None, None)
}

fn here() -> Source {
    HERE.parse::<IpAddr>().unwrap().into()
}

fn quick() -> AuthSettings {
    let throttle = ThrottleSettings {
        first_delay_ms: 1,
        max_delay_ms: 2,
        ..ThrottleSettings::default()
    };
    AuthSettings {
        throttle,
        ..AuthSettings::default()
    }
}

/// A store with some users, and an authenticator for it.
struct SignInFixture {
    store: Arc<SqlStore>,
    auth: Authenticator,
    _dir: TempDir,
}

impl SignInFixture {
    async fn new() -> Self {
        Self::with(quick(), VerifierBounds::default()).await
    }

    async fn with(settings: AuthSettings, queue: VerifierBounds) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(SqlStore::open(&dir.path().join("homeport.db")).await.unwrap());
        let fixture = Self {
            auth: Authenticator::with_bounds(store.clone(), settings, queue),
            store,
            _dir: dir,
        };
        // This user has both factors; the other users differ from it in one respect each.
        fixture.add("calvin", |_| {}).await;
        fixture
    }

    async fn add(&self, user: &str, change: impl FnOnce(&mut User)) {
        let mut user = User {
            password_hash: Some(cheap("secret")),
            keys: vec![KEY.to_owned()],
            home: format!("/srv/{user}").into(),
            settings: MemberSettings {
                quota_bytes: Some(Limit(Some(1 << 30))),
                max_sessions: Some(3.into()),
                permissions: Some(Permissions::read_only().into()),
                ..MemberSettings::default()
            },
            ..User::blank(name(user))
        };
        change(&mut user);
        self.store.add_user(&user).await.unwrap();
    }

    /// Adds four users who are refused although their proofs are right, each named after the reason: `disabled`,
    /// `expired`, `placed` (only other addresses are allowed) and `factor`, who needs `required`.
    async fn add_refused(&self, required: Factor) {
        self.add("disabled", |u| u.enabled = false).await;
        self.add("expired", |u| {
            u.expires_at = Some("2001-01-01T00:00:00Z".parse().unwrap())
        })
        .await;
        self.add("placed", |u| {
            u.settings.allowed_from = Some(vec!["10.0.0.0/8".parse().unwrap()])
        })
        .await;
        self.add("factor", |u| u.settings.require = Some([required].into()))
            .await;
    }

    async fn change(&self, user: &str, change: impl Fn(&mut User) + Send + Sync + 'static) {
        let change = Box::new(move |user: &mut User| {
            change(user);
            Ok(())
        });
        self.store.change_user(&name(user), change).await.unwrap();
    }

    async fn password(&self, user: &str, peer: &str, password: &str) -> Result<Login, Denial> {
        let password = Secret::new(password.to_owned());
        self.attempt(user, peer, Credential::Password(&password), &Proofs::default())
            .await
    }

    async fn key(&self, user: &str, peer: &str, text: &str) -> Result<Login, Denial> {
        self.attempt(
            user,
            peer,
            Credential::VerifiedKey(&key(text)),
            &Proofs::default(),
        )
        .await
    }

    async fn attempt(
        &self,
        user: &str,
        peer: &str,
        credential: Credential<'_>,
        passed: &Proofs,
    ) -> Result<Login, Denial> {
        let attempt = Attempt {
            user,
            peer: peer.parse().unwrap(),
            credential,
            passed: passed.clone(),
            offered: None,
        };
        let outcome = self.auth.login(attempt).await;
        if let Err(Denial::Failed { answer_at, .. }) = &outcome {
            sleep_until(*answer_at).await;
        }
        outcome
    }
}

#[track_caller]
fn reason(result: Result<Login, Denial>) -> String {
    match result {
        Err(Denial::Failed { reason, .. }) => reason.to_string(),
        other => panic!("not a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_user_signs_in_by_password_or_key() {
    let f = SignInFixture::new().await;
    let login = f.password("calvin", HERE, "secret").await.unwrap();
    assert_eq!(login.user(), &name("calvin"));
    assert_eq!(login.home(), Path::new("/srv/calvin"));
    assert_eq!(login.permissions(), &Permissions::read_only().into());
    assert_eq!(login.quota().bytes, Some(1 << 30));
    assert_eq!(login.max_sessions(), Some(3));
    assert_eq!(login.factors(), &[Factor::Password].into());
    let login = f.key("calvin", HERE, KEY).await.unwrap();
    assert_eq!(login.factors(), &[Factor::PublicKey].into());
}

#[tokio::test]
async fn every_refused_password_costs_one_hash() {
    let f = SignInFixture::new().await;
    f.add("keyonly", |u| u.password_hash = None).await;
    f.add_refused(Factor::PublicKey).await;
    f.add("mapped", |u| {
        u.settings.allowed_from = Some(vec!["192.0.2.0/24".parse().unwrap()])
    })
    .await;
    f.add("broken", |u| {
        u.password_hash = Some(crate::domain::user::PasswordHash::new("$x".into()))
    })
    .await;
    let check = async |user: &str, password: &str, says: &str| {
        let before = f.auth.pacing.verifier.runs();
        assert_eq!(reason(f.password(user, HERE, password).await), says, "{user:.20}");
        assert_eq!(f.auth.pacing.verifier.runs() - before, 1, "{user:.20}");
    };
    check("calvin", "wrong", "wrong password").await;
    check("calvin", "", "wrong password").await;
    check("Calvin", "secret", "unknown user").await;
    check("nobody", "secret", "unknown user").await;
    check("", "secret", "unknown user").await;
    check(&"x".repeat(10_000), "secret", "unknown user").await;
    check("calvin\0", "secret", "unknown user").await;
    check("calvin\n", "secret", "unknown user").await;
    check("' OR 1=1 --", "secret", "unknown user").await;
    check("keyonly", "secret", "the user has no password").await;
    check("disabled", "secret", "the user is disabled").await;
    check("disabled", "wrong", "wrong password").await;
    check("expired", "secret", "the user has expired").await;
    check("placed", "secret", "the user may not come from this address").await;
    check("factor", "secret", "the user must sign in another way").await;
    check("broken", "secret", "the stored password hash cannot be used").await;
    assert!(f.password("mapped", "::ffff:192.0.2.7", "secret").await.is_ok());
    // The password is longer than any that can be set, so it is not even hashed.
    let before = f.auth.pacing.verifier.runs();
    let long = reason(f.password("calvin", ELSEWHERE, &"x".repeat(1025)).await);
    assert_eq!(long, "the password is too long");
    assert_eq!(f.auth.pacing.verifier.runs(), before);
}

#[tokio::test]
async fn a_name_that_only_older_versions_gave_signs_in() {
    let f = SignInFixture::new().await;
    f.change("calvin", |user| user.name = UserName::stored(".calvin").unwrap())
        .await;
    let login = f.password(".calvin", HERE, "secret").await.unwrap();
    assert_eq!(login.user().as_str(), ".calvin");
    assert!(f.key(".calvin", HERE, KEY).await.is_ok());
    let peer = HERE.parse().unwrap();
    assert!(f.auth.offered(".calvin", peer, &key(KEY)).await.is_ok());
    assert_eq!(reason(f.password(".", HERE, "secret").await), "unknown user");
}

#[tokio::test]
async fn two_factors_are_both_required_in_either_order() {
    let f = SignInFixture::new().await;
    f.add("careful", |u| {
        u.settings.require = Some([Factor::PublicKey, Factor::Password].into())
    })
    .await;
    let secret = Secret::new("secret".into());
    let (key, password) = (key(KEY), Credential::Password(&secret));
    let partial = |result: Result<Login, Denial>| match result {
        Err(Denial::Partial { passed, remaining }) => (passed, remaining),
        other => panic!("{other:?}"),
    };
    let (by_key, remaining) = partial(f.key("careful", HERE, KEY).await);
    assert_eq!(by_key.factors(), [Factor::PublicKey].into());
    assert_eq!(remaining, [Factor::Password].into());
    let again = f
        .attempt("careful", HERE, Credential::VerifiedKey(&key), &by_key)
        .await;
    assert_eq!(partial(again).0, by_key, "the same factor twice is one factor");
    let login = f.attempt("careful", HERE, password, &by_key).await.unwrap();
    assert_eq!(login.factors(), &[Factor::PublicKey, Factor::Password].into());
    let (by_password, _) = partial(f.password("careful", HERE, "secret").await);
    let login = f
        .attempt("careful", HERE, Credential::VerifiedKey(&key), &by_password)
        .await;
    assert!(login.is_ok());
    // The second factor must still be right.
    let wrong = Secret::new("wrong".into());
    let denied = f
        .attempt("careful", HERE, Credential::Password(&wrong), &by_key)
        .await;
    assert_eq!(reason(denied), "wrong password");
}

#[tokio::test]
async fn methods_that_are_off_let_nobody_in() {
    let settings = AuthSettings {
        methods: [Method::PublicKey].into(),
        ..quick()
    };
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
    assert_eq!(
        reason(f.password("calvin", HERE, "secret").await),
        "the method is switched off"
    );
    assert!(f.key("calvin", HERE, KEY).await.is_ok());
    let settings = AuthSettings {
        methods: [Method::KeyboardInteractive].into(),
        ..quick()
    };
    let f = SignInFixture::with(settings, VerifierBounds::default()).await;
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
    assert_eq!(
        reason(f.key("calvin", HERE, KEY).await),
        "the method is switched off"
    );
    assert!(
        f.auth
            .offered("calvin", HERE.parse().unwrap(), &key(KEY))
            .await
            .is_err()
    );
}
