//! How far a connection has come: what is proven, what is wanted next, and what its channels are used for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::auth::{AuthSettings, Denial, Login, Method, OfferedKey, Proofs};
use crate::domain::user::Factor;
use crate::exec;
use crate::mount::Mounted;
use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::{EndReport, Registration};
use crate::sftp::channel::SftpChannel;

use super::refusal_reason::RefusalReason;

/// How far the sign-in has come.
pub(super) enum Phase {
    /// No user has signed in yet.
    Anonymous(Box<SignInState>),
    /// A user has signed in.
    SignedIn(Box<SignedIn>),
    /// The sign-in was accepted, but the session could not be registered. The client is told as soon as that is
    /// possible.
    NotRegistered(String),
}

/// What was proven so far, for one name.
#[derive(Debug, Default)]
pub(super) struct SignInState {
    /// The name as the peer sent it.
    pub user: String,
    /// What was proven for it.
    pub passed: Proofs,
    /// The method by which something was proven last.
    pub method: Option<Method>,
    /// What the sign-in needs besides.
    pub wanted: Wanted,
}

/// A sign-in that was given up although something was right: by a program that cannot answer questions, by a user whose
/// password has expired, or by somebody who tries a stolen password.
pub(super) struct UnfinishedSignIn {
    /// The method by which something was proven last.
    pub method: Method,
    code: &'static str,
    sentence: String,
}

impl UnfinishedSignIn {
    /// Returns what was missing.
    pub fn reason(&self) -> RefusalReason<'_> {
        RefusalReason::new(self.code, &self.sentence)
    }
}

impl SignInState {
    /// Returns what is missing, if something was right.
    pub fn unfinished(&self, settings: &AuthSettings) -> Option<UnfinishedSignIn> {
        let method = self.method?;
        let (code, sentence) = match &self.wanted {
            Wanted::Anything => return None,
            wanted if wanted.methods(settings).is_empty() => (
                "method_off",
                "what the sign-in needs besides is proven by methods that are switched off".to_owned(),
            ),
            Wanted::NewPassword => (
                "password_expired",
                "the password has expired, and no new one was chosen".to_owned(),
            ),
            Wanted::Factors(missing) => {
                let missing: Vec<&str> = missing.iter().map(|factor| factor.name()).collect();
                let missing = missing.join(" and ");
                let sentence = format!(
                    "what was shown is right, and the client has given up before it showed {missing}"
                );
                ("incomplete", sentence)
            }
        };
        Some(UnfinishedSignIn {
            method,
            code,
            sentence,
        })
    }
}

/// What a sign-in needs next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Wanted {
    /// Nothing was proven, so nothing may be told about the user.
    #[default]
    Anything,
    /// These factors are missing.
    Factors(BTreeSet<Factor>),
    /// All factors are proven, and the password has expired.
    NewPassword,
}

impl Wanted {
    /// Returns the enabled methods with which a client can go on.
    pub fn methods(&self, settings: &AuthSettings) -> BTreeSet<Method> {
        match self {
            Wanted::Anything => settings.methods.clone(),
            Wanted::Factors(factors) => factors
                .iter()
                .flat_map(|factor| settings.methods_for(*factor))
                .collect(),
            // Each method that proves a password can replace it.
            Wanted::NewPassword => settings.methods_for(Factor::Password).collect(),
        }
    }
}

/// The state of a connection after the sign-in.
pub(super) struct SignedIn {
    /// Emits the end of the session. Each channel holds it too: a session has ended when its last file is closed.
    pub end_report: Arc<EndReport>,
    pub registration: Registration,
    pub home: Option<Mounted>,
    /// The budget of all channels of the connection.
    pub budget: Arc<ConnectionBudget>,
}

/// A key that was offered and would be accepted.
pub(super) struct OfferedRecord {
    pub key: OfferedKey,
    /// The revision of users' records that the decision was based on, or an earlier one.
    pub revision: u64,
}

/// What a channel is used for.
pub(super) enum ChannelUse {
    Opened,
    Sftp(SftpChannel),
    Command(exec::RunningCommand),
    /// A command was refused; what arrives now is ignored.
    Done,
}

/// An attempt that was judged, and did not fail.
pub(super) struct JudgedAttempt {
    /// The revision of users' records that the decision was based on, or an earlier one.
    pub(super) revision: u64,
    /// The login, or what is wanted besides.
    pub(super) outcome: Result<Login, Denial>,
}

/// A sign-in that was accepted, and is not registered as a session yet.
pub(super) struct Accepted {
    pub(super) login: Login,
    /// The revision of users' records that the decision was based on, or an earlier one.
    pub(super) revision: u64,
    /// The method by which the last factor was passed.
    pub(super) method: Method,
}
