//! Maps errors to SFTP status codes and sentences. Nothing else knows `SSH_FX_*`.

use rustix::io::Errno;

use crate::domain::path::PathError;
use crate::storage;

/// A status of version 3: codes 0 to 8, the only ones that clients of this version know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u32);

impl Status {
    /// SSH_FX_OK
    pub const OK: Status = Status(0);
    /// SSH_FX_EOF
    pub const EOF: Status = Status(1);
    /// SSH_FX_NO_SUCH_FILE
    pub const NO_SUCH_FILE: Status = Status(2);
    /// SSH_FX_PERMISSION_DENIED
    pub const PERMISSION_DENIED: Status = Status(3);
    /// SSH_FX_FAILURE
    pub const FAILURE: Status = Status(4);
    /// SSH_FX_BAD_MESSAGE
    pub const BAD_MESSAGE: Status = Status(5);
    /// SSH_FX_OP_UNSUPPORTED
    pub const UNSUPPORTED: Status = Status(8);

    /// The number on the wire.
    pub fn code(self) -> u32 {
        self.0
    }

    /// OpenSSH's text for it.
    pub fn text(self) -> &'static str {
        match self.0 {
            0 => "Success",
            1 => "End of file",
            2 => "No such file",
            3 => "Permission denied",
            5 => "Bad message",
            8 => "Operation unsupported",
            _ => "Failure",
        }
    }
}

/// OpenSSH's `errno_to_portable`.
impl From<Errno> for Status {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP => Status::NO_SUCH_FILE,
            Errno::PERM | Errno::ACCESS | Errno::FAULT => Status::PERMISSION_DENIED,
            Errno::NAMETOOLONG | Errno::INVAL => Status::BAD_MESSAGE,
            Errno::NOSYS => Status::UNSUPPORTED,
            _ => Status::FAILURE,
        }
    }
}

/// Why a request gets no better answer: a status, and a sentence where OpenSSH's text would not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub status: Status,
    sentence: Option<String>,
}

impl Refusal {
    /// A status with a sentence of our own.
    pub fn with_sentence(status: Status, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: Some(sentence.into()),
        }
    }

    /// What the client is told.
    pub fn sentence(&self) -> &str {
        self.sentence.as_deref().unwrap_or(self.status.text())
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            status,
            sentence: None,
        }
    }
}

impl From<storage::Error> for Refusal {
    fn from(error: storage::Error) -> Self {
        match error {
            // "quota" would send the user to the wrong person.
            storage::Error::Os(Errno::NOSPC | Errno::DQUOT) => {
                Refusal::with_sentence(Status::FAILURE, "no space left on the server's disk")
            }
            // A mount point inside a home. The code stays, since clients fall back on copying when they see it.
            storage::Error::Os(Errno::XDEV) => Refusal::with_sentence(
                Status::FAILURE,
                "the two names are on different file systems; copy the file instead",
            ),
            storage::Error::Os(errno) => Status::from(errno).into(),
            storage::Error::Forbidden(_) => Status::PERMISSION_DENIED.into(),
            storage::Error::OverBytes { .. }
            | storage::Error::OverFiles { .. }
            | storage::Error::Measuring
            | storage::Error::Unmeasurable
            | storage::Error::NotRecorded
            | storage::Error::NotOwned
            | storage::Error::Ended => Refusal::with_sentence(Status::FAILURE, error.to_string()),
            // Only a caller that forgot to wait can see this; the client may try again.
            storage::Error::WouldBlock => Status::FAILURE.into(),
        }
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Nul => Refusal::with_sentence(Status::BAD_MESSAGE, error.to_string()),
            // As OpenSSH says ENAMETOOLONG.
            PathError::TooLong => Status::BAD_MESSAGE.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_is_told_as_openssh_tells_it() {
        let check = |errno: Errno, code: u32, text: &str| {
            let refusal = Refusal::from(storage::Error::Os(errno));
            assert_eq!(
                (refusal.status.code(), refusal.sentence()),
                (code, text),
                "{errno:?}"
            );
        };
        check(Errno::NOENT, 2, "No such file");
        check(Errno::NOTDIR, 2, "No such file");
        check(Errno::LOOP, 2, "No such file");
        check(Errno::ACCESS, 3, "Permission denied");
        check(Errno::PERM, 3, "Permission denied");
        check(Errno::INVAL, 5, "Bad message");
        check(Errno::NAMETOOLONG, 5, "Bad message");
        check(Errno::NOSYS, 8, "Operation unsupported");
        check(Errno::EXIST, 4, "Failure");
        check(Errno::NOTEMPTY, 4, "Failure");
        check(Errno::ISDIR, 4, "Failure");
        check(Errno::NOSPC, 4, "no space left on the server's disk");
        check(
            Errno::XDEV,
            4,
            "the two names are on different file systems; copy the file instead",
        );
        check(Errno::DQUOT, 4, "no space left on the server's disk");
    }
}
