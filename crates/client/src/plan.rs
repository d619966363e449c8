//! What a transfer does about what is there already: the decision table, without any reading or writing.
//!
//! | there | then |
//! |---|---|
//! | nothing | send it |
//! | an empty file | send it: there is nothing to lose |
//! | as long as ours | compare: the same is left alone, another is a conflict |
//! | shorter | compare with our own first bytes: if they are the same, send the rest; else a conflict |
//! | longer, a directory, or no file | a conflict |

use std::fmt;

/// What stands where the file is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Nothing has the name.
    Nothing,
    /// A file of so many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A device, a socket, or what the server does not tell.
    Other,
}

/// What to do first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLook {
    /// Send all of it.
    Send,
    /// Compare the hashes of the first bytes, so many of them; `whole`: that is all that both have.
    Compare {
        /// Bytes.
        length: u64,
        /// Both have the same length.
        whole: bool,
    },
    /// Somebody has to decide.
    Conflict(Conflict),
}

/// Why somebody has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// As long as ours, but other bytes.
    Differs,
    /// Shorter than ours, and not its beginning.
    NoPart,
    /// Shorter than ours, and resuming is switched off.
    Shorter,
    /// Longer than ours.
    Longer,
    /// A download would grow as a file that is there, and is no beginning of it.
    Part,
    /// A directory, which no file replaces.
    Directory,
    /// Something that is no file, which no file replaces.
    Other,
}

impl Conflict {
    /// Can it be settled by overwriting?
    pub fn may_overwrite(self) -> bool {
        match self {
            Self::Differs | Self::NoPart | Self::Shorter | Self::Longer | Self::Part => true,
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
            Self::Part => "its .part file is there, and is no beginning of what the server has now",
            Self::Directory => "a directory is there",
            Self::Other => "something is there that is no file",
        })
    }
}

/// How conflicts are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Somebody is asked; if there is nobody, the file fails.
    #[default]
    Ask,
    /// What is there is replaced.
    Overwrite,
    /// What is there stays.
    Skip,
    /// What comes gets another name.
    Rename,
}

/// Looks at the table, for a file of `ours` bytes.
pub fn first_look(ours: u64, there: There, resume: bool) -> FirstLook {
    match there {
        There::Nothing => FirstLook::Send,
        There::File(0) if ours > 0 => FirstLook::Send,
        There::File(theirs) if theirs == ours => FirstLook::Compare {
            length: ours,
            whole: true,
        },
        There::File(theirs) if theirs > ours => FirstLook::Conflict(Conflict::Longer),
        There::File(_) if !resume => FirstLook::Conflict(Conflict::Shorter),
        There::File(length) => FirstLook::Compare { length, whole: false },
        There::Directory => FirstLook::Conflict(Conflict::Directory),
        There::Other => FirstLook::Conflict(Conflict::Other),
    }
}

/// What to do after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send what is behind so many bytes; 0: all of it.
    Send {
        /// Bytes that are there already.
        from: u64,
    },
    /// Both ends have the same bytes.
    Same,
    /// Somebody has to decide.
    Conflict(Conflict),
}

/// What the comparison of a [`FirstLook::Compare`] means.
pub fn compared((length, whole): (u64, bool), same: bool) -> Decision {
    match (same, whole) {
        (true, true) => Decision::Same,
        (true, false) => Decision::Send { from: length },
        (false, true) => Decision::Conflict(Conflict::Differs),
        (false, false) => Decision::Conflict(Conflict::NoPart),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table() {
        let compare = |length, whole| FirstLook::Compare { length, whole };
        for (ours, there, expected) in [
            (10, There::Nothing, FirstLook::Send),
            (0, There::Nothing, FirstLook::Send),
            (10, There::File(0), FirstLook::Send),
            (0, There::File(0), compare(0, true)),
            (10, There::File(10), compare(10, true)),
            (10, There::File(9), compare(9, false)),
            (10, There::File(11), FirstLook::Conflict(Conflict::Longer)),
            (0, There::File(1), FirstLook::Conflict(Conflict::Longer)),
            (10, There::Directory, FirstLook::Conflict(Conflict::Directory)),
            (10, There::Other, FirstLook::Conflict(Conflict::Other)),
        ] {
            assert_eq!(first_look(ours, there, true), expected, "{ours} {there:?}");
        }
        assert_eq!(
            first_look(10, There::File(9), false),
            FirstLook::Conflict(Conflict::Shorter)
        );
        assert_eq!(first_look(10, There::File(10), false), compare(10, true));
        for (length, whole, same, expected) in [
            (10, true, true, Decision::Same),
            (10, true, false, Decision::Conflict(Conflict::Differs)),
            (9, false, true, Decision::Send { from: 9 }),
            (9, false, false, Decision::Conflict(Conflict::NoPart)),
        ] {
            assert_eq!(compared((length, whole), same), expected);
        }
    }

    #[test]
    fn only_files_can_be_overwritten() {
        assert!(Conflict::Longer.may_overwrite());
        assert!(!Conflict::Directory.may_overwrite());
    }
}
