//! What a channel and its task share, and the task, which works for the requests that wait ([`super::pending`]).
//!
//! A channel's [`Sftp`] is in one of two places. With the channel ([`SessionOwner::Channel`]) it answers in the SSH
//! callback: *Direct*. With the task ([`SessionOwner::Task`]) all that arrives is put behind what waits, and the task
//! answers in order: *Queued*. So it is while keys are exchanged, too. The task ends, and gives the session back,
//! when nothing waits any more.
//!
//! Requests wait here, never data for a client that does not read: a READ is executed when its reply can go out, and
//! what the window cuts off is charged, or read again ([`super::rest`]). What a client can have waiting is what its
//! window ([`ReceiveWindow`]) has let it send: the window is opened again by each request that is done with.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit as Permit;
use tokio_util::sync::CancellationToken;

use crate::io::HomeIo;
use crate::session::events::EmitCredit;
use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::stream::peer_window::PeerWindow;
use crate::session::stream::receive_window::{PacketRoom, ReceiveWindow};
use crate::session::stream::{Disconnected, QueuedSender, Stream};
use crate::storage::Wait;

use super::backlog::WaitingRequest;
use super::deferred_close::DeferredClose;
use super::outcome::Outcome;
use super::pending::{Pending, execute, execute_batch, read_of, room_for};
use super::rest::{UnreadTail, UnsentReply};
use super::session::Sftp;

/// Smaller replies ask for no room: there is one at a time of each channel.
const SMALL_REPLY: usize = 8 * 1024;

/// Who has a channel's session.
pub(super) enum SessionOwner {
    /// The channel: requests are executed in SSH callbacks.
    Channel(Box<Sftp>),
    /// The task: requests wait for it.
    Task,
    /// Nobody: the channel has ended.
    Nobody,
}

/// What a channel's callbacks and its task share.
pub(super) struct ChannelQueue {
    state: Mutex<ChannelState>,
    pub(super) peer_window: Arc<PeerWindow>,
    pub(super) queued_sender: Arc<dyn QueuedSender>,
    pub(super) io: HomeIo,
    pub(super) cancelled: CancellationToken,
    /// Whether events of the session's user find room.
    pub(super) credit: Arc<EmitCredit>,
}

pub(super) struct ChannelState {
    pub(super) owner: SessionOwner,
    pub(super) pending: Pending,
    /// The window that the client was granted.
    pub(super) window: ReceiveWindow,
    /// The number of bytes that have not come yet of a packet that has begun.
    pub(super) missing: usize,
    /// Whether a task waits for the connection's slot for large packets.
    slot_asked: bool,
}

/// What a channel is made of besides its session.
pub struct ChannelSetup {
    /// The window that the client has granted.
    pub peer_window: Arc<PeerWindow>,
    /// The way to the client for the task's replies.
    pub queued_sender: Arc<dyn QueuedSender>,
    /// Is cancelled when the channel or its connection ends.
    pub cancelled: CancellationToken,
    /// The budget of the connection's channels.
    pub budget: Arc<ConnectionBudget>,
}

