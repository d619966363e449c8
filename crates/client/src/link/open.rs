//! Opens an SFTP channel on a transport: the versions are exchanged, and the server is asked for its limits.

use std::sync::Arc;
use std::time::Duration;

use sftp_wire::frame::LARGEST_DATA;
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request, encode_init, extension};
use tokio::sync::oneshot;

use super::channel::{Limits, SftpChannel};
use super::error::{ConnectionLost, OpenError};
use super::inbox::{Inbox, PendingRequest};
use super::transport::Transport;
use super::watch::ReplyLimits;
use base::visible::printable_lines;

/// How much is shown of text that a server sends instead of SFTP, in characters.
const SHOWN_TEXT: usize = 200;

/// How long the server may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLimits {
    /// The limit for each step until SFTP has begun.
    pub answer: Duration,
    /// The limits for the replies to requests.
    pub replies: ReplyLimits,
}

/// Starts SFTP, and agrees with the server on version 3. Each step may take as long as `limit`.
pub(super) async fn open(transport: &dyn Transport, limit: Duration) -> Result<SftpChannel, OpenError> {
    let inbox = Arc::clone(transport.inbox());
    let (hello, version) = oneshot::channel();
    inbox.expect(0, PendingRequest::One(hello));
    let mut init = Vec::new();
    encode_init(sftp_wire::VERSION, &mut init);
    let started = tokio::time::timeout(limit, transport.start_sftp(init)).await;
    let outbox = started.map_err(|_| OpenError::NoAnswer("the request for SFTP", limit))??;
    let version = tokio::time::timeout(limit, version).await;
    let version = version.map_err(|_| OpenError::NotBegun(limit, last_words(&inbox)))?;
    let Ok(Reply::Version { version, extensions }) = version else {
        return Err(match inbox.text_before() {
            Some(text) => OpenError::Text(printable_lines(&text, 3, SHOWN_TEXT)),
            None => OpenError::Silent(last_words(&inbox)),
        });
    };
    if version < 3 {
        return Err(OpenError::Version(version));
    }
    Ok(SftpChannel::new(inbox, outbox, extensions))
}

/// Asks the server for its limits, and uses the defaults of the protocol where it does not announce them.
pub(super) async fn limits_of(channel: &SftpChannel) -> Result<Limits, ConnectionLost> {
    let default = Limits::default();
    if !channel.offers(Extension::Limits) {
        return Ok(default);
    }
    let reply = channel.ask(&Request::Extended(ExtendedRequest::Limits)).await?;
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

fn last_words(inbox: &Inbox) -> String {
    let notice = inbox.take_notice();
    let words = String::from_utf8_lossy(&notice);
    match words.trim() {
        "" => String::new(),
        words => format!(": {}", words.escape_debug()),
    }
}
