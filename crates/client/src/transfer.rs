//! Files from one end to the other: what is there is looked at first, only what is missing is sent, and what has
//! arrived is proven.
//!
//! A transfer's states: *deciding* (looking, hashing what is there, perhaps asking), *sending*, *verifying*, *ended*.
//! When the connection breaks it goes back to *deciding* on the next one, and then what is there is its own: a part
//! that is not a beginning of the file is sent anew without a question. [`engine`] bounds how many run at once, and the
//! link bounds the bytes under way.
//!
//! [`engine`] runs jobs; each [`attempt`] is an [`upload`] or a [`download`]. They decide by the table in
//! [`plan`](crate::plan). Nothing here prints: who shows the progress observes the [`progress_hub`].

mod attempt;
mod context;
mod decide;
mod digest;
mod download;
mod end_samples;
mod engine;
pub mod error;
mod file_sink;
pub mod free_space;
mod job;
mod open_files;
mod outcome;
mod part_file;
pub mod progress_hub;
mod pump;
mod settings;
mod summary;
mod upload;

pub use context::TransferContext;
pub use engine::Engine;
pub use job::{Direction, Job, SMALL_BYTES};
pub use outcome::{Outcome, Proof};
pub use settings::{Settings, Verify};
pub use summary::Summary;
