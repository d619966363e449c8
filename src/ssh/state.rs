//! The state of one connection, and its sign-in.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use russh::ChannelId;
use russh::keys::{Algorithm, PublicKey};
use russh::server::Auth;
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Attempt, Credential, Denied, Login, Method, Proofs, Reason, Review};
use crate::domain::event::Event;
use crate::exec;
use crate::mount::Mounted;
use crate::session::stream::budget::Budget;
use crate::session::{Activity, EndNotice, Ending, Newcomer, NoPlace, Place, session_limit};
use crate::sftp::channel;

use super::admission::Progress;
use super::algorithms::method_set;
use super::refusal::{RefusedKeys, key_name};
use super::service::Service;
use base::socket::Pusher;

/// The state of one connection.
pub struct Connection {
    pub(super) service: Arc<Service>,
    pub(super) peer: SocketAddr,
    pub(super) pusher: Pusher,
    pub(super) ending: Ending,
    end_notice: Arc<OnceLock<Arc<EndNotice>>>,
    pub(super) signed_in: CancellationToken,
    pub(super) gone: CancellationToken,
    pub(super) progress: Progress,
    pub(super) activity: Activity,
    pub(super) phase: Phase,
    /// Methods by which this name has passed factors, for the log.
    pub(super) methods: BTreeSet<Method>,
    pub(super) key_offers: u32,
    /// An event only if the connection ends without a sign-in, or goes on with another name.
    pub(super) refused_keys: Option<RefusedKeys>,
    pub(super) channels: HashMap<ChannelId, State>,
    /// Lines of the log that the peer has caused.
    logged: u32,
}

/// What goes wrong on one connection stands in the log so many times: a client can repeat it as fast as it likes.
const MAX_LOGGED: u32 = 8;

pub(super) enum Phase {
    /// What was proven so far, and for which name.
    Anonymous {
        user: String,
        passed: Proofs,
    },
    SignedIn(Box<SignedIn>),
    /// Signed in, but there is no place; said as soon as it can be said.
    NoPlace(String),
}

pub(super) struct SignedIn {
    /// Held by each channel, too: a session has ended when its last file is closed.
    pub(super) end_notice: Arc<EndNotice>,
    pub(super) place: Place,
    pub(super) home: Option<Mounted>,
    /// The budget of all channels of the connection.
    pub(super) budget: Arc<Budget>,
}

/// What a channel is used for.
pub(super) enum State {
    Opened,
    Sftp(channel::Channel),
    Command(exec::Running),
    /// A command was refused; what comes now is not read.
    Done,
}

/// Why a connection ends at once.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The SSH library found a fault, or lost the connection.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl Connection {
    /// A connection that has said nothing yet.
    pub fn new(service: Arc<Service>, peer: SocketAddr, pusher: Pusher, signals: Signals) -> Self {
        Self {
            service,
            peer,
            pusher,
            ending: signals.ending,
            end_notice: signals.end_notice,
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

    /// May something that the peer has caused be logged once more?
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
            Phase::SignedIn(_) | Phase::NoPlace(_) => return self.refuse(),
        };
        let shown = match &credential {
            Credential::VerifiedKey(key) => format!("{}: ", key_name(key)),
            Credential::Password(_) => String::new(),
        };
        // The answer may take a while: the peer should have all others.
        self.pusher.push();
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
                self.denied(user, method, Reason::HungUp.to_string());
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
            Err(Denied::Partial { passed, remaining }) => {
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
            Err(Denied::Failed { reason, answer_at }) => {
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

    /// Takes a place among the sessions. If any record was changed since this user's was read, it is read again.
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
                let budget = Budget::of(Arc::clone(&session.share.memory));
                let end_notice = EndNotice::new(session, self.service.events.clone());
                // A connection signs in once.
                let _ = self.end_notice.set(Arc::clone(&end_notice));
                self.phase = Phase::SignedIn(Box::new(SignedIn {
                    place,
                    home: None,
                    end_notice,
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
                self.phase = Phase::NoPlace(error.to_string());
            }
        }
        Auth::Accept
    }

    /// Is what the sign-in was judged by still so? An error says what is not.
    async fn look_again(&self, place: &Place) -> Result<(), String> {
        let (session, sessions) = (place.session(), &self.service.sessions);
        let review = tokio::select! {
            biased;
            () = self.gone.cancelled() => return Err(Reason::HungUp.to_string()),
            review = self.service.auth.review(&session.login, session.peer.ip()) => review,
        };
        match review.map_err(|error| error.to_string())? {
            Review::Ends(lost) => Err(lost.to_string()),
            Review::GoesOn { until, max_sessions } => {
                sessions.goes_on(session, until);
                let limit = session_limit(max_sessions, self.service.limits().sessions_per_user);
                match sessions.count(session.login.user()) > limit {
                    true => Err(NoPlace::TooMany { limit }.to_string()),
                    false => Ok(()),
                }
            }
        }
    }

    pub(super) fn signed_in(&mut self) -> Option<&mut SignedIn> {
        match &mut self.phase {
            Phase::SignedIn(signed_in) => Some(signed_in),
            Phase::Anonymous { .. } | Phase::NoPlace(_) => None,
        }
    }

    /// Why nobody may sign with this, if so.
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

/// How a connection and its supervisor speak.
#[derive(Clone)]
pub struct Signals {
    /// Asks for the end.
    pub ending: Ending,
    /// Set by the connection once somebody has signed in. The supervisor holds it too, so that the event waits for the
    /// reason that only it gets to know: the connection is gone by then.
    pub end_notice: Arc<OnceLock<Arc<EndNotice>>>,
    /// Cancelled by the connection once somebody has signed in.
    pub signed_in: CancellationToken,
    /// Cancelled by the supervisor when nobody is left to be answered before the sign-in.
    pub gone: CancellationToken,
    /// Whether there is work for the connection.
    pub activity: Activity,
    /// How far the connection has come before the sign-in.
    pub progress: Progress,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Phase::Anonymous { .. } = self.phase {
            self.tell_refused_keys(None);
        }
    }
}
