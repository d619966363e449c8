//! Reads passwords from the terminal without echo, or from standard input, but never from an argument.

use std::io::{IsTerminal as _, Read};

use zeroize::Zeroizing;

use crate::auth::password::{self, MAX_PASSWORD, generate};
use crate::domain::user::{PasswordHash, UserName};
use crate::ops::passwords::NewPassword;
use base::error::{Error, Result};
use base::secret::Secret;

/// The longest hash in bytes: one of PBKDF2 with the longest salt takes about 300 bytes.
const LONGEST_HASH: usize = 512;

/// Where a new password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordSource {
    /// It is typed twice, without echo.
    Terminal,
    /// It is read from standard input.
    Stdin,
    /// Its hash is read from standard input.
    HashStdin,
    /// It is generated, and printed once.
    Generated,
}

/// Asks for a new password, from the source that the operator chose.
///
/// # Errors
/// Returns an error if there is no terminal, if the two entries differ, or if the password is empty, too long or a
/// hash; with [`PasswordSource::HashStdin`], if it is not a hash that this server can verify.
pub fn ask(name: &UserName, source: PasswordSource) -> Result<NewPassword> {
    Ok(match source {
        PasswordSource::Terminal => NewPassword::Plain(from_terminal(name)?),
        PasswordSource::Stdin => NewPassword::Plain(from_reader(std::io::stdin().lock())?),
        PasswordSource::HashStdin => NewPassword::Hash(hash_from_reader(std::io::stdin().lock())?),
        PasswordSource::Generated => NewPassword::Plain(generate::generate()?),
    })
}

fn from_terminal(name: &UserName) -> Result<Secret> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::new("cannot ask for a password")
            .because("standard input is not a terminal")
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
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD * 2));
    let limit = u64::try_from(MAX_PASSWORD * 2).unwrap_or(u64::MAX);
    let read = reader.by_ref().take(limit).read_to_end(&mut bytes);
    read.map_err(|e| Error::new("cannot read the password").because(e))?;
    // Passwords are bytes: whatever a client will send.
    let password = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let password = password.strip_suffix(b"\r").unwrap_or(password);
    checked(Secret::from_bytes(password.to_vec()))
}

/// Parses the hash for `--password-hash-stdin`.
fn hash_from_reader(reader: impl Read) -> Result<PasswordHash> {
    let mut text = String::new();
    let limit = u64::try_from(LONGEST_HASH).unwrap_or(u64::MAX);
    let read = reader.take(limit).read_to_string(&mut text);
    let cannot = || Error::new("cannot use this password hash");
    read.map_err(|e| cannot().because(e))?;
    let text = text.trim();
    if text.is_empty() {
        let hint =
            "$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH, as argon2 -id -e prints it, or a hash of /etc/shadow";
        return Err(cannot().because("there is none").hint(hint));
    }
    if password::is_known_scheme(text) {
        return password::import(text);
    }
    let Some((name, _)) = hash_parts(text) else {
        return Err(cannot()
            .because("it does not look like one: a hash begins with $NAME$")
            .hint("a password itself goes into --password-stdin"));
    };
    let can = password::scheme_names();
    Err(match kind_of_hash(name) {
        _ if !text.starts_with('$') => cannot()
            .because("there is a user's name in front of it")
            .hint("only what begins at the first $ is the hash"),
        Some(kind) => cannot()
            .because(format!(
                "it is one of {kind}, and only these can be verified here: {can}"
            ))
            .hint("set the password itself, with --password-stdin"),
        None => cannot()
            .because(format!(
                "its kind is unknown, and only these can be verified here: {can}"
            ))
            .hint("set the password itself, with --password-stdin"),
    })
}

/// Returns the name of a hash's algorithm and the text that follows it, in `$NAME$…` or in `user:$NAME$…`, as in a line
/// of /etc/shadow.
fn hash_parts(text: &str) -> Option<(&str, &str)> {
    let hash = match text.split_once(':') {
        Some((user, rest)) if user.parse::<UserName>().is_ok() && rest.starts_with('$') => rest,
        _ => text,
    };
    let (name, rest) = hash.strip_prefix('$')?.split_once('$')?;
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let looks = !name.is_empty() && name.len() <= 32 && name.bytes().all(word) && !rest.is_empty();
    looks.then_some((name, rest))
}

