//! The state of one connection, and its sign-in. Its channels are in [`super::channels`]; [`super::supervisor`] decides
//! when it must end.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use russh::ChannelId;
use russh::server::Auth;
use tokio_util::sync::CancellationToken;

use crate::auth::{Attempt, Credential, Denial, DenialReason, Login, Method, Proofs, Review};
use crate::domain::event::Event;
use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::tasks::TaskStarter;
use crate::session::{
    Activity, EndReport, EndRequest, NewSession, NotRegistered, Registration, session_limit,
};

use super::admission::SignInProgress;
use super::algorithms::method_set;
use super::announcement::{AnnouncedKeys, ConnectionHostKeys};
use super::phase::{
    Accepted, ChannelUse, JudgedAttempt, OfferedRecord, Phase, SignInState, SignedIn, Wanted,
};
use super::questions::PendingQuestion;
use super::refusal_reason::{RefusalReason, RefusedKey, RefusedKeys, key_name};
use super::service::Service;
use super::signals::ConnectionSignals;
use base::socket::ConnectionHandle;

/// The state of one connection, which russh's callbacks work on.
pub struct Connection {
    pub(super) service: Arc<Service>,
    pub(super) peer: SocketAddr,
    pub(super) socket_handle: ConnectionHandle,
    pub(super) ending: EndRequest,
    end_report: Arc<OnceLock<Arc<EndReport>>>,
    pub(super) signed_in: CancellationToken,
    pub(super) gone: CancellationToken,
    pub(super) progress: SignInProgress,
    pub(super) activity: Activity,
    pub(super) phase: Phase,
    /// The methods by which this name has passed factors, for the log.
    pub(super) methods: BTreeSet<Method>,
    pub(super) key_offers: u32,
    /// The last key that was offered and would be accepted.
    pub(super) offered: Option<Box<OfferedRecord>>,
    /// The keys that were refused. They become an event only if the connection ends without a sign-in, or continues
    /// with another name.
    pub(super) refused_keys: Option<RefusedKeys>,
    pub(super) channels: HashMap<ChannelId, ChannelUse>,
    pub(super) tasks: TaskStarter,
    /// The host keys that are announced after the sign-in.
    pub(super) host_keys: Option<ConnectionHostKeys>,
    /// The question that the peer has not answered yet.
    pub(super) pending: Option<PendingQuestion>,
    /// The number of questions that the peer was asked.
    pub(super) questions: u32,
    /// The number of attempts that were right, and not enough.
    partial_successes: u32,
    /// The number of log lines that the peer has caused.
    logged: u32,
}

/// The most log lines that one connection may cause: a client can repeat a fault as fast as it likes.
const MAX_LOGGED: u32 = 8;

/// The most partial successes of one connection: three factors are needed at most, and a client may prove one again.
/// SSH limits failures alone.
const MAX_PARTIAL_SUCCESSES: u32 = 16;

impl Connection {
    /// Creates the state of a connection from which nothing has arrived yet.
    pub fn new(
        service: Arc<Service>,
        peer: SocketAddr,
        socket_handle: ConnectionHandle,
        signals: ConnectionSignals,
        tasks: TaskStarter,
    ) -> Self {
        Self {
            service,
            peer,
            socket_handle,
            ending: signals.ending,
            end_report: signals.end_report,
            signed_in: signals.signed_in,
            gone: signals.gone,
            progress: signals.progress,
            activity: signals.activity,
            phase: Phase::Anonymous(Box::default()),
            methods: BTreeSet::new(),
            key_offers: 0,
            offered: None,
            refused_keys: None,
            channels: HashMap::new(),
            tasks,
            host_keys: None,
            pending: None,
            questions: 0,
            partial_successes: 0,
            logged: 0,
        }
    }

    /// Announces these host keys to the client as soon as it has signed in.
    #[must_use]
    pub fn announcing(mut self, keys: Arc<AnnouncedKeys>) -> Self {
        self.host_keys = Some(ConnectionHostKeys::new(keys));
        self
    }

    /// Returns whether something that the peer has caused may be logged once more.
    pub(super) fn may_log(&mut self) -> bool {
        self.logged = self.logged.saturating_add(1);
        self.logged <= MAX_LOGGED
    }

    pub(super) fn has(&self, method: Method) -> bool {
        self.service.auth.settings().methods.contains(&method)
    }

    pub(super) fn refuse(&self) -> Auth {
        self.reject(&Wanted::Anything, false)
    }

    /// Refuses an attempt for this name. Methods that cannot complete its sign-in are left out, once something is
    /// proven.
    pub(super) fn refuse_for(&self, user: &str) -> Auth {
        self.reject(&self.wanted_for(user), false)
    }

