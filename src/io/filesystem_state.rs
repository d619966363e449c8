//! How a file system answers, for operators.

/// The state of a file system that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesystemState {
    /// Its device number (`st_dev`).
    pub device: u64,
    /// Whether it answers slowly, or did so within the last second.
    pub is_slow: bool,
    /// Whether it has not answered for so long that it seems to hang.
    pub hangs: bool,
}

impl FilesystemState {
    /// Returns the device number as `/proc/self/mountinfo` has it: `8:1`.
    pub fn device_name(&self) -> String {
        format!(
            "{}:{}",
            rustix::fs::major(self.device),
            rustix::fs::minor(self.device)
        )
    }
}
