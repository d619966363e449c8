//! Why there is no connection.

use crate::connect::ConnectError;
use crate::link::OpenError;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    /// Connecting or signing in failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was made, but SFTP does not work on it.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl ConnectFailure {
    /// The program's exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(error) => error.exit_code(),
            Self::Open(_) => 1,
        }
    }

    /// Whether another attempt may succeed. It cannot if the user has to decide something.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(error) => error.may_pass(),
            Self::Open(error) => matches!(
                error,
                OpenError::Transport(_)
                    | OpenError::Silent(_)
                    | OpenError::NoAnswer(..)
                    | OpenError::NotBegun(..)
                    | OpenError::ConnectionLost(_)
            ),
        }
    }
    /// Whether another attempt may succeed although there was never a connection: the server may not be up yet.
    pub(super) fn may_pass_at_first(&self) -> bool {
        match self {
            Self::Connect(error) => error.may_pass_at_first(),
            Self::Open(_) => self.may_pass(),
        }
    }
}