    fn reject(&self, wanted: &Wanted, partial_success: bool) -> Auth {
        let methods = wanted.methods(self.service.auth.settings());
        Auth::Reject {
            proceed_with_methods: Some(method_set(methods.into_iter())),
            partial_success,
        }
    }

    /// Returns what the sign-in of this name needs.
    pub(super) fn wanted_for(&self, user: &str) -> Wanted {
        match &self.phase {
            Phase::Anonymous(state) if state.user == user => state.wanted.clone(),
            Phase::Anonymous(_) | Phase::SignedIn(_) | Phase::NotRegistered(_) => Wanted::Anything,
        }
    }

    pub(super) async fn attempt(&mut self, user: &str, credential: Credential<'_>, method: Method) -> Auth {
        match self.judge(user, credential, method).await {
            Ok(JudgedAttempt { revision, outcome }) => self.conclude(user, method, revision, outcome).await,
            Err(refusal) => refusal,
        }
    }

    /// Judges an attempt. A failure is reported and held back here; the error is its answer.
    pub(super) async fn judge(
        &mut self,
        user: &str,
        credential: Credential<'_>,
        method: Method,
    ) -> Result<JudgedAttempt, Auth> {
        self.report_refused_keys(Some(user));
        let passed = match &self.phase {
            Phase::Anonymous(state) if state.user == user => state.passed.clone(),
            Phase::Anonymous(_) => {
                self.methods.clear();
                Proofs::default()
            }
            // russh allows only one sign-in for each connection.
            Phase::SignedIn(_) | Phase::NotRegistered(_) => return Err(self.refuse()),
        };
        let key = credential.key();
        // The reply may be delayed, so send the replies that are already queued first.
        self.socket_handle.push();
        // This must precede reading the record.
        let revision = self.service.sessions.revision();
        let offered = self.offered.take().filter(|offered| offered.revision == revision);
        let attempt = Attempt {
            user,
            peer: self.peer.ip(),
            credential,
            passed,
            offered: offered.map(|offered| offered.key),
        };
        let outcome = tokio::select! {
            biased;
            () = self.gone.cancelled() => {
                self.denied_for(user, method, &DenialReason::HungUp, "");
                return Err(self.refuse());
            }
            outcome = self.service.auth.login(attempt) => outcome,
        };
        if let Err(Denial::Failed { reason, answer_at }) = outcome {
            let shown = key.map(|key| format!("{}: ", key_name(key))).unwrap_or_default();
            self.denied_for(user, method, &reason, &shown);
            tokio::select! {
                () = tokio::time::sleep_until(answer_at) => {}
                () = self.gone.cancelled() => {}
            }
            return Err(self.refuse_for(user));
        }
        Ok(JudgedAttempt { revision, outcome })
    }

    /// Ends the sign-in if everything is proven, and else records what is wanted besides.
    pub(super) async fn conclude(
        &mut self,
        user: &str,
        method: Method,
        revision: u64,
        outcome: Result<Login, Denial>,
    ) -> Auth {
        self.report_unfinished(Some(user));
        let (passed, wanted) = match outcome {
            Ok(login) => {
                self.methods.insert(method);
                let accepted = Accepted {
                    login,
                    revision,
                    method,
                };
                return self.enter(accepted).await;
            }
            Err(Denial::Partial { passed, remaining }) => (passed, Wanted::Factors(remaining)),
            Err(Denial::PasswordExpired { passed }) => (passed, Wanted::NewPassword),
            Err(Denial::Failed { reason, .. }) => {
                self.denied_for(user, method, &reason, "");
                return self.refuse_for(user);
            }
        };
        self.partial_successes += 1;
        if self.partial_successes > MAX_PARTIAL_SUCCESSES {
            return self.refuse_for(user);
        }
        self.methods.insert(method);
        let answer = self.reject(&wanted, true);
        self.phase = Phase::Anonymous(Box::new(SignInState {
            user: user.to_owned(),
            passed,
            method: Some(method),
            wanted,
        }));
        answer
    }

    /// Emits an event for the sign-in that has begun, unless it is that of `user`, who may go on.
    fn report_unfinished(&self, user: Option<&str>) {
        if let Phase::Anonymous(state) = &self.phase
            && user != Some(state.user.as_str())
            && let Some(unfinished) = state.unfinished(self.service.auth.settings())
        {
            self.denied(&state.user, unfinished.method, unfinished.reason());
        }
    }

