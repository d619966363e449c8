//! The requests of a channel that wait, and the task that works for them.
//!
//! A channel's [`Sftp`] is in one of two places. With the channel ([`Worker::Idle`]) it answers in the SSH callback:
//! *Direct*. With the task ([`Worker::Busy`]) all that arrives is put behind what waits, and the task answers in
//! order: *Queued*. The task ends, and gives the session back, when nothing waits any more.
//!
//! Requests wait here, never data for a client that does not read: a READ is executed when its reply can go out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::event::queue::Credit;
use crate::lanes::HomeLane;
use crate::stream::budget::{Budget, Overflow};
use crate::stream::flow::Flow;
use crate::stream::{Outlet, Stream};
use crate::vfs::Wait;

use super::packet::{self, RawHandle, Read};
use super::session::{Outcome, Sftp};

/// A waiting request: at most 24 bytes for a READ, of which there may be very many.
enum Job {
    Read(ReadJob),
    Packet(Box<[u8]>),
}

const _: () = assert!(size_of::<Job>() <= 24, "a queued READ takes at most 24 bytes");

/// A READ with its id, in words of four bytes, so that [`Job`] needs no padding.
struct ReadJob {
    id: u32,
    handle: u32,
    offset: [u8; 8],
    length: u32,
}

/// WRITEs that one visit to a thread of the blocking pool may execute, and their bytes: the change of threads costs more
/// than a WRITE, and who waits for a thread must not wait for long.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

impl Job {
    fn write_len(&self) -> Option<usize> {
        match self {
            Job::Packet(packet) if packet::is_write(packet) => Some(packet.len()),
            _ => None,
        }
    }
}

impl ReadJob {
    fn read(&self) -> Read {
        Read {
            handle: RawHandle(self.handle),
            offset: u64::from_ne_bytes(self.offset),
            length: self.length,
        }
    }
}

/// What waits in one channel, in order.
pub(super) struct Pending {
    /// The rest of a reply that the window cut in two; goes out before anything else.
    pub(super) rest: Bytes,
    /// The client has said that nothing more comes.
    pub(super) end: bool,
    jobs: VecDeque<Job>,
    budget: Arc<Budget>,
}

impl Pending {
    fn new(budget: Arc<Budget>) -> Self {
        Self {
            rest: Bytes::new(),
            end: false,
            jobs: VecDeque::new(),
            budget,
        }
    }

    /// Does nothing wait?
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.jobs.is_empty()
    }

    /// Puts a packet, given without its length field, behind the others.
    pub(super) fn push(&mut self, packet: &[u8]) -> Result<(), Overflow> {
        let job = match packet::as_read(packet) {
            Some((id, read)) => {
                self.budget.charge_read()?;
                Job::Read(ReadJob {
                    id,
                    handle: read.handle.0,
                    offset: read.offset.to_ne_bytes(),
                    length: read.length,
                })
            }
            None => {
                self.budget.charge_payload(packet.len())?;
                Job::Packet(packet.into())
            }
        };
        self.jobs.push_back(job);
        Ok(())
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.release(&job);
        if self.jobs.is_empty() {
            // A burst may have made it large.
            self.jobs = VecDeque::new();
        }
        Some(job)
    }

    /// With a WRITE, those that wait right behind it.
    fn batch(&mut self, first: Job) -> Vec<Job> {
        let mut bytes = first.write_len();
        let mut jobs = vec![first];
        while let Some(sum) = bytes
            && let Some(next) = self.jobs.front().and_then(Job::write_len)
            && sum + next <= BATCH_BYTES
            && jobs.len() < BATCH
        {
            jobs.extend(self.pop());
            bytes = Some(sum + next);
        }
        jobs
    }

    fn release(&self, job: &Job) {
        match job {
            Job::Read(_) => self.budget.release_read(),
            Job::Packet(packet) => self.budget.release_payload(packet.len()),
        }
    }

    /// Executes the first request that waits, if that takes no long; `None`: nothing waits, or it may take long.
    pub(super) fn execute_next(&mut self, sftp: &mut Sftp) -> Option<Bytes> {
        let Outcome::Reply(reply) = execute(sftp, self.jobs.front()?, Wait::Never) else {
            return None;
        };
        self.pop();
        Some(reply)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

fn execute(sftp: &mut Sftp, job: &Job, wait: Wait) -> Outcome {
    match job {
        Job::Read(read) => sftp.execute_read(read.id, read.read(), wait),
        Job::Packet(packet) => sftp.execute(packet, wait),
    }
}

/// Executes one request, or several WRITEs: their replies stand one behind the other.
fn execute_batch(sftp: &mut Sftp, jobs: &[Job], cancelled: &CancellationToken) -> Outcome {
    let mut replies = Vec::new();
    for job in jobs {
        match execute(sftp, job, Wait::Allowed) {
            Outcome::Reply(reply) if jobs.len() > 1 => replies.extend_from_slice(&reply),
            outcome => return outcome,
        }
        if cancelled.is_cancelled() {
            break;
        }
    }
    Outcome::Reply(replies.into())
}

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
    pub(super) lane: HomeLane,
    pub(super) cancelled: CancellationToken,
    /// Whether events of the session's user find room.
    pub(super) credit: Arc<Credit>,
}

