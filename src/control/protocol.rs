//! The lines of the control socket. Names and meanings of fields are stable.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::json::{EffectJson, HomeUsageJson, MeasurementJson, SessionJson};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Lists the sessions.
    Sessions,
    /// Lists the addresses that are listened on.
    Listening,
    /// Disconnects sessions.
    Kick(Kick),
    /// Tells what homes hold.
    Usage {
        /// Only this user's home; without a name, all users' homes.
        user: Option<String>,
    },
    /// Measures a home again.
    Scan {
        /// The user whose home it is.
        user: String,
    },
    /// Puts changes of users' records in the store in force.
    Changed {
        /// The users' names; of a renamed user both names.
        users: Vec<String>,
    },
}

impl Request {
    /// Whether the answer may take long. Measuring a large home takes minutes; the server says all the while that it
    /// works.
    pub fn takes_long(&self) -> bool {
        match self {
            Request::Sessions
            | Request::Listening
            | Request::Kick(_)
            | Request::Usage { .. }
            | Request::Changed { .. } => false,
            Request::Scan { .. } => true,
        }
    }
}

/// The sessions that are to be disconnected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kick {
    /// One session.
    Session(u64),
    /// All sessions of a user.
    User(String),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Answers [`Request::Sessions`].
    Sessions(Vec<SessionJson>),
    /// Answers [`Request::Listening`].
    Listening(Vec<SocketAddr>),
    /// Answers [`Request::Kick`]: how many sessions were disconnected.
    Kicked(usize),
    /// Answers [`Request::Usage`], by name.
    Usage(Vec<HomeUsageJson>),
    /// Answers [`Request::Scan`].
    Scanned(Box<MeasurementJson>),
    /// Answers [`Request::Changed`]: what was changed is in force.
    Applied(EffectJson),
    /// The answer is not ready yet; another line follows.
    Working,
    /// The request was understood and could not be done, and why.
    Failed(String),
    /// The request made no sense, and why.
    Error(String),
}
