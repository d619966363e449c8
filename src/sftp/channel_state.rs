//! The state that a channel's callbacks and its task share: who has the session, what waits, and the client's window.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::stream::peer_window::PeerWindow;
use crate::session::stream::receive_window::{PacketRoom, ReceiveWindow};
use crate::session::stream::{Disconnected, QueuedSender};
use crate::session::tasks::TaskStarter;

use super::beside::RepliesBeside;
use super::pending::Pending;
use super::session::Sftp;
use super::withheld::WithheldWindow;

/// The owner of a channel's session.
pub(super) enum SessionOwner {
    /// The channel owns it: requests are executed in SSH callbacks.
    Channel(Box<Sftp>),
    /// The task owns it: requests wait for the task.
    Task,
    /// The channel has ended, so nothing owns the session.
    Nobody,
}

impl SessionOwner {
    /// Returns the session for a task, which owns it from now on, if the channel has it.
    pub(super) fn give_to_task(&mut self) -> Option<Box<Sftp>> {
        match std::mem::replace(self, SessionOwner::Task) {
            SessionOwner::Channel(sftp) => Some(sftp),
            other @ (SessionOwner::Task | SessionOwner::Nobody) => {
                *self = other;
                None
            }
        }
    }
}

/// The state that a channel's callbacks and its task share.
pub(super) struct ChannelState {
    pub(super) owner: SessionOwner,
    pub(super) pending: Pending,
    /// The replies that do not wait for those of other requests.
    pub(super) beside: RepliesBeside,
    /// The window that the client was granted.
    pub(super) window: ReceiveWindow,
    /// The part of the window that WRITEs have occupied, and that is opened again at the user's rate.
    pub(super) withheld: WithheldWindow,
    /// The number of bytes that have not arrived yet of a packet that has begun.
    pub(super) missing: usize,
    /// Whether a task waits for the connection's slot for large packets.
    pub(super) slot_asked: bool,
}

/// The parts of a channel besides its session.
pub struct ChannelSetup {
    /// The window that the client has granted.
    pub peer_window: Arc<PeerWindow>,
    /// Sends the task's replies to the client.
    pub queued_sender: Arc<dyn QueuedSender>,
    /// Cancelled when the channel or its connection ends.
    pub cancelled: CancellationToken,
    /// The budget of the connection's channels.
    pub budget: Arc<ConnectionBudget>,
    /// Starts the tasks of the channel.
    pub tasks: TaskStarter,
}

/// How the client's window must be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowDue {
    /// By how many bytes it must be opened now.
    pub(super) bytes: u32,
    /// Whether a task must wait for the connection's slot for large packets.
    pub(super) needs_slot: bool,
}

impl ChannelState {
    /// Creates the state of a channel that has its session, and on which nothing has arrived yet.
    pub(super) fn new(sftp: Sftp, budget: &Arc<ConnectionBudget>) -> Self {
        let rates = Arc::clone(&sftp.context.session.budget.rates);
        Self {
            owner: SessionOwner::Channel(Box::new(sftp)),
            pending: Pending::new(),
            beside: RepliesBeside::default(),
            window: ReceiveWindow::new(budget),
            withheld: WithheldWindow::new(rates),
            missing: 0,
            slot_asked: false,
        }
    }

    /// Returns how the client's window must be opened now, and counts that as granted. What WRITEs have occupied is
    /// withheld if the user's rate demands that.
    pub(super) fn take_window_due(&mut self) -> WindowDue {
        let mut bytes = 0;
        if self.pending.unsent.is_empty() && self.pending.occupied.all > 0 {
            let occupied = std::mem::take(&mut self.pending.occupied);
            let withheld = self.withheld.take(occupied.by_writes);
            bytes = self.window.consume(occupied.all - withheld);
        }
        self.with_room_for_packet(bytes)
    }

    /// Gives back a part of what was withheld, which was paid for.
    pub(super) fn return_withheld(&mut self, part: usize) -> WindowDue {
        self.withheld.paid(part);
        let bytes = self.window.consume(part);
        self.with_room_for_packet(bytes)
    }

    /// Adds what is missing for the rest of a packet that has begun. What is withheld would be enough for it.
    fn with_room_for_packet(&mut self, bytes: u32) -> WindowDue {
        let mut due = WindowDue {
            bytes,
            needs_slot: false,
        };
        if self.missing > 0 && self.pending.is_empty() && !self.slot_asked && self.withheld.is_empty() {
            match self.window.window_for_rest_of_packet(self.missing) {
                PacketRoom::Open(room) => due.bytes += room,
                PacketRoom::NeedsSlot => {
                    self.slot_asked = true;
                    due.needs_slot = true;
                }
            }
        }
        due
    }
}

/// Why the task ends before all requests are answered.
pub(super) enum TaskEnd {
    /// The connection has ended, so no reply can be sent.
    Disconnected,
    /// The client has broken the protocol, so the channel must end.
    Broken(&'static str),
    /// The server has a bug, so the channel must end.
    Panicked,
}

impl TaskEnd {
    /// Logs what has ended the channel.
    pub(super) fn log(&self) {
        match self {
            TaskEnd::Disconnected => {}
            // A client can cause this repeatedly.
            TaskEnd::Broken(why) => tracing::debug!(why, "a request ended its session"),
            TaskEnd::Panicked => tracing::error!("a request panicked, which ended its session"),
        }
    }
}

impl From<Disconnected> for TaskEnd {
    fn from(Disconnected: Disconnected) -> Self {
        TaskEnd::Disconnected
    }
}

impl From<tokio::task::JoinError> for TaskEnd {
    fn from(_: tokio::task::JoinError) -> Self {
        TaskEnd::Panicked
    }
}
