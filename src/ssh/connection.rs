//! The state of one connection, and its sign-in. What its channels do is in [`super::channels`]; when it must end is
//! decided by [`super::supervisor`].

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use russh::ChannelId;
use russh::keys::{Algorithm, PublicKey};
use russh::server::Auth;
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Attempt, Credential, Denial, DenialReason, Login, Method, Proofs, Review};
use crate::domain::event::Event;
use crate::exec;
use crate::mount::Mounted;
use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::{Activity, EndReport, EndRequest, Newcomer, NotRegistered, Registration, session_limit};
use crate::sftp::channel::SftpChannel;

use super::admission::SignInProgress;
use super::algorithms::method_set;
use super::refusal_reason::{RefusedKeys, key_name};
use super::service::Service;
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
    /// An event only if the connection ends without a sign-in, or goes on with another name.
    pub(super) refused_keys: Option<RefusedKeys>,
    pub(super) channels: HashMap<ChannelId, ChannelUse>,
    /// The number of log lines that the peer has caused.
    logged: u32,
}

/// What goes wrong on one connection is logged so many times: a client can repeat it as fast as it likes.
const MAX_LOGGED: u32 = 8;

/// How far the sign-in has come.
pub(super) enum Phase {
    /// Nobody has signed in yet. `passed` is what was proven so far, for the name `user`.
    Anonymous {
        user: String,
        passed: Proofs,
    },
    SignedIn(Box<SignedIn>),
    /// The sign-in was accepted, but the session could not be registered. The client is told as soon as that is
    /// possible.
    NotRegistered(String),
}

/// What a connection has once somebody has signed in.
pub(super) struct SignedIn {
    /// Reports the end of the session. Each channel holds it too: a session has ended when its last file is closed.
    pub(super) end_report: Arc<EndReport>,
    pub(super) place: Registration,
    pub(super) home: Option<Mounted>,
    /// The budget of all channels of the connection.
    pub(super) budget: Arc<ConnectionBudget>,
}

/// What a channel is used for.
pub(super) enum ChannelUse {
    Opened,
    Sftp(SftpChannel),
    Command(exec::RunningCommand),
    /// A command was refused; what comes now is not read.
    Done,
}

