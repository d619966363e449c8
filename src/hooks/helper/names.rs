//! The names under which this program is started again.

/// The name under which this program is the supervisor, which starts the helper, and starts it again when it has ended.
pub(super) const SUPERVISOR: &str = "homeportd-hooks-supervisor";
/// The name under which this program is the helper.
pub(super) const HELPER: &str = "homeportd-hooks";
/// The names under which it becomes the program of a command: with and without a file as descriptor 3, and with an output
/// that goes elsewhere than to messages.
pub(super) const WITH_FILE: &str = "homeportd-hook-with-file";
pub(super) const WITHOUT_FILE: &str = "homeportd-hook";
pub(super) const WITH_OUTPUT: &str = "homeportd-hook-with-output";
