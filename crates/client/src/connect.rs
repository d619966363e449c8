//! Connects to a server: from a word on the command line to a signed-in connection.
//!
//! ```text
//! Target::parse(word) -> destination::resolve(&target, &options, &surroundings) -> connect(...)
//! ```
//! [`target`] reads words, [`destination`] puts them together with [`ssh_config`]; [`connect`] dials, agrees on keys,
//! checks the server's host key ([`host_key`], [`known_hosts`]) and signs in ([`sign_in`]). Only [`prompts`] talks to
//! the user. The caller's handler handles what happens on the connection afterwards.

pub mod algorithms;
mod callbacks;
pub mod destination;
mod dial;
pub mod error;
mod host_certificate;
pub mod host_key;
mod jump;
pub mod known_hosts;
mod library;
mod preamble;
pub mod program;
pub mod prompts;
mod secure;
pub mod sign_in;
pub mod ssh_config;
pub mod target;

use std::sync::Arc;
use std::time::Duration;

use russh::client::{Handle, Handler};
use tokio_util::sync::CancellationToken;

pub use self::callbacks::{Banner, Callbacks};
pub use self::destination::{ConfigFile, Destination, LocalEnvironment, Options, Route, SshProgram};
pub use self::error::ConnectError;
pub use self::host_key::{HostKeyCheck, HostKeyError};
pub(crate) use self::program::NotBegun;
pub use self::program::SshProcess;
pub use self::prompts::{Prompts, Terminal, Unattended};
pub use self::sign_in::credentials::Credentials;
pub use self::sign_in::report::SignInError;
pub use self::ssh_config::settings::UnknownKeys;
pub use self::target::{PathArgument, Target};

use self::jump::{Jump, JumpStream};
use self::prompts::AsyncPrompts;
use self::secure::{ServerStream, secure};
use self::sign_in::SignIn;
use crate::verbose;
use base::socket::Socket;
use base::visible::printable;

/// How long a connection that has ended may take to say why.
const ENDED: Duration = Duration::from_secs(1);

/// Connects and signs in, through other hosts if the destination's route says so. `make_handler` gets what the handler
/// must call; `credentials` may be used again for the next connection to the same place, which then does not prompt for
/// what was answered before.
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
    H: Handler<Error = russh::Error> + Send + 'static,
    F: FnOnce(Callbacks) -> H,
{
    connect_within(None, destination, credentials, prompts, make_handler).await
}

/// Connects and signs in as [`connect`] does. With a `limit` all steps together take no longer; time with an open prompt
/// does not count.
///
/// # Errors
/// Says which of the steps failed, why, and what to do next, or that the time was over.
pub async fn connect_within<H, F>(
    limit: Option<Duration>,
    destination: &Destination,
    credentials: &Credentials,
    prompts: Arc<dyn Prompts>,
    make_handler: F,
) -> Result<Handle<H>, ConnectError>
where
    H: Handler<Error = russh::Error> + Send + 'static,
    F: FnOnce(Callbacks) -> H,
{
    let prompts = Arc::new(AsyncPrompts::new(prompts));
    let connecting = async {
        let mut handle = match &destination.route {
            Route::Jumps(jumps) => {
                let transport = through(jumps, destination, credentials, &prompts).await?;
                secure(destination, &prompts, transport, make_handler).await?
            }
            Route::Direct | Route::Ssh(_) => {
                let transport = direct(destination).await?;
                secure(destination, &prompts, transport, make_handler).await?
            }
        };
        sign_in(&mut handle, destination, credentials, &prompts).await?;
        Ok::<_, ConnectError>(handle)
    };
    match limit {
        None => connecting.await,
        Some(limit) => {
            let connected = prompts.with_timeout(limit, connecting).await;
            connected.unwrap_or_else(|| Err(no_answer(destination)))
        }
    }
}

/// The error for a server that has not answered within the time of an attempt.
pub fn no_answer(destination: &Destination) -> ConnectError {
    error::unreachable(destination, std::io::ErrorKind::TimedOut.into())
}

/// Signs in on a secure connection.
async fn sign_in<H>(
    handle: &mut Handle<H>,
    destination: &Destination,
    credentials: &Credentials,
    prompts: &AsyncPrompts,
) -> Result<(), SignInError>
where
    H: Handler<Error = russh::Error> + Send + 'static,
{
    verbose::say(verbose::STEPS, || {
        format!(
            "signing in as {} at {}",
            printable(destination.sign_in.user.as_bytes()),
            error::place(destination)
        )
    });
    match SignIn::new(handle, destination, credentials, prompts).run().await {
        Err(SignInError::Closed(report)) => {
            // The connection knows whether it was the server that ended it.
            let ended = tokio::time::timeout(ENDED, handle).await;
            Err(match ended.ok().and_then(Result::err) {
                Some(source) if !error::is_ending(&source) => SignInError::Broken { report, source },
                _ => SignInError::Closed(report),
            })
        }
        done => done,
    }
}

/// Starts the system's ssh, which connects and signs in.
///
/// # Errors
/// When it cannot be started. Whether it has signed in shows when SFTP begins.
pub fn start_ssh(
    program: &SshProgram,
    credentials: &Arc<Credentials>,
    prompts: Arc<dyn Prompts>,
) -> Result<(SshProcess, tokio::net::UnixStream), ConnectError> {
    program::start(program, credentials, &Arc::new(AsyncPrompts::new(prompts)))
}

/// Connects to the destination from this machine.
async fn direct(destination: &Destination) -> Result<ServerStream<Socket>, ConnectError> {
    let stream = dial::dial(destination).await?;
    let cut = CancellationToken::new();
    let stream = Socket::new(stream, cut.clone()).map_err(|error| error::unreachable(destination, error))?;
    Ok(ServerStream { stream, cut })
}

/// Connects through hosts in the middle, and signs in at each.
async fn through(
    jumps: &[Destination],
    destination: &Destination,
    credentials: &Credentials,
    prompts: &Arc<AsyncPrompts>,
) -> Result<ServerStream<JumpStream>, ConnectError> {
    let mut transport: Option<ServerStream<JumpStream>> = None;
    for (number, middle) in jumps.iter().enumerate() {
        let (jump, make_handler) = Jump::new();
        let mut handle = match transport.take() {
            Some(transport) => secure(middle, prompts, transport, make_handler).await?,
            None => secure(middle, prompts, direct(middle).await?, make_handler).await?,
        };
        sign_in(&mut handle, middle, &credentials.of_jump(number), prompts).await?;
        let next = jumps.get(number + 1).unwrap_or(destination);
        transport = Some(jump.on(handle, middle, next).await?);
    }
    transport.ok_or_else(|| error::unreachable(destination, std::io::ErrorKind::NotFound.into()))
}
