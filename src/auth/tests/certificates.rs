//! Tests sign-ins by certificates, and what they lose when the lists of keys change.

use russh::keys::ssh_key::certificate::Builder;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{Certificate, PrivateKey};

use super::*;
use crate::auth::trust::KeyTrust;

fn private(number: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[number; 32]);
    PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
}

/// Returns a certificate for the key 1, signed by the key 9, that is valid for an hour.
fn certificate(principal: &str) -> Certificate {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    let subject = private(1).public_key().key_data().clone();
    let mut builder = Builder::new([7; 16], subject, now - 60, now + 3600).unwrap();
    builder.serial(17).unwrap();
    builder.key_id("laptop").unwrap();
    builder.valid_principal(principal).unwrap();
    builder.sign(&private(9)).unwrap()
}

/// Returns the same certificate after someone has changed its id.
fn forged(certificate: &Certificate) -> Certificate {
    let mut bytes = certificate.to_bytes().unwrap();
    let at = bytes.windows(6).position(|part| part == b"laptop").unwrap();
    bytes[at] = b'L';
    Certificate::from_bytes(&bytes).unwrap()
}

fn verified(certificate: &Certificate) -> PresentedKey {
    PresentedKey::verified(private(1).public_key(), Some(certificate), None)
}

/// Returns what trusts the key 9, and has this revoked.
fn trust(revoked: &str) -> KeyTrust {
    let dir = TempDir::new().unwrap();
    let (ca, list) = (dir.path().join("ca"), dir.path().join("revoked"));
    std::fs::write(&ca, private(9).public_key().to_openssh().unwrap()).unwrap();
    std::fs::write(&list, revoked).unwrap();
    let settings = AuthSettings {
        user_ca_keys: Some(ca),
        revoked_keys: Some(list),
        ..AuthSettings::default()
    };
    KeyTrust::load(&settings).unwrap()
}

#[tokio::test]
async fn an_offered_certificate_must_be_signed_by_its_authority() {
    let f = SignInFixture::new().await;
    assert!(f.auth.keys().set_trust(trust("")));
    let peer: IpAddr = HERE.parse().unwrap();
    let offer = async |user: &str, certificate: &Certificate| {
        let key = PresentedKey::offered(private(1).public_key(), Some(certificate));
        let offered = f.auth.offered(user, peer, &key).await;
        offered.map(drop).map_err(|reason| reason.code())
    };
    let right = certificate("calvin");
    assert_eq!(offer("calvin", &right).await, Ok(()));
    assert_eq!(
        offer("calvin", &forged(&right)).await,
        Err("certificate_signature")
    );
    assert_eq!(offer("nobody", &certificate("nobody")).await, Err("unknown_user"));
    f.add("tom", |u| u.enabled = false).await;
    assert_eq!(offer("tom", &certificate("tom")).await, Err("user_disabled"));
    assert_eq!(offer("tom", &right).await, Err("certificate_principal"));
}

#[tokio::test]
async fn what_was_read_for_one_certificate_does_not_serve_another() {
    let f = SignInFixture::new().await;
    f.auth.keys().set_trust(trust(""));
    let peer: IpAddr = HERE.parse().unwrap();
    let key = PresentedKey::offered(private(1).public_key(), Some(&certificate("calvin")));
    let offered = f.auth.offered("calvin", peer, &key).await.unwrap();
    f.store.close().await;
    let attempt = async |key: PresentedKey| {
        let attempt = Attempt {
            user: "calvin",
            peer,
            credential: Credential::VerifiedKey(&key),
            passed: Proofs::default(),
            offered: offered.clone(),
        };
        f.auth.login(attempt).await
    };
    // Without what was read, the store is asked, which is closed.
    let plain = PresentedKey::verified(private(1).public_key(), None, None);
    for other in [plain, verified(&forged(&certificate("calvin")))] {
        let refused = attempt(other).await;
        assert!(
            matches!(
                &refused,
                Err(Denial::Failed {
                    reason: DenialReason::Store(_),
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_session_ends_when_its_certificate_is_revoked_or_its_authority_is_not_trusted() {
    let f = SignInFixture::new().await;
    let peer: IpAddr = HERE.parse().unwrap();
    let keys = f.auth.keys();
    keys.set_trust(trust("serial: 16"));
    let key = verified(&certificate("calvin"));
    let by_certificate = f
        .attempt("calvin", HERE, Credential::VerifiedKey(&key), &Proofs::default())
        .await
        .unwrap();
    let identity = by_certificate.certificate().unwrap();
    assert_eq!((identity.key_id.as_str(), identity.serial), ("laptop", 17));
    let end = i64::try_from(certificate("calvin").valid_before()).unwrap();
    let until = by_certificate.until().unwrap().as_second();
    assert!((end - 60..=end).contains(&until), "{until} {end}");
    let by_key = f.key("calvin", HERE, KEY).await.unwrap();
    assert_eq!(by_key.certificate(), None);
    let by_password = f.password("calvin", HERE, "secret").await.unwrap();
    let check = async |expected: [Option<Revocation>; 3]| {
        for (login, expected) in [&by_certificate, &by_key, &by_password].into_iter().zip(expected) {
            let ended = match f.auth.review(login, peer).await.unwrap() {
                Review::Ends(lost) => Some(lost),
                Review::Continues { .. } => None,
            };
            assert_eq!(ended, expected);
        }
    };
    check([None, None, None]).await;
    // The same lists make no difference.
    assert!(!keys.set_trust(trust("serial: 16")));
    let lost = Some(Revocation::Certificate);
    assert!(keys.set_trust(trust("serial: 17")));
    check([lost, None, None]).await;
    keys.set_trust(trust(KEY));
    check([None, Some(Revocation::Key), None]).await;
    keys.set_trust(KeyTrust::default());
    check([lost, None, None]).await;
}

#[tokio::test]
async fn a_certificate_is_one_of_two_factors() {
    let f = SignInFixture::new().await;
    f.auth.keys().set_trust(trust(""));
    f.add("careful", |u| {
        u.settings.require = Some([Factor::PublicKey, Factor::Password].into());
    })
    .await;
    let (key, secret) = (verified(&certificate("careful")), Secret::new("secret".into()));
    let first = f
        .attempt("careful", HERE, Credential::VerifiedKey(&key), &Proofs::default())
        .await;
    let Err(Denial::Partial { passed, remaining }) = first else {
        panic!("{first:?}");
    };
    assert_eq!(remaining, [Factor::Password].into());
    let password = Credential::Password(&secret);
    let login = f.attempt("careful", HERE, password, &passed).await.unwrap();
    assert!(login.certificate().is_some());
    // It is revoked between the two.
    f.auth.keys().set_trust(trust("id: laptop"));
    let password = Credential::Password(&secret);
    let again = f.attempt("careful", HERE, password, &passed).await;
    assert!(matches!(again, Err(Denial::Partial { .. })), "{again:?}");
}
