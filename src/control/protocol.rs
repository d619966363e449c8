//! The lines of the control socket. Names and meanings of fields are stable.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::json::{EffectJson, HomeUsageJson, MeasurementJson, SessionJson};

/// A line that a command sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlRequest {
    /// Asks for the list of sessions.
    Sessions,
    /// Asks for the addresses that are listened on.
    Listening,
    /// Asks to disconnect sessions.
    Kick(Kick),
    /// Asks what homes hold.
    Usage {
        /// Only this user's home; without a name, all users' homes.
        user: Option<String>,
    },
    /// Asks to measure a home again.
    Scan {
        /// The user whose home it is.
        user: String,
    },
    /// Asks to put changes of users' records in the store in force.
    Changed {
        /// The users' names; of a renamed user both names.
        users: Vec<String>,
    },
}

impl ControlRequest {
    /// Whether the answer may take long. Measuring a large home takes minutes; the server says all the while that it
    /// works.
    pub fn takes_long(&self) -> bool {
        match self {
            ControlRequest::Sessions
            | ControlRequest::Listening
            | ControlRequest::Kick(_)
            | ControlRequest::Usage { .. }
            | ControlRequest::Changed { .. } => false,
            ControlRequest::Scan { .. } => true,
        }
    }
}

/// The sessions that are to be disconnected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kick {
    /// The one session with this number.
    Session(u64),
    /// All sessions of this user.
    User(String),
}

/// A line that the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlAnswer {
    /// The answer to [`ControlRequest::Sessions`].
    Sessions(Vec<SessionJson>),
    /// The answer to [`ControlRequest::Listening`].
    Listening(Vec<SocketAddr>),
    /// The answer to [`ControlRequest::Kick`]: how many sessions were disconnected.
    Kicked(usize),
    /// The answer to [`ControlRequest::Usage`], by name.
    Usage(Vec<HomeUsageJson>),
    /// The answer to [`ControlRequest::Scan`].
    Scanned(Box<MeasurementJson>),
    /// The answer to [`ControlRequest::Changed`]: what was changed is in force.
    Applied(EffectJson),
    /// The answer is not ready yet; another line follows.
    Working,
    /// The request was understood and could not be done, and why.
    Failed(String),
    /// The request made no sense, and why.
    Error(String),
}
