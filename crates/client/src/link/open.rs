//! Opens an SFTP channel on a transport: the versions are exchanged, and the server is asked for its limits.

use std::sync::Arc;
use std::time::Duration;

use sftp_wire::constants::SSH_FXP_VERSION;
use sftp_wire::frame::{LARGEST_DATA, LENGTH_FIELD};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request, encode_init, extension};
use tokio::sync::oneshot;

use super::channel::{Limits, SftpChannel};
use super::error::{ConnectionLost, OpenError};
use super::inbox::{Inbox, PendingRequest};
use super::transport::Transport;
use super::watch::ReplyLimits;
use base::visible::printable;

/// How much is shown of what a server sends instead of SFTP, in characters.
const SHOWN: usize = 80;

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
    let begun = async {
        let started = tokio::time::timeout(limit, transport.start_sftp(init)).await;
        let outbox = started.map_err(|_| OpenError::NoAnswer("the request for SFTP", limit))??;
        let version = tokio::time::timeout(limit, version).await;
        let version = version.map_err(|_| OpenError::NotBegun(limit, last_words(&inbox)))?;
        match version {
            Ok(Reply::Version { version, extensions }) => Ok((outbox, version, extensions)),
            Ok(_) | Err(_) => Err(OpenError::Silent(last_words(&inbox))),
        }
    };
    let begun = begun.await;
    // Whatever ended first, what the server has sent instead of SFTP is the reason.
    let (outbox, version, extensions) = begun.map_err(|error| instead_of_sftp(&inbox).unwrap_or(error))?;
    if version < 3 {
        return Err(OpenError::Version(version));
    }
    Ok(SftpChannel::new(inbox, outbox, extensions))
}

/// What a server has sent instead of SFTP's first reply. `None`: nothing, or what may be a part of that reply, or a whole
/// one.
fn instead_of_sftp(inbox: &Inbox) -> Option<OpenError> {
    let first = inbox.first_bytes();
    match first.as_slice() {
        [] => None,
        // Packets begin with their length, whose first byte is a zero.
        [1..=u8::MAX, ..] => Some(OpenError::Text(shown(&first))),
        [0, ..] => {
            let packet_type = first.get(LENGTH_FIELD);
            let is_other = packet_type.is_some_and(|packet_type| *packet_type != SSH_FXP_VERSION);
            (is_other || inbox.is_invalid()).then(|| OpenError::OtherReply(shown(&first)))
        }
    }
}

/// The bytes with which a server has begun, for messages.
fn shown(first: &[u8]) -> String {
    // A packet has many of these.
    let text = printable(first).replace("\\u{0}", "\\0");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use sftp_wire::StatusCode;

    use super::*;
    use crate::link::error::TransportError;
    use crate::link::outbox::{Outbox, OutgoingPackets};

    /// How the server goes on after its first bytes.
    #[derive(Debug, Clone, Copy)]
    enum AfterFirst {
        /// It ends the channel.
        Ends,
        /// It is silent.
        Waits,
        /// It ends the connection, which the client notices first.
        Breaks,
    }

    /// A transport to a server that sends these bytes first.
    struct BeginningWith {
        inbox: Arc<Inbox>,
        first: Vec<u8>,
        then: AfterFirst,
        packets: parking_lot::Mutex<Option<OutgoingPackets>>,
    }

    #[async_trait]
    impl Transport for BeginningWith {
        fn inbox(&self) -> &Arc<Inbox> {
            &self.inbox
        }

        async fn start_sftp(&self, _init: Vec<u8>) -> Result<Outbox, OpenError> {
            if let Err(fault) = self.inbox.data(&self.first) {
                self.inbox.lose(&fault.to_string());
            }
            match self.then {
                AfterFirst::Ends => self.inbox.lose("the server ended the SFTP session"),
                AfterFirst::Waits => {}
                AfterFirst::Breaks => {
                    return Err(TransportError(Box::from("the cable was cut")).into());
                }
            }
            let (outbox, packets) = OutgoingPackets::queue();
            *self.packets.lock() = Some(packets);
            Ok(outbox)
        }

        async fn run(&self, _: Vec<u8>, _: usize) -> Result<Option<Vec<u8>>, TransportError> {
            Ok(None)
        }

        fn takes_link_names_first(&self) -> bool {
            false
        }

        async fn close(&self) {}
    }

    async fn error_after(first: &[u8], then: AfterFirst) -> Option<String> {
        let transport = BeginningWith {
            inbox: Arc::default(),
            first: first.to_vec(),
            then,
            packets: parking_lot::Mutex::default(),
        };
        let opened = open(&transport, Duration::from_millis(50)).await;
        opened.err().map(|error| error.to_string())
    }

    /// Whatever comes first and is not SFTP is shown, however the server goes on.
    #[tokio::test]
    async fn what_comes_instead_of_sftp_is_shown() {
        let refusal = Reply::<&[u8]>::status(StatusCode::PermissionDenied, "go away").to_bytes(0);
        // A VERSION reply whose first extension is longer than the reply itself.
        let invalid = b"\0\0\0\x0c\x02\0\0\0\x03\0\0\0\x20abc";
        // It is longer than what is kept of the beginning.
        let long_invalid = [&b"\0\0\x08\0\x02\0\0\0\x03"[..], &[0xff; 2043]].concat();
        let long = "x".repeat(200);
        let cut = format!("\"{}…\"", "x".repeat(80));
        for (first, text) in [
            (&b"Welcome\n"[..], r#"sent text instead of SFTP: "Welcome\n""#),
            // It is shorter than the length of a packet.
            (b"> ", r#"sent text instead of SFTP: "> ""#),
            (b"\x1b[31mred", r#"sent text instead of SFTP: "\u{1b}[31mred""#),
            (b"\xfcber", r#"sent text instead of SFTP: "\xfcber""#),
            (long.as_bytes(), cut.as_str()),
            (
                &refusal[..],
                r#"the server's first reply is not one of SFTP: "\0\0\0"#,
            ),
            (&refusal[..], "go away"),
            // The length of a packet that no server sends.
            (
                b"\0\xff\xff\xff",
                r#"the server's first reply is not one of SFTP: "\0\xff\xff\xff""#,
            ),
            (
                &invalid[..],
                r#"the server's first reply is not one of SFTP: "\0\0\0"#,
            ),
            (
                &long_invalid[..],
                r#"the server's first reply is not one of SFTP: "\0\0"#,
            ),
        ] {
            for then in [AfterFirst::Ends, AfterFirst::Waits, AfterFirst::Breaks] {
                let error = error_after(first, then).await.expect("it is not SFTP");
                assert!(error.contains(text), "{then:?}: {text}: {error}");
                assert!(error.contains(".bashrc"), "{then:?}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_sends_nothing_has_ended_or_not_begun() {
        let version = Reply::<Bytes>::Version {
            version: 3,
            extensions: Vec::new(),
        };
        let version = version.to_bytes(0);
        let half = version.get(..3).unwrap();
        for (first, then, expected) in [
            (&b""[..], AfterFirst::Ends, "ended SFTP before it had begun"),
            (b"", AfterFirst::Waits, "has not begun it within"),
            (b"", AfterFirst::Breaks, "the cable was cut"),
            // A connection may break in the middle of a reply.
            (half, AfterFirst::Ends, "ended SFTP before it had begun"),
        ] {
            let error = error_after(first, then).await.unwrap();
            assert!(error.contains(expected), "{then:?}: {error}");
        }
        assert_eq!(error_after(&version, AfterFirst::Waits).await, None);
    }
}
