//! Transfers files in either direction: existing bytes are compared first, only missing ones are sent, and the result
//! is verified.
//!
//! A transfer's states: *deciding* (looking at the target, hashing what exists, perhaps prompting), *sending*,
//! *verifying*, *ended*. When the connection breaks, it returns to *deciding* on the next one. Then the existing bytes
//! are its own: if they are not the beginning of the file, it is sent again without a prompt. [`engine`] bounds how
//! many run at once, and the link bounds the bytes under way. With several connections each attempt takes the one with
//! the fewest jobs, and [`spread`] has others help with a large file.
//!
//! [`engine`] runs jobs; each [`attempt`] is an [`upload`] or a [`download`]. They decide by the table in
//! [`plan`](crate::plan), and by what the [`prover`] says about existing bytes. Nothing here prints: displays observe
//! the [`progress_hub`].

mod attempt;
mod breaks;
mod checkpoints;
mod conflict_question;
mod context;
mod continued_proof;
mod cut;
mod decide;
mod digest;
mod download;
mod end_samples;
mod engine;
pub mod error;
mod file_sink;
mod final_local_attributes;
mod final_remote_attributes;
pub mod free_space;
mod hashers;
pub mod idle_clock;
mod job;
mod kept_beginning;
mod open_files;
mod outcome;
mod pace;
mod part_file;
pub mod progress_hub;
mod proven_fetch;
mod prover;
mod range_prover;
mod ranges_mark;
mod read_pump;
mod remote_work;
mod replacement;
mod run_connection;
mod settings;
mod small_files;
mod source_file;
mod spread;
pub mod stream;
mod summary;
mod temporary_names;
mod undone;
mod upload;
mod upload_at_once;
mod upload_proof;
mod write_pump;

pub use breaks::{Breaks, ProgressAtBreak};
pub use context::TransferContext;
pub use engine::Engine;
pub use job::{Direction, Job, SMALL_BYTES, endings};
pub use outcome::{Outcome, Proof};
pub use part_file::with_ending;
pub use remote_work::RemoteWork;
pub use run_connection::{RunConnection, WorkAttempts};
pub use settings::{HashChoice, Settings, Verify};
pub use summary::Summary;
pub use temporary_names::{TEMPORARY_ENDING, temporary_name};
