//! What comes from the server: cut into packets, and each reply given to who waits for it.
//!
//! The file's bytes in a DATA reply are handed on while they arrive, so that a download is written from the SSH
//! library's own buffer: no reply is ever put together, and none has to fit into memory. All other replies are kept
//! until they are whole; [`next_reply`] bounds them.
//!
//! States: *between packets or inside a small one* (`partial` holds its beginning), *inside a DATA reply*
//! (`reading`), *lost* (nothing is accepted any more, and who waits or asks is told why).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use sftp_wire::constants::SSH_FXP_DATA;
use sftp_wire::frame::{self, next_reply};
use sftp_wire::{DataHeader, Reply, ServerFault};
use tokio::sync::{mpsc, oneshot};

/// The server's own words beside the replies (extended data), of which the last are kept.
const MAX_NOTICE: usize = 1024;

/// Takes the bytes of READs, in the SSH library's callback: it must not wait for the network.
pub trait Sink: Send + Sync {
    /// Bytes of the file at this offset.
    fn bytes(&self, offset: u64, bytes: &[u8]);
}

/// How a READ or WRITE ended.
#[derive(Debug)]
pub enum Ended {
    /// READ: so many bytes came, and went to the sink.
    Data(u32),
    /// Whatever else the server said.
    Reply(Reply<Bytes>),
    /// The connection is gone.
    Lost,
}

/// A READ or WRITE that has ended, and which it was.
#[derive(Debug)]
pub struct Done {
    /// As it was asked for.
    pub offset: u64,
    /// As it was asked for, in bytes.
    pub length: u32,
    /// What became of it.
    pub ended: Ended,
}

/// Who waits for a reply.
pub(super) enum Slot {
    /// One who waits for just this.
    One(oneshot::Sender<Reply<Bytes>>),
    /// A transfer with many requests under way.
    Many {
        offset: u64,
        length: u32,
        sink: Option<Arc<dyn Sink>>,
        done: mpsc::UnboundedSender<Done>,
    },
}

/// A DATA reply that has begun to arrive.
struct Reading {
    slot: Option<Slot>,
    /// Of the reply.
    length: u32,
    taken: u32,
}

#[derive(Default)]
struct State {
    slots: HashMap<u32, Slot>,
    partial: BytesMut,
    reading: Option<Reading>,
    notice: Vec<u8>,
    /// Why nothing comes any more.
    lost: Option<Arc<str>>,
}

/// The inbox of one SFTP channel.
#[derive(Default)]
pub(super) struct Inbox(Mutex<State>);

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Someone waits for the reply with this id; not if the connection is lost.
    pub fn expect(&self, id: u32, slot: Slot) {
        let mut state = self.state();
        match state.lost {
            Some(_) => slot.lose(),
            None => drop(state.slots.insert(id, slot)),
        }
    }

    /// Nothing comes any more. The first reason counts.
    pub fn lose(&self, why: &str) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.lost = Some(why.into());
        }
        let reading = state.reading.take().and_then(|reading| reading.slot);
        for slot in state.slots.drain().map(|(_, slot)| slot).chain(reading) {
            slot.lose();
        }
    }

    /// Why nothing comes any more.
    pub fn lost(&self) -> Option<Arc<str>> {
        self.state().lost.clone()
    }

    /// Words beside the replies.
    pub fn notice(&self, words: &[u8]) {
        let notice = &mut self.state().notice;
        notice.extend_from_slice(words);
        let surplus = notice.len().saturating_sub(MAX_NOTICE);
        notice.drain(..surplus);
    }

    /// The last words beside the replies, once.
    pub fn take_notice(&self) -> Vec<u8> {
        std::mem::take(&mut self.state().notice)
    }

    /// Takes bytes of the stream.
    ///
    /// # Errors
    /// When the stream makes no sense: nothing more may be given.
    pub fn data(&self, mut data: &[u8]) -> Result<(), ServerFault> {
        let mut state = self.state();
        while !data.is_empty() && state.lost.is_none() {
            data = match &mut state.reading {
                Some(_) => state.go_on_reading(data),
                None => state.take(data)?,
            };
        }
        Ok(())
    }
}