    /// Emits an event for the keys that were refused, unless they are of `user`, who may still have the right one.
    pub(super) fn report_refused_keys(&mut self, user: Option<&str>) {
        let another = |refused: &mut RefusedKeys| user != Some(refused.user.as_str());
        if let Some(refused) = self.refused_keys.take_if(another) {
            self.service.auth.keys_refused(self.peer.ip());
            let sentence = refused.sentence();
            let reason = RefusalReason::new(refused.code(), &sentence);
            self.denied(&refused.user, Method::PublicKey, reason);
        }
    }

    /// Records that an offered key was refused.
    pub(super) fn key_refused(&mut self, user: &str, key: RefusedKey<'_>, reason: RefusalReason<'_>) {
        self.report_refused_keys(Some(user));
        let refused = self.refused_keys.get_or_insert_with(|| RefusedKeys::new(user));
        match &key.unsupported() {
            Some(sentence) => refused.add(key, RefusalReason::new("unsupported_key", sentence)),
            None => refused.add(key, reason),
        }
    }

    /// Emits the event that a sign-in was refused for a reason of the authenticator. `shown` precedes its sentence.
    pub(super) fn denied_for(&self, user: &str, method: Method, reason: &DenialReason, shown: &str) {
        let sentence = format!("{shown}{reason}");
        self.denied(user, method, RefusalReason::new(reason.code(), &sentence));
    }

    /// Emits the event that a sign-in was refused.
    pub(super) fn denied(&self, user: &str, method: Method, reason: RefusalReason<'_>) {
        // A name may be as long as a packet; the log only needs to show that it is invalid.
        let user: String = user.chars().take(crate::domain::user::MAX_NAME).collect();
        self.service.events.emit(&Event::Denied {
            peer: self.peer,
            user,
            method: method.name(),
            code: reason.code,
            reason: reason.sentence.to_owned(),
        });
    }

    /// Registers the session. If any record was changed since this user's was read, the record is read again.
    async fn enter(&mut self, accepted: Accepted) -> Auth {
        let Accepted {
            login,
            revision,
            method,
        } = accepted;
        let limits = self.service.current().limits.of_one_user();
        let user = login.user().clone();
        let newcomer = NewSession {
            login,
            peer: self.peer,
            ending: self.ending.clone(),
        };
        match self.service.sessions.enter(newcomer, limits) {
            Ok(registration) => {
                if self.service.sessions.revision() != revision
                    && let Err(reason) = self.review_session(&registration).await
                {
                    drop(registration);
                    let reason = RefusalReason::new("record_changed", &reason);
                    self.denied(user.as_str(), method, reason);
                    return self.refuse();
                }
                let session = Arc::clone(registration.session());
                let budget = ConnectionBudget::of(&session.budget);
                let end_report = EndReport::new(session, self.service.events.clone());
                // A connection signs in only once.
                let _ = self.end_report.set(Arc::clone(&end_report));
                self.phase = Phase::SignedIn(Box::new(SignedIn {
                    registration,
                    home: None,
                    end_report,
                    budget,
                }));
            }
            Err(error) => {
                let event = Event::Denied {
                    peer: self.peer,
                    user: user.to_string(),
                    method: "session",
                    code: error.code(),
                    reason: error.to_string(),
                };
                self.service.events.emit(&event);
                self.phase = Phase::NotRegistered(error.to_string());
            }
        }
        Auth::Accept
    }

    /// Checks that the sign-in would still be accepted. The error says why it would not.
    async fn review_session(&self, registration: &Registration) -> Result<(), String> {
        let (session, sessions) = (registration.session(), &self.service.sessions);
        let review = tokio::select! {
            biased;
            () = self.gone.cancelled() => return Err(DenialReason::HungUp.to_string()),
            review = self.service.auth.review(&session.login, session.peer.ip()) => review,
        };
        match review.map_err(|error| error.to_string())? {
            Review::Ends(lost) => Err(lost.to_string()),
            Review::Continues {
                until,
                max_sessions,
                rates,
            } => {
                sessions.set_expiry(session, until);
                session.budget.rates.set_rules(rates);
                let limit = session_limit(max_sessions, self.service.current().limits.sessions_per_user);
                match sessions.count(session.login.user()) > limit {
                    true => Err(NotRegistered::TooMany { limit }.to_string()),
                    false => Ok(()),
                }
            }
        }
    }

    pub(super) fn signed_in(&mut self) -> Option<&mut SignedIn> {
        match &mut self.phase {
            Phase::SignedIn(signed_in) => Some(signed_in),
            Phase::Anonymous(_) | Phase::NotRegistered(_) => None,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Phase::Anonymous(_) = self.phase {
            self.report_unfinished(None);
            self.report_refused_keys(None);
        }
    }
}
