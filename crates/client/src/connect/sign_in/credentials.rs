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
    /// The secrets of the hosts in the middle, in their order.
    jumps: Mutex<Vec<Arc<Credentials>>>,
}

#[derive(Default)]
struct StoredSecrets {
    password: Option<Secret>,
    answers: Vec<Answer>,
    keys: Vec<Arc<PrivateKey>>,
    /// What ssh has asked, and how it was answered.
    ssh: Vec<Answer>,
    /// Whether a key has signed that the user has to touch or confirm each time.
    confirmed: bool,
    /// Whether the user has chosen a new password in the last conversation, so that nothing of it is kept.
    changed: bool,
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
            jumps: Mutex::default(),
        }
    }

    /// The secrets for a host in the middle, by its place in the route. They are others: no password for the
    /// destination is shown to such a host.
    pub(in crate::connect) fn of_jump(&self, number: usize) -> Arc<Credentials> {
        let mut jumps = self.jumps.lock();
        while jumps.len() <= number {
            jumps.push(Arc::default());
        }
        jumps.get(number).cloned().unwrap_or_default()
    }

    /// Whether the password was supplied in advance.
    pub(in crate::connect) fn is_given(&self) -> bool {
        self.given
    }

    /// The password that was supplied in advance.
    pub(in crate::connect) fn given_password(&self) -> Option<Secret> {
        self.password().filter(|_| self.given)
    }

    /// The answer to a question of ssh itself that has led to a sign-in.
    pub(in crate::connect) fn ssh_answer(&self, question: &str) -> Option<Secret> {
        let kept = self.kept();
        let answer = kept.ssh.iter().find(|answer| answer.prompt == question);
        answer.map(|answer| answer.answer.clone())
    }

    pub(in crate::connect) fn keep_ssh_answer(&self, question: String, answer: Secret) {
        let ssh = &mut self.kept().ssh;
        ssh.retain(|kept| kept.prompt != question);
        let prompt = question;
        ssh.push(Answer { prompt, answer });
    }

    /// Why another sign-in would need the user again. `None`: what is kept is enough, also for the hosts in the middle.
    pub fn why_once(&self) -> Option<&'static str> {
        let own = {
            let kept = self.kept();
            let is_password = |answer: &Answer| {
                answer.prompt.to_lowercase().contains("password") && !is_for_once(&answer.prompt)
            };
            match &kept.answers[..] {
                _ if kept.confirmed => Some("its key is confirmed for each sign-in"),
                _ if kept.changed => Some("the password was changed at its sign-in"),
                [] => None,
                [answer] if is_password(answer) => None,
                _ => Some("the server asks for more than a password"),
            }
        };
        own.or_else(|| self.jumps.lock().iter().find_map(|jump| jump.why_once()))
    }

    /// Forgets all answers to questions of ssh itself: the password was changed by them.
    pub(in crate::connect) fn forget_ssh_answers(&self) {
        self.kept().ssh.clear();
    }

    /// Remembers that a key has signed that the user has to touch or confirm each time.
    pub(super) fn keep_confirmed(&self) {
        self.kept().confirmed = true;
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

    /// Returns the answer that was right for this question. A one-time code is right only once.
    pub(super) fn answer(&self, prompt: &str) -> Option<Secret> {
        if is_for_once(prompt) {
            return None;
        }
        let kept = self.kept();
        let answer = kept.answers.iter().find(|answer| answer.prompt == prompt);
        answer.map(|answer| answer.answer.clone())
    }

    /// Keeps the answers of a conversation that has succeeded, unless the password was changed in it: then an earlier
    /// answer is the old one, and is wrong now.
    pub(super) fn keep_answers(&self, answers: Vec<Answer>) {
        let changed = answers.iter().any(|answer| is_for_new_password(&answer.prompt));
        let mut kept = self.kept();
        kept.changed = changed;
        kept.answers = if changed { Vec::new() } else { answers };
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

/// Whether a question seems to be about a code that is accepted once.
fn is_for_once(prompt: &str) -> bool {
    const WORDS: [&str; 6] = ["one-time", "one time", "onetime", "otp", "code", "token"];
    let prompt = prompt.to_lowercase();
    WORDS.iter().any(|word| prompt.contains(word))
}

/// Whether a question is about a password that the user is to choose. Nothing that is known answers it.
pub(in crate::connect) fn is_for_new_password(prompt: &str) -> bool {
    let prompt = prompt.to_lowercase();
    ["new password", "new unix password"]
        .iter()
        .any(|words| prompt.contains(words))
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_password_is_answered_again() {
        let answer = |prompt: &str| Answer {
            prompt: prompt.to_owned(),
            answer: Secret::new("x".to_owned()),
        };
        for (prompts, again) in [
            (&[][..], true),
            (&["Password: "], true),
            (&["(alice@host) password for alice:"], true),
            (&["Verification code: "], false),
            (&["One-time password (OATH) for `alice': "], false),
            (&["Password: ", "Verification code: "], false),
            (&["Password: ", "New password: ", "New password again: "], false),
        ] {
            let credentials = Credentials::default();
            credentials.keep_answers(prompts.iter().map(|prompt| answer(prompt)).collect());
            assert_eq!(credentials.why_once().is_none(), again, "{prompts:?}");
            let outer = Credentials::default();
            outer
                .of_jump(0)
                .keep_answers(prompts.iter().map(|prompt| answer(prompt)).collect());
            assert_eq!(
                outer.why_once().is_none(),
                again,
                "through a jump host: {prompts:?}"
            );
        }
        let credentials = Credentials::default();
        credentials.keep_answers(vec![answer("Password: "), answer("Verification code: ")]);
        assert!(credentials.answer("Password: ").is_some());
        assert!(credentials.answer("Verification code: ").is_none());
        let credentials = Credentials::default();
        credentials.keep_answers(vec![answer("Password: "), answer("Enter new UNIX password: ")]);
        assert!(credentials.answer("Password: ").is_none(), "it is the old one");
        credentials.keep_answers(vec![answer("Password: ")]);
        assert!(credentials.answer("Password: ").is_some() && credentials.why_once().is_none());
        let credentials = Credentials::default();
        credentials.keep_confirmed();
        assert!(credentials.why_once().is_some());
    }
}
