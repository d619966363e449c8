//! The body of the fuzz target: no file of another server makes an import panic, and no name is carried over twice.

use super::passwd::SystemFiles;
use super::{Imported, atmoz, passwd, sftpgo};
use crate::ops::installation::Installation;

/// Imports the input in every format.
///
/// # Panics
/// Panics if something is wrong, as a fuzz target does.
pub fn import(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let installation = Installation::default();
    let files = SystemFiles {
        passwd: &text,
        shadow: Some(&text),
        keys: None,
    };
    check(&passwd::import(files, &installation));
    check(&atmoz::import(&text, &installation));
    if let Ok(imported) = sftpgo::import(&text, &installation) {
        check(&imported);
    }
}

fn check(imported: &Imported) {
    let names = imported.declaration.users.iter().map(|user| &user.record.name);
    assert!(
        names.is_sorted_by(|one, other| one < other),
        "a name is there twice"
    );
}
