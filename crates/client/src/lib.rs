//! The Homeport client: transfers over SFTP that resume after an interruption and verify what was transferred.
//!
//! Its layers, from the top; a module imports only from those below, and never in a circle:
//!
//! ```text
//! run                  from the command line to the exit code
//! cli, shell           the grammar of a command line; the interactive shell
//! commands             the verbs: one file each, its arguments and its work
//! sync                 two trees: which names take part, how they differ, and what makes one like the other
//! progress             what is shown of transfers
//! transfer, globs      the transfer engine; the expansion of patterns
//! remote               one server: one connection at a time, with a new one when it breaks
//! link                 one SFTP channel, and the operations on it
//! connect              from a destination to a signed-in connection
//! report, verbose, interrupt      errors and messages on standard error; Ctrl-C
//! output, event_log, plan, names, local_attributes, temporary_directory      no network
//! descriptors, unmade  how many files may be open; directories that could not be made
//! ending               the ends of the process, before which something is cleaned up
//! ```
//!
//! A new verb is one file and one line: [`commands`] says how.
#![forbid(unsafe_code)]
// The documentation is for developers of the client, and so includes private items.
#![allow(rustdoc::private_intra_doc_links)]

mod branch;
pub mod cli;
pub mod commands;
pub mod connect;
pub mod descriptors;
pub mod ending;
pub mod event_log;
pub mod globs;
pub mod interrupt;
pub mod link;
pub mod local_attributes;
pub mod names;
pub mod output;
pub mod plan;
pub mod progress;
pub mod remote;
pub mod report;
pub mod run;
pub mod shell;
pub mod symlinks;
pub mod sync;
pub mod temporary_directory;
pub mod transfer;
pub mod unmade;
pub mod verbose;
