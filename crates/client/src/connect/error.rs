//! The errors of connecting, with their messages, exit codes, and whether another attempt may succeed.

use std::fmt::Write as _;
use std::io;

use russh::{AlgorithmKind, ChannelOpenFailure};

use super::algorithms;
use super::destination::Destination;
use super::host_key::HostKeyError;
use super::preamble::FirstLine;
use super::sign_in::report::SignInError;
use base::error::Error;
use base::visible::printable;

/// How many algorithm names a message shows when the two sides have none in common.
const SHOWN_NAMES: usize = 12;
/// What OpenSSH sends instead of its identification where it takes no connection now.
const REFUSALS: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

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
    /// ssh itself was not let in, or does not trust the server.
    #[error(transparent)]
    Refused(Error),
    /// The server does not speak SSH as it should.
    #[error(transparent)]
    Protocol(Error),
}

impl ConnectError {
    /// The program's exit code for this error: 3 if one of the two sides does not accept the other, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            ConnectError::SignIn(_) | ConnectError::HostKey(_) | ConnectError::Refused(_) => 3,
            ConnectError::Unreachable(_) | ConnectError::Protocol(_) => 1,
        }
    }

    /// Whether a later attempt may succeed although there was never a connection: nothing answers, or the server gives up.
    /// What answers in a wrong way is another service, or will not agree later, either.
    pub fn may_pass_at_first(&self) -> bool {
        !matches!(self, ConnectError::Protocol(_)) && self.may_pass()
    }

    /// Whether a later attempt may succeed without a change by the user or the administrator.
    pub fn may_pass(&self) -> bool {
        match self {
            ConnectError::Unreachable(_) | ConnectError::Protocol(_) => true,
            ConnectError::HostKey(_) | ConnectError::Refused(_) => false,
            ConnectError::SignIn(error) => match error {
                SignInError::Refused(_) | SignInError::CannotAsk { .. } | SignInError::PasswordExpired(_) => {
                    false
                }
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

pub(super) fn cannot_bind(destination: &Destination, address: &str, why: io::Error) -> ConnectError {
    let what = format!(
        "cannot connect to {} from \"{}\"",
        place(destination),
        printable(address.as_bytes())
    );
    let hint = "BindAddress is an address of this machine";
    ConnectError::Unreachable(Error::new(what).because(why).hint(hint))
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

/// The error for a host in the middle that does not connect to the next one. `None`: it did not answer in time.
pub(super) fn jump_refused(
    middle: &Destination,
    next: &Destination,
    why: Option<russh::Error>,
) -> ConnectError {
    let what = format!("{} does not connect to {}", place(middle), place(next));
    let error = match why {
        None => Error::new(what).because("it did not answer in time"),
        Some(russh::Error::ChannelOpenFailure(why)) => {
            let (why, hint) = match why {
                ChannelOpenFailure::AdministrativelyProhibited => (
                    "it refuses",
                    "its sshd must allow AllowTcpForwarding, and PermitOpen for that address",
                ),
                ChannelOpenFailure::ConnectFailed => (
                    "nothing answers there, or it does not know the name",
                    "the name and the port are those that the host in the middle sees",
                ),
                ChannelOpenFailure::UnknownChannelType => {
                    ("it does not forward connections", "use another host")
                }
                ChannelOpenFailure::ResourceShortage => ("it is short of resources", "try again later"),
                ChannelOpenFailure::Other { .. } => ("it does not say why", "ask its administrator"),
            };
            Error::new(what).because(why).hint(hint)
        }
        Some(error) => Error::new(what).because(error),
    };
    ConnectError::Unreachable(error)
}

/// The error for a server that does not go on before its key is known. `first` is what it has sent.
pub(super) fn silent(destination: &Destination, first: &FirstLine) -> ConnectError {
    let place = place(destination);
    let (what, hint) = match first.shown() {
        None => (
            format!("{place} took the connection, but does not answer"),
            "is that the port of an SSH server? It may also be overloaded: try again later",
        ),
        Some(line) if line.starts_with("SSH-") => (
            format!("{place} answers as \"{line}\", but does not go on"),
            "it may be overloaded: try again later, or with a larger --connect-timeout",
        ),
        Some(line) => (
            format!("what answers at {place} is not an SSH server: it says \"{line}\""),
            "check the port",
        ),
    };
    ConnectError::Unreachable(Error::new(what).hint(hint))
}

/// Returns the error for a failure before the sign-in. `first` is what the server has sent at first.
pub(super) fn handshake(destination: &Destination, error: russh::Error, first: &FirstLine) -> ConnectError {
    let place = place(destination);
    let broken = |what: String, hint: &str| ConnectError::Protocol(Error::new(what).hint(hint));
    let no_ssh = |line: &str| {
        let what = match line.starts_with("SSH-1.") && !line.starts_with("SSH-1.99") {
            true => format!("{place} speaks only version 1 of SSH (\"{line}\"), which is not safe"),
            false => format!("what answers at {place} is not an SSH server: it says \"{line}\""),
        };
        broken(what, "check the port")
    };
    let closed = || match first.shown() {
        Some(line) if REFUSALS.contains(&line.as_str()) => ConnectError::Unreachable(
            Error::new(format!("{place} refuses the connection: it says \"{line}\"")).hint(
                "it may have too many connections, or refuse your address for a while: try again later",
            ),
        ),
        Some(line) if !line.starts_with("SSH-2.") && !line.starts_with("SSH-1.99") => no_ssh(&line),
        _ => broken(
            format!("{place} closed the connection at once"),
            "is that the port of an SSH server? It may also have too many connections, or refuse your address: try again later",
        ),
    };
    match &error {
        russh::Error::Version => no_ssh(&first.shown().unwrap_or_default()),
        russh::Error::NoCommonAlgo { kind, ours, theirs } => broken(
            format!(
                "cannot agree with {place} on {}: it offers only {}, and this client {}",
                kind_of(kind),
                names(theirs),
                names(ours)
            ),
            mismatch_hint(theirs),
        ),
        russh::Error::PacketSize(size) => broken(
            format!("{place} sends a packet of {size} bytes, which no SSH server may"),
            "check the port; it may also be a fault of its software",
        ),
        error if is_ending(error) => closed(),
        _ => ConnectError::Protocol(Error::new(format!("the connection to {place} failed")).because(error)),
    }
}

/// The kind of algorithm, in words.
fn kind_of(kind: &AlgorithmKind) -> &'static str {
    match kind {
        AlgorithmKind::Kex => "a key exchange (KexAlgorithms)",
        AlgorithmKind::Key => "a type of host key (HostKeyAlgorithms)",
        AlgorithmKind::Cipher => "a cipher (Ciphers)",
        AlgorithmKind::Compression => "a compression",
        AlgorithmKind::Mac => "a MAC (MACs)",
    }
}

/// The names of algorithms for a message. Marks of extensions are left out.
fn names(list: &[String]) -> String {
    let shown = list.iter().filter(|name| !is_mark(name)).take(SHOWN_NAMES);
    let shown: Vec<String> = shown.map(|name| printable(name.as_bytes())).collect();
    match shown.is_empty() {
        true => "none".to_owned(),
        false => shown.join(", "),
    }
}

fn is_mark(name: &str) -> bool {
    name.starts_with("kex-strict-") || name.starts_with("ext-info-")
}

/// Advice for a server that offers only these algorithms.
fn mismatch_hint(theirs: &[String]) -> &'static str {
    let mut theirs = theirs.iter().filter(|name| !is_mark(name)).peekable();
    if theirs.peek().is_none() {
        return "the server's configuration allows nothing at all";
    }
    let (mut all_old, mut any_here) = (true, false);
    for name in theirs {
        all_old &= is_old(name);
        any_here |= algorithms::exists(name);
    }
    match (all_old, any_here) {
        (true, _) => "these are not safe any more; the server's software must be updated, or use --ssh",
        (false, true) => {
            "the configuration of this client leaves them out: see its Ciphers, MACs, KexAlgorithms"
        }
        (false, false) => "this client does not have them: let the server offer more, or use --ssh",
    }
}

/// Whether an algorithm is known not to be safe any more.
fn is_old(name: &str) -> bool {
    let old = [
        "sha1", "md5", "-cbc", "arcfour", "3des", "ssh-rsa", "ssh-dss", "group1-",
    ];
    old.iter().any(|part| name.contains(part)) && !name.contains("sha2")
}

/// Whether an error means no more than that the other side has ended the connection.
pub(super) fn is_ending(error: &russh::Error) -> bool {
    match error {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(error) => matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        ),
        _ => false,
    }
}
