//! What the server, the supervisor and the helper say to each other: one JSON object in each message of their sockets.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// The largest message in bytes: a command line, which the configuration limits.
const LARGEST: usize = 128 * 1024;
/// The most descriptors of a message: the input, and what is attached.
const MOST_DESCRIPTORS: usize = 2;

/// What a command gets besides its input, as the second descriptor of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AttachedKind {
    /// There is no second descriptor.
    Nothing,
    /// A file, which the command finds as descriptor 3.
    File,
    /// Where the command's standard output goes.
    Output,
}

/// A command that the helper is to run. Its input comes as the first descriptor, what is attached as the second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CommandRequest {
    pub(super) id: u64,
    pub(super) words: Vec<String>,
    pub(super) attached: AttachedKind,
    pub(super) timeout_secs: u64,
}

/// What the server says to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SupervisorRequest {
    /// Commands are to be run: from now on there is to be a helper.
    Start,
}

/// What the supervisor says to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SupervisorReply {
    /// It has started a helper. The server's end of the helper's socket comes as the descriptor.
    Started,
    /// The helper has ended, or could not be started.
    Ended(EndedHelper),
    /// The supervisor cannot run, for this reason, and ends.
    Failed(String),
}

/// A helper that has ended, or could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndedHelper {
    /// How it has ended, as the end of a sentence: "it was killed by signal 9".
    pub(super) how: String,
    /// After how many milliseconds it is started again.
    pub(super) pause_ms: u64,
}

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HelperReply {
    /// It runs, as the user that the server will be.
    Ready,
    /// It cannot run.
    Failed(String),
    /// A command has ended.
    Ended(EndedCommand),
}

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndedCommand {
    pub(super) id: u64,
    pub(super) end: CommandEnd,
    pub(super) first_line: String,
}

/// How a command has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which was not the helper's.
    Signalled(i32),
    /// Its time was over, and it was killed.
    TimedOut,
    /// It could not be started, for this reason.
    NotStarted(String),
}

/// A message that has arrived.
#[derive(Debug, Default)]
pub(super) struct ReceivedMessage {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Sends a message.
pub(super) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(|_| Errno::INVAL)?;
    if bytes.len() > LARGEST {
        return Err(Errno::MSGSIZE);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a message; an empty one says that the other side has ended.
pub(super) fn receive(socket: impl AsFd) -> rustix::io::Result<ReceivedMessage> {
    let mut bytes = vec![0; LARGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    bytes.truncate(received.bytes);
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(ReceivedMessage { bytes, descriptors })
}
