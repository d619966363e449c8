//! Both directions of a command's channel, and the lines that all commands write. Windows and buffers are
//! [`crate::session::stream`]'s.

use bytes::Bytes;

use crate::session::stream::input::InputReader;
use crate::session::stream::output::CommandOutput;
use crate::session::stream::{Disconnected, Stream};

/// Both directions of a command's channel.
pub struct CommandIo {
    /// What comes from the client.
    pub input: InputReader,
    /// What goes to the client.
    pub output: CommandOutput,
}

/// Writes to the standard output of the command; returns the exit status 0.
pub(super) async fn say(io: &CommandIo, text: impl Into<Bytes>) -> Result<u32, Disconnected> {
    io.output.send(Stream::Output, text).await?;
    Ok(0)
}

/// Writes one line to the client's terminal.
pub(super) async fn complain(io: &CommandIo, sentence: &str) -> Result<(), Disconnected> {
    io.output.send(Stream::Error, format!("{sentence}\n")).await
}
