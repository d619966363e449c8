//! Errors that say which peer sent bytes that cannot be read.

use crate::limits::LARGEST_REQUEST;

/// Why a client's stream cannot be read any further; the session must end. Malformed requests that can still be
/// answered are [`Packet::Bad`](crate::Packet::Bad) instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// The length field is below 5 or above [`LARGEST_REQUEST`].
    #[error("an SFTP packet claims a length of {0} bytes (5 to {LARGEST_REQUEST} are possible)")]
    Length(u32),
    /// The first packet of the session is not INIT.
    #[error("the SFTP session begins with a packet of type {0} instead of INIT")]
    NotInit(u8),
}

/// Why a server's stream or reply cannot be read. Nothing that follows can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// The length field is below 5 or above [`LARGEST_REPLY`](crate::limits::LARGEST_REPLY).
    #[error("the server sent a packet that claims a length of {0} bytes")]
    Length(u32),
    /// The body of a packet of this type is too short or too long, or the type is not a reply.
    #[error("the server sent a packet of type {0} that makes no sense")]
    Body(u8),
}
