//! HOMEPORT: what a peer can make grow in a session, and how long it can make a key exchange take.
//!
//! A channel that the peer opens is *pending* (its answer waits in a queue that stands still while keys are exchanged),
//! then *open*, then *closing* (our CHANNEL_CLOSE was asked for, the peer's has not come). Pending channels are counted;
//! one that the peer closes before its answer went out is cancelled. A CHANNEL_CLOSE for any other channel number is
//! not passed on: the handler hears of the end of each of its channels once.
//!
//! Nobody who has not signed in needs new keys: after [`EARLY_EXCHANGES`] of them the connection ends.
//!
//! A key exchange, the first one included, ends the connection when nothing has moved for [`Config::kex_timeout`], and
//! after [`IN_ALL`] times as long in any case.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ssh_encoding::Encode;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::{Config, Session};
use crate::sshbuffer::PacketWriter;
use crate::{ChannelId, Disconnect, Error, future_or_pending, msg};

/// Opens that may wait for their answer at once; more are refused on the spot.
const MAX_PENDING_OPENS: usize = 64;
/// Messages from tasks are taken until so much output waits for the socket.
pub(crate) const OUTPUT_AT_ONCE: usize = 256 * 1024;
/// RFC 4253, section 6.1: what every implementation must take. Larger packets are for those who have signed in.
pub(crate) const PACKET_BEFORE_SIGN_IN: usize = 35_000;
/// Key exchanges that a client may ask for before it has signed in: no client needs any, and each costs a signature.
const EARLY_EXCHANGES: u32 = 2;
/// A key exchange that makes progress may take so many times the time in which one must.
const IN_ALL: u32 = 10;
/// For a peer to read a DISCONNECT and to close its side.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// Opens whose answer waits; `true`: the peer has closed the channel already.
    pending_opens: HashMap<ChannelId, bool>,
    /// Channels on which our CHANNEL_CLOSE was asked for, and the peer's has not come.
    closing: HashSet<ChannelId>,
    exchange: Option<ExchangeClock>,
    /// Exchanges that the client has asked for and that were begun before the sign-in.
    early_exchanges: u32,
}

#[derive(Debug)]
struct ExchangeClock {
    began: Instant,
    progress: Instant,
}

impl Bounds {
    /// May the peer open one more channel now? Then it is pending.
    pub(crate) fn open(&mut self, channel: ChannelId) -> bool {
        let room = self.pending_opens.len() < MAX_PENDING_OPENS;
        if room {
            self.pending_opens.insert(channel, false);
        }
        room
    }

    /// An open is answered; `false`: it was cancelled meanwhile.
    pub(crate) fn answered(&mut self, channel: ChannelId) -> bool {
        self.pending_opens.remove(&channel) == Some(false)
    }

    /// Our CHANNEL_CLOSE was asked for.
    pub(crate) fn closing(&mut self, channel: ChannelId) {
        self.closing.insert(channel);
    }

    /// The peer's CHANNEL_CLOSE has come for a channel; was it open, as far as the handler knows?
    pub(crate) fn closed(&mut self, channel: ChannelId, established: bool) -> bool {
        let was_closing = self.closing.remove(&channel);
        let was_pending = match self.pending_opens.get_mut(&channel) {
            Some(cancelled) => !std::mem::replace(cancelled, true),
            None => false,
        };
        established || was_closing || was_pending
    }

    pub(crate) fn exchange_begins(&mut self) {
        let now = Instant::now();
        self.exchange = Some(ExchangeClock {
            began: now,
            progress: now,
        });
    }

    pub(crate) fn exchange_ends(&mut self) {
        self.exchange = None;
    }

    /// Bytes have gone in or out.
    pub(crate) fn progress(&mut self) {
        if let Some(clock) = &mut self.exchange {
            clock.progress = Instant::now();
        }
    }

    /// How long the key exchange under way may still take; `None`: there is none, or no limit.
    pub(crate) fn exchange_time_left(&self, config: &Config) -> Option<Duration> {
        let (clock, limit) = (self.exchange.as_ref()?, config.kex_timeout?);
        let end = (clock.progress + limit).min(clock.began + limit * IN_ALL);
        Some(end.saturating_duration_since(Instant::now()))
    }
}

impl Session {
    /// Are keys being exchanged? Data that is sent meanwhile stays in memory until they are.
    pub fn is_exchanging_keys(&self) -> bool {
        self.kex.active()
    }

