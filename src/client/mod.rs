//! The client's side of SFTP version 3. So far its packets, which the load generator (`examples/load.rs`) speaks too.

pub mod packets;
