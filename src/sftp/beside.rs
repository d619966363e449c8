//! Hashes that are computed beside the later requests of their channel, and the replies that are sent when they are
//! known. Only requests whose definition says so are answered like that; all others are answered in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sftp_wire::PacketType;

use super::backlog::WaitingRequest;
use super::channel_state::SessionOwner;
use super::deferred_close::DeferredClose;
use super::hashes::HashRequest;
use super::queue::ChannelQueue;
use super::timings::RequestTimings;

/// The most hashes of one channel that are computed beside its requests, or wait to be sent. A further one is answered
/// in its order, so that what a client can have under way is bounded.
const MOST_BESIDE: usize = 2;

/// The replies of one channel that are sent when they are known.
#[derive(Debug, Default)]
pub(super) struct RepliesBeside {
    under_way: usize,
    ready: VecDeque<Bytes>,
}

impl RepliesBeside {
    /// Counts a reply as under way. `false`: there are too many.
    pub(super) fn begin(&mut self) -> bool {
        let may_begin = self.under_way + self.ready.len() < MOST_BESIDE;
        self.under_way += usize::from(may_begin);
        may_begin
    }

    /// Takes a reply that was under way.
    fn end(&mut self, reply: Bytes) {
        self.under_way = self.under_way.saturating_sub(1);
        self.ready.push_back(reply);
    }

    /// Returns whether no reply is under way or waits.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty()
    }
}

/// Starts to compute a hash whose reply was counted as under way. The channel's task sends the reply.
pub(super) fn answer_beside(
    queue: &Arc<ChannelQueue>,
    request: Box<HashRequest>,
    timings: Arc<RequestTimings>,
    turn: Instant,
) {
    let own = Arc::clone(queue);
    queue.start(async move {
        // A client that waits for a hash is not idle.
        let _working = own.activity.begin();
        let reply = request.answer().await;
        timings.note(PacketType::Extended, turn.elapsed());
        let mut state = own.state();
        state.beside.end(reply);
        if matches!(state.owner, SessionOwner::Channel(_)) {
            own.give_to_task(&mut state);
        }
        drop(state);
        own.beside_ended.notify_one();
    });
}

/// What the task of a channel does next.
pub(super) enum NextStep {
    /// Send a reply that was computed beside the requests.
    Send(Bytes),
    /// Answer the next request.
    Answer(WaitingRequest),
    /// Open the client's window by this many bytes.
    OpenWindow(u32),
    /// Wait for a reply that is computed beside the requests: the client sends nothing more.
    WaitForReply,
    /// End: the channel has its session again, or the connection is gone.
    End,
    /// End the channel: the client sends nothing more, and everything is answered.
    EndChannel,
}

impl NextStep {
    /// Decides for the task that has the session. With [`NextStep::End`] it gives the session back.
    pub(super) fn decide(queue: &Arc<ChannelQueue>, held: &mut DeferredClose) -> Self {
        let mut state = queue.state();
        if let Some(reply) = state.beside.ready.pop_front() {
            return NextStep::Send(reply);
        }
        if let Some(request) = state.pending.backlog.pop() {
            return NextStep::Answer(request);
        }
        if state.pending.end {
            if !state.beside.is_empty() {
                return NextStep::WaitForReply;
            }
            state.owner = SessionOwner::Nobody;
            return NextStep::EndChannel;
        }
        // A part of a packet may have arrived since.
        match (queue.take_window_due(&mut state), held.sftp.take()) {
            (0, Some(sftp)) => {
                state.owner = SessionOwner::Channel(sftp);
                NextStep::End
            }
            (0, None) => NextStep::End,
            (more, sftp) => {
                held.sftp = sftp;
                NextStep::OpenWindow(more)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_beside_are_few_until_they_are_sent() {
        let mut beside = RepliesBeside::default();
        assert!(beside.is_empty() && beside.begin() && beside.begin());
        assert!(!beside.begin());
        beside.end(Bytes::from_static(b"reply"));
        assert!(!beside.begin(), "it has not been sent");
        assert_eq!(beside.ready.pop_front().as_deref(), Some(&b"reply"[..]));
        assert!(beside.begin() && !beside.is_empty());
        for _ in 0..2 {
            beside.end(Bytes::new());
            beside.ready.clear();
        }
        assert!(beside.is_empty());
    }
}
