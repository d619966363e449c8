//! The shell's own verbs: changing directories on both sides, local listings, help and exit. Verbs that work on a
//! server stand in [`commands`](crate::commands).
//!
//! **How a verb is added.** Write `shell/verbs/NAME.rs` with a struct of arguments, whose doc comment is the verb's
//! help, and an implementation of [`ShellVerb`](super::verb::ShellVerb). Declare the module here, and add one line to
//! the list in [`grammar`](super::grammar).

pub(super) mod cd;
pub(super) mod exit;
pub(super) mod help;
pub(super) mod history;
pub(super) mod lcd;
pub(super) mod lls;
pub(super) mod lmkdir;
pub(super) mod local_command;
pub(super) mod lpwd;
pub(super) mod pwd;
pub(super) mod remov;
