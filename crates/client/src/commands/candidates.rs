//! What completion offers for a word of a verb. Each verb says it beside its arguments.

/// A kind of name that may stand at one place of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates {
    /// Files and directories of the server.
    Remote,
    /// The directories of the server.
    RemoteDirectories,
    /// Files and directories of this machine.
    Local,
    /// The directories of this machine.
    LocalDirectories,
    /// The names of the verbs themselves.
    Verbs,
}
