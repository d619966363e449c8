use std::time::SystemTime;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::public::{KeyData, SkEd25519};
use russh::server::SecurityKeyState;

use super::*;
use crate::auth::AuthSettings;

const HERE: &str = "192.0.2.1";

/// The key of a number, as a test needs it.
fn key(number: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[number; 32]);
    PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
}

fn line(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

/// The seconds since 1970 of a time relative to now.
fn secs(from_now: i64) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs().saturating_add_signed(from_now)
}

/// What a certificate says, which a test changes.
struct Wish {
    subject: KeyData,
    ca: u8,
    kind: CertType,
    principals: &'static [&'static str],
    after: u64,
    before: u64,
    options: &'static [(&'static str, &'static str)],
    extensions: &'static [&'static str],
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            subject: key(1).public_key().key_data().clone(),
            ca: 9,
            kind: CertType::User,
            principals: &["alice"],
            after: secs(-60),
            before: secs(3600),
            options: &[],
            extensions: &["permit-pty"],
        }
    }
}

impl Wish {
    fn sign(&self) -> Certificate {
        let mut builder = Builder::new([7; 16], self.subject.clone(), self.after, self.before).unwrap();
        builder.serial(17).unwrap();
        builder.key_id("laptop").unwrap();
        builder.cert_type(self.kind).unwrap();
        if self.principals.is_empty() {
            builder.all_principals_valid().unwrap();
        }
        for name in self.principals {
            builder.valid_principal(*name).unwrap();
        }
        for (name, value) in self.options {
            builder.critical_option(*name, *value).unwrap();
        }
        for name in self.extensions {
            builder.extension(*name, "").unwrap();
        }
        builder.sign(&key(self.ca)).unwrap()
    }

    fn presented(&self, flags: Option<u8>) -> PresentedKey {
        let certificate = self.sign();
        let state = flags.map(|flags| SecurityKeyState { flags, counter: 1 });
        let key = PublicKey::from(self.subject.clone());
        PresentedKey::verified(&key, Some(&certificate), state)
    }
}

fn trust_of(ca_keys: &str, revoked: &str) -> KeyTrust {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let settings = AuthSettings {
        user_ca_keys: file("ca", ca_keys),
        revoked_keys: file("revoked", revoked),
        ..AuthSettings::default()
    };
    KeyTrust::load(&settings).unwrap()
}

fn user(keys: Vec<String>) -> User {
    User {
        keys,
        ..User::blank("alice".parse().unwrap())
    }
}

fn judge(presented: &PresentedKey, user: &User, trust: &KeyTrust) -> Result<Option<Timestamp>, KeyDenial> {
    let at = Circumstances {
        user,
        peer: HERE.parse().unwrap(),
        now: Timestamp::now(),
        trust,
    };
    accepted_until(presented, &at)
}

/// Judges a certificate of an authority that is trusted for all users.
fn accepted(wish: &Wish) -> Result<Option<Timestamp>, KeyDenial> {
    judge(
        &wish.presented(None),
        &user(vec![]),
        &trust_of(&line(&key(9)), ""),
    )
}

