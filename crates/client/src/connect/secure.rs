//! The secure connection under a sign-in: from a stream of bytes to agreed keys with a server whose host key is right.

use std::sync::Arc;

use russh::client::{Handle, Handler};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::callbacks::{Banner, Callbacks};
use super::destination::Destination;
use super::error::{self, ConnectError};
use super::host_key::{HostKeyCheck, HostKeyError};
use super::library;
use super::preamble::{FirstLine, Preamble};
use super::prompts::AsyncPrompts;
use crate::verbose;

/// A stream to a server. Once `cut` is cancelled, reading and writing fail.
pub(super) struct ServerStream<S> {
    pub(super) stream: S,
    pub(super) cut: CancellationToken,
}

/// Agrees on keys over a stream, and checks the server's host key. Nobody is signed in on the connection yet.
pub(super) async fn secure<H, S>(
    destination: &Destination,
    prompts: &Arc<AsyncPrompts>,
    transport: ServerStream<S>,
    make_handler: impl FnOnce(Callbacks) -> H,
) -> Result<Handle<H>, ConnectError>
where
    H: Handler<Error = russh::Error> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let reading = HostKeyCheck::read(destination.host_key.clone(), Arc::clone(prompts));
    let (host_key, refusal) = reading.await?;
    let config = Arc::new(library::config(destination, &host_key.known_types()));
    let banner = Banner::new(prompts);
    let handler = make_handler(Callbacks { host_key, banner });
    let first = FirstLine::default();
    let stream = Preamble::new(transport.stream, first.clone());
    // russh's task continues when its caller gives up; cutting the stream ends it.
    let cut = transport.cut.drop_guard();
    let handshake = russh::client::connect_stream(config, stream, handler);
    let Some(shaken) = prompts.with_timeout(destination.connect_timeout, handshake).await else {
        return Err(error::silent(destination, &first));
    };
    let handle = shaken.map_err(|error| match refusal.take() {
        Some(refused) => ConnectError::HostKey(refused),
        None => error::handshake(destination, error, &first),
    })?;
    refuse_sha1(&handle, destination)?;
    verbose::say(verbose::STEPS, || {
        let line = first.shown().unwrap_or_default();
        format!(
            "{} answers as \"{line}\", and its host key is right",
            error::place(destination)
        )
    });
    // From now on, the connection ends with the handle.
    cut.disarm();
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
