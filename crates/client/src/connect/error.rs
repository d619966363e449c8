//! The errors of connecting, with their messages, exit codes, and whether another attempt may succeed.

use std::fmt::Write as _;
use std::io;

use super::destination::Destination;
use super::host_key::HostKeyError;
use super::sign_in::report::SignInError;
use base::error::Error;
use base::visible::printable;

/// How many algorithm names a message shows when the two sides have none in common.
const SHOWN_NAMES: usize = 12;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers at the address.
    #[error(transparent)]
    Unreachable(Error),
    /// The server may not be the one that the user meant.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// The user could not sign in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The server does not speak SSH as it should.
    #[error(transparent)]
    Protocol(Error),
}

impl ConnectError {
    /// The program's exit code for this error: 3 if one of the two sides does not accept the other, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            ConnectError::SignIn(_) | ConnectError::HostKey(_) => 3,
            ConnectError::Unreachable(_) | ConnectError::Protocol(_) => 1,
        }
    }

    /// Whether a later attempt may succeed without a change by the user or the administrator.
    pub fn may_pass(&self) -> bool {
        match self {
            ConnectError::Unreachable(_) | ConnectError::Protocol(_) => true,
            ConnectError::HostKey(_) => false,
            ConnectError::SignIn(error) => match error {
                SignInError::Refused(_) | SignInError::CannotAsk { .. } => false,
                SignInError::Closed(_) | SignInError::Silent(_) | SignInError::Broken { .. } => true,
            },
        }
    }
}

/// The server for a message: `"host" port 22`, with the name by which it was given if that is another.
pub(super) fn place(destination: &Destination) -> String {
    let shown = |name: &str| printable(name.as_bytes());
    let mut text = format!("\"{}\" port {}", shown(&destination.host), destination.port);
    if destination.given != destination.host {
        // Writing to a String does not fail.
        let _ = write!(text, " (\"{}\")", shown(&destination.given));
    }
    text
}

pub(super) fn unknown_host(destination: &Destination, why: io::Error) -> ConnectError {
    let host = printable(destination.host.as_bytes());
    let hint = "check the name, and whether this machine is connected";
    ConnectError::Unreachable(
        Error::new(format!("cannot find the host \"{host}\""))
            .because(why)
            .hint(hint),
    )
}

pub(super) fn unreachable(destination: &Destination, why: io::Error) -> ConnectError {
    let hint = match why.kind() {
        io::ErrorKind::ConnectionRefused => {
            "is the server running, and is that its port? Another one is named with --port"
        }
        io::ErrorKind::TimedOut => "the machine may be down, or a firewall in the way",
        _ => "check the name and the port, and whether this machine is connected",
    };
    let what = format!("cannot connect to {}", place(destination));
    ConnectError::Unreachable(Error::new(what).because(why).hint(hint))
}

pub(super) fn silent(destination: &Destination) -> ConnectError {
    let what = format!("{} took the connection, but does not answer", place(destination));
    ConnectError::Unreachable(
        Error::new(what)
            .hint("is that the port of an SSH server? It may also be overloaded: try again later"),
    )
}

/// Returns the error for a failure before the sign-in.
pub(super) fn handshake(
    destination: &Destination,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> ConnectError {
    let place = place(destination);
    let broken = |what: String, hint: &str| ConnectError::Protocol(Error::new(what).hint(hint));
    let closed = || {
        broken(
            format!("{place} closed the connection at once"),
            "is that the port of an SSH server? It may also have too many connections, or refuse your address: try again later",
        )
    };
    match error.downcast_ref::<russh::Error>() {
        Some(russh::Error::Version) => broken(
            format!("what answers at {place} does not speak SSH 2"),
            "check the port",
        ),
        Some(russh::Error::NoCommonAlgo { kind, theirs, .. }) => {
            let names: Vec<String> = theirs
                .iter()
                .take(SHOWN_NAMES)
                .map(|name| printable(name.as_bytes()))
                .collect();
            let names = names.join(", ");
            broken(
                format!("cannot agree with {place} on an algorithm ({kind:?}): it offers only {names}"),
                "these are not safe any more; the server's software must be updated",
            )
        }
        Some(russh::Error::Disconnect | russh::Error::HUP) => closed(),
        Some(russh::Error::IO(io)) if is_closing(io) => closed(),
        _ => ConnectError::Protocol(Error::new(format!("the connection to {place} failed")).because(error)),
    }
}

fn is_closing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
