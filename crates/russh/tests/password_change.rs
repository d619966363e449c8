//! An expired password is changed by the method "password" (RFC 4252, section 8).
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::{PrivateKey, PublicKeyOrCertificate, ssh_key};
use russh::{MethodKind, MethodSet, client, server};

const OLD: &str = "old password";

struct AcceptServerKey;

impl client::Handler for AcceptServerKey {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _server_public_key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Accepts one password, which has expired, and takes another one of at least eight bytes in its place.
struct ExpiredServer {
    /// The old and the new password of each change that a client has asked for.
    changes: Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>>,
}

fn refused() -> server::Auth {
    server::Auth::Reject {
        proceed_with_methods: Some(MethodSet::from(&[MethodKind::Password][..])),
        partial_success: false,
    }
}

impl server::Handler for ExpiredServer {
    type Error = russh::Error;

    async fn auth_password(
        &mut self,
        _user: &str,
        password: &[u8],
    ) -> Result<server::Auth, Self::Error> {
        if password != OLD.as_bytes() {
            return Ok(refused());
        }
        Ok(server::Auth::PasswordExpired {
            prompt: "it has expired".into(),
        })
    }

    async fn auth_password_change(
        &mut self,
        _user: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<server::Auth, Self::Error> {
        self.changes
            .lock()
            .unwrap()
            .push((old.to_vec(), new.to_vec()));
        if old != OLD.as_bytes() {
            return Ok(refused());
        }
        if new.len() < 8 {
            return Ok(server::Auth::PasswordExpired {
                prompt: "it is too short".into(),
            });
        }
        Ok(server::Auth::Accept)
    }
}

#[tokio::test]
async fn an_expired_password_is_changed() {
    let mut config = server::Config::default();
    config.auth_rejection_time = Duration::from_millis(1);
    config.auth_rejection_time_initial = Some(Duration::from_millis(1));
    config
        .keys
        .push(PrivateKey::random(&mut rand::rng(), ssh_key::Algorithm::Ed25519).unwrap());
    let changes = Arc::new(Mutex::new(Vec::new()));
    let handler = ExpiredServer {
        changes: Arc::clone(&changes),
    };

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let _ = server::run_stream(Arc::new(config), socket, handler)
            .await
            .unwrap();
    });
    let mut session = client::connect(Arc::new(client::Config::default()), addr, AcceptServerKey)
        .await
        .unwrap();

    let expired = |prompt: &str| AuthResult::PasswordExpired {
        prompt: prompt.to_owned(),
    };
    let wrong = AuthResult::Failure {
        remaining_methods: MethodSet::from(&[MethodKind::Password][..]),
        partial_success: false,
    };
    let answer = session.authenticate_password("tom", "wrong").await.unwrap();
    assert_eq!(answer, wrong);
    let answer = session.authenticate_password("tom", OLD).await.unwrap();
    assert_eq!(answer, expired("it has expired"));
    for (old, new, expected) in [
        (OLD, "short", expired("it is too short")),
        ("wrong", "new password", wrong),
        (OLD, "new password", AuthResult::Success),
    ] {
        let answer = session.authenticate_password_change("tom", old, new).await;
        assert_eq!(answer.unwrap(), expected);
    }
    let pair = |old: &str, new: &str| (old.as_bytes().to_vec(), new.as_bytes().to_vec());
    let expected = [
        pair(OLD, "short"),
        pair("wrong", "new password"),
        pair(OLD, "new password"),
    ];
    assert_eq!(*changes.lock().unwrap(), expected);
}
