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
    /// Whether this run created the growing file (the target of an upload, the part of a download). If so, it may be
    /// replaced without a prompt.
    pub(super) begun_by_this_run: &'a mut bool,
    /// Whether the user or an option decided to replace the file at the target of a download.
    pub(super) overwrite_agreed: &'a mut bool,
}
