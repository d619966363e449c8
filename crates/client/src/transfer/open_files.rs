//! Both ends of a transfer, open.

use std::fs::File;
use std::sync::Arc;

/// The files at both ends of a transfer.
#[derive(Clone, Copy)]
pub(super) struct OpenFiles<'a> {
    /// The file of this machine.
    pub local: &'a Arc<File>,
    /// The handle that the server has given for its file.
    pub handle: &'a [u8],
}
