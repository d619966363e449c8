//! Sentences for failed calls on the home, in the words that programs of the system use. SFTP's status codes are
//! [`crate::sftp::status`]'s.

use rustix::io::Errno;

use crate::storage::Error;

/// Why a call failed, as a program of the system would say it.
pub fn reason(error: Error) -> String {
    match error {
        Error::Os(Errno::NOSPC | Errno::DQUOT) => "no space left on the server's disk".to_owned(),
        Error::Os(errno) => {
            let text = std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
            match text.rfind(" (os error") {
                Some(end) => text.get(..end).unwrap_or_default().to_owned(),
                None => text,
            }
        }
        Error::Forbidden(_) => "Permission denied".to_owned(),
        Error::WouldBlock
        | Error::OverBytes { .. }
        | Error::OverFiles { .. }
        | Error::Measuring
        | Error::Unmeasurable
        | Error::NotRecorded
        | Error::NotOwned
        | Error::Ended => error.to_string(),
    }
}
