//! The open files of a transfer.

use std::fs::File;
use std::sync::Arc;

/// The files at both ends of a transfer.
#[derive(Clone, Copy)]
pub(super) struct OpenFiles<'a> {
    /// The file of this machine.
    pub local: &'a Arc<File>,
    /// The handle of the file on the server.
    pub handle: &'a [u8],
}