pub(super) struct State {
    pub(super) worker: Worker,
    pub(super) pending: Pending,
}

/// Everything that a channel is made of besides its session.
pub struct Surroundings {
    /// The peer's window.
    pub flow: Arc<Flow>,
    /// Where the task's replies go.
    pub outlet: Arc<dyn Outlet>,
    /// The home's way into its file system.
    pub lane: HomeLane,
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
            lane,
            cancelled,
            budget,
        } = surroundings;
        let credit = Arc::clone(&sftp.context.presence.credit);
        Arc::new(Self {
            credit,
            state: Mutex::new(State {
                worker: Worker::Idle(Box::new(sftp)),
                pending: Pending::new(budget),
            }),
            flow,
            outlet,
            lane,
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

    async fn drain(&self, sftp: Box<Sftp>) {
        let mut held = Held::new(sftp, &self.lane);
        let mut reply = std::mem::take(&mut self.state().pending.rest);
        loop {
            while !reply.is_empty() {
                let piece = self.flow.lend(&mut reply).await;
                if self.outlet.send(Stream::Output, piece).await.is_err() {
                    return;
                }
            }
            let job = {
                let mut state = self.state();
                match state.pending.pop() {
                    Some(job) => job,
                    None if state.pending.end => {
                        state.worker = Worker::Ended;
                        break;
                    }
                    None => {
                        if let Some(sftp) = held.sftp.take() {
                            state.worker = Worker::Idle(sftp);
                        }
                        return;
                    }
                }
            };
            // Not before there is room for the answer: what waits is requests, not data.
            self.flow.opened().await;
            if self.credit.is_short() {
                self.credit.wait().await;
            }
            match self.run(&mut held, job).await {
                Ok(bytes) => {
                    reply = bytes;
                    let notice = held.sftp.as_mut().and_then(|sftp| sftp.take_notice());
                    if let Some(mut notice) = notice {
                        let notice = self.flow.lend(&mut notice).await;
                        if self.outlet.send(Stream::Error, notice).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a request ended its session");
                    self.state().worker = Worker::Ended;
                    self.outlet.finish(255).await;
                    return;
                }
            }
        }
        drop(held);
        self.outlet.finish(0).await;
    }

    /// Executes one request: here if it is quick and its file system well, else on a thread of the blocking pool, with
    /// the WRITEs behind it.
    ///
    /// Whatever is awaited may be where the task ends: until a thread takes the session, it stays with `held`.
    async fn run(&self, held: &mut Held, job: Job) -> Result<Bytes, tokio::task::JoinError> {
        let quick = match (self.lane.enter(), &mut held.sftp) {
            (Some(_permit), Some(sftp)) => execute(sftp, &job, Wait::Never),
            _ => Outcome::WouldBlock,
        };
        if let Outcome::Reply(reply) = quick {
            return Ok(reply);
        }
        let _working = held.sftp.as_ref().map(|sftp| sftp.working());
        let slow_way = self.lane.slow_way().await;
        let Some(mut sftp) = held.sftp.take() else {
            return Ok(Bytes::new());
        };
        let jobs = self.state().pending.batch(job);
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
            Outcome::Hash(question) => Ok(question.answer(&self.lane).await),
            // An answer to `Wait::Never` only.
            Outcome::WouldBlock => Ok(Bytes::new()),
        }
    }
}

/// A session that is dropped where closing its files may wait.
pub(super) struct Held {
    sftp: Option<Box<Sftp>>,
    lane: HomeLane,
}

impl Held {
    pub(super) fn new(sftp: Box<Sftp>, lane: &HomeLane) -> Self {
        Self {
            sftp: Some(sftp),
            lane: lane.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match self.sftp.take() {
            Some(sftp) if !sftp.holds_nothing() => self.lane.close(sftp),
            _ => {}
        }
    }
}
