//! The connection of the SSH library as a transport: the SFTP subsystem on one of its channels, commands on others.

mod handler;

use std::sync::Arc;

use async_trait::async_trait;
use russh::ChannelMsg;
use russh::client::{Handle, Msg};
use tokio::sync::Semaphore;

use super::error::{OpenError, TransportError};
use super::inbox::Inbox;
use super::outbox::{Outbox, OutgoingPackets};
use super::transport::Transport;

pub use handler::{SharedChannel, SshHandler};

/// The most commands at once beside the SFTP session: OpenSSH allows ten sessions of a connection, other servers fewer.
const COMMANDS: u32 = 4;
/// The name of asyncssh in the identification of a server.
const ASYNCSSH: &[u8] = b"AsyncSSH";

/// A connection of the SSH library on which the user is signed in.
pub struct SshTransport {
    connection: Handle<SshHandler>,
    shared: SharedChannel,
    /// One permit for each command that may run at once.
    commands: Semaphore,
}

impl From<russh::Error> for TransportError {
    fn from(error: russh::Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<russh::Error> for OpenError {
    fn from(error: russh::Error) -> Self {
        Self::Transport(error.into())
    }
}

impl SshTransport {
    /// Makes the transport of a connection. `shared` is the one that its handler has.
    pub fn new(connection: Handle<SshHandler>, shared: SharedChannel) -> Self {
        Self {
            connection,
            shared,
            commands: Semaphore::new(COMMANDS as usize),
        }
    }
}

#[async_trait]
impl Transport for SshTransport {
    fn inbox(&self) -> &Arc<Inbox> {
        &self.shared.inbox
    }

    async fn start_sftp(&self, init: Vec<u8>) -> Result<Outbox, OpenError> {
        let channel = self.connection.channel_open_session().await?;
        if self.shared.channel.set(channel.id()).is_err() {
            return Err(russh::Error::Inconsistent.into());
        }
        // All data comes through the handler; the reading half would only keep a copy.
        let (mut reader, writer) = channel.split();
        writer.request_subsystem(true, "sftp").await?;
        let accepted = async {
            loop {
                match reader.wait().await {
                    Some(ChannelMsg::Success) => return Ok(()),
                    Some(ChannelMsg::Failure) | None => return Err(OpenError::NoSftp),
                    Some(_) => {}
                }
            }
        };
        // OpenSSH opens the window only once it has accepted the subsystem, and so never after a refusal.
        let sent = async { writer.data_bytes(init).await.map_err(OpenError::from) };
        tokio::try_join!(accepted, sent)?;
        let (outbox, packets) = OutgoingPackets::queue();
        // The link owns the task: it ends when the outbox is dropped.
        tokio::spawn(send(packets, writer, Arc::clone(&self.shared.inbox)));
        Ok(outbox)
    }

    async fn run(&self, command: Vec<u8>, max_output: usize) -> Result<Option<Vec<u8>>, TransportError> {
        // The semaphore is never closed.
        let turn = self.commands.acquire().await;
        let channel = match self.connection.channel_open_session().await {
            // The server allows no more channels: try again when no other command runs.
            Err(russh::Error::ChannelOpenFailure(_)) => {
                drop(turn);
                let _all = self.commands.acquire_many(COMMANDS).await;
                let channel = self.connection.channel_open_session().await?;
                return Ok(output_of(channel, command, max_output).await?);
            }
            opened => opened?,
        };
        Ok(output_of(channel, command, max_output).await?)
    }

    fn takes_link_names_first(&self) -> bool {
        // asyncssh takes OpenSSH's order only from clients that call themselves OpenSSH or paramiko.
        let id = self.shared.server_id.get();
        id.is_some_and(|id| id.windows(ASYNCSSH.len()).any(|part| part == ASYNCSSH))
    }

    async fn close(&self) {
        self.shared.inbox.lose("it was closed");
        let bye = self
            .connection
            .disconnect(russh::Disconnect::ByApplication, "done", "en");
        // The server may have gone already.
        drop(bye.await);
    }
}

/// Sends packets in order, until the outbox is dropped.
async fn send(mut packets: OutgoingPackets, writer: russh::ChannelWriteHalf<Msg>, inbox: Arc<Inbox>) {
    while let Some(packet) = packets.next().await {
        if writer.data_bytes(packet).await.is_err() {
            inbox.lose("the server closed it");
            return;
        }
    }
}

/// Runs a command on this channel, and returns what it prints. `None`: the server does not run it.
async fn output_of(
    mut channel: russh::Channel<Msg>,
    command: Vec<u8>,
    max_output: usize,
) -> Result<Option<Vec<u8>>, russh::Error> {
    channel.exec(true, command).await?;
    // No command here reads input.
    channel.eof().await?;
    let mut output = Vec::new();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } if output.len() + data.len() <= max_output => {
                output.extend_from_slice(&data);
            }
            ChannelMsg::Failure => return Ok(None),
            _ => {}
        }
    }
    Ok(Some(output))
}
