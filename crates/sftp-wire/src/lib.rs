//! The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) and of the extensions that Homeport knows, read and
//! written in both directions.
//!
//! This crate owns the wire format: framing, packet types, attributes, open flags, status codes, the layout of every
//! request, reply and extension. Server, client, load generator and tests use it, so that no layout is written twice.
//!
//! This crate does no I/O, keeps no state between packets, does not know the file system and gives no request a
//! meaning: its callers decide which handle is open, what a path names and how long a reply may take. It supports
//! version 3 only.
//!
//! Nothing that a peer sends is trusted. A length is checked before its content is read, memory grows only with bytes
//! that have arrived, and no input makes this crate panic. Errors say which side is at fault: [`ClientFault`] and
//! [`ServerFault`].
//!
//! | what | where |
//! |---|---|
//! | cutting the stream into packets | [`frame`] |
//! | what a client asks | [`Packet`], [`Request`], [`ExtendedRequest`] |
//! | what a server answers | [`Reply`], [`NamesReply`], [`extension`] |
//! | bulk data without a copy | [`DataHeader`], [`WriteHeader`] |
//! | types that both directions share | [`Attributes`], [`OpenFlags`], [`StatusCode`] |

mod attributes;
pub mod constants;
pub mod extension;
mod fault;
pub mod fields;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
mod in_place;
pub mod limits;
mod open_flags;
mod packet_type;
mod reply;
mod request;
mod status_code;

pub use attributes::{Attributes, FileType, Owner, Times};
pub use extension::{ExtendedReply, ExtendedRequest, Extension};
pub use fault::{ClientFault, ServerFault};
pub use in_place::{DataHeader, WriteHeader};
pub use open_flags::OpenFlags;
pub use packet_type::PacketType;
pub use reply::{Announcement, Name, NamesReply, Reply};
pub use request::{Packet, Request, encode_init};
pub use status_code::StatusCode;

/// The version of the protocol that this crate speaks.
pub const VERSION: u32 = 3;

#[cfg(test)]
mod tests;
