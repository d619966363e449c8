//! The Homeport client: transfers over SFTP that go on where they broke off and prove what arrived.
//!
//! Its layers, from the top; a module imports only from those below, and never in a circle:
//!
//! ```text
//! run                  from the command line to the exit code
//! cli, shell           what a command line says; what a line of the shell says
//! commands             the verbs: one file each, its arguments and its work
//! progress             what is shown of transfers
//! transfer, globs      the transfer engine; words that stand for names
//! remote               one server: a connection at a time, made anew when it breaks
//! link                 one SFTP channel, and the operations on it
//! connect              from a word to a connection on which somebody is signed in
//! output, plan, names, interrupt, local_attributes      no network
//! ```
//!
//! A new verb is one file and one line: [`commands`] says how.
#![forbid(unsafe_code)]
// The documentation is for those who work on the client: what is private belongs to it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod cli;
pub mod commands;
pub mod connect;
pub mod globs;
pub mod interrupt;
pub mod link;
pub mod local_attributes;
pub mod names;
pub mod output;
pub mod plan;
pub mod progress;
pub mod remote;
pub mod run;
pub mod shell;
pub mod transfer;
