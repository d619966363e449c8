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

use parking_lot::Mutex;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::error::{WebError, WebErrorKind};
use crate::auth::Login;
use crate::domain::token::TokenScope;
use crate::exec::home_session::HomeSession;
use crate::mount::{Mounted, Refused};
use crate::session::{Registration, Session, SessionContext, Traffic};
use crate::ssh::home_opening::open_home;
use crate::ssh::service::Service;
use crate::storage::upload_names::PartAccess;

/// The time without a request after which a session ends. Its browser stays signed in: the next request begins another.
pub const IDLE: Duration = Duration::from_secs(10 * 60);

/// The most requests of one session at once. A browser has 6 connections.
const MOST_REQUESTS: usize = 32;

/// How long a request waits for its turn before it is refused.
const TURN: Duration = Duration::from_secs(10);

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
    service: Arc<Service>,
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

    /// Returns the session with this key. If it is not in use, `beginning` makes it; requests that arrive meanwhile wait.
    ///
    /// # Errors
    /// Returns the error of `beginning`.
    pub(super) async fn find_or_make(
        &self,
        key: WebSessionKey,
        beginning: impl Future<Output = Result<Arc<WebSession>, WebError>>,
    ) -> Result<Arc<WebSession>, WebError> {
        let slot = {
            let mut live = self.live.lock();
            let slot = live.entry(key).or_default();
            if slot.get().is_some_and(|session| !session.is_open()) {
                *slot = Arc::default();
            }
            Arc::clone(slot)
        };
        match slot.get_or_try_init(|| beginning).await {
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
    pub(super) fn forget_ended(&self, key: &WebSessionKey) {
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

impl WebSession {
    /// Creates the session of this registration, whose traffic is counted from now on.
    pub(super) fn new(
        service: Arc<Service>,
        registration: Registration,
        context: SessionContext,
        scope: WebScope,
    ) -> Self {
        let traffic = Arc::<WebTraffic>::default();
        let counted = Arc::clone(&traffic);
        let _ = registration.session().traffic.set(Box::new(move || Traffic {
            received: counted.received.load(Ordering::Relaxed),
            sent: counted.sent.load(Ordering::Relaxed),
        }));
        Self {
            service,
            registration,
            context,
            scope,
            home: OnceCell::new(),
            gone: CancellationToken::new(),
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
            last_used: Mutex::new(Instant::now()),
            traffic,
        }
    }

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
    pub(super) fn until_idle(&self) -> Duration {
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
            .get_or_try_init(async || open_home(&self.service, self.session()).await);
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
