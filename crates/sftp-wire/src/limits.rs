//! The size limits that client and server share.

/// The size of the length field, in bytes.
pub const LENGTH_FIELD: usize = 4;
/// The largest packet that a server accepts, in bytes: OpenSSH's SFTP_MAX_MSG_LENGTH.
pub const LARGEST_REQUEST: u32 = 262_144;
/// The most bytes that one READ returns or one WRITE carries: the largest packet less 1 KiB for its header, as in
/// OpenSSH.
pub const LARGEST_DATA: u32 = LARGEST_REQUEST - 1024;
/// The largest packet that a client accepts, in bytes. OpenSSH sends at most 256 KiB and other servers up to 1 MiB; the
/// limit keeps a server from making a client hold more.
pub const LARGEST_REPLY: u32 = 2 << 20;
