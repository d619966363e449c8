//! Messages for failed calls on the home, in the words that programs of the system use. SFTP's status codes are in
//! [`crate::sftp::status`].

use crate::storage::Error;

/// Returns why a call on a name in a folder failed, as [`reason`] does for one in the home.
pub fn reason_in_folder(error: Error, folder: &str) -> String {
    match reason(error) {
        text if text == error.to_string() => error.text_in_folder(folder),
        text => text,
    }
}

/// Returns why a call failed, as a program of the system would print it.
pub fn reason(error: Error) -> String {
    match error {
        Error::DiskFull | Error::DiskQuota => "no space left on the server's disk".to_owned(),
        Error::Forbidden(_) => "Permission denied".to_owned(),
        // The other kinds are displayed in the words of the system, or in a sentence of this server.
        _ => error.to_string(),
    }
}
