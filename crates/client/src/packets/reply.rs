//! What a server answers, and how it is read.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Attributes;
use super::fields::{string_of, u32_of};
use base::sftp_kinds::*;

/// Larger than any server's packet (OpenSSH: 256 KiB, others up to 1 MiB): a peer must not make us keep more.
const MAX_PACKET: usize = 2 << 20;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the draft's")]
pub enum Reply {
    Version {
        version: u32,
        extensions: Vec<(Bytes, Bytes)>,
    },
    Status {
        code: u32,
        message: Bytes,
    },
    Handle(Bytes),
    Data(Bytes),
    Names(Vec<Name>),
    Attrs(Attributes),
    Extended(Bytes),
}

/// One entry of a NAME reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As the server has it.
    pub name: Bytes,
    /// As `ls -l` would show it.
    pub long: Bytes,
    /// What is known of it.
    pub attrs: Attributes,
}

/// The server's stream makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short for a type, or longer than any packet.
    #[error("the server sent a packet that claims a length of {0} bytes")]
    Length(usize),
    /// Cut short, too long, or of a type that is no reply.
    #[error("the server sent a packet of type {0} that makes no sense")]
    Body(u8),
}

/// Takes the next whole reply off the front, with its id (0 for VERSION, which has none); `None`: more must come first.
///
/// # Errors
/// When the stream cannot be trusted any more.
pub fn next_reply(buffer: &mut BytesMut) -> Result<Option<(u32, Reply)>, Malformed> {
    let Some(field) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*field) as usize;
    if !(5..=MAX_PACKET).contains(&length) {
        return Err(Malformed::Length(length));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    decode(buffer.split_to(length).freeze()).map(Some)
}

fn decode(mut packet: Bytes) -> Result<(u32, Reply), Malformed> {
    // At least five bytes, as was checked.
    let kind = packet.try_get_u8().unwrap_or(0);
    let malformed = Malformed::Body(kind);
    let number = u32_of(&mut packet).ok_or(malformed)?;
    if kind == SSH_FXP_VERSION {
        let mut extensions = Vec::new();
        while !packet.is_empty() {
            let pair = string_of(&mut packet).zip(string_of(&mut packet));
            extensions.push(pair.ok_or(malformed)?);
        }
        let version = number;
        return Ok((0, Reply::Version { version, extensions }));
    }
    let reply = content(kind, &mut packet).filter(|_| packet.is_empty());
    reply.map(|reply| (number, reply)).ok_or(malformed)
}

fn content(kind: u8, packet: &mut Bytes) -> Option<Reply> {
    Some(match kind {
        SSH_FXP_STATUS => {
            let code = u32_of(packet)?;
            // Servers before version 3 send no words.
            let message = match packet.is_empty() {
                true => Bytes::new(),
                false => string_of(packet)?,
            };
            if !packet.is_empty() {
                string_of(packet)?;
            }
            Reply::Status { code, message }
        }
        SSH_FXP_HANDLE => Reply::Handle(string_of(packet)?),
        SSH_FXP_DATA => Reply::Data(string_of(packet)?),
        SSH_FXP_NAME => {
            let mut names = Vec::new();
            for _ in 0..u32_of(packet)? {
                names.push(Name {
                    name: string_of(packet)?,
                    long: string_of(packet)?,
                    attrs: Attributes::decode(packet)?,
                });
            }
            Reply::Names(names)
        }
        SSH_FXP_ATTRS => Reply::Attrs(Attributes::decode(packet)?),
        SSH_FXP_EXTENDED_REPLY => Reply::Extended(packet.split_to(packet.len())),
        _ => return None,
    })
}
