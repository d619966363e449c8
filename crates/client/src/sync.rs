//! Makes one tree like another, across a connection, and compares two trees.
//!
//! [`list`] lists both sides, without the names that a [`filter`] excludes. [`mod@compare`] makes a [`Plan`] of the two
//! sorted listings; it is pure, and the only place that decides what is replaced and what is deleted. [`deletion`] says
//! whether a plan may delete at all. [`perform`] goes from the listings to the exit code, and [`run`] changes the
//! target: first it makes directories and transfers files, and only after all of that has succeeded it deletes.

mod backup;
mod both;
mod change_error;
mod check;
pub mod compare;
mod contents;
mod deletion;
mod directories;
pub mod entry;
pub mod filter;
mod finish;
mod fold;
mod list;
mod lock;
mod new_link;
mod options;
mod perform;
mod planned_transfer;
mod report;
mod room;
mod run;
mod target;

pub use both::SyncSession;
pub use check::check;
pub use compare::{Plan, Rules, compare};
pub use entry::{EntryKind, TreeEntry};
pub use filter::Filter;
pub use options::{SyncOptions, Trees};
pub use perform::sync;