fn refused(wish: &Wish) -> &'static str {
    match accepted(wish) {
        Err(KeyDenial::Certificate(why)) => {
            assert!(!why.to_string().is_empty());
            why.code()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_until_it_ends() {
    let until = |wish: &Wish| accepted(wish).unwrap().map(|end| end.as_second());
    let wish = Wish::default();
    assert_eq!(until(&wish), Some(i64::try_from(wish.before).unwrap()));
    let forever = Wish {
        after: 0,
        before: u64::MAX,
        ..Wish::default()
    };
    assert_eq!(until(&forever), None);
    let named = Wish {
        principals: &["bob", "alice"],
        options: &[("source-address", "198.51.100.7,192.0.2.0/24")],
        ..Wish::default()
    };
    assert!(until(&named).is_some());
}

#[test]
fn a_certificate_is_refused_for_whatever_it_lacks() {
    let check = |wish: Wish, code: &str| assert_eq!(refused(&wish), code);
    let wish = Wish::default;
    check(Wish { ca: 8, ..wish() }, "certificate_authority");
    check(
        Wish {
            kind: CertType::Host,
            ..wish()
        },
        "certificate_type",
    );
    check(
        Wish {
            principals: &[],
            ..wish()
        },
        "certificate_principal",
    );
    check(
        Wish {
            principals: &["bob", "Alice", "alice ", "*", "ali?e"],
            ..wish()
        },
        "certificate_principal",
    );
    for (after, before) in [(-60, -1), (-60, 0), (60, 3600)] {
        let (after, before) = (secs(after), secs(before));
        check(
            Wish {
                after,
                before,
                ..wish()
            },
            "certificate_time",
        );
    }
    for list in [
        "10.0.0.0/8",
        "!192.0.2.1,0.0.0.0/0",
        "192.0.2.*",
        "192.0.2.1/24",
        "192.0.2.0/24,",
    ] {
        let options: &'static [(&str, &str)] =
            Vec::leak(vec![("source-address", &*String::leak(list.to_owned()))]);
        let code = refused(&Wish { options, ..wish() });
        let expected = match list {
            "10.0.0.0/8" => "certificate_address",
            _ => "certificate_option",
        };
        assert_eq!(code, expected, "{list}");
    }
    for options in [
        &[("force-command", "internal-sftp")][..],
        &[("made-up@example.com", "")],
        &[("source-address", "192.0.2.0/24"), ("zz", "")],
    ] {
        check(Wish { options, ..wish() }, "certificate_option");
    }
}

#[test]
fn the_end_must_follow_the_beginning() {
    // The builder of certificates refuses such times, so the function is asked.
    let certificate = Wish::default().sign();
    let at = |time: u64| Timestamp::from_second(i64::try_from(time).unwrap()).unwrap();
    let (after, before) = (certificate.valid_after(), certificate.valid_before());
    assert_eq!(
        valid_until(&certificate, at(after - 1)),
        Err(CertificateDenial::NotYetValid)
    );
    assert_eq!(valid_until(&certificate, at(after)), Ok(Some(at(before))));
    assert_eq!(valid_until(&certificate, at(before - 1)), Ok(Some(at(before))));
    assert_eq!(
        valid_until(&certificate, at(before)),
        Err(CertificateDenial::Expired)
    );
}

#[test]
fn a_line_of_the_user_trusts_an_authority_for_this_user() {
    let trust = KeyTrust::default();
    let check = |options: &str, principals: &'static [&'static str], expected: Result<(), &str>| {
        let user = user(vec![format!("{options} {}", line(&key(9)))]);
        let wish = Wish {
            principals,
            ..Wish::default()
        };
        let outcome = judge(&wish.presented(None), &user, &trust);
        let outcome = outcome.map(drop).map_err(|denial| match denial {
            KeyDenial::Certificate(why) => why.code(),
            KeyDenial::NotPermitted(_) => "options",
            _ => "other",
        });
        assert_eq!(outcome, expected, "{options} {principals:?}");
    };
    check("cert-authority", &["alice"], Ok(()));
    check("cert-authority", &["bob"], Err("certificate_principal"));
    check("cert-authority", &[], Err("certificate_principal"));
    check("cert-authority,principals=\"dev, ops\"", &["ops"], Ok(()));
    check(
        "cert-authority,principals=\"dev,ops\"",
        &["alice"],
        Err("certificate_principal"),
    );
    check("cert-authority,from=\"192.0.2.0/24\"", &["alice"], Ok(()));
    check("cert-authority,from=\"10.0.0.0/8\"", &["alice"], Err("options"));
    check(
        "cert-authority,expiry-time=\"20200101Z\"",
        &["alice"],
        Err("options"),
    );
    check("cert-authority,verify-required", &["alice"], Err("options"));
    // A plain line of the authority's key trusts the key itself only.
    check("restrict", &["alice"], Err("certificate_authority"));
}

#[test]
fn a_user_may_have_more_principals_than_the_name() {
    let user = User {
        principals: vec!["ops".to_owned()],
        ..user(vec![])
    };
    let trust = trust_of(&line(&key(9)), "");
    for (principals, expected) in [(&["ops"][..], true), (&["alice"], true), (&["dev"], false)] {
        let wish = Wish {
            principals,
            ..Wish::default()
        };
        let accepted = judge(&wish.presented(None), &user, &trust).is_ok();
        assert_eq!(accepted, expected, "{principals:?}");
    }
}

#[test]
fn the_key_of_an_authority_does_not_sign_in_by_itself() {
    let user = user(vec![format!("cert-authority {}", line(&key(9)))]);
    let presented = PresentedKey::verified(key(9).public_key(), None, None);
    let outcome = judge(&presented, &user, &trust_of(&line(&key(9)), ""));
    assert_eq!(outcome, Err(KeyDenial::Unknown));
    // And a certified key does not sign in by itself either.
    let presented = PresentedKey::verified(key(1).public_key(), None, None);
    assert_eq!(
        judge(&presented, &user, &KeyTrust::default()),
        Err(KeyDenial::Unknown)
    );
}

#[test]
fn the_earliest_end_counts() {
    let user = user(vec![format!(
        "cert-authority,expiry-time=\"20990101Z\" {}",
        line(&key(9))
    )]);
    let wish = Wish {
        after: 0,
        before: u64::MAX,
        ..Wish::default()
    };
    let until = judge(&wish.presented(None), &user, &KeyTrust::default()).unwrap();
    assert_eq!(
        until.map(|end| end.to_string()).as_deref(),
        Some("2099-01-01T00:00:00Z")
    );
    // The authority is also trusted for all users, without an end.
    let until = judge(&wish.presented(None), &user, &trust_of(&line(&key(9)), "")).unwrap();
    assert_eq!(until, None);
}

#[test]
fn security_keys_are_touched_unless_the_certificate_says_otherwise() {
    let point = *key(1).public_key().key_data().ed25519().unwrap();
    let subject = KeyData::SkEd25519(SkEd25519::new(point, "ssh:"));
    let check = |wish: Wish, line_options: Option<&str>, flags: u8, expected| {
        let wish = Wish {
            subject: subject.clone(),
            ..wish
        };
        let (user, trust) = match line_options {
            Some(options) => {
                let line = format!("{options} {}", line(&key(9)));
                (user(vec![line]), KeyTrust::default())
            }
            None => (user(vec![]), trust_of(&line(&key(9)), "")),
        };
        let outcome = judge(&wish.presented(Some(flags)), &user, &trust).map(drop);
        assert_eq!(outcome, expected, "{line_options:?} {flags}");
    };
    let wish = Wish::default;
    let untouched = Err(KeyDenial::NotPermitted(KeyRestriction::NotTouched));
    let unverified = Err(KeyDenial::NotPermitted(KeyRestriction::NotVerified));
    check(wish(), None, 1, Ok(()));
    check(wish(), None, 0, untouched.clone());
    let waived = || Wish {
        extensions: &["no-touch-required"],
        ..wish()
    };
    check(waived(), None, 0, Ok(()));
    check(waived(), Some("cert-authority"), 0, untouched);
    check(waived(), Some("cert-authority,no-touch-required"), 0, Ok(()));
    let verified = || Wish {
        options: &[("verify-required", "")],
        ..wish()
    };
    check(verified(), None, 1, unverified.clone());
    check(verified(), None, 5, Ok(()));
    check(wish(), Some("cert-authority,verify-required"), 1, unverified);
}

#[test]
fn what_is_revoked_is_refused() {
    let ca = line(&key(9));
    let check = |revoked: String, expected: Option<RevokedBy>| {
        let trust = trust_of(&ca, &revoked);
        let outcome = judge(&Wish::default().presented(None), &user(vec![]), &trust);
        let entry = match outcome {
            Ok(_) => None,
            Err(KeyDenial::Revoked(entry)) => Some(entry),
            other => panic!("{other:?}"),
        };
        assert_eq!(entry, expected, "{revoked}");
    };
    let print = key(1).public_key().fingerprint(HashAlg::Sha256);
    let certificate = Wish::default().sign().to_openssh().unwrap();
    check(String::new(), None);
    check("# nothing\n\n".to_owned(), None);
    check(line(&key(1)), Some(RevokedBy::Key));
    check(format!("key: {} a comment", line(&key(1))), Some(RevokedBy::Key));
    check(format!("sha256: {}", line(&key(1))), Some(RevokedBy::Key));
    check(format!("hash: {print}"), Some(RevokedBy::Key));
    check(print.to_string(), Some(RevokedBy::Key));
    check(ca.clone(), Some(RevokedBy::Authority));
    check("serial: 17".to_owned(), Some(RevokedBy::Serial));
    check("serial: 0x11".to_owned(), Some(RevokedBy::Serial));
    check("serial: 30-40\nserial: 1-20".to_owned(), Some(RevokedBy::Serial));
    check("serial: 1-16\nserial: 18".to_owned(), None);
    check("id: laptop".to_owned(), Some(RevokedBy::KeyId));
    check("id: laptop2".to_owned(), None);
    check(certificate, Some(RevokedBy::Serial));
    check(format!("ca: {ca}\nserial: 17"), Some(RevokedBy::Serial));
    // The numbers of another authority are other certificates.
    check(format!("ca: {}\nserial: 17\nid: laptop", line(&key(8))), None);
}
