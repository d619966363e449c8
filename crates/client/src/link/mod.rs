//! One SFTP channel as its client: requests go out in the order in which they are made, replies find who asked.
//!
//! Whoever asks does not wait for others: any number of requests may be under way. What bounds them: transfers take
//! their share of [`Link::room`] for each READ and WRITE before they send it; all else is one request for one waiting
//! caller. Requests leave by one task alone, which puts small ones together; it waits for the server's window.

mod block;
mod handler;
mod inbox;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{Bytes, BytesMut};
use russh::client::Handle;
use sftp_wire::frame::LARGEST_DATA;
use sftp_wire::{
    Announcement, ExtendedReply as _, ExtendedRequest, Extension, Reply, Request, encode_init, extension,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::remote::failed::Failed;
use super::remote::prove::Useless;
pub use block::Block;
pub use handler::{Events, Wiring};
pub use inbox::{Done, Ended, Sink};
use inbox::{Inbox, Slot};

/// Bytes of READs and WRITEs under way at once: enough for 480 MiB/s over a link of 50 ms. On a near link less would do,
/// but is no faster: 0.5 to 16 MiB were tried on OpenSSH's sshd.
const ROOM: usize = 24 << 20;
/// Commands at once beside the SFTP session: OpenSSH allows ten sessions of a connection, other servers fewer.
pub(super) const COMMANDS: u32 = 4;
/// One permit of the room.
const PERMIT: usize = 1 << 10;
/// Small requests are put together up to the size of packet that every SSH server takes (RFC 4253, section 6.1).
const TOGETHER: usize = 32 << 10;

/// The connection is gone, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the server was lost: {0}")]
pub struct Lost(pub Arc<str>);

/// A connection with an open SFTP channel.
pub struct Link {
    connection: Handle<Events>,
    inbox: Arc<Inbox>,
    outbox: mpsc::UnboundedSender<Bytes>,
    next_id: AtomicU32,
    room: Arc<Semaphore>,
    extensions: Vec<Announcement<Bytes>>,
    /// Where the server has put us.
    pub home: Result<Vec<u8>, Failed>,
    /// What the server takes and gives at once.
    pub limits: Limits,
    /// Ways to hash that do not work here.
    pub(super) useless: Useless,
    /// Turns for commands.
    pub(super) commands: Semaphore,
}

/// Bytes of one READ and one WRITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// READ.
    pub read: u32,
    /// WRITE.
    pub write: u32,
}

impl Default for Limits {
    /// What every server takes (draft-ietf-secsh-filexfer-02, section 3).
    fn default() -> Self {
        Self {
            read: 32 << 10,
            write: 32 << 10,
        }
    }
}

impl Limits {
    /// What the server says of itself.
    async fn of(link: &Link) -> Result<Self, Lost> {
        let default = Self::default();
        if !link.offers(Extension::Limits) {
            return Ok(default);
        }
        let reply = link.ask(&Request::Extended(ExtendedRequest::Limits)).await?;
        let Reply::Extended(reply) = reply else {
            return Ok(default);
        };
        let Ok(limits) = extension::Limits::decode(&reply) else {
            return Ok(default);
        };
        // 0: the server does not say. More than OpenSSH takes gains nothing.
        let usable = |limit: u64| match u32::try_from(limit) {
            Ok(0) | Err(_) => None,
            Ok(limit) => Some(limit.min(LARGEST_DATA)),
        };
        Ok(Self {
            read: usable(limits.read_length).unwrap_or(default.read),
            write: usable(limits.write_length).unwrap_or(default.write),
        })
    }
}

