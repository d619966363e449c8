//! Puts the trusted authorities and the revoked keys of a configuration in force.

use std::sync::Arc;

use jiff::Timestamp;

use super::blocking::run_blocking;
use crate::auth::keys::AuthorizedKey;
use crate::auth::trust::KeyTrust;
use crate::auth::{AuthSettings, Review};
use crate::config::Config;
use crate::ops::check::report::Report;
use crate::ssh::service::Service;
use base::error::Result;

/// Reads the files that `[auth]` names, on a thread that may block.
///
/// # Errors
/// Returns an error if a file cannot be read, or contains something that is not understood.
pub(super) async fn load(settings: &AuthSettings) -> Result<KeyTrust> {
    let settings = settings.clone();
    run_blocking(move || KeyTrust::load(&settings)).await
}

/// Checks the files that `[auth]` names, as a start does.
pub(super) fn check(config: &Config, report: &mut Report) {
    let trust = match KeyTrust::load(&config.auth) {
        Ok(trust) => trust,
        Err(error) => return report.error(error),
    };
    if config.auth.user_ca_keys.is_some() && trust.authorities().is_empty() {
        let at = config.place_of("auth", "user_ca_keys");
        report.warn(format!("{at}the file has no keys, so no certificate is accepted"));
    }
    if !trust.authorities().is_empty() {
        let prints: Vec<String> = trust
            .authorities()
            .iter()
            .map(AuthorizedKey::fingerprint)
            .collect();
        report.plan(format!("accept user certificates of {}", prints.join(", ")));
    }
    for authority in trust.authorities() {
        if trust.revoked().has_key(authority.key().key_data()) {
            let at = config.place_of("auth", "revoked_keys");
            report.warn(format!(
                "{at}the authority {} is revoked, so none of its certificates is accepted",
                authority.fingerprint()
            ));
        }
    }
}

/// Puts what was read in force, ends the sessions whose key or certificate is not accepted any more, and returns how
/// many. The sessions are reviewed to the last one even if the caller does not wait for it.
pub(super) async fn put_in_force(service: &Arc<Service>, trust: KeyTrust) -> usize {
    if !service.auth.keys().set_trust(trust) {
        return 0;
    }
    let reviewed = tokio::spawn(end_revoked_sessions(Arc::clone(service))).await;
    match reviewed {
        Ok(ended) => {
            tracing::info!(
                ended,
                "the lists of keys in [auth] have changed; sessions were reviewed"
            );
            ended
        }
        Err(error) => {
            tracing::error!(%error, "the sessions could not be reviewed");
            0
        }
    }
}

/// Returns how many sessions were ended. Sign-ins that have begun are reviewed when they enter the registry.
async fn end_revoked_sessions(service: Arc<Service>) -> usize {
    service.sessions.changed();
    let mut ended = 0;
    for session in service.sessions.list() {
        match service.auth.review(&session.login, session.peer.ip()).await {
            Ok(Review::Ends(lost)) => ended += usize::from(session.revoke(lost.to_string())),
            Ok(Review::Continues { until, .. }) => service.sessions.set_expiry(&session, until),
            Err(error) => {
                tracing::warn!(session = %session.id, %error, "cannot look up the user of a session");
                // It has expired until it is known that it has not, so it is reviewed again.
                service.sessions.set_expiry(&session, Some(Timestamp::now()));
            }
        }
    }
    ended
}
