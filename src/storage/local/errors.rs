//! Translates the kernel's error numbers into the kinds of [`Error`]. No other file does this.

use rustix::io::Errno;

use crate::storage::error::{Error, SystemCause};

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Error::NotFound,
            Errno::NOTDIR => Error::NotADirectory,
            Errno::ISDIR => Error::IsADirectory,
            Errno::EXIST => Error::AlreadyExists,
            Errno::NOTEMPTY => Error::NotEmpty,
            Errno::LOOP => Error::LinkLoop,
            Errno::ACCESS => Error::AccessDenied,
            Errno::PERM => Error::NotPermitted,
            Errno::NAMETOOLONG => Error::NameTooLong,
            Errno::INVAL => Error::Invalid,
            Errno::BADF => Error::BadHandle,
            Errno::OPNOTSUPP => Error::NotSupported,
            Errno::NOSYS => Error::NotImplemented,
            Errno::MLINK => Error::TooManyLinks,
            Errno::XDEV => Error::CrossesFileSystems,
            Errno::NXIO => Error::NotAFile,
            Errno::BUSY => Error::Busy,
            Errno::NOSPC => Error::DiskFull,
            Errno::DQUOT => Error::DiskQuota,
            Errno::CANCELED => Error::Cancelled,
            Errno::IO => Error::DeviceFailed,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR => Error::Unavailable(cause(errno)),
            _ => Error::Other(cause(errno)),
        }
    }
}

fn cause(errno: Errno) -> SystemCause {
    SystemCause::of_system(errno.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind has the system's text for its error number, because commands show this text to users.
    #[test]
    fn every_error_of_the_system_keeps_its_text() {
        for code in 1..=133 {
            let text = std::io::Error::from_raw_os_error(code).to_string();
            let text = text.split(" (os error").next().unwrap();
            let error = Error::from(Errno::from_raw_os_error(code));
            assert_eq!(error.to_string(), text, "{error:?}");
        }
    }
}
