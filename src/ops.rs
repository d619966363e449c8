//! Use cases: what an operator can do with a server, and the views of its state.
//!
//! Each is a function of typed inputs that returns a typed view or outcome. Nothing here prints, reads a command line
//! or reads the configuration file: `cli/`, `control/` and other front ends call these functions and format the results
//! as text or JSON.
//!
//! Invariant: nothing here runs as root on a data directory that belongs to another user (see [`data_dir`]), and no
//! password is ever an argument of a command.

pub mod admin;
pub mod adopt;
pub mod announcement;
pub mod audit;
pub mod backup;
pub mod check;
pub mod context;
pub mod data_dir;
pub mod demo;
pub mod folders;
pub mod groups;
pub mod homes;
pub mod hooks;
pub mod host_keys;
pub mod init;
pub mod installation;
pub mod key_files;
pub mod keys;
pub mod lock;
pub mod passwords;
pub mod quota;
pub mod restore;
pub mod restoring;
pub mod running;
pub mod sessions;
pub mod sharing;
pub mod store;
pub mod tokens;
pub mod usage;
pub mod users;
pub mod users_file;

mod erase;
