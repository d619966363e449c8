//! What the task of a channel does next.

use bytes::Bytes;

use super::backlog::WaitingRequest;
use super::channel_state::{ChannelState, SessionOwner};
use super::deferred_close::DeferredClose;

/// What the task of a channel does next.
pub(super) enum TaskStep {
    /// Send a reply that was computed beside the requests.
    Send(Bytes),
    /// Answer the next request.
    Answer(WaitingRequest),
    /// Open the client's window by this many bytes.
    OpenWindow(u32),
    /// Wait for a reply that is computed beside the requests: the client sends nothing more.
    WaitForReply,
    /// End the task: the channel has its session again, or the connection is gone.
    End,
    /// End the channel: the client sends nothing more, and everything is answered.
    EndChannel,
}

impl TaskStep {
    /// Decides for the task that has the session. With [`TaskStep::End`] it has given the session back. `window_due`
    /// returns by how many bytes the client's window must be opened.
    pub(super) fn decide(
        state: &mut ChannelState,
        held: &mut DeferredClose,
        window_due: impl FnOnce(&mut ChannelState) -> u32,
    ) -> Self {
        if let Some(reply) = state.beside.take_ready() {
            return TaskStep::Send(reply);
        }
        if let Some(request) = state.pending.backlog.pop() {
            return TaskStep::Answer(request);
        }
        if state.pending.end {
            if !state.beside.is_empty() {
                return TaskStep::WaitForReply;
            }
            state.owner = SessionOwner::Nobody;
            return TaskStep::EndChannel;
        }
        // A part of a packet may have arrived since.
        match (window_due(state), held.sftp.take()) {
            (0, Some(sftp)) => {
                state.owner = SessionOwner::Channel(sftp);
                TaskStep::End
            }
            (0, None) => TaskStep::End,
            (more, sftp) => {
                held.sftp = sftp;
                TaskStep::OpenWindow(more)
            }
        }
    }
}
