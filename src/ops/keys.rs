//! The public keys in a user's record: listing, adding, removing.

use std::collections::HashMap;

use crate::auth::keys::AuthorizedKey;
use crate::domain::user::User;
use base::error::{Error, Result};

/// The most keys that a user can have, since each sign-in compares all of them.
pub const MAX_KEYS: usize = 1000;

/// A public key of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// The key's fingerprint, `SHA256:…`; it is empty if the line cannot be parsed.
    pub fingerprint: String,
    /// The comment that follows the key in the line.
    pub comment: String,
    /// The line of authorized_keys, including its options.
    pub line: String,
}

impl KeyView {
    /// Creates the view of a line of authorized_keys. A line that cannot be parsed any more has no fingerprint.
    pub fn new(line: &str) -> Self {
        let key = AuthorizedKey::parse(line).ok();
        Self {
            fingerprint: key.as_ref().map(|key| key.fingerprint()).unwrap_or_default(),
            comment: key.map(|key| key.comment().to_string()).unwrap_or_default(),
            line: line.to_owned(),
        }
    }
}

/// Adds keys to a user's, like [`merge`]. Returns the keys' fingerprints.
///
/// # Errors
/// Returns an error if there would be too many.
pub fn add(user: &mut User, lines: &[String]) -> Result<Vec<String>> {
    let cannot = || Error::new(format!("cannot add keys to {}", user.name));
    let merged = merge(&user.keys, lines).map_err(|error| cannot().because(error))?;
    user.keys = merged;
    Ok(lines.iter().map(|line| KeyView::new(line).fingerprint).collect())
}

/// Returns keys together with others, as lines of authorized_keys. If a key exists already, its line is replaced.
///
/// # Errors
/// Returns an error if there would be too many.
pub fn merge(keys: &[String], others: &[String]) -> Result<Vec<String>> {
    let mut merged: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in keys.iter().chain(others) {
        // A line that cannot be parsed any more has no fingerprint.
        let identity = Some(KeyView::new(line).fingerprint).filter(|print| !print.is_empty());
        let place = *places
            .entry(identity.unwrap_or_else(|| line.clone()))
            .or_insert(merged.len());
        match merged.get_mut(place) {
            Some(same) => same.clone_from(line),
            None => merged.push(line.clone()),
        }
    }
    match merged.len() {
        0..=MAX_KEYS => Ok(merged),
        count => Err(Error::new(format!("{count} keys are too many"))
            .because(format!("a user can have at most {MAX_KEYS}"))),
    }
}

/// The length of a SHA-256 in base64 without padding.
const FINGERPRINT: usize = 43;

/// Removes the key with a fingerprint, if it exists.
///
/// # Errors
/// Returns an error if this cannot be a fingerprint, since a mistake must not look as if the key were gone.
pub fn remove(user: &mut User, fingerprint: &str) -> Result<()> {
    // The prefix may be left out: it is easily lost in copying.
    let wanted = fingerprint.strip_prefix("SHA256:").unwrap_or(fingerprint);
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    if wanted.len() != FINGERPRINT || !wanted.bytes().all(base64) {
        return Err(Error::new(format!(
            "{} has no key \"{}\"",
            user.name,
            fingerprint.escape_debug()
        ))
        .because("that is not a fingerprint, which is SHA256: and 43 characters")
        .hint(format!("homeportd user key list {}", user.name)));
    }
    user.keys
        .retain(|line| KeyView::new(line).fingerprint.strip_prefix("SHA256:") != Some(wanted));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 one@a";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINko6B7eV50qdxHVQUhh8eBcVciQKnLae6pBtEqfUhGa two@b";

    #[test]
    fn keys_are_told_apart_by_fingerprint() {
        let mut user = User::blank("calvin".parse().unwrap());
        let prints = add(&mut user, &[ONE.into(), TWO.into()]).unwrap();
        add(&mut user, &[ONE.replace("one@a", "renamed")]).unwrap();
        assert_eq!(user.keys.len(), 2);
        assert_eq!(user.keys[0], ONE.replace("one@a", "renamed"));
        for wrong in ["SHA256:none", "", &prints[0][..49], &format!("{}=", prints[0])] {
            assert!(remove(&mut user, wrong).is_err(), "{wrong}");
        }
        remove(&mut user, &format!("SHA256:{}", "x".repeat(43))).unwrap();
        assert_eq!(user.keys.len(), 2);
        user.keys.extend(["unreadable", "another"].map(str::to_owned));
        add(&mut user, &[TWO.into()]).unwrap();
        assert_eq!(user.keys.len(), 4);
        user.keys.truncate(2);
        remove(&mut user, &prints[0]).unwrap();
        remove(&mut user, prints[1].strip_prefix("SHA256:").unwrap()).unwrap();
        assert!(user.keys.is_empty());
    }

    #[test]
    fn a_user_has_no_more_keys_than_a_sign_in_compares() {
        let lines = |count: usize| -> Vec<String> { (0..count).map(|number| number.to_string()).collect() };
        assert_eq!(merge(&lines(10), &lines(MAX_KEYS)).unwrap().len(), MAX_KEYS);
        let error = merge(&[], &lines(MAX_KEYS + 1)).unwrap_err().to_string();
        assert_eq!(error, "1001 keys are too many: a user can have at most 1000");
    }
}
