//! Calls addresses of the configuration (of hooks, and of `[auth.external]`): one POST, signed, without redirects.
//! Certificates are verified.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::call_failure;
use super::table::Hook;
use base::secret::Secret;
use base::visible;

/// The header with the time and the signature of a request.
const SIGNATURE: &str = "homeport-signature";

/// A request to an address.
#[derive(Debug, Clone, Copy)]
pub struct AddressRequest<'a> {
    /// The address.
    pub url: &'a str,
    /// The secret that the request is signed with.
    pub secret: Option<&'a Secret>,
    /// How long everything may take, until the answer has been read.
    pub timeout: Duration,
    /// What is sent: JSON.
    pub body: &'a str,
}

/// Calls addresses. The certificates that it trusts are those of the system, as they were when it was created.
#[derive(Debug, Clone)]
pub struct WebhookCaller {
    agent: Agent,
}

impl WebhookCaller {
    /// Creates the caller. It blocks on the disk.
    pub fn new() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a certificate of the system cannot be read");
        }
        let roots: Vec<Certificate<'static>> = found
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(std::sync::Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // What the environment says about proxies is not meant for the server.
            .proxy(None)
            .user_agent(concat!("homeportd/", env!("CARGO_PKG_VERSION")))
            // A connection that was kept may have been closed by the other side, which would be a failure.
            .max_idle_connections(0)
            .build();
        Self { agent: config.into() }
    }

    /// Sends a body to the address of a hook. It blocks until the answer has come, or the hook's time is over.
    ///
    /// # Errors
    /// Returns why the request has failed: what is not in the range 200 to 299 is a failure, too.
    pub fn call(&self, hook: &Hook, body: &str) -> Result<(), String> {
        let request = AddressRequest {
            url: hook.settings.url.as_deref().unwrap_or_default(),
            secret: hook.secret.as_ref(),
            timeout: Duration::from_secs(hook.settings.timeout_secs),
            body,
        };
        self.send(request).map(drop)
    }

    /// Sends a request, and returns the body of the answer, which may have this many bytes. It blocks until the answer has
    /// come, or the request's time is over.
    ///
    /// # Errors
    /// Returns why the request has failed: as [`WebhookCaller::call`] does, or because the answer is too long.
    pub fn ask(&self, request: AddressRequest<'_>, most_bytes: u64) -> Result<Vec<u8>, String> {
        let mut response = self.send(request)?;
        let body = response.body_mut().with_config().limit(most_bytes);
        body.read_to_vec().map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => format!("its answer has more than {most_bytes} bytes"),
            error => call_failure::of_error(&error).to_string(),
        })
    }

    fn send(&self, request: AddressRequest<'_>) -> Result<Response<Body>, String> {
        let AddressRequest {
            url,
            secret,
            timeout,
            body,
        } = request;
        let request = self
            .agent
            .post(url)
            .config()
            .timeout_global(Some(timeout))
            .build()
            .content_type("application/json");
        let request = match secret {
            Some(secret) => request.header(
                SIGNATURE,
                signature(secret.bytes(), Timestamp::now().as_second(), body),
            ),
            None => request,
        };
        match request.send(body) {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(call_failure::of_status(response.status()).to_string()),
            Err(error) => Err(call_failure::of_error(&error).to_string()),
        }
    }
}

impl Default for WebhookCaller {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the value of the signature's header.
fn signature(secret: &[u8], time: i64, body: &str) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", visible::hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_openssl() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let expected = "t=1700000000,v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23";
        assert_eq!(
            signature(b"0123456789abcdef", 1_700_000_000, r#"{"a":1}"#),
            expected
        );
    }
}
