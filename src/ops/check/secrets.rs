//! Checks the secrets of second factors, and the key that they are encrypted with.

use super::report::Report;
use crate::auth::secrets_key::SecretsKeyFile;
use crate::domain::user::User;
use crate::ops::installation::Installation;
use base::error::Error;

/// Checks that the secrets of all users can be opened. Without such users there need not be a key.
pub fn check(installation: &Installation, users: &[User], report: &mut Report) {
    let sealed: Vec<_> = users
        .iter()
        .filter_map(|user| Some((user, user.totp.as_ref()?)))
        .collect();
    if sealed.is_empty() {
        return;
    }
    let key = match SecretsKeyFile::in_directory(installation.data_dir()).read() {
        Ok(key) => key,
        Err(error) => {
            let text = match &sealed[..] {
                [(user, _)] => format!("user {} cannot sign in with a code", user.name),
                _ => format!("{} users cannot sign in with codes", sealed.len()),
            };
            return report.error(Error::new(text).because(error));
        }
    };
    for (user, secret) in sealed {
        if let Err(error) = key.open(secret, user.incarnation) {
            let text = format!("user {} cannot sign in with a code", user.name);
            report.error(Error::new(text).because(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::totp::TotpSecret;
    use crate::domain::user::SealedSecret;

    #[test]
    fn a_lost_key_and_a_secret_of_another_key_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let mut installation = Installation::default();
        installation.store.path = dir.path().join("homeport.db");
        let file = SecretsKeyFile::in_directory(dir.path());
        let key = file.read_or_make().unwrap();
        let user = |name: &str, incarnation: i64, totp: Option<SealedSecret>| User {
            incarnation,
            totp,
            ..User::blank(name.parse().unwrap())
        };
        let sealed = |incarnation| key.seal(&TotpSecret::generate().unwrap(), incarnation).unwrap();
        let check = |users: &[User], expected: &[&str]| {
            let mut report = Report::default();
            check(&installation, users, &mut report);
            assert_eq!(report.errors.len(), expected.len(), "{report:?}");
            for (error, expected) in report.errors.iter().zip(expected) {
                assert!(error.contains(expected), "{error}");
            }
        };
        let plain = user("plain", 1, None);
        let (one, two) = (user("one", 2, Some(sealed(2))), user("two", 3, Some(sealed(3))));
        let strange = user("strange", 4, Some(sealed(5)));
        check(&[plain.clone(), one.clone(), two.clone()], &[]);
        check(
            &[one.clone(), strange],
            &["user strange cannot sign in with a code"],
        );
        std::fs::remove_file(file.path()).unwrap();
        check(&[plain], &[]);
        check(
            std::slice::from_ref(&one),
            &["user one cannot sign in with a code"],
        );
        check(&[one, two], &["2 users cannot sign in with codes"]);
    }
}
