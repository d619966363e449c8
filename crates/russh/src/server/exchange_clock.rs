//! The time that a key exchange may take: [`Config::kex_timeout`](super::Config::kex_timeout).
//!
//! An exchange ends the connection when no bytes have been read or written for the timeout, and after
//! [`MAX_TIMEOUTS`] times the timeout in any case. Without a limit, a peer could leave an exchange unfinished for ever,
//! and with it all the output that waits until the exchange is over.

use std::pin::Pin;
use std::time::Duration;

use ssh_encoding::Encode;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::session::FAREWELL;
use super::{Config, Session};
use crate::sshbuffer::PacketWriter;
use crate::{Disconnect, Error, future_or_pending, msg};

/// A key exchange that makes progress may take this many times the timeout.
const MAX_TIMEOUTS: u32 = 10;

/// The clock of the key exchange in progress, if there is one.
#[derive(Debug, Default)]
pub(crate) struct ExchangeClock(Option<Running>);

#[derive(Debug)]
struct Running {
    began: Instant,
    progress: Instant,
}

impl ExchangeClock {
    pub(crate) fn start(&mut self) {
        let now = Instant::now();
        self.0 = Some(Running {
            began: now,
            progress: now,
        });
    }

    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }

    /// Notes that bytes were read or written.
    pub(crate) fn progress(&mut self) {
        if let Some(running) = &mut self.0 {
            running.progress = Instant::now();
        }
    }

    /// The time that is left for the key exchange, or `None` if there is no exchange or no limit.
    pub(crate) fn time_left(&self, config: &Config) -> Option<Duration> {
        let (running, timeout) = (self.0.as_ref()?, config.kex_timeout?);
        let end = (running.progress + timeout).min(running.began + timeout * MAX_TIMEOUTS);
        Some(end.saturating_duration_since(Instant::now()))
    }
}

impl Session {
    /// Returns whether keys are being exchanged. Data that is sent meanwhile waits in memory until they are.
    pub fn is_exchanging_keys(&self) -> bool {
        self.kex.active()
    }

    /// Writes the packets that are sealed. During a key exchange this takes no longer than the exchange may take.
    pub(crate) async fn send_output<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        inactivity_timer: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), Error> {
        let writer = &mut self.common.packet_writer;
        if self.exchange_clock.0.is_none() {
            return crate::flush_or_timeout(writer, stream, inactivity_timer).await;
        }
        let mut sent = 0;
        while sent < writer.buffer().buffer.len() {
            let left = self.exchange_clock.time_left(&self.common.config);
            let rest = writer.buffer().buffer.get(sent..).unwrap_or_default();
            tokio::select! {
                written = stream.write(rest) => match written? {
                    0 => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
                    count => sent += count,
                },
                () = future_or_pending(left, tokio::time::sleep) => return Err(Error::KexTimeout),
            }
            self.exchange_clock.progress();
        }
        writer.buffer().buffer.clear();
        let left = self.exchange_clock.time_left(&self.common.config);
        tokio::select! {
            flushed = stream.flush() => Ok(flushed?),
            () = future_or_pending(left, tokio::time::sleep) => Err(Error::KexTimeout),
        }
    }

    /// Sends a DISCONNECT because the key exchange took too long, if the peer reads it within a second.
    pub(crate) async fn give_up_exchange<W: AsyncWrite + Unpin>(&mut self, stream: &mut W) -> Error {
        let farewell = async {
            write_disconnect(&mut self.common.packet_writer)?;
            self.common.packet_writer.flush_into(stream).await?;
            stream.shutdown().await?;
            Ok::<_, Error>(())
        };
        // The connection ends in any case.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        Error::KexTimeout
    }
}

fn write_disconnect(writer: &mut PacketWriter) -> Result<(), Error> {
    writer.write_packet(|packet| {
        msg::DISCONNECT.encode(packet)?;
        (Disconnect::KeyExchangeFailed as u32).encode(packet)?;
        "the key exchange was not finished in time".encode(packet)?;
        "en".encode(packet)?;
        Ok(())
    })
}
