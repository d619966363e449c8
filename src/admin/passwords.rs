//! Passwords from people and scripts: from the terminal without echo, or from standard input. Never an argument.

use std::io::{IsTerminal as _, Read};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::user::{PasswordHash, UserName};

/// SSH clients send passwords in one packet of at most 256 KiB; nobody types this much.
const LONGEST: usize = 1024;

/// Shorter ones are taken, with a warning.
const SHORT: usize = 8;

/// A new password's hash, from where the operator said.
///
/// # Errors
/// When there is no terminal, the two entries differ, or it is empty or too long.
pub fn ask(name: &UserName, from_stdin: bool) -> Result<PasswordHash> {
    let password = if from_stdin {
        from_reader(std::io::stdin().lock())?
    } else {
        from_terminal(name)?
    };
    if String::from_utf8_lossy(password.bytes()).chars().count() < SHORT {
        eprintln!("homeportd: warning: that password is shorter than {SHORT} characters");
    }
    hash(&password)
}

/// The one place that hashes.
pub fn hash(password: &Secret) -> Result<PasswordHash> {
    crate::auth::password::hash(password)
}

fn from_terminal(name: &UserName) -> Result<Secret> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::new("cannot ask for a password")
            .because("standard input is no terminal")
            .hint("--password-stdin"));
    }
    let prompt = |text: String| {
        let read = rpassword::prompt_password(text).map(Secret::new);
        read.map_err(|e| {
            Error::new("cannot ask for a password")
                .because(e)
                .hint("--password-stdin")
        })
    };
    let password = prompt(format!("New password for {name}: "))?;
    let again = prompt("The same again: ".to_owned())?;
    if password.reveal() != again.reveal() {
        return Err(Error::new("the two passwords differ").hint("try again"));
    }
    checked(password)
}

fn from_reader(mut reader: impl Read) -> Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST * 2));
    let limit = u64::try_from(LONGEST * 2).unwrap_or(u64::MAX);
    let read = reader.by_ref().take(limit).read_to_end(&mut bytes);
    read.map_err(|e| Error::new("cannot read the password").because(e))?;
    // Bytes: whatever a client will send for it.
    let password = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let password = password.strip_suffix(b"\r").unwrap_or(password);
    checked(Secret::from_bytes(password.to_vec()))
}

fn checked(password: Secret) -> Result<Secret> {
    let bytes = password.bytes();
    if bytes.is_empty() {
        return Err(Error::new("the password is empty").hint("at least one character; better twelve"));
    }
    if bytes.len() > LONGEST {
        return Err(Error::new(format!("the password is longer than {LONGEST} bytes")));
    }
    if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        return Err(Error::new("the password has more than one line").hint("clients could not send it"));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_is_taken_off() {
        let check = |input: &str, expected: std::result::Result<&str, &str>| match (
            from_reader(input.as_bytes()),
            expected,
        ) {
            (Ok(password), Ok(expected)) => assert_eq!(password.reveal(), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (got, _) => panic!("{input:?}: {got:?}"),
        };
        check("secret", Ok("secret"));
        check("secret\n", Ok("secret"));
        check("secret\r\n", Ok("secret"));
        check(" secret ", Ok(" secret "));
        check("", Err("empty"));
        check("\n", Err("empty"));
        check("a\n\n", Err("more than one line"));
        check("a\nb\n", Err("more than one line"));
        check("a\0b", Err("more than one line"));
        check(&"x".repeat(1024), Ok(&"x".repeat(1024)));
        check(&"x".repeat(1025), Err("longer than 1024"));
        check(&"x".repeat(1_000_000), Err("longer than 1024"));
    }
}
