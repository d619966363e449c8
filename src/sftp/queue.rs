//! What a channel and its task share, and the task, which works for the requests that wait ([`super::pending`]).
//!
//! A channel's [`Sftp`] is in one of two places. With the channel ([`Worker::Idle`]) it answers in the SSH callback:
//! *Direct*. With the task ([`Worker::Busy`]) all that arrives is put behind what waits, and the task answers in
//! order: *Queued*. So it is while keys are exchanged, too. The task ends, and gives the session back, when nothing
//! waits any more.
//!
//! Requests wait here, never data for a client that does not read: a READ is executed when its reply can go out, and
//! what the window cuts off is charged, or read again ([`super::rest`]). What a client can have waiting is what its
//! window ([`Window`]) has let it send: the window is opened again by each request that is done with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit as Permit;
use tokio_util::sync::CancellationToken;

use crate::domain::event::queue::Credit;
use crate::io::HomeIo;
use crate::session::stream::budget::Budget;
use crate::session::stream::flow::Flow;
use crate::session::stream::window::{Room, Window};
use crate::session::stream::{Gone, Outlet, Stream};
use crate::storage::Wait;

use super::backlog::Job;
use super::outcome::Outcome;
use super::pending::{Pending, execute, execute_batch, read_of, room_for};
use super::rest::{Rest, Tail};
use super::session::Sftp;

/// Smaller replies ask for no room: there is one at a time of each channel.
const SMALL_REPLY: usize = 8 * 1024;

/// Where the session is.
pub(super) enum Worker {
    /// With the channel.
    Idle(Box<Sftp>),
    /// With the task.
    Busy,
    /// Nowhere: the channel has ended.
    Ended,
}

/// What a channel's callbacks and its task share.
pub(super) struct Queue {
    state: Mutex<State>,
    pub(super) flow: Arc<Flow>,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) io: HomeIo,
    pub(super) cancelled: CancellationToken,
    /// Whether events of the session's user find room.
    pub(super) credit: Arc<Credit>,
}

pub(super) struct State {
    pub(super) worker: Worker,
    pub(super) pending: Pending,
    /// What the client may send.
    pub(super) window: Window,
    /// What has not come yet of a packet that has begun.
    pub(super) missing: usize,
    /// A task waits for the connection's slot for large packets.
    slot_asked: bool,
}

/// Everything that a channel is made of besides its session.
pub struct Surroundings {
    /// The peer's window.
    pub flow: Arc<Flow>,
    /// Where the task's replies go.
    pub outlet: Arc<dyn Outlet>,
    /// The home's way into its file system.
    pub io: HomeIo,
    /// Cancelled when the channel or its connection ends.
    pub cancelled: CancellationToken,
    /// Shared by the connection's channels.
    pub budget: Arc<Budget>,
}

