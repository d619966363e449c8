//! Opens an SFTP channel on a connection that is signed in, and sends its packets.
//!
//! Packets leave by one task alone, which puts small ones together; it waits for the server's window.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use bytes::{Bytes, BytesMut};
use russh::client::Handle;
use sftp_wire::frame::LARGEST_DATA;
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request, encode_init, extension};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::channel::{COMMANDS, Limits, Link, MAX_IN_FLIGHT, PERMIT};
use super::error::{ConnectionLost, RemoteError};
use super::handler::{SharedChannel, SshHandler};
use super::hash_methods::FailedHashMethods;
use super::inbox::{Inbox, PendingRequest};

/// The size up to which small requests are put together, in bytes: the packet that every SSH server takes (RFC 4253,
/// section 6.1).
const TOGETHER: usize = 32 << 10;

impl Link {
    /// Opens the SFTP subsystem on a connection that is signed in. `shared` is the one that its handler has.
    ///
    /// # Errors
    /// When the server refuses the subsystem, speaks another version, or goes away.
    pub async fn open(connection: Handle<SshHandler>, shared: SharedChannel) -> Result<Self, OpenError> {
        let inbox = shared.inbox;
        let channel = connection.channel_open_session().await?;
        if shared.channel.set(channel.id()).is_err() {
            return Err(russh::Error::Inconsistent.into());
        }
        // All data comes through the handler; the reading half would only keep a copy.
        let (mut reader, writer) = channel.split();
        let (hello, version) = oneshot::channel();
        inbox.expect(0, PendingRequest::One(hello));
        let mut init = Vec::new();
        encode_init(sftp_wire::VERSION, &mut init);
        // Both are sent at once, because each round trip to a distant server takes noticeable time.
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
        // The link owns the task: it ends when the outbox is dropped.
        tokio::spawn(send(out, writer, Arc::clone(&inbox)));
        let mut link = Self {
            limits: Limits::default(),
            home: Err(RemoteError::UnexpectedReply("a home")),
            connection,
            inbox,
            outbox,
            next_id: AtomicU32::new(1),
            in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT / PERMIT)),
            extensions,
            failed_hash_methods: FailedHashMethods::default(),
            commands: Semaphore::new(COMMANDS as usize),
        };
        let (limits, home) = tokio::join!(limits_of(&link), link.realpath(b"."));
        (link.limits, link.home) = (limits?, home);
        Ok(link)
    }
}

/// Asks the server for its limits, and uses the defaults of the protocol where it does not announce them.
async fn limits_of(link: &Link) -> Result<Limits, ConnectionLost> {
    let default = Limits::default();
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
    // 0 means that the server does not say. More than OpenSSH takes gains nothing.
    let usable = |limit: u64| match u32::try_from(limit) {
        Ok(0) | Err(_) => None,
        Ok(limit) => Some(limit.min(LARGEST_DATA)),
    };
    Ok(Limits {
        read: usable(limits.read_length).unwrap_or(default.read),
        write: usable(limits.write_length).unwrap_or(default.write),
    })
}

/// Why there is no SFTP.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server refused the subsystem.
    #[error("the server does not offer SFTP (hint: this account may be for something else)")]
    NoSftp,
    /// The server's first reply is not valid SFTP. Holds the last text that it sent.
    #[error("the server's SFTP ended before it had begun{0}")]
    Silent(String),
    /// The server speaks another version than 3.
    #[error("the server speaks version {0} of SFTP, and 3 is needed")]
    Version(u32),
    /// The connection was lost while the channel was opened.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionLost),
    /// The SSH connection itself failed.
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

/// Sends requests in order, until the link is dropped.
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
