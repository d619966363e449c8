//! The state that a channel and its task share, and the task, which executes the requests that wait
//! ([`super::pending`]).
//!
//! A channel's [`Sftp`] is in one of two places. With the channel ([`SessionOwner::Channel`]), requests are answered in
//! the SSH callback: *Direct*. With the task ([`SessionOwner::Task`]), every request is appended to those that wait,
//! and the task answers them in order: *Queued*. This is also the case while keys are exchanged. When nothing waits any
//! more, the task returns the session and ends. Hashes for a transfer that goes on are computed beside the requests
//! ([`super::beside`]), and the task sends their replies, too.
//!
//! Only requests wait here, not data for a client that does not read: a READ is executed when its reply can be sent,
//! and the part of a reply that does not fit into the window is charged, or read again ([`super::unsent`]). The
//! client's own window limits how much can wait: it is opened again as requests are answered. If the user has a rate, a
//! READ waits here until what the channel has read before is paid for, and the window that WRITEs have occupied is
//! opened later ([`super::withheld`]); all other channels of the session go on.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sftp_wire::PacketType;
use tokio::sync::{Notify, OwnedSemaphorePermit as InFlightBytesPermit};
use tokio_util::sync::CancellationToken;

use crate::io::HomeIo;
use crate::session::Activity;
use crate::session::events::{EventBackpressure, UnsavedEvents};
use crate::session::stream::connection_budget::ConnectionBudget;
use crate::session::stream::peer_window::PeerWindow;
use crate::session::stream::{QueuedSender, Stream};
use crate::session::tasks::TaskStarter;
use crate::storage::Wait;
use crate::storage::router::call_io::{CallIo, SlowWay};

use super::backlog::{NextRequest, WaitingRequest};
pub use super::channel_state::ChannelSetup;
use super::channel_state::{ChannelState, SessionOwner, TaskEnd, WindowDue};
use super::deferred_close::DeferredClose;
use super::outcome::Outcome;
use super::pending::{execute, execute_batch, read_of, reply_bytes_needed};
use super::request_io;
use super::session::Sftp;
use super::task_step::TaskStep;
use super::unsent::{UnreadTail, UnsentReply};

/// Smaller replies, in bytes, need no room: each channel has only one of them at a time.
const SMALL_REPLY: usize = 8 * 1024;

/// The state that a channel's callbacks and its task share.
pub(super) struct ChannelQueue {
    state: Mutex<ChannelState>,
    pub(super) peer_window: Arc<PeerWindow>,
    pub(super) queued_sender: Arc<dyn QueuedSender>,
    pub(super) io: HomeIo,
    pub(super) cancelled: CancellationToken,
    tasks: TaskStarter,
    /// Slows the channel down when the audit log cannot keep up with the user's events.
    pub(super) event_backpressure: Arc<EventBackpressure>,
    activity: Activity,
    /// The events of the channel that are not on the disk yet, for which its replies wait.
    pub(super) unsaved: Arc<UnsavedEvents>,
    /// Wakes the task when a reply is known that was computed beside the requests.
    beside_ended: Notify,
}

impl ChannelQueue {
    pub(super) fn new(sftp: Sftp, setup: ChannelSetup) -> Arc<Self> {
        let ChannelSetup {
            peer_window,
            queued_sender,
            cancelled,
            budget,
            tasks,
        } = setup;
        let io = sftp.storage.scheduler().clone();
        let event_backpressure = Arc::clone(&sftp.context.session.event_backpressure);
        let activity = sftp.context.session.activity.clone();
        let unsaved = Arc::clone(&sftp.context.session.unsaved);
        let state = ChannelState::new(sftp, &budget);
        Arc::new(Self {
            event_backpressure,
            activity,
            unsaved,
            beside_ended: Notify::new(),
            state: Mutex::new(state),
            peer_window,
            queued_sender,
            io,
            cancelled,
            tasks,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock()
    }

    /// Gives the session to a task, if the channel has it.
    pub(super) fn give_to_task(self: &Arc<Self>, state: &mut ChannelState) {
        if let Some(sftp) = state.owner.give_to_task() {
            // The channel owns the task: cancelling ends it, and it holds nothing that outlives it.
            self.tasks.start(Arc::clone(self).work(sftp));
        }
    }

    /// The task: executes requests until nothing waits, or the channel ends.
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
            Ok(false) | Err(TaskEnd::Disconnected) => return,
            Ok(true) => 0,
            Err(failed @ (TaskEnd::Broken(_) | TaskEnd::Panicked)) => {
                failed.log();
                self.state().owner = SessionOwner::Nobody;
                255
            }
        };
        drop(held);
        self.queued_sender.finish(exit_status).await;
    }

