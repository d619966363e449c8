//! Checks whether the methods of `[auth]` prove what is required, and can change a password that has expired.

use super::report::Report;
use crate::auth::{AuthSettings, Method};
use crate::domain::user::{Factor, User};

/// Checks the methods against the rules for passwords, and against what all users must prove.
pub fn check(settings: &AuthSettings, users: &[User], report: &mut Report) {
    // Each method that takes a password can replace it, so an expired one can always be changed where one is taken.
    if settings.password.expire() && !is_proven(settings, Factor::Password) {
        report.warn(format!(
            "max_age in [auth.password] means nothing: no method in [auth] methods takes a password, so no user can sign \
             in by one, or choose a new one (hint: add {})",
            methods_of(Factor::Password)
        ));
    }
    for user in users {
        if let Some(factor) = missing(settings, user) {
            report.warn(format!(
                "user {} cannot sign in: {} is required, and no method in [auth] methods proves it (hint: add {})",
                user.name,
                factor.name(),
                methods_of(factor)
            ));
        }
    }
}

fn is_proven(settings: &AuthSettings, factor: Factor) -> bool {
    settings.methods_for(factor).next().is_some()
}

/// Returns a factor that the user must prove, and that no method proves.
fn missing(settings: &AuthSettings, user: &User) -> Option<Factor> {
    let required = user.require();
    let has_key = settings.user_ca_keys.is_some() || !user.keys.is_empty();
    let by_key = required.contains(&Factor::PublicKey) || (has_key && is_proven(settings, Factor::PublicKey));
    // Without a key, who has codes must give one.
    let code = (user.totp.is_some() && !by_key).then_some(Factor::Totp);
    let mut needed = required.iter().copied().chain(code);
    needed.find(|factor| !is_proven(settings, *factor))
}

/// Returns the methods that prove a factor, as a list of settings.
fn methods_of(factor: Factor) -> String {
    let methods = Method::ALL
        .iter()
        .filter(|method| method.factors().contains(&factor));
    let quoted: Vec<String> = methods.map(|method| format!("\"{}\"", method.name())).collect();
    quoted.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::SealedSecret;

    fn warnings(settings: &str, change: impl Fn(&mut User)) -> Vec<String> {
        let settings: AuthSettings = toml::from_str(settings).unwrap();
        let mut user = User::blank("tom".parse().unwrap());
        change(&mut user);
        let mut report = Report::default();
        check(&settings, &[user], &mut report);
        assert!(report.errors.is_empty(), "{report:?}");
        report.warnings
    }

    #[test]
    fn an_expired_password_can_be_changed_wherever_one_is_taken() {
        for (methods, is_said) in [
            ("'publickey', 'password', 'keyboard-interactive'", false),
            ("'publickey', 'password'", false),
            ("'publickey', 'keyboard-interactive'", false),
            ("'publickey'", true),
        ] {
            let never = format!("methods = [{methods}]");
            assert_eq!(warnings(&never, |_| {}), [""; 0], "{methods}");
            let old = format!("{never}\n[password]\nmax_age = '90d'");
            let found = warnings(&old, |_| {});
            assert_eq!(found.len(), usize::from(is_said), "{methods}: {found:?}");
            let names = "(hint: add \"password\" or \"keyboard-interactive\")";
            assert!(found.iter().all(|text| text.ends_with(names)), "{found:?}");
        }
    }

    #[test]
    fn what_is_required_and_no_method_proves_is_said() {
        use Factor::{Password, PublicKey, Totp};
        let require = |factors: &'static [Factor]| {
            move |user: &mut User| user.settings.require = Some(factors.iter().copied().collect())
        };
        let check = |methods: &str, factors: &'static [Factor], expected: Option<&str>| {
            let found = warnings(&format!("methods = [{methods}]"), require(factors));
            let expected = expected.map(|factor| format!("user tom cannot sign in: {factor} is required"));
            match (&found[..], expected) {
                ([], None) => {}
                ([text], Some(expected)) if text.starts_with(&expected) => {}
                (found, expected) => panic!("{methods}: {found:?}, not {expected:?}"),
            }
        };
        check("'password', 'publickey'", &[Password, PublicKey], None);
        check("'password', 'publickey'", &[Password, Totp], Some("totp"));
        check("'password'", &[PublicKey, Password], Some("publickey"));
        check("'keyboard-interactive'", &[Password, Totp], None);
        check("'publickey'", &[PublicKey, Password], Some("password"));
    }

    #[test]
    fn a_user_with_codes_and_without_a_key_needs_their_method() {
        let codes = |user: &mut User| user.totp = Some(SealedSecret::new("sealed".to_owned()));
        let with_key = |user: &mut User| {
            codes(user);
            user.keys = vec!["ssh-ed25519 AAAA".to_owned()];
        };
        let count = |settings: &str, change: &dyn Fn(&mut User)| warnings(settings, change).len();
        assert_eq!(count("methods = ['publickey', 'password']", &codes), 1);
        assert_eq!(count("methods = ['publickey', 'password']", &with_key), 0);
        assert_eq!(count("methods = ['password']", &with_key), 1);
        let authority = "methods = ['publickey', 'password']\nuser_ca_keys = '/ca'";
        assert_eq!(count(authority, &codes), 0);
        assert_eq!(count("methods = ['keyboard-interactive']", &codes), 0);
    }
}