impl ChannelQueue {
    pub(super) fn new(sftp: Sftp, setup: ChannelSetup) -> Arc<Self> {
        let ChannelSetup {
            peer_window,
            queued_sender,
            cancelled,
            budget,
        } = setup;
        let io = sftp.storage.scheduler().clone();
        let credit = Arc::clone(&sftp.context.session.credit);
        Arc::new(Self {
            credit,
            state: Mutex::new(ChannelState {
                owner: SessionOwner::Channel(Box::new(sftp)),
                pending: Pending::new(),
                window: ReceiveWindow::new(&budget),
                missing: 0,
                slot_asked: false,
            }),
            peer_window,
            queued_sender,
            io,
            cancelled,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock()
    }

    /// Gives the session to a task, if it is with the channel.
    pub(super) fn hand_over(self: &Arc<Self>, state: &mut ChannelState) {
        if let SessionOwner::Channel(sftp) = std::mem::replace(&mut state.owner, SessionOwner::Task) {
            // Its owner is the channel: cancelling ends it, and it holds nothing that outlives it.
            tokio::spawn(Arc::clone(self).work(sftp));
        }
    }

    /// The task: works until nothing waits, or the channel ends.
    async fn work(self: Arc<Self>, sftp: Box<Sftp>) {
        let cancelled = self.cancelled.clone();
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = self.drain(sftp) => {}
        }
    }

    async fn drain(self: &Arc<Self>, sftp: Box<Sftp>) {
        let mut held = DeferredClose::new(sftp, &self.io);
        let exit_status = match self.answer_all(&mut held).await {
            Ok(false) => return,
            Ok(true) => 0,
            Err(TaskEnd::Disconnected) => return,
            Err(TaskEnd::Broken(why)) => {
                // A client can bring this about, as often as it likes.
                tracing::debug!(why, "a request ended its session");
                self.state().owner = SessionOwner::Nobody;
                255
            }
            Err(TaskEnd::Panicked) => {
                tracing::error!("a request panicked, which ended its session");
                self.state().owner = SessionOwner::Nobody;
                255
            }
        };
        drop(held);
        self.queued_sender.finish(exit_status).await;
    }

    /// Answers what waits; `true`: and that was all of this channel.
    async fn answer_all(self: &Arc<Self>, held: &mut DeferredClose) -> Result<bool, TaskEnd> {
        let rest = std::mem::take(&mut self.state().pending.rest);
        self.send(held, rest, None).await?;
        loop {
            self.open_client_window().await?;
            let next = {
                let mut state = self.state();
                match state.pending.backlog.pop() {
                    Some(request) => Ok(request),
                    None if state.pending.end => {
                        state.owner = SessionOwner::Nobody;
                        return Ok(true);
                    }
                    // A part of a packet may have come since.
                    None => match (state.take_window_due(self), held.sftp.take()) {
                        (0, Some(sftp)) => {
                            state.owner = SessionOwner::Channel(sftp);
                            return Ok(false);
                        }
                        (0, None) => return Ok(false),
                        (more, sftp) => {
                            held.sftp = sftp;
                            Err(more)
                        }
                    },
                }
            };
            let request = match next {
                Ok(request) => request,
                Err(more) => {
                    self.queued_sender.open_window(more).await?;
                    continue;
                }
            };
            // Not before there is room for the answer: what waits is requests, not data.
            self.credit.wait().await;
            let room = room_for(&request.next());
            let permit = match room > SMALL_REPLY {
                true => Some(self.peer_window.room(room).await?),
                false => {
                    self.peer_window.opened().await;
                    None
                }
            };
            let read = read_of(&request.next());
            let reply = self.run(held, request).await?;
            let notice = held.sftp.as_mut().and_then(|sftp| sftp.take_notice());
            if let Some(mut notice) = notice {
                let notice = self.peer_window.take_in_flight(&mut notice, &mut None).await;
                self.queued_sender.send(Stream::Error, notice).await?;
            }
            self.send(held, UnsentReply::of(reply, read), permit).await?;
        }
    }

    /// Sends a reply, as the window allows.
    async fn send(
        &self,
        held: &mut DeferredClose,
        mut rest: UnsentReply,
        permit: Option<Permit>,
    ) -> Result<(), TaskEnd> {
        let mut permit = permit;
        loop {
            while !rest.bytes.is_empty() {
                if !self.peer_window.is_open() {
                    permit = None;
                    let budget = Arc::clone(self.state().window.budget());
                    rest.wait(&budget);
                    if rest.bytes.is_empty() {
                        break;
                    }
                }
                let piece = self
                    .peer_window
                    .take_in_flight(&mut rest.bytes, &mut permit)
                    .await;
                self.queued_sender.send(Stream::Output, piece).await?;
            }
            let Some(tail) = rest.tail else {
                return Ok(());
            };
            let room = self.peer_window.room(tail.left).await?;
            let now = UnreadTail {
                left: tail.left.min(self.peer_window.window()),
                ..tail
            };
            permit = Some(room);
            rest.read_on(self.read_tail(held, now).await?);
        }
    }

    /// Reads bytes again that were promised to the client.
    async fn read_tail(&self, held: &mut DeferredClose, tail: UnreadTail) -> Result<Bytes, TaskEnd> {
        let slow_way = self.io.slow_way().await;
        let Some(mut sftp) = held.sftp.take() else {
            return Err(TaskEnd::Disconnected);
        };
        let working = tokio::task::spawn_blocking(move || {
            let bytes = sftp.read_tail(tail);
            drop(slow_way);
            (sftp, bytes)
        });
        let (sftp, bytes) = working.await?;
        held.sftp = Some(sftp);
        bytes.ok_or(TaskEnd::Broken("a file became shorter while it was sent"))
    }

    /// Opens the client's window by the requests that were answered, and for a packet that is longer than the window.
    async fn open_client_window(self: &Arc<Self>) -> Result<(), TaskEnd> {
        let more = self.state().take_window_due(self);
        match more {
            0 => Ok(()),
            more => Ok(self.queued_sender.open_window(more).await?),
        }
    }

    /// Waits for the connection's slot for large packets, and lets this channel's go on.
    fn wait_for_slot(self: &Arc<Self>, budget: &ConnectionBudget) {
        let (queue, slot) = (Arc::clone(self), budget.large_packet());
        let waiting = async move {
            let Ok(permit) = slot.acquire_owned().await else {
                return;
            };
            let more = {
                let mut state = queue.state();
                state.slot_asked = false;
                let missing = state.missing;
                state.window.take_slot(permit, missing)
            };
            if more > 0 {
                // An error means that the connection has ended.
                let _ = queue.queued_sender.open_window(more).await;
            }
        };
        let cancelled = self.cancelled.clone();
        // Its owner is the channel.
        tokio::spawn(async move {
            tokio::select! {
                () = cancelled.cancelled() => {}
                () = waiting => {}
            }
        });
    }

    /// Executes one request: here if it is quick and its file system well, else on a thread of the blocking pool, with
    /// the WRITEs behind it.
    ///
    /// Whatever is awaited may be where the task ends: until a thread takes the session, it stays with `held`.
    async fn run(&self, held: &mut DeferredClose, request: WaitingRequest) -> Result<Bytes, TaskEnd> {
        self.state().pending.unpaid += request.size();
        let quick = match (self.io.enter(), &mut held.sftp) {
            (Some(_permit), Some(sftp)) => execute(sftp, &request.next(), Wait::Never),
            _ => Outcome::AskAgain,
        };
        if let Outcome::Reply(reply) = quick {
            return Ok(reply);
        }
        let _working = held.sftp.as_ref().map(|sftp| sftp.working());
        let slow_way = self.io.slow_way().await;
        let Some(mut sftp) = held.sftp.take() else {
            return Err(TaskEnd::Disconnected);
        };
        let requests = {
            let mut state = self.state();
            let requests = state.pending.batch(request);
            // The first one is counted already.
            state.pending.unpaid += requests.iter().skip(1).map(WaitingRequest::size).sum::<usize>();
            requests
        };
        let cancelled = self.cancelled.clone();
        let working = tokio::task::spawn_blocking(move || {
            let outcome = execute_batch(&mut sftp, &requests, &cancelled);
            drop(slow_way);
            (sftp, outcome)
        });
        let (sftp, outcome) = working.await?;
        held.sftp = Some(sftp);
        match outcome {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::HashFirst(request) => Ok(request.answer().await),
            // An answer to `Wait::Never` only.
            Outcome::AskAgain => Ok(Bytes::new()),
        }
    }
}

impl ChannelState {
    /// Takes the number of bytes by which the client's window is to be opened now.
    pub(super) fn take_window_due(&mut self, queue: &Arc<ChannelQueue>) -> u32 {
        let mut more = 0;
        if self.pending.rest.is_empty() && self.pending.unpaid > 0 {
            more = self.window.consume(std::mem::take(&mut self.pending.unpaid));
        }
        if self.missing > 0 && self.pending.is_empty() && !self.slot_asked {
            match self.window.room_for(self.missing) {
                PacketRoom::Open(room) => more += room,
                PacketRoom::NeedsSlot => {
                    self.slot_asked = true;
                    queue.wait_for_slot(self.window.budget());
                }
            }
        }
        more
    }
}

/// Why the task stops before all is answered.
enum TaskEnd {
    /// The connection has ended.
    Disconnected,
    /// The channel must end, by the client's doing.
    Broken(&'static str),
    /// The channel must end, by a fault of ours.
    Panicked,
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
