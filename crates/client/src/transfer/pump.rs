//! The bytes of a large file, with many requests under way. What may go wrong: a reply says no (the others that are
//! under way are waited for, and the first refusal is told), the connection is lost (every request says so at once),
//! replies come out of order or short (each is known by its offset), this machine's disk fails.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Attempt;
use super::digest::{Digest, Follower, Hasher};
use super::sink::{Closing, IntoFile};
use super::trouble::Trouble;
use crate::link::{Block, Done, Ended, Link, Room, Sink};
use crate::remote::failed::{Failed, done};

/// Blocks that are read before the sender is woken: waking it costs as much as reading one.
const AT_ONCE: usize = 4;
/// So many times that is read ahead of what is sent.
const READ_AHEAD: usize = 2;

/// Reads until the buffer is full or the file ends; returns how much.
pub(super) fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<u32> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..)
        && !room.is_empty()
    {
        match file.read_at(room, at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(u32::try_from(filled).unwrap_or(u32::MAX))
}

/// A file that is read block by block, until `end` or its own end.
struct Reader {
    file: Arc<File>,
    handle: Vec<u8>,
    at: u64,
    end: u64,
    /// Of a block.
    room: u32,
}

impl Reader {
    fn next(&mut self) -> Option<io::Result<Block>> {
        let room = u32::try_from(self.end.saturating_sub(self.at)).unwrap_or(u32::MAX);
        let room = room.min(self.room);
        if room == 0 {
            return None;
        }
        let mut block = Block::new(&self.handle, self.at, room);
        let read = read_full(&self.file, block.data(), self.at);
        let count = *read.as_ref().unwrap_or(&0);
        block.cut(count);
        self.at = self.at.saturating_add(u64::from(count));
        if count < room {
            // It has ended, or cannot be read: there is no next one.
            self.end = self.at;
        }
        match read {
            Ok(0) => None,
            read => Some(read.map(|_| block)),
        }
    }

    /// Until nobody wants them any more.
    fn run(mut self, blocks: &mpsc::Sender<Vec<io::Result<Block>>>) {
        loop {
            let some: Vec<_> = std::iter::from_fn(|| self.next()).take(AT_ONCE).collect();
            if some.is_empty() || blocks.blocking_send(some).is_err() {
                return;
            }
        }
    }
}

/// What was refused of many WRITEs: the first in the file, which is not always the first that is heard of.
#[derive(Default)]
pub(super) struct Heard {
    /// Where, and why.
    pub refused: Option<(u64, Trouble)>,
}

impl Heard {
    pub fn take(&mut self, offset: u64, written: Result<(), Trouble>) {
        if let Err(trouble) = written
            && self.refused.as_ref().is_none_or(|(first, _)| offset < *first)
        {
            self.refused = Some((offset, trouble));
        }
    }
}

impl Attempt<'_> {
    /// What became of a WRITE.
    pub(super) fn written(&self, written: Done) -> Result<(), Trouble> {
        match written.ended {
            Ended::Lost => Err(Trouble::Lost(self.link.lost())),
            Ended::Data(_) => Err(Trouble::Remote("write to the file", Failed::Nonsense("a status"))),
            Ended::Reply(reply) => {
                done(reply).map_err(Trouble::remote("write to the file"))?;
                self.meter.add(u64::from(written.length));
                Ok(())
            }
        }
    }

    /// Sends what lies between; returns where the file ended, and the digest of all of it.
    pub(super) async fn pump_up(
        &self,
        (file, handle): (&Arc<File>, &[u8]),
        (from, end): (u64, u64),
        digest: Option<Digest>,
    ) -> Result<(u64, Option<Digest>), Trouble> {
        let (tell, mut blocks) = mpsc::channel(READ_AHEAD);
        let reader = Reader {
            file: Arc::clone(file),
            handle: handle.to_vec(),
            at: from,
            end,
            room: self.link.limits.write,
        };
        tokio::task::spawn_blocking(move || reader.run(&tell));
        let hasher = digest.map(Hasher::start);
        let (tell, mut told) = mpsc::unbounded_channel();
        let rooms = Mutex::new(HashMap::<u64, Room>::new());
        let rooms = || rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = CancellationToken::new();

        let sending = async {
            // Dropped at the end: when the last reply has come, `told` ends.
            let tell = tell;
            let mut at = from;
            while let Some(some) = blocks.recv().await {
                for block in some {
                    let block = block.map_err(Trouble::local("read the file"))?;
                    at = block.offset.saturating_add(u64::from(block.length));
                    let room = tokio::select! {
                        room = self.link.room(block.length) => room,
                        () = refused.cancelled() => return Ok(at),
                    };
                    rooms().extend(room.map(|room| (block.offset, room)));
                    let data = self.link.write(block, &tell);
                    if let Some(hasher) = &hasher {
                        hasher.feed(data).await;
                    }
                }
            }
            Ok(at)
        };
        let hearing = async {
            let mut heard = Heard::default();
            while let Some(written) = told.recv().await {
                let offset = written.offset;
                rooms().remove(&offset);
                heard.take(offset, self.written(written));
                if heard.refused.is_some() {
                    refused.cancel();
                }
            }
            heard
        };
        let (sent, heard) = tokio::join!(sending, hearing);
        self.cut_back(heard).await?;
        let digest = match hasher {
            Some(hasher) => Some(hasher.finish().await.map_err(Trouble::local("hash the file"))?),
            None => None,
        };
        Ok((sent?, digest))
    }

    /// Fetches what lies behind `from` up to the file's end, into the file; returns where that is. `size` is what the
    /// server has said.
    pub(super) async fn pump_down(
        &self,
        (handle, file): (&[u8], &Arc<File>),
        (from, size): (u64, u64),
        follower: Option<&Follower>,
    ) -> Result<u64, Trouble> {
        let sink = Arc::new(IntoFile::new(Arc::clone(file), from));
        // Also when this is dropped in the middle.
        let closing = Closing(Arc::clone(&sink));
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut fetch = Fetch::new((from, size), self.link.limits.read);
        let sink_for_link: Arc<dyn Sink> = Arc::clone(&sink) as _;
        loop {
            let wanted = fetch.next();
            if wanted.is_none() && fetch.under_way.is_empty() {
                break;
            }
            let heard = tokio::select! {
                biased;
                Some(heard) = told.recv() => Some(heard),
                Some(room) = take_room(&self.link, wanted), if wanted.is_some() => {
                    if let Some((offset, length)) = wanted {
                        fetch.asked((offset, length), room);
                        self.link.read(handle, (offset, length), &sink_for_link, &tell);
                    }
                    None
                }
            };
            if let Some(heard) = heard {
                let count = fetch.heard(heard, &self.link)?;
                self.meter.add(count);
                if let Some(follower) = follower {
                    follower.reach(sink.whole());
                }
            }
            if sink.has_failed() {
                break;
            }
        }
        drop(closing);
        sink.outcome().map_err(Trouble::local("write to the file"))?;
        Ok(sink.whole())
    }
}

