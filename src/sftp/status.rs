//! Maps errors to SFTP status codes and sentences. Apart from the codec, nothing else knows `SSH_FX_*`.

use bytes::Bytes;
use sftp_wire::{Reply, StatusCode};

use crate::domain::path::PathError;
use crate::storage::Error;

/// The sentence for a request about files that names a directory.
const IS_A_DIRECTORY: &str =
    "this is a directory: it can be listed, but not read, written, replaced or removed as a file";

/// Returns the code that OpenSSH's `errno_to_portable` returns for the same failure.
fn code_of(error: Error) -> StatusCode {
    match error {
        Error::NotFound
        | Error::NotADirectory
        | Error::BadHandle
        | Error::LinkLoop
        | Error::FolderMissing => StatusCode::NoSuchFile,
        Error::NotPermitted | Error::AccessDenied | Error::Forbidden(_) => StatusCode::PermissionDenied,
        Error::FixedDirectory | Error::BetweenZones | Error::LinkBetweenZones | Error::Reserved => {
            StatusCode::PermissionDenied
        }
        Error::NameTooLong | Error::Invalid => StatusCode::BadMessage,
        Error::NotImplemented => StatusCode::OpUnsupported,
        Error::IsADirectory
        | Error::AlreadyExists
        | Error::NotEmpty
        | Error::HasUploads
        | Error::NotSupported
        | Error::TooManyLinks
        | Error::CrossesFileSystems
        | Error::NotAFile
        | Error::Busy
        | Error::DiskFull
        | Error::DiskQuota
        | Error::Cancelled
        | Error::DeviceFailed
        | Error::Unavailable(_)
        | Error::Other(_)
        | Error::OverBytes { .. }
        | Error::OverFiles { .. }
        | Error::Measuring
        | Error::Unmeasurable
        | Error::NotRecorded
        | Error::NotOwned
        | Error::IsFolder
        // As a rename to another file system, so that clients copy instead.
        | Error::CrossesFolders
        | Error::FolderUnavailable
        | Error::IgnoresCase
        | Error::Ended
        // Only a caller that failed to wait can see this; the client may try again.
        | Error::WouldBlock => StatusCode::Failure,
    }
}

/// Why a request is refused: a code, and a sentence if OpenSSH's text would not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRefusal {
    /// The SSH_FX code of the STATUS reply.
    pub code: StatusCode,
    sentence: Option<String>,
}

impl RequestRefusal {
    /// Creates a refusal with a sentence of this server.
    pub fn with_sentence(code: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            code,
            sentence: Some(sentence.into()),
        }
    }

    /// Returns the sentence for the client.
    pub fn sentence(&self) -> &str {
        self.sentence.as_deref().unwrap_or(self.code.text())
    }

    /// Encodes the refusal as the STATUS reply to this request.
    pub fn reply(&self, id: u32) -> Bytes {
        Reply::status(self.code, self.sentence()).to_bytes(id)
    }
}

impl RequestRefusal {
    /// Returns the refusal for an error about a name in a folder; `None` for a name in the home.
    pub fn in_folder(error: Error, folder: Option<&str>) -> Self {
        match (Self::from(error), folder) {
            // This server's own sentences are the error's texts, except for a full disk.
            (refusal, Some(folder)) if refusal.sentence == Some(error.to_string()) => Self {
                sentence: Some(error.text_in_folder(folder)),
                ..refusal
            },
            (refusal, _) => refusal,
        }
    }
}

impl From<StatusCode> for RequestRefusal {
    fn from(code: StatusCode) -> Self {
        Self { code, sentence: None }
    }
}

impl From<Error> for RequestRefusal {
    fn from(error: Error) -> Self {
        let code = code_of(error);
        match error {
            // The word "quota" would send the user to the wrong person.
            Error::DiskFull | Error::DiskQuota => {
                RequestRefusal::with_sentence(code, "no space left on the server's disk")
            }
            // This is a mount point inside a home. The code is OpenSSH's, since clients copy instead when they get it.
            Error::CrossesFileSystems => RequestRefusal::with_sentence(
                code,
                "the two names are on different file systems; copy the file instead",
            ),
            // With "Failure" alone, a client that writes to a directory cannot know why.
            Error::IsADirectory => RequestRefusal::with_sentence(code, IS_A_DIRECTORY),
            Error::OverBytes { .. }
            | Error::OverFiles { .. }
            | Error::Measuring
            | Error::Unmeasurable
            | Error::NotRecorded
            | Error::NotOwned
            | Error::IsFolder
            | Error::CrossesFolders
            | Error::FolderMissing
            | Error::FolderUnavailable
            | Error::IgnoresCase
            | Error::FixedDirectory
            | Error::BetweenZones
            | Error::LinkBetweenZones
            | Error::Reserved
            | Error::HasUploads
            | Error::Ended => RequestRefusal::with_sentence(code, error.to_string()),
            // OpenSSH's text for the status is enough.
            _ => code.into(),
        }
    }
}

impl From<PathError> for RequestRefusal {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Nul => RequestRefusal::with_sentence(StatusCode::BadMessage, error.to_string()),
            // This is OpenSSH's text for ENAMETOOLONG.
            PathError::TooLong => StatusCode::BadMessage.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn errno_maps_to_openssh_status_codes() {
        let check = |errno: Errno, code: u32, text: &str| {
            let refusal = RequestRefusal::from(Error::from(errno));
            assert_eq!(
                (refusal.code.number(), refusal.sentence()),
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
        check(Errno::ISDIR, 4, IS_A_DIRECTORY);
        check(Errno::NOSPC, 4, "no space left on the server's disk");
        check(
            Errno::XDEV,
            4,
            "the two names are on different file systems; copy the file instead",
        );
        check(Errno::DQUOT, 4, "no space left on the server's disk");
    }

    #[test]
    fn a_missing_folder_and_one_that_is_not_available_say_so() {
        let check = |error: Error, code: StatusCode, says: &str| {
            let refusal = RequestRefusal::from(error);
            assert_eq!(refusal.code, code, "{error:?}");
            assert!(refusal.sentence().contains(says), "{}", refusal.sentence());
        };
        check(
            Error::FolderMissing,
            StatusCode::NoSuchFile,
            "is missing on the server",
        );
        check(Error::FolderUnavailable, StatusCode::Failure, "is not available");
    }

    #[test]
    fn a_full_folder_is_named() {
        let full = Error::OverFiles { used: 5, limit: 5 };
        let sentence = |error, folder| RequestRefusal::in_folder(error, folder).sentence().to_owned();
        assert_eq!(sentence(full, None), "quota exceeded: 5 of 5 files used");
        assert_eq!(
            sentence(full, Some("team")),
            "quota exceeded: 5 of 5 files used in the folder team"
        );
        assert_eq!(
            sentence(Error::DiskFull, Some("team")),
            "no space left on the server's disk"
        );
        assert_eq!(sentence(Error::NotFound, Some("team")), "No such file");
    }
}
