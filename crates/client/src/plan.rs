//! Decides what a transfer does about a file that exists at its target: the decision table, without any reading or
//! writing.
//!
//! | at the destination | what is done |
//! |---|---|
//! | nothing | transfer it |
//! | an empty file | transfer it: there is nothing to lose |
//! | as long as the source | compare: the same is left alone, another is a conflict |
//! | shorter | compare with the first bytes of the source: if they are the same, transfer the rest; else a conflict |
//! | longer, a directory, or no file | a conflict |

use std::fmt;

/// What exists at the target path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingEntry {
    /// Nothing has the name there.
    Nothing,
    /// A file of this many bytes.
    File(u64),
    /// A directory has the name.
    Directory,
    /// A device, a socket, or something that the server does not describe.
    Other,
}

/// The first decision of the table, before anything is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStep {
    /// Transfer all of the file.
    Transfer,
    /// Compare the hashes of the first bytes of both files.
    Compare {
        /// How many bytes are compared.
        length: u64,
        /// Whether these are all bytes of both files.
        whole: bool,
    },
    /// The user or an option has to decide.
    Conflict(Conflict),
}

/// Why the user or an option has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The file has the same size as the source, but other content.
    Differs,
    /// The file is shorter than the source, and is not its beginning.
    NoPart,
    /// The file is shorter than the source, and resuming is switched off.
    Shorter,
    /// The file is longer than the source.
    Longer,
    /// A download would grow as a `.part` file that is there, and that is not a beginning of it.
    Part,
    /// A file is there. It cannot be compared with a source that can be read only once.
    Exists,
    /// A directory is there. No file replaces it.
    Directory,
    /// Something is there that is not a regular file. No file replaces it.
    Other,
}

impl Conflict {
    /// Whether overwriting resolves the conflict.
    pub fn may_overwrite(self) -> bool {
        match self {
            Self::Differs | Self::NoPart | Self::Shorter | Self::Longer | Self::Part | Self::Exists => true,
            Self::Directory | Self::Other => false,
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Differs => "a file of the same size but with other content is there",
            Self::NoPart => "a shorter file is there that is not its beginning",
            Self::Shorter => "a shorter file is there",
            Self::Longer => "a longer file is there",
            Self::Part => "its .part file exists, and is not a beginning of the file on the server",
            Self::Exists => "a file is there",
            Self::Directory => "a directory is there",
            Self::Other => "something is there that is not a file",
        })
    }
}

/// How conflicts with existing files are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The user is asked. If that is not possible, the file fails.
    #[default]
    Ask,
    /// The existing file is replaced.
    Overwrite,
    /// The existing file stays, and the new one is not transferred.
    Skip,
    /// The new file gets another name.
    Rename,
}

/// Looks up the table for a file of `source_size` bytes.
pub fn first_step(source_size: u64, destination: ExistingEntry, resume: bool) -> FirstStep {
    match destination {
        ExistingEntry::Nothing => FirstStep::Transfer,
        ExistingEntry::File(0) if source_size > 0 => FirstStep::Transfer,
        ExistingEntry::File(size) if size == source_size => FirstStep::Compare {
            length: source_size,
            whole: true,
        },
        ExistingEntry::File(size) if size > source_size => FirstStep::Conflict(Conflict::Longer),
        ExistingEntry::File(_) if !resume => FirstStep::Conflict(Conflict::Shorter),
        ExistingEntry::File(length) => FirstStep::Compare { length, whole: false },
        ExistingEntry::Directory => FirstStep::Conflict(Conflict::Directory),
        ExistingEntry::Other => FirstStep::Conflict(Conflict::Other),
    }
}

/// What to do after the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Transfer the bytes from this offset on.
    Transfer {
        /// How many bytes are there already. 0: all of the file is transferred.
        from: u64,
    },
    /// Transfer nothing: both ends have the same bytes.
    Same,
    /// The user or an option has to decide.
    Conflict(Conflict),
}

/// Decides after the comparison of a [`FirstStep::Compare`].
pub fn compared(length: u64, whole: bool, same: bool) -> Decision {
    match (same, whole) {
        (true, true) => Decision::Same,
        (true, false) => Decision::Transfer { from: length },
        (false, true) => Decision::Conflict(Conflict::Differs),
        (false, false) => Decision::Conflict(Conflict::NoPart),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table() {
        let compare = |length, whole| FirstStep::Compare { length, whole };
        for (source_size, destination, expected) in [
            (10, ExistingEntry::Nothing, FirstStep::Transfer),
            (0, ExistingEntry::Nothing, FirstStep::Transfer),
            (10, ExistingEntry::File(0), FirstStep::Transfer),
            (0, ExistingEntry::File(0), compare(0, true)),
            (10, ExistingEntry::File(10), compare(10, true)),
            (10, ExistingEntry::File(9), compare(9, false)),
            (10, ExistingEntry::File(11), FirstStep::Conflict(Conflict::Longer)),
            (0, ExistingEntry::File(1), FirstStep::Conflict(Conflict::Longer)),
            (
                10,
                ExistingEntry::Directory,
                FirstStep::Conflict(Conflict::Directory),
            ),
            (10, ExistingEntry::Other, FirstStep::Conflict(Conflict::Other)),
        ] {
            assert_eq!(
                first_step(source_size, destination, true),
                expected,
                "{source_size} {destination:?}"
            );
        }
        assert_eq!(
            first_step(10, ExistingEntry::File(9), false),
            FirstStep::Conflict(Conflict::Shorter)
        );
        assert_eq!(first_step(10, ExistingEntry::File(10), false), compare(10, true));
        for (length, whole, same, expected) in [
            (10, true, true, Decision::Same),
            (10, true, false, Decision::Conflict(Conflict::Differs)),
            (9, false, true, Decision::Transfer { from: 9 }),
            (9, false, false, Decision::Conflict(Conflict::NoPart)),
        ] {
            assert_eq!(compared(length, whole, same), expected);
        }
    }

    #[test]
    fn only_files_can_be_overwritten() {
        assert!(Conflict::Longer.may_overwrite());
        assert!(!Conflict::Directory.may_overwrite());
    }
}
