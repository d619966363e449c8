//! Keeps passwords out of messages, whatever a source prints or answers.

use base::secret::Secret;
use base::visible;

use crate::auth::external::ExternalProof;

/// What a message is that repeats the password.
const LEFT_OUT: &str = "the source has failed, and what it said is left out, since it repeats the password";
/// The fewest bytes at the end of a message that may be the beginning of a password that was cut off.
const SHORTEST_BEGINNING: usize = 4;

/// The forms in which a password must not be in a message.
pub(super) struct Redaction(Vec<Secret>);

impl Redaction {
    pub(super) fn of(proof: &ExternalProof) -> Self {
        let ExternalProof::Password(password) = proof else {
            return Self(Vec::new());
        };
        let text = password.reveal();
        let json = serde_json::to_string(text).unwrap_or_default();
        let json = json.trim_start_matches('"').trim_end_matches('"').to_owned();
        let forms = [
            text.to_owned(),
            json,
            text.escape_debug().to_string(),
            visible::printable(text.as_bytes()),
        ];
        Self(forms.map(Secret::new).into())
    }

    /// Returns the message, or that it was left out.
    pub(super) fn apply(&self, message: String) -> String {
        let repeats = |form: &Secret| {
            let form = form.reveal();
            let is_beginning = |end: usize| {
                let beginning = form.get(..end).unwrap_or(form);
                message.trim_end_matches(['…', ')']).ends_with(beginning)
            };
            message.contains(form) || (SHORTEST_BEGINNING..form.len()).any(is_beginning)
        };
        match self.0.iter().any(repeats) {
            true => LEFT_OUT.to_owned(),
            false => message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_the_password_is_left_out() {
        let check = |password: &str, message: &str, is_left_out: bool| {
            let proof = ExternalProof::Password(Secret::new(password.to_owned()));
            let shown = Redaction::of(&proof).apply(message.to_owned());
            assert_eq!(shown == LEFT_OUT, is_left_out, "{password} {message}");
        };
        check("hunter2", "exit code 1: connection refused", false);
        check("hunter2", "exit code 1: + bind alice hunter2", true);
        check("a\"b\\c", r#"unknown setting {"password":"a\"b\\c"}"#, true);
        check("pä\u{7}ss", "p\u{e4}\\u{7}ss", true);
        check("correct horse battery", "+ password=correct horse ba", true);
        check("correct horse battery", "the battery is empty", false);
    }

    #[test]
    fn a_key_is_no_secret() {
        let proof = ExternalProof::Key("ssh-ed25519 AAAA".to_owned());
        let message = "no such key: ssh-ed25519 AAAA";
        assert_eq!(Redaction::of(&proof).apply(message.to_owned()), message);
    }
}
