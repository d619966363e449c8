//! Both directions of a command's channel, and printing to it. Windows and buffers are in [`crate::session::stream`].

use bytes::Bytes;

use crate::session::stream::input::InputReader;
use crate::session::stream::output::CommandOutput;
use crate::session::stream::{Disconnected, Stream};

/// Both directions of a command's channel.
pub struct CommandIo {
    /// The input that comes from the client.
    pub input: InputReader,
    /// The output that goes to the client.
    pub output: CommandOutput,
}

/// Prints to the standard output of the command; returns the exit status 0.
pub(super) async fn print(io: &CommandIo, text: impl Into<Bytes>) -> Result<u32, Disconnected> {
    io.output.send(Stream::Output, text).await?;
    Ok(0)
}

/// Prints one line to the standard error of the command.
pub(super) async fn print_error(io: &CommandIo, sentence: &str) -> Result<(), Disconnected> {
    io.output.send(Stream::Error, format!("{sentence}\n")).await
}

/// Prints that a program does not know an option, and which it knows; returns its exit status.
pub(super) async fn refuse_option(
    io: &CommandIo,
    program: &str,
    option: &[u8],
    known: &str,
) -> Result<u32, Disconnected> {
    let option = option.escape_ascii();
    print_error(
        io,
        &format!("{program}: unsupported option '{option}' (known: {known})"),
    )
    .await?;
    Ok(1)
}
