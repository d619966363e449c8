//! The sessions of the web page that are in use: from the first request of a sign-in until it was quiet for [`IDLE`].
//!
//! A session is registered like one of SSH: it counts for its user's limit, operators see it and can end it, a changed
//! record ends it, and a drain waits for its transfers. States: *beginning* (one request makes it, the others of the same
//! sign-in wait), *live*, *ending* (asked to end from outside, or idle: no request finds it any more, and bodies that are
//! under way break off), *ended* (its last request is gone).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::visitor::Visitor;
use crate::auth::Login;
use crate::domain::event::{ChosenAlgorithms, Event, FileEnd, Protocol};
use crate::domain::token::TokenScope;
use crate::exec::home_session::HomeSession;
use crate::mount::{Mounted, Refused};
use crate::session::{
    Activity, EndReport, EndRequest, NewSession, Registration, Session, SessionContext, Traffic,
};
use crate::ssh::entry::{self, EntryRefused};
use crate::storage::upload_names::PartAccess;

/// The time without a request after which a session ends. Its browser stays signed in: the next request begins another.
pub const IDLE: Duration = Duration::from_secs(10 * 60);

/// The most requests of one session at once. A browser has 6 connections.
const MOST_REQUESTS: usize = 32;

/// How long a request waits for its turn before it is refused.
const TURN: Duration = Duration::from_secs(10);

/// The reason of the end of a session that nobody uses.
const QUIET: &str = "no request for a while";

/// What a request shows to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebCredential {
    /// The cookie of a browser, by its hash.
    Browser([u8; 32]),
    /// A token, by its number in the store.
    Token(i64),
    /// The token of a share, by the number of the share in the store.
    Share(i64),
}

/// Identifies a session among those in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WebSessionKey {
    /// What the requests show.
    pub credential: WebCredential,
    /// The address that they come from: each has a session of its own, as operators see it.
    pub address: IpAddr,
}

/// What a session may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebScope {
    /// Everything that its user may do.
    Browser,
    /// What the token is for.
    Token(TokenScope),
    /// What the share opens.
    Share,
}

/// A sign-in that is about to become a session.
pub struct NewWebSession {
    /// The proof that the user has signed in.
    pub login: Login,
    /// The revision of users' records when the login was judged, or an earlier one.
    pub revision: u64,
    /// What the session may be used for.
    pub scope: WebScope,
    /// The method, as the audit log names it.
    pub method: String,
}

/// The sessions that are in use.
#[derive(Default)]
pub struct WebSessions {
    live: Mutex<HashMap<WebSessionKey, Arc<OnceCell<Arc<WebSession>>>>>,
}

/// A session of the web page.
pub struct WebSession {
    app: Arc<WebApp>,
    registration: Registration,
    context: SessionContext,
    scope: WebScope,
    home: OnceCell<Mounted>,
    /// Cancelled when the session must end: bodies that are under way break off.
    gone: CancellationToken,
    requests: Arc<Semaphore>,
    last_used: Mutex<Instant>,
    traffic: Arc<WebTraffic>,
}

/// The bytes of the bodies of a session.
#[derive(Debug, Default)]
pub struct WebTraffic {
    /// The bytes received from the client.
    pub received: AtomicU64,
    /// The bytes sent to the client.
    pub sent: AtomicU64,
}

impl WebSessions {
    /// Returns the session with this key, or `None` if it is not in use.
    pub fn find(&self, key: &WebSessionKey) -> Option<Arc<WebSession>> {
        let slot = self.live.lock().get(key).cloned()?;
        slot.get().filter(|session| session.is_open()).cloned()
    }

    /// Returns the session with this key, and begins it if it is not in use; requests that arrive meanwhile wait for it.
    ///
    /// # Errors
    /// Returns the error of `sign_in`, or why the session was not registered.
    pub async fn find_or_begin(
        &self,
        key: WebSessionKey,
        visitor: &Visitor,
        app: &Arc<WebApp>,
        sign_in: impl Future<Output = Result<NewWebSession, WebError>>,
    ) -> Result<Arc<WebSession>, WebError> {
        let slot = {
            let mut live = self.live.lock();
            let slot = live.entry(key).or_default();
            if slot.get().is_some_and(|session| !session.is_open()) {
                *slot = Arc::default();
            }
            Arc::clone(slot)
        };
        let begun = slot
            .get_or_try_init(async || begin(app, key, visitor, sign_in.await?).await)
            .await;
        match begun {
            Ok(session) => Ok(Arc::clone(session)),
            Err(error) => {
                self.forget(&key, &slot);
                Err(error)
            }
        }
    }

    /// Asks the sessions of a browser, of a token or of a share to end, from all addresses.
    pub fn end(&self, credential: WebCredential, reason: &str) {
        let live = self.live.lock();
        let theirs = live.iter().filter(|(key, _)| key.credential == credential);
        for session in theirs.filter_map(|(_, slot)| slot.get()) {
            session.end(reason);
        }
    }

