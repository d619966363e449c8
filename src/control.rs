//! The control socket: how commands such as `homeportd sessions`, `quota` and `user` talk to the running server.
//!
//! It is a Unix socket beside the store, with mode 0600, so that a user who may open the store may also use the socket.
//! Each line in both directions is one JSON object; [`json`] and [`protocol`] define them. Each server has a socket
//! named after its process (see [`sockets`]); callers give the path without the process id. An exchange takes at most 5
//! s, except for those during which the server reports every second that it is still working.

mod admin;
pub mod client;
pub mod json;
mod protocol;
pub mod server;
mod sockets;

#[cfg(test)]
pub(crate) mod tests;
