//! The body of the fuzz target for the file of users: no text makes the reader panic, each mistake has a position inside the
//! text, no name is declared twice, and no message shows the hash of a password.

use std::collections::BTreeSet;
use std::path::Path;

use super::declaration;
use crate::ops::installation::Installation;
use crate::ops::users_file::declaration::{Declaration, DeclaredPassword};

/// One input out of so many is read twice, by its length.
const READ_TWICE: usize = 16;

/// Reads `data` as the file of users.
pub fn fuzz_users_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // The target does not read what lies on the disk.
    if text.contains("keys_file") {
        return;
    }
    let installation = Installation::default();
    let read = || {
        declaration(
            text.to_owned(),
            Path::new("users.toml"),
            Path::new("/nowhere"),
            &installation,
        )
    };
    let declared = read();
    if text.len().is_multiple_of(READ_TWICE) {
        let again = read();
        assert_eq!(again.mistakes, declared.mistakes, "the same text means the same");
    }
    names_are_unique(&declared);
    for mistake in &declared.mistakes {
        assert!(!mistake.what.is_empty());
        let is_inside = |span: &std::ops::Range<usize>| span.start <= span.end && span.end <= text.len();
        assert!(mistake.span.as_ref().is_none_or(is_inside));
    }
    if declared.mistakes.is_empty() {
        return;
    }
    let message = (declared.refuse)(declared.mistakes.clone()).to_string();
    assert!(message.starts_with("users.toml"), "{message:?}");
    assert!(
        !message.contains('\u{1b}'),
        "nothing paints on the operator's terminal: {message:?}"
    );
    for user in &declared.users {
        if let DeclaredPassword::Hash(hash) = &user.record.password {
            let is_shown = hash.as_phc().starts_with('$') && message.contains(hash.as_phc());
            assert!(!is_shown, "a hash is shown");
        }
    }
}

fn names_are_unique(declared: &Declaration) {
    let users: BTreeSet<_> = declared.users.iter().map(|user| &user.record.name).collect();
    let groups: BTreeSet<_> = declared.groups.iter().map(|group| &group.record.name).collect();
    let folders: BTreeSet<_> = declared
        .folders
        .iter()
        .map(|folder| &folder.record.name)
        .collect();
    assert_eq!(users.len(), declared.users.len());
    assert_eq!(groups.len(), declared.groups.len());
    assert_eq!(folders.len(), declared.folders.len());
}