/// Room for one READ or WRITE; given back when dropped.
pub struct Room(#[allow(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Link {
    /// Opens the SFTP subsystem on a connection that is signed in. `wiring` is the one that its handler has.
    ///
    /// # Errors
    /// When the server refuses the subsystem, speaks another version, or goes away.
    pub async fn open(connection: Handle<Events>, wiring: Wiring) -> Result<Self, OpenError> {
        let inbox = wiring.inbox;
        let channel = connection.channel_open_session().await?;
        if wiring.channel.set(channel.id()).is_err() {
            return Err(russh::Error::Inconsistent.into());
        }
        // All data comes by the handler; the reading half would only keep a copy.
        let (mut reader, writer) = channel.split();
        let (hello, version) = oneshot::channel();
        inbox.expect(0, Slot::One(hello));
        let mut init = Vec::new();
        encode_init(sftp_wire::VERSION, &mut init);
        // Both at once: over a far link each round trip is felt.
        writer.request_subsystem(true, "sftp").await?;
        writer.data_bytes(init).await?;
        loop {
            match reader.wait().await {
                Some(russh::ChannelMsg::Success) => break,
                Some(russh::ChannelMsg::Failure) | None => return Err(OpenError::NoSftp),
                Some(_) => {}
            }
        }
        drop(reader);
        let Ok(Reply::Version { version, extensions }) = version.await else {
            return Err(OpenError::Silent(last_words(&inbox)));
        };
        if version < 3 {
            return Err(OpenError::Version(version));
        }
        let (outbox, out) = mpsc::unbounded_channel();
        // Its owner is the link: when the outbox is dropped, it ends.
        tokio::spawn(send(out, writer, Arc::clone(&inbox)));
        let mut link = Self {
            limits: Limits::default(),
            home: Err(Failed::Nonsense("a home")),
            connection,
            inbox,
            outbox,
            next_id: AtomicU32::new(1),
            room: Arc::new(Semaphore::new(ROOM / PERMIT)),
            extensions,
            useless: Useless::default(),
            commands: Semaphore::new(COMMANDS as usize),
        };
        let (limits, home) = tokio::join!(Limits::of(&link), link.realpath(b"."));
        (link.limits, link.home) = (limits?, home);
        Ok(link)
    }

    /// Whether the server announces an extension.
    pub fn offers(&self, extension: Extension) -> bool {
        let name = extension.name().as_bytes();
        self.extensions.iter().any(|announced| announced.name == name)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn ask(&self, request: &Request<'_>) -> Result<Reply<Bytes>, Lost> {
        self.begin(request).await.map_err(|_| self.lost())
    }

    /// Asks; the answer can be waited for later.
    pub fn begin(&self, request: &Request<'_>) -> oneshot::Receiver<Reply<Bytes>> {
        let (slot, answer) = oneshot::channel();
        let id = self.id();
        let mut packet = Vec::new();
        request.encode(id, &mut packet);
        self.inbox.expect(id, Slot::One(slot));
        self.send(packet.into());
        answer
    }

    /// Why the connection is gone; waits until that is known.
    pub fn lost(&self) -> Lost {
        Lost(self.inbox.lost().unwrap_or_else(|| "it was closed".into()))
    }

    /// Is it gone?
    pub fn is_lost(&self) -> bool {
        self.inbox.lost().is_some()
    }

    /// Waits for room for a READ or WRITE of so many bytes.
    pub async fn room(&self, bytes: u32) -> Option<Room> {
        let permits = (bytes as usize).div_ceil(PERMIT).clamp(1, ROOM / PERMIT);
        let permits = u32::try_from(permits).ok()?;
        let taken = Arc::clone(&self.room).acquire_many_owned(permits).await;
        taken.ok().map(Room)
    }

    /// Sends a READ whose bytes go to `sink`; what became of it goes to `done`.
    pub fn read(
        &self,
        handle: &[u8],
        (offset, length): (u64, u32),
        sink: &Arc<dyn Sink>,
        done: &mpsc::UnboundedSender<Done>,
    ) {
        let id = self.id();
        let mut packet = Vec::new();
        Request::Read {
            handle,
            offset,
            length,
        }
        .encode(id, &mut packet);
        let sink = Some(Arc::clone(sink));
        let done = done.clone();
        self.inbox.expect(
            id,
            Slot::Many {
                offset,
                length,
                sink,
                done,
            },
        );
        self.send(packet.into());
    }

    /// Sends a WRITE; what became of it goes to `done`. Returns its data, which is not copied.
    pub fn write(&self, block: Block, done: &mpsc::UnboundedSender<Done>) -> Bytes {
        let id = self.id();
        let (offset, length) = (block.offset, block.length);
        let done = done.clone();
        self.inbox.expect(
            id,
            Slot::Many {
                offset,
                length,
                sink: None,
                done,
            },
        );
        let (packet, data) = block.with_id(id);
        self.send(packet);
        data
    }

    /// The server's words beside its replies, once.
    pub fn notice(&self) -> Vec<u8> {
        self.inbox.take_notice()
    }

    /// Another channel of the same connection, for a command.
    ///
    /// # Errors
    /// When the server gives none.
    pub async fn channel(&self) -> Result<russh::Channel<russh::client::Msg>, russh::Error> {
        self.connection.channel_open_session().await
    }

    /// Says goodbye.
    pub async fn close(&self) {
        self.inbox.lose("it was closed");
        let bye = self
            .connection
            .disconnect(russh::Disconnect::ByApplication, "done", "en");
        // The server may have gone already.
        drop(bye.await);
    }

    fn id(&self) -> u32 {
        // After four billion requests those of the beginning are long answered.
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn send(&self, packet: Bytes) {
        // If the sender has ended, the inbox knows why.
        drop(self.outbox.send(packet));
    }
}

/// Why there is no SFTP.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The subsystem was refused.
    #[error("the server does not offer SFTP (hint: this account may be for something else)")]
    NoSftp,
    /// It said nothing that makes sense.
    #[error("the server's SFTP ended before it had begun{0}")]
    Silent(String),
    /// Version 3 is what everybody speaks.
    #[error("the server speaks version {0} of SFTP, and 3 is needed")]
    Version(u32),
    /// It went away.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// SSH itself.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

fn last_words(inbox: &Inbox) -> String {
    let notice = inbox.take_notice();
    let words = String::from_utf8_lossy(&notice);
    match words.trim() {
        "" => String::new(),
        words => format!(": {}", words.escape_debug()),
    }
}

/// Sends what is asked for, in order, until nobody can ask any more.
async fn send(
    mut out: mpsc::UnboundedReceiver<Bytes>,
    writer: russh::ChannelWriteHalf<russh::client::Msg>,
    inbox: Arc<Inbox>,
) {
    let mut next = None;
    while let Some(first) = match next.take() {
        Some(packet) => Some(packet),
        None => out.recv().await,
    } {
        let mut packet = first;
        if packet.len() < TOGETHER {
            let mut together = BytesMut::from(packet);
            while let Ok(more) = out.try_recv() {
                if together.len() + more.len() > TOGETHER {
                    next = Some(more);
                    break;
                }
                together.extend_from_slice(&more);
            }
            packet = together.freeze();
        }
        if writer.data_bytes(packet).await.is_err() {
            inbox.lose("the server closed it");
            return;
        }
    }
}

#[cfg(test)]
mod tests;
