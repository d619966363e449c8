//! What operators see and do about the queue of hooks.

pub mod change;

use std::fmt;

/// One event that waits for a hook, or that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookEntryView {
    /// The number of the entry, which is never used again in this store.
    pub id: u64,
    /// The program, or the address without its path.
    pub hook: String,
    /// The name of the event.
    pub event: String,
    /// The time of the event (RFC 3339, UTC).
    pub time: String,
    /// The user of the event, if there is one.
    pub user: Option<String>,
    /// The path that the event is about, as logs show it, if there is one.
    pub path: Option<String>,
    /// What the entry waits for.
    pub state: HookEntryState,
    /// How often the hook was tried in vain.
    pub attempts: u32,
    /// Why the last attempt has failed, if there was one.
    pub error: Option<String>,
}

/// What an entry of the queue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEntryState {
    /// It waits for its turn, or for the next attempt.
    Waiting,
    /// The hook is running.
    Running,
    /// All attempts were in vain; it waits for an operator.
    SetAside,
}

impl HookEntryState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Running, Self::SetAside];

    /// Returns the stable name of this state.
    pub fn name(self) -> &'static str {
        match self {
            HookEntryState::Waiting => "waiting",
            HookEntryState::Running => "running",
            HookEntryState::SetAside => "set_aside",
        }
    }
}

impl fmt::Display for HookEntryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The entries that an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookSelection {
    /// The entries with these numbers.
    Entries(Vec<u64>),
    /// All that were set aside.
    AllSetAside,
}

/// What is done with entries of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAction {
    /// They are tried again at once, as if they were new.
    Retry,
    /// They are removed.
    Drop,
}