impl Connection {
    /// A connection that has said nothing yet.
    pub fn new(
        service: Arc<Service>,
        peer: SocketAddr,
        socket_handle: ConnectionHandle,
        signals: ConnectionSignals,
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
            phase: Phase::Anonymous {
                user: String::new(),
                passed: Proofs::default(),
            },
            methods: BTreeSet::new(),
            key_offers: 0,
            refused_keys: None,
            channels: HashMap::new(),
            logged: 0,
        }
    }

    /// Whether something that the peer has caused may be logged once more.
    pub(super) fn may_log(&mut self) -> bool {
        self.logged = self.logged.saturating_add(1);
        self.logged <= MAX_LOGGED
    }

    pub(super) fn has(&self, method: Method) -> bool {
        self.service.auth.settings().methods.contains(&method)
    }

    pub(super) fn refuse(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(method_set(self.service.auth.settings().methods.iter().copied())),
            partial_success: false,
        }
    }

    pub(super) async fn attempt(&mut self, user: &str, credential: Credential<'_>, method: Method) -> Auth {
        self.tell_refused_keys(Some(user));
        let passed = match &self.phase {
            Phase::Anonymous { user: before, passed } if before == user => passed.clone(),
            Phase::Anonymous { .. } => {
                self.methods.clear();
                Proofs::default()
            }
            // russh lets nobody sign in twice.
            Phase::SignedIn(_) | Phase::NotRegistered(_) => return self.refuse(),
        };
        let shown = match &credential {
            Credential::VerifiedKey(key) => format!("{}: ", key_name(key)),
            Credential::Password(_) => String::new(),
        };
        // The answer may take a while: the peer should have all others.
        self.socket_handle.push();
        let attempt = Attempt {
            user,
            peer: self.peer.ip(),
            credential,
            passed,
        };
        // Before the record is read.
        let revision = self.service.sessions.revision();
        let judged = tokio::select! {
            biased;
            () = self.gone.cancelled() => {
                self.denied(user, method, DenialReason::HungUp.to_string());
                return self.refuse();
            }
            judged = self.service.auth.login(attempt) => judged,
        };
        match judged {
            Ok(login) => {
                self.methods.insert(method);
                self.enter(Accepted {
                    login,
                    revision,
                    method,
                })
                .await
            }
            Err(Denial::Partial { passed, remaining }) => {
                self.methods.insert(method);
                let methods = remaining
                    .iter()
                    .flat_map(|factor| self.service.auth.settings().methods_for(*factor));
                let proceed_with_methods = Some(method_set(methods));
                self.phase = Phase::Anonymous {
                    user: user.to_owned(),
                    passed,
                };
                Auth::Reject {
                    proceed_with_methods,
                    partial_success: true,
                }
            }
            Err(Denial::Failed { reason, answer_at }) => {
                self.denied(user, method, format!("{shown}{reason}"));
                tokio::select! {
                    () = tokio::time::sleep_until(answer_at) => {}
                    () = self.gone.cancelled() => {}
                }
                self.refuse()
            }
        }
    }

    /// Keys that were refused are an event, unless they are of `user`, who may still have the right one.
    pub(super) fn tell_refused_keys(&mut self, user: Option<&str>) {
        let another = |refused: &mut RefusedKeys| user != Some(refused.user.as_str());
        if let Some(refused) = self.refused_keys.take_if(another) {
            self.service.auth.keys_refused(self.peer.ip());
            self.denied(&refused.user, Method::PublicKey, refused.sentence());
        }
    }

    /// Remembers that a key was offered in vain.
    pub(super) fn key_refused(&mut self, user: &str, algorithm: &str, key: Option<&PublicKey>, reason: &str) {
        self.tell_refused_keys(Some(user));
        let unfit = match key {
            Some(key) => auth::keys::unfit(key),
            None => auth::keys::unfit_type(algorithm),
        };
        let refused = self.refused_keys.get_or_insert_with(|| RefusedKeys::new(user));
        refused.add(algorithm, key, unfit.as_deref().unwrap_or(reason));
    }

    pub(super) fn denied(&self, user: &str, method: Method, reason: String) {
        // A name may be as long as a packet; the log needs to know no more than that it is none.
        let user: String = user.chars().take(crate::domain::user::MAX_NAME).collect();
        self.service.events.emit(&Event::Denied {
            peer: self.peer,
            user,
            method: method.name(),
            reason,
        });
    }

    /// Registers the session. If any record was changed since this user's was read, the record is read again.
    async fn enter(&mut self, accepted: Accepted) -> Auth {
        let Accepted {
            login,
            revision,
            method,
        } = accepted;
        let limit = self.service.limits().sessions_per_user;
        let user = login.user().clone();
        let newcomer = Newcomer {
            login,
            peer: self.peer,
            ending: self.ending.clone(),
        };
        match self.service.sessions.enter(newcomer, limit) {
            Ok(place) => {
                if self.service.sessions.revision() != revision
                    && let Err(reason) = self.look_again(&place).await
                {
                    drop(place);
                    self.denied(user.as_str(), method, reason);
                    return self.refuse();
                }
                let session = Arc::clone(place.session());
                let budget = ConnectionBudget::of(Arc::clone(&session.budget.memory));
                let end_report = EndReport::new(session, self.service.events.clone());
                // A connection signs in once.
                let _ = self.end_report.set(Arc::clone(&end_report));
                self.phase = Phase::SignedIn(Box::new(SignedIn {
                    place,
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
                    reason: error.to_string(),
                };
                self.service.events.emit(&event);
                self.phase = Phase::NotRegistered(error.to_string());
            }
        }
        Auth::Accept
    }

    /// Checks that the sign-in would still be accepted. An error says why not.
    async fn look_again(&self, place: &Registration) -> Result<(), String> {
        let (session, sessions) = (place.session(), &self.service.sessions);
        let review = tokio::select! {
            biased;
            () = self.gone.cancelled() => return Err(DenialReason::HungUp.to_string()),
            review = self.service.auth.review(&session.login, session.peer.ip()) => review,
        };
        match review.map_err(|error| error.to_string())? {
            Review::Ends(lost) => Err(lost.to_string()),
            Review::GoesOn { until, max_sessions } => {
                sessions.goes_on(session, until);
                let limit = session_limit(max_sessions, self.service.limits().sessions_per_user);
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
            Phase::Anonymous { .. } | Phase::NotRegistered(_) => None,
        }
    }

    /// Why nobody may sign with this algorithm, if so.
    pub(super) fn may_not_sign(&self, algorithm: &Algorithm) -> Option<&'static str> {
        if !self.has(Method::PublicKey) {
            return Some("the method is switched off");
        }
        (*algorithm == Algorithm::Rsa { hash: None })
            .then_some("signed with SHA-1 (ssh-rsa), which is not taken: rsa-sha2-256 and rsa-sha2-512 are")
    }
}

/// A sign-in that was accepted, and has no place among the sessions yet.
struct Accepted {
    login: Login,
    /// The revision of users' records that it was judged by, or an earlier one.
    revision: u64,
    /// The method of the last factor.
    method: Method,
}

/// What a connection and its supervisor tell each other.
#[derive(Clone)]
pub struct ConnectionSignals {
    /// Asks the connection to end.
    pub ending: EndRequest,
    /// Set by the connection once somebody has signed in. The supervisor holds it too, so that the event waits for the
    /// reason that only it gets to know: the connection is gone by then.
    pub end_report: Arc<OnceLock<Arc<EndReport>>>,
    /// Is cancelled by the connection once somebody has signed in.
    pub signed_in: CancellationToken,
    /// Is cancelled by the supervisor when nobody is left to be answered before the sign-in.
    pub gone: CancellationToken,
    /// Whether the server works for the connection.
    pub activity: Activity,
    /// How far the connection has come before the sign-in.
    pub progress: SignInProgress,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Phase::Anonymous { .. } = self.phase {
            self.tell_refused_keys(None);
        }
    }
}
