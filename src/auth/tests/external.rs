//! Tests about whom an outside source is asked, and what its answers allow.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::*;
use crate::auth::external::{ExternalProof, ExternalQuestion};
use crate::domain::user::UserSource;
use base::error::Error;

/// What the source says next.
enum Say {
    /// Yes, with the record that the store has.
    Yes,
    No,
    Fail,
    /// Nothing before the token is cancelled, and then no.
    Wait(CancellationToken),
}

/// A source that notes its questions, and answers as it was told to; then no.
struct ToldSource {
    store: Arc<SqlStore>,
    says: Mutex<VecDeque<Say>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl ExternalSource for ToldSource {
    async fn judge(&self, question: ExternalQuestion) -> base::error::Result<Option<User>> {
        let proof = match &question.proof {
            ExternalProof::Password(password) => password.reveal().to_owned(),
            ExternalProof::Key(line) => line.clone(),
        };
        self.asked.lock().push(format!("{} {proof}", question.user));
        let say = self.says.lock().pop_front().unwrap_or(Say::No);
        match say {
            Say::Yes => self.store.user(&question.user).await,
            Say::No => Ok(None),
            Say::Fail => Err(Error::new("it is down")),
            Say::Wait(token) => {
                token.cancelled().await;
                Ok(None)
            }
        }
    }
}

impl ToldSource {
    /// Sets a source with these settings that will say this.
    fn set(f: &SignInFixture, settings: ExternalSettings, says: impl IntoIterator<Item = Say>) -> Arc<Self> {
        let source = Arc::new(Self {
            store: Arc::clone(&f.store),
            says: Mutex::new(says.into_iter().collect()),
            asked: Mutex::default(),
        });
        f.auth
            .set_external(Some((settings, Arc::clone(&source) as Arc<dyn ExternalSource>)));
        source
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }
}

fn settings(text: &str) -> ExternalSettings {
    toml::from_str(text).unwrap()
}

async fn add_carol(f: &SignInFixture) {
    f.add("carol", |user| {
        user.password_hash = None;
        user.keys = Vec::new();
        user.source = UserSource::External;
    })
    .await;
}

#[tokio::test]
async fn it_judges_whom_no_operator_has_added() {
    let f = SignInFixture::new().await;
    add_carol(&f).await;
    let source = ToldSource::set(&f, settings(""), [Say::Yes, Say::Fail]);
    let login = f.password("carol", HERE, "right").await.unwrap();
    assert_eq!(login.factors(), &[Factor::Password].into());
    assert_eq!(source.asked(), ["carol right"]);
    // The session goes on until the record is somebody else's.
    let review = async || f.auth.review(&login, HERE.parse().unwrap()).await.unwrap();
    assert!(matches!(review().await, Review::Continues { .. }));
    assert_eq!(reason(f.password("carol", HERE, "right").await), "it is down");
    f.change("carol", |user| user.source = UserSource::Local).await;
    assert!(matches!(review().await, Review::Ends(Revocation::Password)));
    assert!(f.password("calvin", HERE, "secret").await.is_ok());
    let refused = "the outside source of users refuses the name or the proof";
    assert_eq!(reason(f.password("nobody", HERE, "right").await), refused);
    assert_eq!(source.asked(), ["carol right", "nobody right"]);
    for password in ["", "secrets"] {
        assert_eq!(
            reason(f.password("calvin", HERE, password).await),
            "wrong password"
        );
    }
    assert_eq!(reason(f.password(".hidden", HERE, "right").await), "unknown user");
    let odd = Secret::from_bytes(b"p\xe4ss".to_vec());
    let nothing = Proofs::default();
    let attempt = f.attempt("nobody", HERE, Credential::Password(&odd), &nothing);
    assert_eq!(reason(attempt.await), "unknown user");
    assert!(source.asked().is_empty());
}

#[tokio::test]
async fn without_a_source_its_users_do_not_sign_in() {
    let f = SignInFixture::new().await;
    add_carol(&f).await;
    f.change("carol", |user| {
        user.password_hash = Some(cheap("secret"));
        user.keys = vec![KEY.to_owned()];
    })
    .await;
    let off =
        "the user is known from an outside source, which does not judge this proof: see [auth.external]";
    assert_eq!(reason(f.password("carol", HERE, "secret").await), off);
    assert_eq!(reason(f.key("carol", HERE, KEY).await), off);
    let offered = f.auth.offered("carol", HERE.parse().unwrap(), &key(KEY)).await;
    assert!(offered.is_err());
}

#[tokio::test]
async fn keys_are_judged_after_the_signature_alone() {
    let f = SignInFixture::new().await;
    add_carol(&f).await;
    let source = ToldSource::set(&f, settings("proofs = ['publickey']"), [Say::Yes]);
    let offered = async |user: &str, text: &str| {
        let offered = f.auth.offered(user, HERE.parse().unwrap(), &key(text)).await;
        offered.unwrap().is_some()
    };
    assert!(offered("calvin", KEY).await);
    for (user, text) in [("calvin", OTHER_KEY), ("carol", KEY), ("nobody", KEY), ("-", KEY)] {
        assert!(!offered(user, text).await, "{user}");
    }
    assert!(source.asked().is_empty());
    let login = f.key("carol", HERE, KEY).await.unwrap();
    assert_eq!(login.factors(), &[Factor::PublicKey].into());
    assert_eq!(source.asked(), [format!("carol {KEY}")]);
    assert!(f.key("calvin", HERE, KEY).await.is_ok());
    assert!(f.key("carol", HERE, OTHER_KEY).await.is_err());
    assert_eq!(source.asked(), [format!("carol {OTHER_KEY}")]);
}

#[tokio::test]
async fn failures_are_answered_at_the_same_time_whoever_judges() {
    let f = SignInFixture::new().await;
    let _source = ToldSource::set(&f, settings(""), []);
    let answered = async |user: &str| {
        let password = Secret::new("wrong".to_owned());
        let attempt = Attempt {
            user,
            peer: HERE.parse().unwrap(),
            credential: Credential::Password(&password),
            passed: Proofs::default(),
            offered: None,
        };
        let start = Instant::now();
        match f.auth.login(attempt).await {
            Err(Denial::Failed { answer_at, .. }) => answer_at - start,
            other => panic!("{other:?}"),
        }
    };
    for user in ["calvin", "nobody", ".hidden"] {
        let after = answered(user).await;
        assert!(after >= Duration::from_secs(1), "{user} {after:?}");
    }
}

#[tokio::test]
async fn a_peer_that_leaves_is_counted_and_its_question_goes_on() {
    let f = SignInFixture::new().await;
    let release = CancellationToken::new();
    let source = ToldSource::set(&f, settings(""), [Say::Wait(release.clone())]);
    let mut asked = Vec::new();
    let is_asked = async {
        while asked.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            asked = source.asked();
        }
    };
    // The peer leaves once the source has been asked.
    tokio::select! {
        answered = f.password("nobody", HERE, "guess") => panic!("{answered:?}"),
        () = is_asked => {}
    }
    assert_eq!(asked.len(), 1);
    let now = Instant::now().into_std();
    let delay = f
        .auth
        .pacing
        .throttle()
        .wrong_password(here(), Some(&name("nobody")), now);
    assert_eq!(delay, Duration::from_millis(2), "it is the second failure");
    release.cancel();
}

#[tokio::test]
async fn a_second_factor_follows_its_proof() {
    let f = SignInFixture::new().await;
    add_carol(&f).await;
    f.change("carol", |user| {
        user.settings.require = Some([Factor::Password, Factor::PublicKey].into());
    })
    .await;
    let both = settings("proofs = ['password', 'publickey']");
    let _source = ToldSource::set(&f, both, [Say::Yes, Say::Yes]);
    let passed = match f.password("carol", HERE, "right").await {
        Err(Denial::Partial { passed, remaining }) => {
            assert_eq!(remaining, [Factor::PublicKey].into());
            passed
        }
        other => panic!("{other:?}"),
    };
    let key = key(KEY);
    let attempt = f.attempt("carol", HERE, Credential::VerifiedKey(&key), &passed);
    let login = attempt.await.unwrap();
    assert_eq!(login.factors(), &[Factor::Password, Factor::PublicKey].into());
}
