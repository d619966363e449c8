//! The client's side of SFTP version 3: its packets (the load generator, `examples/load.rs`, speaks them too), and the
//! way to a server, from a word on the command line to a signed-in connection.

pub mod cli;
pub mod commands;
pub mod connect;
pub mod globs;
pub mod interrupt;
pub mod link;
pub mod names;
pub mod packets;
pub mod plan;
pub mod printable;
pub mod progress;
pub mod remote;
pub mod run;
pub mod shell;
pub mod transfer;
