//! Replaces the hashes of other systems by Argon2id, once their users have signed in.
//!
//! This happens after the sign-in and apart from it: no sign-in waits for it or fails because of it, even on a full
//! disk. What cannot be done now is done after the user's next sign-in. The sessions go on, because the password is the
//! same: see [`super::proofs`].

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::address::Source;
use super::password;
use super::verifier::{QueuedAttempt, Verifier};
use crate::domain::user::User;
use crate::store::Store;
use base::secret::Secret;

/// The most passwords that wait to be hashed. Each is in memory until then.
const MOST_WAITING: usize = 64;

/// A password that was right, and is to be hashed anew.
pub(super) struct HashUpgrade {
    user: User,
    source: Source,
    password: Secret,
}

/// The passwords that wait to be hashed.
pub(super) struct HashUpgrades {
    sender: mpsc::Sender<HashUpgrade>,
    waiting: Mutex<mpsc::Receiver<HashUpgrade>>,
}

impl Default for HashUpgrades {
    fn default() -> Self {
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        Self {
            sender,
            waiting: Mutex::new(waiting),
        }
    }
}

impl HashUpgrades {
    /// Takes a password that was right for this record, if its hash is one to replace. If too many wait, it is left
    /// out.
    pub(super) fn offer(&self, user: &User, source: Source, password: &Secret) {
        let hash = user.password_hash.as_ref();
        if !hash.is_some_and(|hash| password::is_replaceable(hash, password)) {
            return;
        }
        let _ = self.sender.try_send(HashUpgrade {
            user: user.clone(),
            source,
            password: password.clone(),
        });
    }

    /// Replaces the hashes of these passwords until `quit` is cancelled.
    pub(super) async fn keep(&self, verifier: &Verifier, store: &Arc<dyn Store>, quit: CancellationToken) {
        let upgrading = async {
            while let Some(upgrade) = self.next().await {
                upgrade.run(verifier, store).await;
            }
        };
        tokio::select! {
            () = quit.cancelled() => {}
            () = upgrading => {}
        }
    }

    /// Waits for the next password.
    pub(super) async fn next(&self) -> Option<HashUpgrade> {
        self.waiting.lock().await.recv().await
    }
}

impl HashUpgrade {
    /// Hashes the password, in the same queue as those that are verified, and stores the hash. If the record has
    /// changed meanwhile, it stays as it is.
    pub(super) async fn run(self, verifier: &Verifier, store: &Arc<dyn Store>) {
        let queued = QueuedAttempt {
            source: self.source,
            name: Some(self.user.name.clone()),
            known: false,
        };
        let Ok(permit) = verifier.acquire(queued).await else {
            return;
        };
        let Some(better) = verifier.hash(&permit, &self.password).await else {
            return;
        };
        drop(permit);
        let (name, scheme) = (
            &self.user.name,
            self.user.password_hash.as_ref().map(password::scheme_of),
        );
        match store.replace_hash(&self.user, &better).await {
            Ok(true) => tracing::info!(user = %name, was = scheme, "the password is hashed by argon2id now"),
            Ok(false) => tracing::debug!(user = %name, "the record has changed; its password hash stays"),
            Err(error) => {
                tracing::debug!(user = %name, %error, "cannot replace a password hash now");
            }
        }
    }
}