    /// Forgets a session, unless another one has its key by now.
    fn forget(&self, key: &WebSessionKey, slot: &Arc<OnceCell<Arc<WebSession>>>) {
        let mut live = self.live.lock();
        if live.get(key).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            live.remove(key);
        }
    }

    /// Forgets an ended session.
    fn forget_ended(&self, key: &WebSessionKey) {
        let mut live = self.live.lock();
        let is_ended = live
            .get(key)
            .and_then(|slot| slot.get())
            .is_some_and(|session| !session.is_open());
        if is_ended {
            live.remove(key);
        }
    }
}

/// Registers a session, and watches it until it ends.
async fn begin(
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
    let traffic = Arc::<WebTraffic>::default();
    let counted = Arc::clone(&traffic);
    let _ = session.traffic.set(Box::new(move || Traffic {
        received: counted.received.load(Ordering::Relaxed),
        sent: counted.sent.load(Ordering::Relaxed),
    }));
    let end_report = EndReport::new(Arc::clone(&session), service.events.clone());
    service.events.emit(&Event::SignedIn {
        who: session.actor(),
        method: new.method,
        client,
        algorithms: Box::new(ChosenAlgorithms::default()),
        certificate: None,
        recovery_codes_left: session.login.recovery_codes_left(),
    });
    let web_session = Arc::new(WebSession {
        app: Arc::clone(app),
        context: service.context_of(&end_report, Activity::default()),
        registration,
        scope: new.scope,
        home: OnceCell::new(),
        gone: CancellationToken::new(),
        requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
        last_used: Mutex::new(Instant::now()),
        traffic,
    });
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
    session.gone.cancel();
    app.sessions.forget_ended(&key);
    let was_kicked = ending.end_of_files() == FileEnd::Kicked && ending.reason() != Some(QUIET);
    // An operator who ends a session wants the browser to be signed out, and not back with its next request.
    if let WebCredential::Browser(hash) = key.credential {
        let stored = match was_kicked {
            true => {
                let removed = app.store.remove_browser_session(&hash).await.map(drop);
                // A request that came before this has begun another session.
                app.sessions
                    .end_browser(&hash, ending.reason().unwrap_or("signed out"));
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

impl WebSession {
    /// Returns the session as the server's registry has it.
    pub fn session(&self) -> &Arc<Session> {
        self.registration.session()
    }

    /// Returns the proof that the user has signed in.
    pub fn login(&self) -> &Login {
        &self.session().login
    }

    /// Returns what the session may be used for.
    pub fn scope(&self) -> WebScope {
        self.scope
    }

    /// Returns what its events are emitted with.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Returns the counters of its bodies.
    pub fn traffic(&self) -> &WebTraffic {
        &self.traffic
    }

    /// Returns the token that is cancelled when the session must end.
    pub fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Whether requests may still be made.
    pub fn is_open(&self) -> bool {
        !self.session().gate.is_closed() && !self.gone.is_cancelled()
    }

    /// Ends the session, and says why: no request finds it from now on.
    pub fn end(&self, reason: &str) {
        self.session().ending.end(reason);
        self.gone.cancel();
    }

    /// Returns the time after which the session is idle if there is no request until then.
    fn until_idle(&self) -> Duration {
        if self.requests.available_permits() < MOST_REQUESTS {
            return IDLE;
        }
        IDLE.saturating_sub(self.last_used.lock().elapsed())
    }

    /// Waits for the turn of a request.
    ///
    /// # Errors
    /// Returns an error if there are too many at once.
    pub(super) async fn turn(&self) -> Result<RequestTurn, WebError> {
        let waiting = Arc::clone(&self.requests).acquire_owned();
        match tokio::time::timeout(TURN, waiting).await {
            Ok(Ok(permit)) => {
                *self.last_used.lock() = Instant::now();
                Ok(RequestTurn { _permit: permit })
            }
            _ => Err(WebError::new(
                WebErrorKind::Busy,
                "too many requests of this session at once",
            )),
        }
    }

    /// Returns the access to the user's home for uploads, which name their parts: see [`crate::storage::upload_names`].
    ///
    /// # Errors
    /// Returns an error if the home cannot be opened.
    pub async fn home_with_parts(&self) -> Result<HomeSession, WebError> {
        let home = self.mounted().await?;
        Ok(self.access(home.with_parts(PartAccess::of_uploads())))
    }

    /// Returns the access to the user's home, which is mounted by the first request that needs it.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened.
    pub async fn home(&self) -> Result<HomeSession, WebError> {
        let home = self.mounted().await?;
        Ok(self.access(home.clone()))
    }

    fn access(&self, home: Mounted) -> HomeSession {
        let mut home = HomeSession::new(home, self.context.clone());
        home.gone = self.gone.child_token();
        home
    }

    async fn mounted(&self) -> Result<&Mounted, WebError> {
        let mounting = self
            .home
            .get_or_try_init(async || self.app.service.open_home(self.session()).await);
        match mounting.await {
            Ok(home) => Ok(home),
            Err(_) if !self.is_open() => Err(WebError::sign_in_required()),
            Err(Refused { error, sentence }) => {
                tracing::error!(session = %self.session().id, user = %self.login().user(), %error, "no home for a session");
                Err(WebError::new(WebErrorKind::Busy, sentence))
            }
        }
    }
}

/// The turn of one request of a session.
pub(super) struct RequestTurn {
    _permit: OwnedSemaphorePermit,
}
