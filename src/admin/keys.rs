//! Public keys of users: reading files of them, listing, removing.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::auth::keys::AuthorizedKey;
use crate::error::{Error, Result};
use crate::user::User;

/// Larger files hold no keys.
const MAX_FILE: u64 = 1 << 20;

/// Keys of one user: each sign-in looks through all of them.
const MAX_KEYS: usize = 1000;

/// A key as `--json` shows it.
#[derive(Debug, Serialize)]
pub struct KeyView {
    /// `SHA256:…`
    pub fingerprint: String,
    /// What the line says after the key.
    pub comment: String,
    /// The line of authorized_keys, options included.
    pub line: String,
}

impl KeyView {
    /// A line of the store's. One that cannot be read any more has no fingerprint.
    pub fn new(line: &str) -> Self {
        let key = AuthorizedKey::parse(line).ok();
        Self {
            fingerprint: key.as_ref().map(|key| key.fingerprint()).unwrap_or_default(),
            comment: key.map(|key| key.comment().to_string()).unwrap_or_default(),
            line: line.to_owned(),
        }
    }
}

/// Reads the lines of all files, `-` being standard input, and checks each.
///
/// # Errors
/// When a file cannot be read, holds no key, or has a line that is refused, with its number.
pub fn read(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in files {
        let (name, text) = if file == Path::new("-") {
            ("standard input".to_owned(), slurp(std::io::stdin().lock()))
        } else {
            (
                format!("\"{}\"", file.display()),
                File::open(file).and_then(slurp),
            )
        };
        let text = text.map_err(|e| Error::new(format!("cannot read keys from {name}")).because(e))?;
        lines.extend(parse(&name, &text)?);
    }
    Ok(lines)
}

fn slurp(reader: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    reader.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(name: &str, text: &str) -> Result<Vec<String>> {
    let cannot = || Error::new(format!("cannot use the keys in {name}"));
    if text.contains("PRIVATE KEY-----") {
        return Err(cannot()
            .because("this is a private key")
            .hint("the public half is in the file that ends in .pub"));
    }
    let keys = AuthorizedKey::parse_file(text).map_err(|e| cannot().because(e))?;
    Ok(keys.iter().map(|key| key.line().to_owned()).collect())
}

/// Adds keys to a user's; a key that is there already is replaced by the new line. Returns their fingerprints.
///
/// # Errors
/// When there would be too many.
pub fn add(user: &mut User, lines: &[String]) -> Result<Vec<String>> {
    let mut fingerprints = Vec::new();
    for line in lines {
        let fingerprint = KeyView::new(line).fingerprint;
        user.keys
            .retain(|other| KeyView::new(other).fingerprint != fingerprint);
        user.keys.push(line.clone());
        fingerprints.push(fingerprint);
    }
    if user.keys.len() > MAX_KEYS {
        return Err(Error::new(format!(
            "{} would have more than {MAX_KEYS} keys",
            user.name
        )));
    }
    Ok(fingerprints)
}

/// Removes the key with a fingerprint.
///
/// # Errors
/// When the user has none such.
pub fn remove(user: &mut User, fingerprint: &str) -> Result<()> {
    let before = user.keys.len();
    // The prefix may be left out: it is easily lost in copying.
    let wanted = fingerprint.strip_prefix("SHA256:").unwrap_or(fingerprint);
    user.keys
        .retain(|line| KeyView::new(line).fingerprint.strip_prefix("SHA256:") != Some(wanted));
    if user.keys.len() == before {
        return Err(Error::new(format!(
            "{} has no key \"{}\"",
            user.name,
            fingerprint.escape_debug()
        ))
        .hint(format!("homeportd user key list {}", user.name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::users::blank;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 one@a";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINko6B7eV50qdxHVQUhh8eBcVciQKnLae6pBtEqfUhGa two@b";

    #[test]
    fn files_of_keys_are_read_line_by_line() {
        let check =
            |text: &str, expected: std::result::Result<usize, &str>| match (parse("f", text), expected) {
                (Ok(lines), Ok(count)) => assert_eq!(lines.len(), count),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (got, _) => panic!("{text}: {got:?}"),
            };
        check(ONE, Ok(1));
        check(&format!("# mine\n\n  {ONE}\r\n{TWO}\n"), Ok(2));
        check("", Err("no public key in it"));
        check(
            &format!("{ONE}\nssh-ed25519 AAAA x\n"),
            Err("cannot use the keys in f: line 2: "),
        );
        check(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            Err("this is a private key"),
        );
    }

    #[test]
    fn keys_are_told_apart_by_fingerprint() {
        let mut user = blank("calvin".parse().unwrap());
        let prints = add(&mut user, &[ONE.into(), TWO.into()]).unwrap();
        add(&mut user, &[ONE.replace("one@a", "renamed")]).unwrap();
        assert_eq!(user.keys.len(), 2);
        assert!(remove(&mut user, "SHA256:none").is_err());
        remove(&mut user, &prints[0]).unwrap();
        remove(&mut user, prints[1].strip_prefix("SHA256:").unwrap()).unwrap();
        assert!(user.keys.is_empty());
    }
}
