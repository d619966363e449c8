//! What has let somebody in before, so that a connection that breaks can come back without asking again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::keys::{PrivateKey, PublicKey};

use base::secret::Secret;

/// Secrets of one person at one server. Kept in memory only, and wiped from it at the end.
#[derive(Default)]
pub struct Credentials {
    kept: Mutex<Kept>,
    given: bool,
}

#[derive(Default)]
struct Kept {
    password: Option<Secret>,
    answers: Vec<Answer>,
    keys: Vec<Arc<PrivateKey>>,
}

/// What was answered to which question of the server's.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) prompt: String,
    pub(super) answer: Secret,
}

impl Credentials {
    /// `password`: what `--password-stdin` brought. It is used once for each connection, and nothing is asked in its stead.
    pub fn new(password: Option<Secret>) -> Self {
        Self {
            given: password.is_some(),
            kept: Mutex::new(Kept {
                password,
                ..Kept::default()
            }),
        }
    }

    /// Was the password given beforehand?
    pub(super) fn is_given(&self) -> bool {
        self.given
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn password(&self) -> Option<Secret> {
        self.kept().password.clone()
    }

    pub(super) fn keep_password(&self, password: Secret) {
        self.kept().password = Some(password);
    }

    /// One that was asked for is forgotten once it is refused.
    pub(super) fn password_refused(&self) {
        if !self.given {
            self.kept().password = None;
        }
    }

    pub(super) fn answer(&self, prompt: &str) -> Option<Secret> {
        let kept = self.kept();
        let answer = kept.answers.iter().find(|answer| answer.prompt == prompt);
        answer.map(|answer| answer.answer.clone())
    }

    pub(super) fn keep_answers(&self, answers: Vec<Answer>) {
        self.kept().answers = answers;
    }

    pub(super) fn key(&self, public: &PublicKey) -> Option<Arc<PrivateKey>> {
        let kept = self.kept();
        let key = kept
            .keys
            .iter()
            .find(|key| key.public_key().key_data() == public.key_data());
        key.cloned()
    }

    pub(super) fn keep_key(&self, key: Arc<PrivateKey>) {
        self.kept().keys.push(key);
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}
