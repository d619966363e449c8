//! The names under which this program is started again.

/// The name under which this program is the helper.
pub(super) const NAME: &str = "homeportd-hooks";
/// The names under which it becomes the program of a hook: with and without a file as descriptor 3.
pub(super) const WITH_FILE: &str = "homeportd-hook-with-file";
pub(super) const WITHOUT_FILE: &str = "homeportd-hook";