impl State {
    /// Between packets: begins a DATA reply, or collects another one. Returns what is left.
    fn take<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], ServerFault> {
        // The header of a packet decides; it may arrive in pieces.
        let missing = DataHeader::SIZE
            .saturating_sub(self.partial.len())
            .min(data.len());
        let (head, rest) = data.split_at(missing);
        if self.partial.is_empty()
            && let Some(header) = head.first_chunk::<{ DataHeader::SIZE }>()
            && let Some(reading) = self.begin_reading(header)?
        {
            self.reading = Some(reading);
            return Ok(rest);
        }
        self.partial.extend_from_slice(head);
        if let Some(header) = self.partial.first_chunk::<{ DataHeader::SIZE }>().copied()
            && self.partial.len() == DataHeader::SIZE
            && let Some(reading) = self.begin_reading(&header)?
        {
            self.reading = Some(reading);
            self.partial.clear();
            return Ok(rest);
        }
        let rest = self.fill(rest);
        while let Some((id, reply)) = next_reply(&mut self.partial)? {
            self.deliver(id, reply);
        }
        Ok(rest)
    }

    /// Adds to the packet that was begun, up to its end and no further.
    fn fill<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let missing = frame::missing(&self.partial).min(data.len());
        let (now, rest) = data.split_at(missing);
        self.partial.extend_from_slice(now);
        rest
    }

    /// Is this the header of a DATA reply?
    fn begin_reading(&mut self, header: &[u8; DataHeader::SIZE]) -> Result<Option<Reading>, ServerFault> {
        let Some(DataHeader { id, length }) = DataHeader::read(header)? else {
            return Ok(None);
        };
        let slot = self.slots.remove(&id);
        if length == 0 {
            // No bytes, no further call: it ends here.
            end(slot, 0);
            return Ok(Some(Reading {
                slot: None,
                length: 0,
                taken: 0,
            }));
        }
        if let Some(Slot::Many { length: asked, .. }) = &slot
            && length > *asked
        {
            // More than was asked for would be written over what comes next.
            return Err(ServerFault::Body(SSH_FXP_DATA));
        }
        Ok(Some(Reading {
            slot,
            length,
            taken: 0,
        }))
    }

    fn go_on_reading<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let Some(reading) = &mut self.reading else {
            return data;
        };
        let missing = reading.length.saturating_sub(reading.taken) as usize;
        let (now, rest) = data.split_at(missing.min(data.len()));
        if let Some(Slot::Many {
            offset,
            sink: Some(sink),
            ..
        }) = &reading.slot
            && !now.is_empty()
        {
            sink.bytes(offset.saturating_add(u64::from(reading.taken)), now);
        }
        reading.taken = reading
            .taken
            .saturating_add(u32::try_from(now.len()).unwrap_or(u32::MAX));
        if reading.taken >= reading.length {
            let (slot, length) = (reading.slot.take(), reading.length);
            self.reading = None;
            end(slot, length);
        }
        rest
    }

    fn deliver(&mut self, id: u32, reply: Reply<Bytes>) {
        match self.slots.remove(&id) {
            Some(Slot::One(waiting)) => drop(waiting.send(reply)),
            Some(Slot::Many {
                offset, length, done, ..
            }) => {
                let ended = Ended::Reply(reply);
                drop(done.send(Done {
                    offset,
                    length,
                    ended,
                }));
            }
            // Who asked has given up.
            None => {}
        }
    }
}

fn end(slot: Option<Slot>, count: u32) {
    if let Some(Slot::Many {
        offset, length, done, ..
    }) = slot
    {
        let ended = Ended::Data(count);
        // A transfer that has given up waits no more.
        drop(done.send(Done {
            offset,
            length,
            ended,
        }));
    }
}

impl Slot {
    fn lose(self) {
        if let Self::Many {
            offset, length, done, ..
        } = self
        {
            let ended = Ended::Lost;
            drop(done.send(Done {
                offset,
                length,
                ended,
            }));
        }
    }
}