/// Returns the name of a hash that other programs store, as a phrase.
fn kind_of_hash(name: &str) -> Option<&'static str> {
    Some(match name {
        "1" | "apr1" => "MD5-crypt",
        "2" | "2a" | "2b" | "2x" | "2y" => "bcrypt",
        "5" => "SHA-256-crypt",
        "6" => "SHA-512-crypt",
        "7" | "scrypt" => "scrypt",
        "y" | "gy" => "yescrypt",
        "argon2i" => "argon2i",
        "argon2d" => "argon2d",
        name if name.starts_with("pbkdf2") => "PBKDF2",
        _ => return None,
    })
}

fn checked(password: Secret) -> Result<Secret> {
    let bytes = password.bytes();
    if bytes.is_empty() {
        return Err(Error::new("the password is empty").hint("at least one character; better twelve"));
    }
    if bytes.len() > MAX_PASSWORD {
        return Err(Error::new(format!(
            "the password is longer than {MAX_PASSWORD} bytes"
        )));
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let kind = match hash_parts(text) {
        Some((name, _)) => Some(kind_of_hash(name).unwrap_or("a password")),
        None => password::import(text).is_ok().then_some("a password"),
    };
    if let Some(kind) = kind {
        return Err(Error::new("cannot use this password")
            .because(format!(
                "it looks like a hash of {kind}, and would itself become the password"
            ))
            .hint("--password-hash-stdin takes a hash"));
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
    fn hashes_that_can_be_verified_are_taken_and_others_named() {
        let good = "$argon2id$v=19$m=19456,t=2,p=1$aG9tZXBvcnQtZHVtbXkhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for text in [good.to_owned(), format!("{good}\n"), format!("  {good}\r\n")] {
            let hash = hash_from_reader(text.as_bytes()).unwrap();
            assert_eq!(hash.as_phc(), good);
            assert!(NewPassword::Hash(hash.clone()).matches(&hash));
        }
        let shadow = "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1\n";
        let hash = hash_from_reader(shadow.as_bytes()).unwrap();
        assert!(NewPassword::Plain(Secret::new("secret".to_owned())).matches(&hash));
        let check = |input: &str, says: &str| {
            let error = hash_from_reader(input.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{input:?}: {error}");
        };
        check("", "there is none");
        check("secret", "--password-stdin");
        check(
            "$6$salt$hash",
            "damaged or cut off: expected $6$SALT$ and 86 characters",
        );
        check(
            "$2b$12$abcdefghijklmnopqrstuv",
            "damaged or cut off: expected $2b$COST$",
        );
        check("$y$j9T$salt$hash", "damaged or cut off: expected $y$");
        check(
            "$pbkdf2-sha512$1$salt$hash",
            "damaged or cut off: expected $pbkdf2-",
        );
        check(
            "$7$salt$hash",
            "one of scrypt, and only these can be verified here: argon2id, bcrypt,",
        );
        check("$2x$12$abcdefghijklmnopqrstuv", "one of bcrypt, and only");
        check("$made-up$x", "kind is unknown");
        check(&format!("calvin:{good}"), "user's name in front");
        check("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA", "salt too short");
        check(&good.replace("m=19456", "m=99999999"), "asks for more");
    }

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
        // A hash is not a password, however it was copied from a file.
        for hash in [
            "$6$salt$hash",
            "$6$rounds=5000$salt$hash",
            "user:$6$salt$hash",
            "user@example.com:$6$salt$hash:19000:0:99999:7:::",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$y$j9T$salt$hash",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            "$pbkdf2-sha256$29000$salt$hash",
            "{SSHA512}aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkFV1LKTDFH6XNhbHRzYWx0",
            "$made-up$x",
        ] {
            check(hash, Err("--password-hash-stdin"));
            check(&format!("{hash}\n"), Err("looks like a hash"));
        }
        for password in [
            "$",
            "$$",
            "$6$",
            "$ $x",
            "pa$6$word",
            "a:b$c$d",
            "$a b$c",
            "5$ and 6$",
        ] {
            check(password, Ok(password));
        }
        check("\n", Err("empty"));
        check("a\n\n", Err("more than one line"));
        check("a\nb\n", Err("more than one line"));
        check("a\0b", Err("more than one line"));
        check(&"x".repeat(1024), Ok(&"x".repeat(1024)));
        check(&"x".repeat(1025), Err("longer than 1024"));
        check(&"x".repeat(1_000_000), Err("longer than 1024"));
    }
}
