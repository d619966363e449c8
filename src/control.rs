//! The control socket: how commands such as `homeportd sessions`, `quota` and `user` talk to the running server.
//!
//! A Unix socket beside the store, mode 0600: whoever may open the store may ask. One JSON object per line each way;
//! [`json`] and [`protocol`] say which. Each server has a socket named after its process (see [`sockets`]); the path
//! that callers give is the name without it. No exchange takes longer than 5 s, but for those during which the server
//! says every second that it works.

pub mod client;
pub mod json;
mod protocol;
pub mod server;
mod sockets;

#[cfg(test)]
pub(crate) mod tests;
