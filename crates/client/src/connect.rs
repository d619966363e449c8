//! Connects to a server: from a word on the command line to a signed-in connection.
//!
//! ```text
//! Target::parse(word) -> Destination::resolve(&target, &options, &surroundings) -> connect(...)
//! ```
//! [`target`] reads words, [`destination`] puts them together with [`ssh_config`]; [`connect`] dials, agrees on keys,
//! checks the server's host key ([`host_key`], [`known_hosts`]) and signs in ([`sign_in`]). Only [`prompts`] talks to
//! the user. The caller's handler handles what happens on the connection afterwards.

mod algorithms;
pub mod destination;
mod dial;
pub mod error;
pub mod host_key;
pub mod known_hosts;
pub mod prompts;
pub mod sign_in;
pub mod ssh_config;
pub mod target;

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::{Handle, Handler};

pub use self::destination::{ConfigFile, Destination, LocalEnvironment, Options};
pub use self::error::ConnectError;
pub use self::host_key::{HostKeyCheck, HostKeyError};
pub use self::prompts::{Prompts, Terminal, Unattended};
pub use self::sign_in::credentials::Credentials;
pub use self::sign_in::report::SignInError;
pub use self::ssh_config::settings::UnknownKeys;
pub use self::target::{PathArgument, Target};

use self::prompts::AsyncPrompts;
use self::sign_in::SignIn;
use base::visible::printable_lines;

/// How many lines and characters of a banner are shown, and how many banners: a server may send as many as it likes.
const BANNER_LINES: usize = 40;
const BANNER_LENGTH: usize = 4096;
const BANNERS: usize = 4;

/// The callbacks for the caller's handler, whose `check_server_key` and `auth_banner` are one line each.
pub struct Callbacks {
    /// Checks the server's host key, for `check_server_key`.
    pub host_key: HostKeyCheck,
    /// Shows the banners that the server sends before the sign-in, for `auth_banner`.
    pub banner: Banner,
}

/// Shows the banners of a server, which arrive before the sign-in.
pub struct Banner {
    prompts: Arc<AsyncPrompts>,
    shown: AtomicUsize,
}

impl Banner {
    /// Shows the text, escaped for the terminal and shortened.
    pub fn show(&self, text: &str) {
        let text = printable_lines(text.as_bytes(), BANNER_LINES, BANNER_LENGTH);
        if !text.is_empty() && self.shown.fetch_add(1, Ordering::Relaxed) < BANNERS {
            self.prompts.show(&text);
        }
    }
}

/// Connects and signs in. `make_handler` gets what the handler must call; `credentials` may be used again for the next
/// connection to the same place, which then does not prompt for what was answered before.
///
/// # Errors
/// Says which of the steps failed, why, and what to do next.
pub async fn connect<H, F>(
    destination: &Destination,
    credentials: &Credentials,
    prompts: Arc<dyn Prompts>,
    make_handler: F,
) -> Result<Handle<H>, ConnectError>
where
    H: Handler + Send + 'static,
    H::Error: std::error::Error + Send + Sync + 'static,
    F: FnOnce(Callbacks) -> H,
{
    let prompts = Arc::new(AsyncPrompts::new(prompts));
    let mut handle = secure(destination, &prompts, make_handler).await?;
    SignIn::new(
        &mut handle,
        &destination.given,
        &destination.sign_in,
        credentials,
        &prompts,
    )
    .run()
    .await?;
    Ok(handle)
}

/// Makes a connection and checks the server's host key. Nobody is signed in on it yet.
async fn secure<H, F>(
    destination: &Destination,
    prompts: &Arc<AsyncPrompts>,
    make_handler: F,
) -> Result<Handle<H>, ConnectError>
where
    H: Handler + Send + 'static,
    H::Error: std::error::Error + Send + Sync + 'static,
    F: FnOnce(Callbacks) -> H,
{
    let rules = destination.host_key.clone();
    let (listed, rules) = tokio::task::spawn_blocking(move || {
        let listed = rules.known().map(|known| known.algorithms(&rules.name));
        (listed, rules)
    })
    .await
    .map_err(|error| base::error::Error::new("cannot read known_hosts").because(error))
    .map_err(HostKeyError::Files)?;
    let config = Arc::new(algorithms::config(&listed.map_err(HostKeyError::Files)?));
    let (host_key, refusal) = HostKeyCheck::new(rules, Arc::clone(prompts));
    let banner = Banner {
        prompts: Arc::clone(prompts),
        shown: AtomicUsize::new(0),
    };
    let handler = make_handler(Callbacks { host_key, banner });

    let failed = |error| error::unreachable(destination, error);
    let stream = dial::dial(destination).await?.into_std().map_err(failed)?;
    // russh's task continues when its caller gives up; shutting this socket down ends it.
    let socket = stream.try_clone().map_err(failed)?;
    let stream = tokio::net::TcpStream::from_std(stream).map_err(failed)?;
    // The token is never cancelled: the connection ends with the handle.
    let stream =
        base::socket::Socket::new(stream, tokio_util::sync::CancellationToken::new()).map_err(failed)?;
    let limit = destination.connect_timeout.unwrap_or(Duration::MAX);
    let shaken = prompts
        .with_timeout(limit, russh::client::connect_stream(config, stream, handler))
        .await;
    let Some(shaken) = shaken else {
        // The connection may have ended by itself.
        let _ = socket.shutdown(Shutdown::Both);
        return Err(error::silent(destination));
    };
    let handle = shaken.map_err(|error| match refusal.take() {
        Some(refused) => ConnectError::HostKey(refused),
        None => error::handshake(destination, Box::new(error)),
    })?;
    refuse_sha1(&handle, destination)?;
    Ok(handle)
}

/// Refuses a host key signature with SHA-1. RSA with SHA-2 was agreed on, but russh accepts SHA-1 as well.
fn refuse_sha1<H: Handler>(handle: &Handle<H>, destination: &Destination) -> Result<(), HostKeyError> {
    match handle.agent_session_binding() {
        Some(binding) if is_sha1(binding.signature()) => Err(HostKeyError::Sha1(error::place(destination))),
        _ => Ok(()),
    }
}

/// Whether a signature was made with SHA-1. A signature begins with the name of its algorithm (RFC 4253, 6.6).
fn is_sha1(signature: &[u8]) -> bool {
    signature.starts_with(b"\0\0\0\x07ssh-rsa")
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::ssh_encoding::Encode as _;
    use russh::keys::ssh_key::Signature;
    use russh::keys::{Algorithm, HashAlg};

    #[test]
    fn sha1_signatures_are_recognized() {
        for (hash, expected) in [
            (None, true),
            (Some(HashAlg::Sha256), false),
            (Some(HashAlg::Sha512), false),
        ] {
            let signature = Signature::new(Algorithm::Rsa { hash }, vec![1; 256]).unwrap();
            let mut bytes = Vec::new();
            signature.encode(&mut bytes).unwrap();
            assert_eq!(is_sha1(&bytes), expected, "{hash:?}");
        }
    }
}
