//! The sizes that both ends keep to.

/// The largest packet that a server accepts: OpenSSH's SFTP_MAX_MSG_LENGTH.
pub const LARGEST_REQUEST: u32 = 262_144;
/// The most bytes that one READ returns and one WRITE carries: a packet without its header, as OpenSSH has it.
pub const LARGEST_DATA: u32 = LARGEST_REQUEST - 1024;
/// The largest packet that a client accepts. OpenSSH sends at most 256 KiB and other servers up to 1 MiB; a server must
/// not make a client keep more.
pub const LARGEST_REPLY: u32 = 2 << 20;