    /// The client asks for new keys with this KEXINIT, of which so much has to be kept as long as the exchange takes.
    pub(crate) fn check_kexinit(&mut self, length: usize) -> Result<(), Error> {
        if length > PACKET_BEFORE_SIGN_IN {
            return Err(Error::PacketSize(length));
        }
        let signed_in = match self.common.encrypted.as_ref().map(|enc| &enc.state) {
            Some(state) => Self::automatic_rekey_eligible(state),
            None => false,
        };
        if !signed_in && self.common.encrypted.is_some() && !self.kex.active() {
            self.bounds.early_exchanges += 1;
            if self.bounds.early_exchanges > EARLY_EXCHANGES {
                return Err(Error::EarlyExchanges);
            }
        }
        Ok(())
    }

    /// The client asks for a service that there is not: as OpenSSH, says so and hangs up.
    pub(crate) fn refuse_service(&mut self, name: &str) -> Result<(), Error> {
        let shown: String = name.chars().take(64).collect();
        let sentence = format!("bad service request {shown}");
        self.common.disconnect(Disconnect::ServiceNotAvailable, &sentence, "en")
    }

    /// Answers a message of a kind that there is not (RFC 4253, section 11.4). While keys are exchanged it is passed over.
    pub(crate) fn answer_unknown(&mut self, sequence_number: u32) -> Result<(), Error> {
        if self.kex.active() {
            return Ok(());
        }
        match self.common.encrypted.as_mut() {
            Some(enc) => {
                let write = &mut enc.write;
                push_packet!(write, {
                    msg::UNIMPLEMENTED.encode(write)?;
                    sequence_number.encode(write)?;
                });
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Lets the client send so many bytes more on a channel (RFC 4254, section 5.2).
    pub fn open_window(&mut self, channel: ChannelId, bytes: u32) -> Result<(), Error> {
        match self.common.encrypted.as_mut() {
            Some(enc) => enc.open_window(channel, bytes),
            None => Ok(()),
        }
    }

    /// Does so much output wait that tasks must wait with theirs?
    pub(crate) fn has_enough_output(&mut self) -> bool {
        let staged = self.common.encrypted.as_ref().map_or(0, |enc| enc.write.len());
        staged + self.common.packet_writer.buffer().buffer.len() >= OUTPUT_AT_ONCE
    }

    /// The largest packet that the peer may send now; 0: the usual limit.
    pub(crate) fn packet_limit(&self) -> usize {
        match self.common.encrypted.as_ref().map(|enc| &enc.state) {
            Some(state) if Self::automatic_rekey_eligible(state) => 0,
            _ => PACKET_BEFORE_SIGN_IN,
        }
    }

    /// Writes what is sealed; while keys are exchanged, not longer than the exchange may take.
    pub(crate) async fn send_output<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        inactivity_timer: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), Error> {
        let writer = &mut self.common.packet_writer;
        if self.bounds.exchange.is_none() {
            return crate::flush_or_timeout(writer, stream, inactivity_timer).await;
        }
        let mut sent = 0;
        while sent < writer.buffer().buffer.len() {
            let left = self.bounds.exchange_time_left(&self.common.config);
            let rest = writer.buffer().buffer.get(sent..).unwrap_or_default();
            tokio::select! {
                written = stream.write(rest) => match written? {
                    0 => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
                    count => sent += count,
                },
                () = future_or_pending(left, tokio::time::sleep) => return Err(Error::KexTimeout),
            }
            self.bounds.progress();
        }
        writer.buffer().buffer.clear();
        let left = self.bounds.exchange_time_left(&self.common.config);
        tokio::select! {
            flushed = stream.flush() => Ok(flushed?),
            () = future_or_pending(left, tokio::time::sleep) => Err(Error::KexTimeout),
        }
    }

    /// The key exchange takes too long: says so, if the peer takes it.
    pub(crate) async fn give_up_exchange<W: AsyncWrite + Unpin>(&mut self, stream: &mut W) -> Error {
        let farewell = async {
            say_goodbye(&mut self.common.packet_writer)?;
            self.common.packet_writer.flush_into(stream).await?;
            stream.shutdown().await?;
            Ok::<_, Error>(())
        };
        // Whether it is heard makes no difference to the end.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        Error::KexTimeout
    }
}

/// Is this a kind of message that a client may send?
pub(crate) fn is_known(kind: u8) -> bool {
    matches!(kind, 1..=5 | msg::EXT_INFO | 20..=49 | 50 | 61 | 80..=82 | 90..=100)
}

fn say_goodbye(writer: &mut PacketWriter) -> Result<(), Error> {
    writer.write_packet(|packet| {
        msg::DISCONNECT.encode(packet)?;
        (Disconnect::KeyExchangeFailed as u32).encode(packet)?;
        "the key exchange was not finished in time".encode(packet)?;
        "en".encode(packet)?;
        Ok(())
    })
}
