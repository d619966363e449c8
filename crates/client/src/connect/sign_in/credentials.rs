//! The secrets of successful sign-ins, so that a broken connection is replaced without prompting again.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

use russh::keys::{PrivateKey, PublicKey};

use base::secret::Secret;

/// The secrets of one user at one server. They are kept in memory only, and erased when dropped.
#[derive(Default)]
pub struct Credentials {
    kept: Mutex<StoredSecrets>,
    given: bool,
}

#[derive(Default)]
struct StoredSecrets {
    password: Option<Secret>,
    answers: Vec<Answer>,
    keys: Vec<Arc<PrivateKey>>,
}

/// A question of the server, and how it was answered.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) prompt: String,
    pub(super) answer: Secret,
}

impl Credentials {
    /// Makes credentials with the password that `--password-stdin` brought, if any. It is used once for each
    /// connection, and no prompt replaces it.
    pub fn new(password: Option<Secret>) -> Self {
        Self {
            given: password.is_some(),
            kept: Mutex::new(StoredSecrets {
                password,
                ..StoredSecrets::default()
            }),
        }
    }

    /// Whether the password was supplied in advance.
    pub(super) fn is_given(&self) -> bool {
        self.given
    }

    fn kept(&self) -> MutexGuard<'_, StoredSecrets> {
        self.kept.lock()
    }

    pub(super) fn password(&self) -> Option<Secret> {
        self.kept().password.clone()
    }

    pub(super) fn keep_password(&self, password: Secret) {
        self.kept().password = Some(password);
    }

    /// Forgets a password that was asked for and was refused.
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
