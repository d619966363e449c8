//! The routes by which a server may hash its files, and what a connection has learned about each of them.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;

use sftp_wire::Extension;

use super::channel::SftpChannel;
use super::hash::{Extent, HashKind, HashQuestion, HashValue, NoHash};

/// How many files in a row a route may refuse before the first that it hashes. One unreadable file must not end all
/// verification, and a route that refuses everything must not be tried for each of a million files.
const REFUSALS: u32 = 3;

/// A route by which a server may hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashRoute {
    /// The extension md5-hash-handle of draft-ietf-secsh-filexfer-extensions, section 3.2.
    Md5HashHandle,
    /// The extension md5-hash of the same section, with a path.
    Md5Hash,
    /// The extension check-file-handle of section 3 of the same draft.
    CheckFileHandle,
    /// The extension check-file-name of section 3, with a path.
    CheckFileName,
    /// The extension of section 3 with a handle, under the name that servers after that draft's first version have for
    /// it.
    CheckFile,
    /// The command `md5sum` with the names of whole files, by exec.
    Command,
    /// The command `md5sum` behind `head`, by exec.
    CommandHead,
}

impl HashRoute {
    /// All routes, the best first.
    pub(super) const ALL: [Self; 7] = [
        Self::Md5HashHandle,
        Self::Md5Hash,
        Self::CheckFileHandle,
        Self::CheckFileName,
        Self::CheckFile,
        Self::Command,
        Self::CommandHead,
    ];

    /// Whether it is a command, which may see other files than the SFTP server does.
    pub fn is_command(self) -> bool {
        matches!(self, Self::Command | Self::CommandHead)
    }

    /// Whether the server says that it has this route. A command has to be tried.
    pub(super) fn is_offered(self, channel: &SftpChannel) -> bool {
        match self {
            Self::Md5HashHandle => channel.offers(Extension::Md5HashHandle),
            Self::Md5Hash => channel.offers(Extension::Md5Hash),
            Self::CheckFileHandle => channel.offers(Extension::CheckFileHandle),
            // Some servers announce the one name for all three requests.
            Self::CheckFileName => {
                channel.offers(Extension::CheckFileName) || channel.offers(Extension::CheckFile)
            }
            Self::CheckFile => channel.offers(Extension::CheckFile),
            Self::Command | Self::CommandHead => true,
        }
    }

    /// Whether it has the algorithm. The commands for SHA-256 are slower than sending the file again.
    pub(super) fn has(self, kind: HashKind) -> bool {
        match self {
            Self::CheckFileHandle | Self::CheckFileName | Self::CheckFile => true,
            Self::Md5HashHandle | Self::Md5Hash | Self::Command | Self::CommandHead => kind == HashKind::Md5,
        }
    }

    /// Whether a question can be asked by this route.
    pub(super) fn fits(self, question: &HashQuestion<'_>) -> bool {
        let by_extent = match self {
            Self::Command => matches!(question.extent, Extent::Whole | Extent::AllOf(_)),
            Self::CommandHead => matches!(question.extent, Extent::First(_)),
            Self::Md5HashHandle | Self::CheckFileHandle => question.handle.is_some(),
            Self::Md5Hash | Self::CheckFileName | Self::CheckFile => true,
        };
        by_extent && self.has(question.kind)
    }
}

/// The answer to a question, from a connection that is not lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashAnswer {
    /// The hash, and the route by which it came.
    Value(HashValue, HashRoute),
    /// The server does not have it.
    CannotBeHad(NoHash),
}

/// What is known about a route.
#[derive(Debug, Clone, Copy, Default)]
struct RouteState {
    has_worked: bool,
    /// How many files it refused since it was tried first. It no longer counts once the route has worked.
    refusals: u32,
    has_failed: bool,
}

/// What a connection has learned about its routes.
#[derive(Debug, Default)]
pub struct HashRoutes(Mutex<RoutesState>);

#[derive(Debug, Default)]
struct RoutesState {
    routes: HashMap<HashRoute, RouteState>,
    /// Whether commands are known to see the files of the SFTP server.
    commands_confirmed: bool,
}

impl HashRoutes {
    fn state(&self) -> MutexGuard<'_, RoutesState> {
        self.0.lock()
    }

    pub(super) fn is_usable(&self, route: HashRoute) -> bool {
        self.state()
            .routes
            .get(&route)
            .is_none_or(|state| !state.has_failed)
    }

    pub(super) fn worked(&self, route: HashRoute) {
        self.state().routes.entry(route).or_default().has_worked = true;
    }

    /// Records why a route gave no hash.
    pub(super) fn refused(&self, route: HashRoute, reason: &NoHash) {
        let mut state = self.state();
        let state = state.routes.entry(route).or_default();
        state.refusals = state.refusals.saturating_add(1);
        state.has_failed |= !reason.is_about_the_file() || (!state.has_worked && state.refusals >= REFUSALS);
    }

    /// Records that a command sees the files of the SFTP server.
    pub(super) fn confirm_commands(&self) {
        self.state().commands_confirmed = true;
    }

    /// Whether commands are known to see the files of the SFTP server.
    pub(super) fn are_commands_confirmed(&self) -> bool {
        self.state().commands_confirmed
    }

    /// Records that commands see other files, so that none is asked again.
    pub(super) fn distrust_commands(&self) {
        let mut state = self.state();
        state.commands_confirmed = false;
        for route in [HashRoute::Command, HashRoute::CommandHead] {
            state.routes.entry(route).or_default().has_failed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::RemoteError;
    use sftp_wire::StatusCode;

    fn refusal(code: StatusCode) -> NoHash {
        NoHash::Refused(RemoteError::Refused {
            code,
            message: Vec::new(),
        })
    }

    #[test]
    fn a_route_is_given_up_when_it_refuses_everything() {
        let denied = refusal(StatusCode::PermissionDenied);
        let (md5, command) = (HashRoute::Md5Hash, HashRoute::Command);
        let routes = HashRoutes::default();
        for _ in 0..2 {
            routes.refused(md5, &denied);
            routes.refused(command, &NoHash::NoLine);
            assert!(routes.is_usable(md5) && routes.is_usable(command));
        }
        routes.refused(md5, &denied);
        assert!(!routes.is_usable(md5) && routes.is_usable(command));
        // One that has worked once goes on.
        let routes = HashRoutes::default();
        routes.worked(md5);
        (0..10).for_each(|_| routes.refused(md5, &denied));
        assert!(routes.is_usable(md5));
        // A route that the server does not have is not tried again.
        for reason in [
            refusal(StatusCode::OpUnsupported),
            NoHash::Refused(RemoteError::UnexpectedReply("a hash")),
        ] {
            let routes = HashRoutes::default();
            routes.refused(md5, &reason);
            assert!(!routes.is_usable(md5) && routes.is_usable(command));
        }
    }
}
