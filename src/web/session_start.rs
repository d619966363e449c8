//! The beginning and the end of a session of the web page: see [`super::live`] for the sessions that are in use.

use std::sync::Arc;

use jiff::Timestamp;

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::live::{NewWebSession, WebCredential, WebSession, WebSessionKey};
use super::visitor::Visitor;
use crate::domain::event::{ChosenAlgorithms, Event, FileEnd, Protocol};
use crate::session::{Activity, EndReport, EndRequest, NewSession};
use crate::ssh::entry::{self, EntryRefused};

/// The reason of the end of a session that nobody uses.
const QUIET: &str = "no request for a while";

/// Returns the session with this key, and begins it if it is not in use; requests that arrive meanwhile wait for it.
///
/// # Errors
/// Returns the error of `sign_in`, or why the session was not registered.
pub(super) async fn find_or_begin(
    app: &Arc<WebApp>,
    key: WebSessionKey,
    visitor: &Visitor,
    sign_in: impl Future<Output = Result<NewWebSession, WebError>>,
) -> Result<Arc<WebSession>, WebError> {
    let beginning = async { register(app, key, visitor, sign_in.await?).await };
    app.sessions.find_or_make(key, beginning).await
}

/// Registers a session, and watches it until it ends.
async fn register(
    app: &Arc<WebApp>,
    key: WebSessionKey,
    visitor: &Visitor,
    new: NewWebSession,
) -> Result<Arc<WebSession>, WebError> {
    let user = new.login.user().clone();
    let newcomer = NewSession {
        login: new.login,
        peer: visitor.address,
        protocol: Protocol::Web,
        ending: EndRequest::default(),
    };
    let service = &app.service;
    let registration = match entry::enter(service, newcomer, new.revision).await {
        Ok(registration) => registration,
        Err(refused) => {
            service.events.emit(&Event::Denied {
                peer: visitor.address,
                user: user.to_string(),
                method: "session",
                code: refused.code(),
                reason: refused.to_string(),
            });
            return Err(match refused {
                EntryRefused::NotRegistered(why) => WebError::new(WebErrorKind::TooMany, why.to_string())
                    .hint("close a session that you do not need, or wait until it ends"),
                EntryRefused::RecordChanged(_) => WebError::sign_in_required(),
            });
        }
    };
    let session = Arc::clone(registration.session());
    let client = match session.login.share() {
        Some(share) => format!("web, share {share}: {}", visitor.agent),
        None => format!("web: {}", visitor.agent),
    };
    let _ = session.client.set(client.clone());
    let end_report = EndReport::new(Arc::clone(&session), service.events.clone());
    service.events.emit(&Event::SignedIn {
        who: session.actor(),
        method: new.method,
        client,
        algorithms: Box::new(ChosenAlgorithms::default()),
        certificate: None,
        recovery_codes_left: session.login.recovery_codes_left(),
    });
    let context = service.context_of(&end_report, Activity::default());
    let web_session = Arc::new(WebSession::new(
        Arc::clone(service),
        registration,
        context,
        new.scope,
    ));
    app.tasks
        .spawn(watch(Arc::clone(app), key, Arc::clone(&web_session)));
    Ok(web_session)
}

/// Ends a session when it is asked to end, or when it was quiet for too long.
async fn watch(app: Arc<WebApp>, key: WebSessionKey, session: Arc<WebSession>) {
    let ending = session.session().ending.clone();
    loop {
        let rest = session.until_idle();
        tokio::select! {
            () = ending.asked() => break,
            () = tokio::time::sleep(rest) => {
                if session.until_idle().is_zero() {
                    ending.end(QUIET);
                }
            }
        }
    }
    // No further call on the home begins.
    session.session().gate.close();
    session.gone().cancel();
    app.sessions.forget_ended(&key);
    let was_kicked = ending.end_of_files() == FileEnd::Kicked && ending.reason() != Some(QUIET);
    // An operator who ends a session wants the browser to be signed out, and not back with its next request.
    if let WebCredential::Browser(hash) = key.credential {
        let stored = match was_kicked {
            true => {
                let removed = app.store.remove_browser_session(&hash).await.map(drop);
                // A request that came before this has begun another session.
                app.sessions
                    .end(key.credential, ending.reason().unwrap_or("signed out"));
                removed
            }
            false => {
                app.store
                    .touch_browser_session(&hash, Timestamp::now(), key.address)
                    .await
            }
        };
        if let Err(error) = stored {
            tracing::error!(%error, "the end of a browser's session cannot be stored");
        }
    }
}
