use std::path::Path;

use russh::keys::PrivateKey;
use std::sync::atomic::Ordering;
use tokio_util::task::TaskTracker;

use super::*;
use crate::serve::drain::drain;
use crate::ssh::hostkeys;

pub(in crate::serve) async fn server(dir: &Path) -> Server {
    let file = dir.join("homeportd.toml");
    std::fs::write(&file, "[server]\nlisten = [\"127.0.0.1:0\"]\n").unwrap();
    let config = crate::config::load(&file).unwrap();
    crate::ops::store::make(&config.installation(), |_| ())
        .await
        .unwrap()
        .close()
        .await;
    Server::bind(config).await.unwrap()
}

fn reloading(server: Server) -> Reloading {
    Reloading::new(
        server.config,
        server.service,
        server.store,
        ReloadedParts {
            log: server.reload,
            hooks: server.hooks.current,
            default_quota: server.default_quota,
            changes: server.changes,
            external: server.external,
        },
        server.notifier,
    )
}

#[tokio::test]
async fn a_reload_shows_no_other_identity() {
    let dir = tempfile::tempdir().unwrap();
    // A server from before there were two keys at once.
    hostkeys::generate(&dir.path().join("hostkeys"), hostkeys::Kind::Ed25519).unwrap();
    let reloading = reloading(server(dir.path()).await);
    let directory = reloading.config().server.host_keys.clone();
    let shown = |reloading: &Reloading| reloading.service.current().russh.keys.clone();
    let before = shown(&reloading);

    // A key of another algorithm is new, and recorded from now on; a policy shows it.
    hostkeys::generate(&directory, hostkeys::Kind::Ecdsa).unwrap();
    let text = std::fs::read_to_string(&reloading.config().file).unwrap();
    std::fs::write(
        &reloading.config().file,
        format!("{text}[ssh]\npolicy = \"compatible\"\n"),
    )
    .unwrap();
    reloading.run().await.unwrap();
    assert_eq!(shown(&reloading).len(), 2);
    assert_eq!(reloading.store.host_keys().await.unwrap().len(), 2);

    // One that has become another is refused, and so is one that is gone.
    let file = hostkeys::Kind::Ed25519.file(&directory);
    std::fs::remove_file(&file).unwrap();
    let gone = reloading.run().await.unwrap_err().to_string();
    assert!(gone.contains("is gone"), "{gone}");
    hostkeys::generate(&directory, hostkeys::Kind::Ed25519).unwrap();
    let other = reloading.run().await.unwrap_err().to_string();
    assert!(other.contains("has become"), "{other}");
    let fingerprints = |keys: &[PrivateKey]| keys.iter().map(hostkeys::fingerprint).collect::<Vec<_>>();
    assert_eq!(fingerprints(&shown(&reloading))[0], fingerprints(&before)[0]);
}

/// Replaces the configuration file, and reads it again.
async fn reload_with(reloading: &Reloading, text: &str) -> Result<Vec<String>> {
    std::fs::write(&reloading.config().file, text).unwrap();
    Ok(reloading.run().await?.waiting_for_restart)
}

#[tokio::test]
async fn a_reload_leaves_the_whole_of_auth_to_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let reloading = reloading(server(dir.path()).await);
    let text = std::fs::read_to_string(&reloading.config().file).unwrap();
    let before = reloading.service.current();
    let fresh = format!("{text}[auth]\nmethods = [\"password\"]\nmax_attempts = 1\n[limits]\nhandles = 3\n");
    assert_eq!(reload_with(&reloading, &fresh).await.unwrap(), ["[auth]"]);
    let after = reloading.service.current();
    assert_eq!(after.limits.handles, 3);
    assert_eq!(after.russh.methods, before.russh.methods);
    assert_eq!(after.russh.max_auth_attempts, before.russh.max_auth_attempts);
}

#[tokio::test]
async fn dead_clients_are_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let address = server.local_addrs()[0];
    let (client, accepted) = tokio::join!(
        tokio::net::TcpStream::connect(address),
        server.listeners.tcp[0].accept()
    );
    assert!(client.is_ok());
    let (stream, _) = accepted.unwrap();
    assert!(rustix::net::sockopt::socket_keepalive(&stream).unwrap());
}

#[test]
fn a_banner_ends_its_line() {
    let check = |banner: &str, shown: &str| assert_eq!(whole_lines(banner), shown);
    check("", "");
    check("Authorised use only.", "Authorised use only.\r\n");
    check("one\ntwo\n", "one\ntwo\n");
}

/// A user whose time ends a while after the sign-in, and a session of theirs.
pub(in crate::serve) async fn passing_guest(
    server: &Server,
    stays: jiff::SignedDuration,
) -> crate::session::Registration {
    use crate::auth::{Attempt, Credential};
    let password = base::secret::Secret::new("secret secret".into());
    let user = crate::domain::user::User {
        password_hash: Some(crate::auth::password::hash(&password).unwrap()),
        home: server.config.storage.homes.join("guest"),
        expires_at: Some(jiff::Timestamp::now() + stays),
        ..crate::domain::user::User::blank("guest".parse().unwrap())
    };
    server.store.add_user(&user).await.unwrap();
    let attempt = Attempt {
        user: "guest",
        peer: "127.0.0.1".parse().unwrap(),
        credential: Credential::Password(&password),
        passed: crate::auth::Proofs::default(),
        offered: None,
    };
    let newcomer = crate::session::NewSession {
        login: server.service.auth.login(attempt).await.unwrap(),
        peer: "127.0.0.1:9".parse().unwrap(),
        ending: crate::session::EndRequest::default(),
    };
    let limits = server.service.current().limits.of_one_user();
    server.service.sessions.enter(newcomer, limits).unwrap()
}

#[tokio::test]
async fn a_hurried_operator_waits_for_no_transfer() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, jiff::SignedDuration::from_hours(1)).await;
    place.session().busy_count.fetch_add(1, Ordering::Relaxed);
    let end_now = CancellationToken::new();
    end_now.cancel();
    let connections = TaskTracker::new();
    connections.close();
    drain(&server.service, &connections, Duration::from_secs(3600), end_now).await;
    assert_eq!(place.session().ending.reason(), Some("the server is stopping"));
}
