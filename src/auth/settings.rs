//! The settings for signing in: the section `[auth]` of the configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use super::external::settings::ExternalSettings;
use super::password::rules::PasswordRules;
use super::throttle::ThrottleSettings;
use crate::domain::user::Factor;

/// The section `[auth]`: the methods of signing in, and their limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// The methods that the server offers. A method that is not listed is refused.
    #[serde(deserialize_with = "at_least_one")]
    pub methods: BTreeSet<Method>,
    /// The limits on failed attempts.
    pub throttle: ThrottleSettings,
    /// The rules for passwords.
    pub password: PasswordRules,
    /// The outside source of users. A reload replaces it.
    pub external: ExternalSettings,
    /// The time within which a connection must have signed in, in seconds.
    #[serde(deserialize_with = "not_zero")]
    pub login_grace_secs: u64,
    /// The number of failed attempts after which a connection is closed.
    #[serde(deserialize_with = "not_zero")]
    pub max_attempts: usize,
    /// The file with the keys of the authorities whose user certificates are accepted. A reload reads it again.
    pub user_ca_keys: Option<PathBuf>,
    /// The file with the keys and certificates that are revoked. A reload reads it again.
    pub revoked_keys: Option<PathBuf>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            methods: Method::ALL.into(),
            throttle: ThrottleSettings::default(),
            password: PasswordRules::default(),
            external: ExternalSettings::default(),
            // This is sshd's LoginGraceTime: people need time to check a host key and type a password.
            login_grace_secs: 120,
            // This is sshd's MaxAuthTries.
            max_attempts: 6,
            user_ca_keys: None,
            revoked_keys: None,
        }
    }
}

impl AuthSettings {
    /// Returns the enabled methods by which this factor can be proven.
    pub fn methods_for(&self, factor: Factor) -> impl Iterator<Item = Method> + '_ {
        self.methods
            .iter()
            .copied()
            .filter(move |method| method.factors().contains(&factor))
    }
}

/// An authentication method of RFC 4252 or RFC 4256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The client proves by a signature that it has a key.
    #[serde(rename = "publickey")]
    PublicKey,
    /// The client sends a password.
    Password,
    /// The server asks for a password or a one-time code, and the client answers.
    KeyboardInteractive,
}

impl Method {
    /// All methods that the server supports.
    pub const ALL: [Method; 3] = [Method::PublicKey, Method::Password, Method::KeyboardInteractive];

    /// Returns the name of the method in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Method::PublicKey => "publickey",
            Method::Password => "password",
            Method::KeyboardInteractive => "keyboard-interactive",
        }
    }

    /// Returns the factors that the method can prove.
    pub fn factors(self) -> &'static [Factor] {
        match self {
            Method::PublicKey => &[Factor::PublicKey],
            Method::Password => &[Factor::Password],
            Method::KeyboardInteractive => &[Factor::Password, Factor::Totp],
        }
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<Method>, D::Error> {
    let methods = BTreeSet::deserialize(from)?;
    if methods.is_empty() {
        return Err(de::Error::custom(
            "nobody could sign in: expected at least one of \"publickey\", \"password\", \"keyboard-interactive\"",
        ));
    }
    Ok(methods)
}

fn not_zero<'de, D: Deserializer<'de>, N: Deserialize<'de> + Default + PartialEq>(
    from: D,
) -> Result<N, D::Error> {
    let number = N::deserialize(from)?;
    if number == N::default() {
        return Err(de::Error::custom("nobody could sign in: expected at least 1"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        assert_eq!(
            toml::from_str::<AuthSettings>("").unwrap(),
            AuthSettings::default()
        );
        let settings: AuthSettings = toml::from_str(
            "methods = ['publickey', 'keyboard-interactive']\nlogin_grace_secs = 60\n[throttle]\nfailures = 3\n",
        )
        .unwrap();
        assert_eq!(
            settings.methods,
            [Method::PublicKey, Method::KeyboardInteractive].into()
        );
        assert_eq!(settings.throttle.failures, 3);
        assert_eq!(settings.throttle.first_delay_ms, 500);
        let methods: Vec<_> = settings.methods_for(Factor::Password).map(Method::name).collect();
        assert_eq!(methods, ["keyboard-interactive"]);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let check = |text: &str, says: &str| {
            let error = toml::from_str::<AuthSettings>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        };
        check("methods = []", "at least one");
        check("methods = ['none']", "unknown variant");
        check("max_attempts = 0", "at least 1");
        check("login_grace_secs = 0", "at least 1");
        check("login_grace_secs = -1", "invalid value");
        check("attempts = 6", "unknown field");
        check("[throttle]\ndelay = 1", "unknown field");
        check("[password]\nlength = 1", "unknown field");
    }
}