    /// Answers the waiting requests; returns `true` if the channel has ended and nothing is left.
    async fn answer_all(self: &Arc<Self>, held: &mut DeferredClose) -> Result<bool, TaskEnd> {
        self.unsaved.saved().await;
        let unsent = std::mem::take(&mut self.state().pending.unsent);
        self.send(held, unsent, None).await?;
        loop {
            self.open_client_window().await?;
            let step = TaskStep::decide(&mut self.state(), held, |state| self.take_window_due(state));
            let request = match step {
                TaskStep::Answer(request) => request,
                TaskStep::Send(reply) => {
                    self.unsaved.saved().await;
                    self.send(held, UnsentReply::of(reply, None), None).await?;
                    continue;
                }
                TaskStep::OpenWindow(more) => {
                    self.queued_sender.open_window(more).await?;
                    continue;
                }
                TaskStep::WaitForReply => {
                    self.beside_ended.notified().await;
                    continue;
                }
                TaskStep::End => return Ok(false),
                TaskStep::EndChannel => return Ok(true),
            };
            // Execute it only when there is room for the reply, so that requests wait, and not data.
            self.event_backpressure.wait().await;
            let read = read_of(&request.next());
            if read.is_some()
                && let Some(sftp) = &mut held.sftp
            {
                sftp.unpaid_reads.pay().await;
            }
            let needed = reply_bytes_needed(&request.next());
            let permit = match needed > SMALL_REPLY {
                true => Some(self.peer_window.room(needed).await?),
                false => {
                    self.peer_window.opened().await;
                    None
                }
            };
            let reply = self.run(held, request).await?;
            self.unsaved.saved().await;
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
        mut unsent: UnsentReply,
        permit: Option<InFlightBytesPermit>,
    ) -> Result<(), TaskEnd> {
        let mut permit = permit;
        loop {
            while !unsent.bytes.is_empty() {
                if !self.peer_window.is_open() {
                    permit = None;
                    let budget = Arc::clone(self.state().window.budget());
                    unsent.wait(&budget);
                    if unsent.bytes.is_empty() {
                        break;
                    }
                }
                let piece = self
                    .peer_window
                    .take_in_flight(&mut unsent.bytes, &mut permit)
                    .await;
                self.queued_sender.send(Stream::Output, piece).await?;
            }
            let Some(tail) = unsent.tail else {
                return Ok(());
            };
            let room = self.peer_window.room(tail.left).await?;
            let now = UnreadTail {
                left: tail.left.min(self.peer_window.window()),
                ..tail
            };
            permit = Some(room);
            unsent.read_on(self.read_tail(held, now).await?);
        }
    }

    /// Reads the part of a reply again that the client was promised.
    async fn read_tail(&self, held: &mut DeferredClose, tail: UnreadTail) -> Result<Bytes, TaskEnd> {
        let slow_way = held.access(tail.handle).slow_way().await;
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

    /// Opens the client's window by what the answered requests occupied, and for a packet that is longer than the
    /// window.
    async fn open_client_window(self: &Arc<Self>) -> Result<(), TaskEnd> {
        let more = self.take_window_due(&mut self.state());
        match more {
            0 => Ok(()),
            more => Ok(self.queued_sender.open_window(more).await?),
        }
    }

    /// Returns by how many bytes the client's window must be opened now, and counts them as granted. What must be
    /// opened later is opened by tasks, which this starts.
    pub(super) fn take_window_due(self: &Arc<Self>, state: &mut ChannelState) -> u32 {
        let due = state.take_window_due();
        if state.withheld.begin_return() {
            self.return_withheld();
        }
        self.grant(state, due)
    }

    /// Returns the bytes that are due, and asks for the connection's slot if it is needed.
    fn grant(self: &Arc<Self>, state: &ChannelState, due: WindowDue) -> u32 {
        if due.needs_slot {
            self.wait_for_slot(state.window.budget());
        }
        due.bytes
    }

    /// Waits for the connection's slot for large packets, and then lets this channel's packet arrive.
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
        self.start(waiting);
    }

    /// Starts the task that opens the window again that was withheld, at the user's rate.
    fn return_withheld(self: &Arc<Self>) {
        let queue = Arc::clone(self);
        let returning = async move {
            // A client that cannot send is not idle.
            let _working = queue.activity.begin();
            loop {
                let Some((rates, part)) = queue.state().withheld.next_part() else {
                    return;
                };
                rates.up.pay(part).await;
                let more = {
                    let mut state = queue.state();
                    let due = state.return_withheld(part);
                    queue.grant(&state, due)
                };
                // An error means that the connection has ended.
                if more > 0 && queue.queued_sender.open_window(more).await.is_err() {
                    return;
                }
            }
        };
        self.start(returning);
    }

    /// Starts a task that ends with the channel, which owns it.
    pub(super) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancelled = self.cancelled.clone();
        self.tasks.start(async move {
            tokio::select! {
                () = cancelled.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Computes a reply that was counted as under way, beside the requests that follow. The task sends it.
    fn answer_beside(self: &Arc<Self>, answer: impl Future<Output = Bytes> + Send + 'static) {
        let queue = Arc::clone(self);
        self.start(async move {
            // A client that waits for a reply is not idle.
            let _working = queue.activity.begin();
            let reply = answer.await;
            let mut state = queue.state();
            state.beside.end(reply);
            queue.give_to_task(&mut state);
            drop(state);
            queue.beside_ended.notify_one();
        });
    }

    /// Executes one request: here if it is quick and its file system does not hang, otherwise on a thread of the
    /// blocking pool, together with the WRITEs that follow it.
    ///
    /// The task may be dropped at every `await`: until a thread takes the session, it stays in `held`.
    async fn run(
        self: &Arc<Self>,
        held: &mut DeferredClose,
        request: WaitingRequest,
    ) -> Result<Bytes, TaskEnd> {
        self.state().pending.occupied.add_request(&request.next());
        let turn = Instant::now();
        let mut call = held.call_io(&request.next());
        let quick = match (CallIo::enter_one(call.as_ref(), &self.io), &mut held.sftp) {
            (Some(permit), Some(sftp)) => execute(sftp, &request.next(), Wait::with(&permit)),
            _ => Outcome::AskAgain,
        };
        if let Outcome::Reply(reply) = quick {
            return Ok(reply);
        }
        let _working = held.sftp.as_ref().map(|sftp| sftp.working());
        let slow_way = SlowWay::wait(call.as_mut(), &self.io).await;
        let Some(mut sftp) = held.sftp.take() else {
            return Err(TaskEnd::Disconnected);
        };
        sftp.note_turn(turn);
        let timings = Arc::clone(&sftp.context.timings);
        let requests = {
            let mut state = self.state();
            let fits = |next: &NextRequest<'_>| request_io::is_for_same(&mut sftp, next, call.as_ref());
            let requests = state.pending.batch(request, fits);
            // The first one is counted already.
            for request in requests.iter().skip(1) {
                state.pending.occupied.add_request(&request.next());
            }
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
            Outcome::HashFirst(request) => {
                let is_beside = request.is_answered_beside() && self.state().beside.begin();
                let answer = async move {
                    let reply = request.answer().await;
                    timings.note(PacketType::Extended, turn.elapsed());
                    reply
                };
                if is_beside {
                    self.answer_beside(answer);
                    return Ok(Bytes::new());
                }
                Ok(answer.await)
            }
            // This outcome occurs only where a request may not wait.
            Outcome::AskAgain => Ok(Bytes::new()),
        }
    }
}
