//! The settings of the section `[web]`: where the web page is served, with which certificate, and behind which proxies.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use ureq::http::Uri;

use crate::domain::network::{self, Network};

/// The settings of `[web]`. Nothing is listened on by default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSettings {
    /// The addresses and ports on which the web page is served.
    pub listen: Vec<SocketAddr>,
    /// The certificate and its key. Without them, the page is served without encryption.
    pub tls: Option<TlsFiles>,
    /// The proxies that encrypt for the page, and say for whom they ask.
    #[serde(deserialize_with = "proxies")]
    pub trusted_proxies: Vec<Network>,
    /// The address that people type, such as `https://files.example.org`, without a slash at its end.
    #[serde(deserialize_with = "public_url")]
    pub public_url: Option<String>,
    /// Whether users add and remove their own keys.
    pub own_keys: bool,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            public_url: None,
            own_keys: true,
        }
    }
}

/// The settings of `[web.tls]`. Both files are needed, which the configuration checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    /// The file with the certificate, and with those of the authorities between it and a root, in PEM.
    pub certificate: PathBuf,
    /// The file with the private key of the certificate, in PEM.
    pub key: PathBuf,
}

impl WebSettings {
    /// Returns the first address that other machines can reach although nobody encrypts.
    pub fn unprotected(&self) -> Option<SocketAddr> {
        let is_protected = self.tls.is_some() || !self.trusted_proxies.is_empty();
        network::beyond_loopback(&self.listen).filter(|_| !is_protected)
    }

    /// Returns the scheme of the page's addresses where it is served: `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Returns the address of the page for people; `None` if it is not served.
    pub fn shown_address(&self) -> Option<String> {
        let first = self.listen.first()?;
        let address = self.public_url.clone();
        Some(address.unwrap_or_else(|| format!("{}://{first}/", self.scheme())))
    }

    /// Returns the host in `public_url`, without the brackets of an IPv6 address.
    pub fn public_host(&self) -> Option<String> {
        let uri: Uri = self.public_url.as_deref()?.parse().ok()?;
        let host = uri.host()?;
        Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
    }
}

/// The settings of `[web]` that are in force. A reload replaces them; `listen`, and whether there is a certificate, are
/// those of the start.
#[derive(Debug)]
pub struct CurrentWebSettings(RwLock<Arc<WebSettings>>);

impl CurrentWebSettings {
    /// Puts the first settings in force.
    pub fn new(settings: WebSettings) -> Self {
        Self(RwLock::new(Arc::new(settings)))
    }

    /// Returns the settings, for one request.
    pub fn get(&self) -> Arc<WebSettings> {
        Arc::clone(&self.0.read())
    }

    /// Replaces the settings, for later requests.
    pub fn replace(&self, settings: WebSettings) {
        *self.0.write() = Arc::new(settings);
    }
}

fn proxies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let networks = Vec::<Network>::deserialize(deserializer)?;
    let proxies = networks.into_iter().map(Network::of_proxies);
    proxies.collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    origin_of(&text).map(Some).map_err(D::Error::custom)
}

/// Returns the scheme, the host and the port of an address that has nothing else, or what is wrong with it.
fn origin_of(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "(hint: for example \"https://files.example.org\")";
    let wrong = |what: &str| format!("\"{}\" {what} {EXAMPLE}", text.escape_debug());
    let uri: Uri = text.parse().map_err(|_| wrong("is not an address"))?;
    let Some(scheme @ ("https" | "http")) = uri.scheme_str() else {
        return Err(wrong("does not begin with https:// or http://"));
    };
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| wrong("names no host"))?;
    if authority.as_str().contains('@') {
        // The address is not repeated, since it may contain a password.
        return Err(format!(
            "the address must not contain a user or a password {EXAMPLE}"
        ));
    }
    if authority.as_str() != authority.host() && authority.port_u16().is_none() {
        return Err(wrong("has a port that is not a number up to 65535"));
    }
    if !matches!(uri.path(), "" | "/") || text.contains(['?', '#']) {
        return Err(wrong("has a path: the page is at the root of its host"));
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> WebSettings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_public_address_is_a_scheme_and_a_host() {
        let check = |text: &str, expected: Result<&str, &str>| match (origin_of(text), expected) {
            (Ok(origin), Ok(expected)) => assert_eq!(origin, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("https://files.example.org", Ok("https://files.example.org"));
        check("https://files.example.org/", Ok("https://files.example.org"));
        check("http://localhost:8080", Ok("http://localhost:8080"));
        check("https://[2001:db8::7]:8443", Ok("https://[2001:db8::7]:8443"));
        check("files.example.org", Err("does not begin with https://"));
        check("ftp://files.example.org", Err("does not begin with https://"));
        check("/files", Err("does not begin with https://"));
        check("", Err("is not an address"));
        check("https://", Err("is not an address"));
        check("https://files.example.org/files", Err("has a path"));
        check("https://files.example.org/?a", Err("has a path"));
        check("https://files.example.org/#a", Err("has a path"));
        check("https://files.example.org:99999", Err("has a port"));
        let error = origin_of("https://calvin:hunter2@files.example.org").unwrap_err();
        assert!(
            error.contains("a user or a password") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn what_others_reach_must_be_protected() {
        let check = |text: &str, expected: Option<&str>| {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(settings(text).unprotected(), expected, "{text}");
        };
        check("", None);
        check("listen = [\"127.0.0.1:8080\", \"[::1]:8080\"]", None);
        check(
            "listen = [\"127.0.0.1:8080\", \"0.0.0.0:8080\"]",
            Some("0.0.0.0:8080"),
        );
        check("listen = [\"[::ffff:127.0.0.1]:8080\"]", None);
        check("listen = [\"[::]:8080\"]", Some("[::]:8080"));
        check("listen = [\"[::]:8080\"]\ntrusted_proxies = [\"10.0.0.5\"]", None);
        check(
            "listen = [\"[::]:8080\"]\ntls = { certificate = \"a\", key = \"b\" }",
            None,
        );
    }

    #[test]
    fn people_see_the_public_address() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(settings(text).shown_address().as_deref(), expected, "{text}");
        };
        check("", None);
        check("public_url = \"https://files.example.org\"", None);
        check("listen = [\"127.0.0.1:8080\"]", Some("http://127.0.0.1:8080/"));
        let tls = "listen = [\"127.0.0.1:8443\"]\ntls = { certificate = \"a\", key = \"b\" }";
        check(tls, Some("https://127.0.0.1:8443/"));
        let public = "listen = [\"127.0.0.1:8080\"]\npublic_url = \"https://[2001:db8::7]\"";
        check(public, Some("https://[2001:db8::7]"));
        assert_eq!(settings(public).public_host().as_deref(), Some("2001:db8::7"));
    }
}
