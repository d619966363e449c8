//! The lines of the control socket. Names and meanings of fields are stable.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::admin::AdminJson;
use super::json::sessions::{SessionJson, StatusJson};
use super::json::{EffectJson, HomeUsageJson, HookEntryJson, MeasurementJson, ReloadJson};

/// A request of a command, as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlRequest {
    /// Asks for a page of the list of sessions.
    Sessions {
        /// The highest number of the page before, or 0 for the first page.
        after: u64,
    },
    /// Asks what the server does as a whole.
    Status,
    /// Asks for the addresses that are listened on.
    Listening,
    /// Asks the server to disconnect sessions.
    Kick(Kick),
    /// Asks for the use of homes and folders; without a name, for that of all.
    Usage {
        /// The name of the user whose home it is.
        user: Option<String>,
        /// The name of the folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
    },
    /// Asks to measure a home or a folder again.
    Scan {
        /// The user whose home it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The name of the folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
    },
    /// Asks to put changes of users' records in the store in force.
    Changed {
        /// The names of the changed users; for a renamed user, both names.
        users: Vec<String>,
        /// What the operator has changed, for the audit log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<Box<AdminJson>>,
    },
    /// Asks to read the configuration again.
    Reload,
    /// Asks for what an operator must do something about.
    Problems,
    /// Asks for the events that wait for hooks.
    Hooks,
    /// Asks to try or to drop events that wait for hooks.
    ChangeHooks {
        /// Whether they are dropped; otherwise they are tried again.
        drop: bool,
        /// The numbers of the entries; without them, all that were set aside.
        entries: Option<Vec<u64>>,
    },
    /// Asks to record in the audit log what an operator has changed.
    Record(Box<AdminJson>),
    /// Asks to record several of them.
    RecordAll(Vec<AdminJson>),
}

impl ControlRequest {
    /// Returns whether the answer may take long. Measuring a large home takes minutes, and a reload may read from a
    /// slow disk; meanwhile the server reports that it is working.
    pub fn takes_long(&self) -> bool {
        match self {
            ControlRequest::Sessions { .. }
            | ControlRequest::Status
            | ControlRequest::Listening
            | ControlRequest::Kick(_)
            | ControlRequest::Usage { .. }
            | ControlRequest::Record(_)
            | ControlRequest::RecordAll(_)
            | ControlRequest::Problems
            | ControlRequest::Hooks
            | ControlRequest::ChangeHooks { .. }
            | ControlRequest::Changed { .. } => false,
            ControlRequest::Scan { .. } | ControlRequest::Reload => true,
        }
    }
}

/// The sessions to disconnect: one of them, or all of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kick {
    /// The one session with this number.
    Session(u64),
    /// All sessions of this user.
    User(String),
}

/// An answer of the server, as one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlAnswer {
    /// The answer to [`ControlRequest::Sessions`]: some sessions, oldest first; none at the end of the list.
    Sessions(Vec<SessionJson>),
    /// The answer to [`ControlRequest::Status`].
    Status(Box<StatusJson>),
    /// The answer to [`ControlRequest::Listening`]: addresses and ports.
    Listening(Vec<SocketAddr>),
    /// The answer to [`ControlRequest::Kick`]: how many sessions were disconnected.
    Kicked(usize),
    /// The answer to [`ControlRequest::Usage`], in the order of the users' names, and then of the folders'.
    Usage(Vec<HomeUsageJson>),
    /// The answer to [`ControlRequest::Scan`]: the use before and after the measurement.
    Scanned(Box<MeasurementJson>),
    /// The answer to [`ControlRequest::Changed`]: the changes are in force.
    Applied(EffectJson),
    /// The answer to [`ControlRequest::Reload`]: what has changed.
    Reloaded(ReloadJson),
    /// The answer to [`ControlRequest::Problems`]: sentences.
    Problems(Vec<String>),
    /// The answer to [`ControlRequest::Hooks`], in their order.
    Hooks(Vec<HookEntryJson>),
    /// The answer to [`ControlRequest::ChangeHooks`]: how many entries were tried or dropped.
    HooksChanged(usize),
    /// The answer to [`ControlRequest::Record`]: the audit log will have the event.
    Recorded,
    /// The answer is not ready yet; another line follows.
    Working,
    /// The request was understood, but could not be carried out, for this reason.
    Failed(String),
    /// The request was malformed, for this reason.
    Error(String),
}
