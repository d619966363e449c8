//! The system's ssh as a transport: its standard input and output carry SFTP, and it runs commands by the same
//! connection.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;

use super::error::{OpenError, TransportError};
use super::inbox::Inbox;
use super::outbox::{Outbox, OutgoingPackets};
use super::transport::Transport;
use crate::connect::SshProcess;

/// How much is read at once, in bytes.
const RECEIVE: usize = 128 << 10;
/// The most commands at once beside the SFTP session: OpenSSH allows ten sessions of a connection, other servers fewer.
const COMMANDS: usize = 4;

/// The system's ssh, which signs in while SFTP is started.
pub struct ProgramTransport {
    process: Arc<SshProcess>,
    /// The program's standard input and output, until SFTP is started.
    stream: Mutex<Option<UnixStream>>,
    inbox: Arc<Inbox>,
    /// One permit for each command that may run at once.
    commands: Semaphore,
}

impl ProgramTransport {
    /// Makes the transport of a program that has been started. `stream` is its standard input and output.
    pub fn new(process: Arc<SshProcess>, stream: UnixStream) -> Self {
        Self {
            process,
            stream: Mutex::new(Some(stream)),
            inbox: Arc::default(),
            commands: Semaphore::new(COMMANDS),
        }
    }
}

impl From<std::io::Error> for TransportError {
    fn from(error: std::io::Error) -> Self {
        Self(Box::new(error))
    }
}

#[async_trait]
impl Transport for ProgramTransport {
    fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    async fn start_sftp(&self, init: Vec<u8>) -> Result<Outbox, OpenError> {
        let stream = self.stream.lock().take();
        let (reader, writer) = stream.ok_or(OpenError::NoSftp)?.into_split();
        let (outbox, packets) = OutgoingPackets::queue();
        // Nothing else is in the queue yet.
        drop(outbox.send(init.into()));
        // The link owns the first task, which ends when the outbox is dropped; both end with the program.
        tokio::spawn(send(packets, writer, Arc::clone(&self.inbox)));
        tokio::spawn(receive(reader, Arc::clone(&self.inbox)));
        Ok(outbox)
    }

    async fn run(&self, command: Vec<u8>, max_output: usize) -> Result<Option<Vec<u8>>, TransportError> {
        if !self.process.shares_connection() {
            return Ok(None);
        }
        // The semaphore is never closed.
        let _turn = self.commands.acquire().await;
        Ok(self.process.run(&command, max_output).await?)
    }

    fn takes_link_names_first(&self) -> bool {
        // Every server knows OpenSSH's client.
        false
    }

    async fn close(&self) {
        self.inbox.lose("it was closed");
    }
}

/// Sends packets in order, until the outbox is dropped.
async fn send(mut packets: OutgoingPackets, mut writer: OwnedWriteHalf, inbox: Arc<Inbox>) {
    while let Some(packet) = packets.next().await {
        if writer.write_all(&packet).await.is_err() {
            return inbox.lose("ssh has ended");
        }
    }
}

/// Receives what the program passes on, until it ends.
async fn receive(mut reader: OwnedReadHalf, inbox: Arc<Inbox>) {
    let mut buffer = vec![0; RECEIVE];
    loop {
        let count = match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return inbox.lose("ssh has ended"),
            Ok(count) => count,
        };
        if let Err(error) = inbox.data(buffer.get(..count).unwrap_or_default()) {
            return inbox.lose(&error.to_string());
        }
    }
}
