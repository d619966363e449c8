//! One attempt at one file. What it does stands in [`upload`](super::upload) and [`download`](super::download).

use std::sync::Arc;

use super::context::TransferContext;
use super::job::Job;
use super::progress_hub::FileProgress;
use crate::link::Link;

/// One attempt at one file, on one connection.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a TransferContext,
    pub(super) link: Arc<Link>,
    /// The job as it was given, apart from a name that was changed on the way.
    pub(super) job: &'a mut Job,
    pub(super) progress: &'a FileProgress,
    /// Whether this very run has begun the file that grows (an upload's file, a download's part): then it can be
    /// replaced without a question.
    pub(super) ours: &'a mut bool,
    /// Whether somebody has decided that the file with a download's name is replaced.
    pub(super) replaces: &'a mut bool,
}