async fn take_room(link: &Link, wanted: Option<(u64, u32)>) -> Option<Room> {
    link.room(wanted?.1).await
}

/// Which READs are still to be sent.
struct Fetch {
    next: u64,
    size: u64,
    block: u32,
    /// Rests of replies that were shorter than asked for.
    again: VecDeque<(u64, u32)>,
    under_way: HashMap<u64, Room>,
    /// A READ behind the end is under way, or was answered: where the server says the file ends decides.
    probed: bool,
    /// Where the server said that nothing more is.
    end: Option<u64>,
}

impl Fetch {
    fn new((from, size): (u64, u64), block: u32) -> Self {
        Self {
            next: from,
            size,
            block,
            again: VecDeque::new(),
            under_way: HashMap::new(),
            probed: false,
            end: None,
        }
    }

    /// What is to be asked for next.
    fn next(&self) -> Option<(u64, u32)> {
        if let Some(rest) = self.again.front() {
            return Some(*rest);
        }
        if self.end.is_some() {
            return None;
        }
        match self.size.checked_sub(self.next) {
            Some(left @ 1..) => Some((self.next, u32::try_from(left).unwrap_or(u32::MAX).min(self.block))),
            _ => (!self.probed).then_some((self.next, self.block)),
        }
    }

    fn asked(&mut self, (offset, length): (u64, u32), room: Room) {
        if self.again.front() == Some(&(offset, length)) {
            self.again.pop_front();
        } else if self.next >= self.size {
            self.probed = true;
        } else {
            self.next = offset.saturating_add(u64::from(length));
        }
        self.under_way.insert(offset, room);
    }

    /// Takes a reply; returns how many bytes came.
    fn heard(&mut self, heard: Done, link: &Link) -> Result<u64, Trouble> {
        self.under_way.remove(&heard.offset);
        let count = match heard.ended {
            Ended::Lost => return Err(Trouble::Lost(link.lost())),
            Ended::Data(count) => count,
            Ended::Reply(reply) => match Failed::from_reply(reply, "data") {
                failed if failed.is_end() => 0,
                failed => return Err(Trouble::Remote("read the file", failed)),
            },
        };
        let end = heard.offset.saturating_add(u64::from(count));
        if count == 0 {
            self.end = Some(self.end.map_or(heard.offset, |end| end.min(heard.offset)));
            return Ok(0);
        }
        if end > self.size {
            // It has grown: what is behind is asked for as well.
            self.size = end;
            self.next = self.next.max(end);
            self.probed = false;
        } else if count < heard.length {
            self.again.push_back((end, heard.length - count));
        }
        Ok(u64::from(count))
    }
}