impl Queue {
    pub(super) fn new(sftp: Sftp, surroundings: Surroundings) -> Arc<Self> {
        let Surroundings {
            flow,
            outlet,
            io,
            cancelled,
            budget,
        } = surroundings;
        let credit = Arc::clone(&sftp.context.presence.credit);
        Arc::new(Self {
            credit,
            state: Mutex::new(State {
                worker: Worker::Idle(Box::new(sftp)),
                pending: Pending::new(),
                window: Window::new(&budget),
                missing: 0,
                slot_asked: false,
            }),
            flow,
            outlet,
            io,
            cancelled,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the session to a task, if it is with the channel.
    pub(super) fn hand_over(self: &Arc<Self>, state: &mut State) {
        if let Worker::Idle(sftp) = std::mem::replace(&mut state.worker, Worker::Busy) {
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
        let mut held = Held::new(sftp, &self.io);
        let exit_status = match self.answer_all(&mut held).await {
            Ok(false) => return,
            Ok(true) => 0,
            Err(Stop::Gone) => return,
            Err(Stop::Broken(why)) => {
                // A client can bring this about, as often as it likes.
                tracing::debug!(why, "a request ended its session");
                self.state().worker = Worker::Ended;
                255
            }
            Err(Stop::Panicked) => {
                tracing::error!("a request panicked, which ended its session");
                self.state().worker = Worker::Ended;
                255
            }
        };
        drop(held);
        self.outlet.finish(exit_status).await;
    }

    /// Answers what waits; `true`: and that was all of this channel.
    async fn answer_all(self: &Arc<Self>, held: &mut Held) -> Result<bool, Stop> {
        let rest = std::mem::take(&mut self.state().pending.rest);
        self.send(held, rest, None).await?;
        loop {
            self.pay().await?;
            let next = {
                let mut state = self.state();
                match state.pending.backlog.pop() {
                    Some(job) => Ok(job),
                    None if state.pending.end => {
                        state.worker = Worker::Ended;
                        return Ok(true);
                    }
                    // A part of a packet may have come since.
                    None => match (state.settle(self), held.sftp.take()) {
                        (0, Some(sftp)) => {
                            state.worker = Worker::Idle(sftp);
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
            let job = match next {
                Ok(job) => job,
                Err(more) => {
                    self.outlet.open_window(more).await?;
                    continue;
                }
            };
            // Not before there is room for the answer: what waits is requests, not data.
            self.credit.wait().await;
            let room = room_for(&job.next());
            let permit = match room > SMALL_REPLY {
                true => Some(self.flow.room(room).await?),
                false => {
                    self.flow.opened().await;
                    None
                }
            };
            let read = read_of(&job.next());
            let reply = self.run(held, job).await?;
            let notice = held.sftp.as_mut().and_then(|sftp| sftp.take_notice());
            if let Some(mut notice) = notice {
                let notice = self.flow.lend(&mut notice, &mut None).await;
                self.outlet.send(Stream::Error, notice).await?;
            }
            self.send(held, Rest::of(reply, read), permit).await?;
        }
    }

    /// Sends a reply, as the window allows.
    async fn send(&self, held: &mut Held, mut rest: Rest, permit: Option<Permit>) -> Result<(), Stop> {
        let mut permit = permit;
        loop {
            while !rest.bytes.is_empty() {
                if !self.flow.is_open() {
                    permit = None;
                    let budget = Arc::clone(self.state().window.budget());
                    rest.wait(&budget);
                    if rest.bytes.is_empty() {
                        break;
                    }
                }
                let piece = self.flow.lend(&mut rest.bytes, &mut permit).await;
                self.outlet.send(Stream::Output, piece).await?;
            }
            let Some(tail) = rest.tail else {
                return Ok(());
            };
            let room = self.flow.room(tail.left).await?;
            let now = Tail {
                left: tail.left.min(self.flow.window()),
                ..tail
            };
            permit = Some(room);
            rest.read_on(self.read_tail(held, now).await?);
        }
    }

    /// Reads what was promised to the client.
    async fn read_tail(&self, held: &mut Held, tail: Tail) -> Result<Bytes, Stop> {
        let slow_way = self.io.slow_way().await;
        let Some(mut sftp) = held.sftp.take() else {
            return Err(Stop::Gone);
        };
        let working = tokio::task::spawn_blocking(move || {
            let bytes = sftp.read_tail(tail);
            drop(slow_way);
            (sftp, bytes)
        });
        let (sftp, bytes) = working.await?;
        held.sftp = Some(sftp);
        bytes.ok_or(Stop::Broken("a file became shorter while it was sent"))
    }

    /// Opens the client's window by what is done with, and for a packet that is longer than it.
    async fn pay(self: &Arc<Self>) -> Result<(), Stop> {
        let more = self.state().settle(self);
        match more {
            0 => Ok(()),
            more => Ok(self.outlet.open_window(more).await?),
        }
    }

    /// Waits for the connection's slot for large packets, and lets this channel's go on.
    fn wait_for_slot(self: &Arc<Self>, budget: &Budget) {
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
                let _ = queue.outlet.open_window(more).await;
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
    async fn run(&self, held: &mut Held, job: Job) -> Result<Bytes, Stop> {
        self.state().pending.unpaid += job.size();
        let quick = match (self.io.enter(), &mut held.sftp) {
            (Some(_permit), Some(sftp)) => execute(sftp, &job.next(), Wait::Never),
            _ => Outcome::WouldBlock,
        };
        if let Outcome::Reply(reply) = quick {
            return Ok(reply);
        }
        let _working = held.sftp.as_ref().map(|sftp| sftp.working());
        let slow_way = self.io.slow_way().await;
        let Some(mut sftp) = held.sftp.take() else {
            return Err(Stop::Gone);
        };
        let jobs = {
            let mut state = self.state();
            let jobs = state.pending.batch(job);
            // The first one is counted already.
            state.pending.unpaid += jobs.iter().skip(1).map(Job::size).sum::<usize>();
            jobs
        };
        let cancelled = self.cancelled.clone();
        let working = tokio::task::spawn_blocking(move || {
            let outcome = execute_batch(&mut sftp, &jobs, &cancelled);
            drop(slow_way);
            (sftp, outcome)
        });
        let (sftp, outcome) = working.await?;
        held.sftp = Some(sftp);
        match outcome {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Hash(question) => Ok(question.answer(&self.io).await),
            // An answer to `Wait::Never` only.
            Outcome::WouldBlock => Ok(Bytes::new()),
        }
    }
}

impl State {
    /// How far the client's window is to be opened now.
    pub(super) fn settle(&mut self, queue: &Arc<Queue>) -> u32 {
        let mut more = 0;
        if self.pending.rest.is_empty() && self.pending.unpaid > 0 {
            more = self.window.consume(std::mem::take(&mut self.pending.unpaid));
        }
        if self.missing > 0 && self.pending.is_empty() && !self.slot_asked {
            match self.window.room_for(self.missing) {
                Room::Open(room) => more += room,
                Room::NeedsSlot => {
                    self.slot_asked = true;
                    queue.wait_for_slot(self.window.budget());
                }
            }
        }
        more
    }
}

/// Why the task stops before all is answered.
enum Stop {
    /// The connection has ended.
    Gone,
    /// The channel must end.
    Broken(&'static str),
    /// The same, and the fault is ours.
    Panicked,
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Stop::Gone
    }
}

impl From<tokio::task::JoinError> for Stop {
    fn from(_: tokio::task::JoinError) -> Self {
        Stop::Panicked
    }
}

/// A session that is dropped where closing its files may wait.
pub(super) struct Held {
    sftp: Option<Box<Sftp>>,
    io: HomeIo,
}

impl Held {
    pub(super) fn new(sftp: Box<Sftp>, io: &HomeIo) -> Self {
        Self {
            sftp: Some(sftp),
            io: io.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.sftp.take() {
            Some(sftp) if !sftp.holds_nothing() => self.io.close(sftp),
            _ => {}
        }
    }
}
