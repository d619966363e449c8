//! The verbs that work on a server, the same for a command line and for the shell.
//!
//! **How a verb is added.** Write `commands/NAME.rs` with a struct of arguments and an implementation of
//! [`verb::Verb`]. The struct derives clap's `Args`; its doc comment is the verb's help. Declare the module here, and
//! add one line to the list in [`list`]. The command line, the shell, its help and its completion follow from that
//! line. Verbs that only the shell has are added in the same way beneath [`shell`](crate::shell).
//!
//! A verb asks the server through [`Session::repeated`] and what is made of it, so that it goes on after a lost connection.
//!
//! This layer asks the transfer engine and the connection; it prints results through [`output`](crate::output). It does
//! not read command lines and does not sign in.

pub mod candidates;
pub mod cat;
pub mod check;
pub mod chmod;
pub mod cp;
mod details;
pub mod df;
pub mod du;
pub mod edit;
pub mod filter_args;
pub mod find;
pub mod find_tests;
mod follow;
pub mod get;
pub mod habits;
mod last_lines;
mod left_out;
pub mod less;
mod links;
pub mod list;
pub mod ln;
mod local_program;
pub mod ls;
mod ls_output;
pub mod mkdir;
pub mod mode_change;
pub mod mv;
mod named_paths;
mod place;
mod prefetch;
pub mod put;
mod refusal;
mod resumed_read;
pub mod rm;
pub mod rmdir;
pub mod runner;
mod server_words;
pub mod session;
pub mod stat;
mod stream;
pub mod sum;
pub mod sync;
pub mod tail;
mod target_directory;
pub mod touch;
pub mod transfer;
mod tree_reader;
mod two_trees;
pub mod verb;
mod walk;

pub use list::Command;
pub use runner::{CommandRunner, Runner};
pub use server_words::{UsageError, WRONG_USAGE};
pub use session::Session;
pub use verb::StdinUse;
