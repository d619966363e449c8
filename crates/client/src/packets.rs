//! SFTP version 3 (draft-ietf-secsh-filexfer-02) as a client speaks it: requests out, replies in. Sans-io.
//!
//! What comes from a server is not trusted: lengths are checked before anything is kept, a reply that is cut short or
//! goes on too long is an error, and nothing here can panic.

mod attributes;
mod block;
pub mod fields;
mod reply;
mod request;

pub use attributes::Attributes;
pub use base::sftp_kinds::flags;
pub use block::Block;
pub use reply::{Malformed, Name, Reply, next_reply};
pub use request::Request;
