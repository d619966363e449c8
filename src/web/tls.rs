//! TLS for the web page: the certificate and the key of `[web.tls]`, checked and ready for connections.
//!
//! TLS 1.2 and 1.3, with the cryptography that SSH has already. Clients show no certificates.

mod certificate;
mod pem_file;

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error as TlsError, InconsistentKeys, ServerConfig};

use self::pem_file::{cannot_use_certificate, cannot_use_key};
use super::settings::{TlsFiles, WebSettings};
use base::advice;
use base::error::{Error, Result};

pub use self::certificate::CertificateFacts;

/// The protocol that is spoken within TLS, as ALPN names it.
const HTTP: &[u8] = b"http/1.1";

/// The time before its end in which a certificate should have been renewed. Certbot does it 30 days before.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A certificate and its key, which fit each other.
pub struct CertifiedFiles {
    files: TlsFiles,
    facts: CertificateFacts,
    config: Arc<ServerConfig>,
}

impl CertifiedFiles {
    /// Reads and checks both files. It blocks on the disk.
    ///
    /// # Errors
    /// Returns an error that says which file cannot be used, why, and what to do about it. A certificate that is not
    /// valid now is left to [`CertifiedFiles::warnings`]: it can be used, although clients refuse it.
    pub fn load(files: &TlsFiles) -> Result<Self> {
        let cannot = || cannot_use_certificate(&files.certificate);
        let chain = pem_file::read_chain(&files.certificate)?;
        let key = pem_file::read_key(&files.key)?;
        let facts = chain.first().and_then(|first| CertificateFacts::of_der(first));
        let facts = facts.ok_or_else(|| {
            cannot()
                .because("its first certificate cannot be understood")
                .hint("openssl x509 -text -noout -in FILE shows one that can")
        })?;
        let provider = aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(key).map_err(|_| {
            cannot_use_key(&files.key)
                .because("it is damaged, or of a kind that TLS does not use here")
                .hint("RSA with 2048 to 8192 bits, ECDSA with P-256, P-384 or P-521, and Ed25519 can be used")
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(TlsError::InconsistentKeys(_)) => return Err(mismatch(files, &certified)),
            Err(error) => {
                return Err(cannot()
                    .because(error)
                    .hint("a certificate of version 3 is needed, as every authority makes them"));
            }
        }
        let config = server_config(provider, certified)
            .map_err(|error| Error::new("cannot prepare TLS for the web page").because(error))?;
        Ok(Self {
            files: files.clone(),
            facts,
            config: Arc::new(config),
        })
    }

    /// Returns what a connection needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Returns what the server's own certificate says about itself.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Returns what is wrong with files that can be used nevertheless, one sentence each.
    pub fn warnings(&self, settings: &WebSettings, now: Timestamp) -> Vec<String> {
        let certificate = format!("the certificate \"{}\"", self.files.certificate.display());
        let mut warnings = Vec::new();
        let CertificateFacts {
            not_before,
            not_after,
            ref names,
        } = self.facts;
        let renew = "renew it, then: homeportd reload";
        if not_after < now {
            warnings.push(format!(
                "{certificate} has expired on {}, so that browsers refuse it (hint: {renew})",
                certificate::day(not_after)
            ));
        } else if now < not_before {
            warnings.push(format!(
                "{certificate} is not valid before {}, so that browsers refuse it (hint: is the clock of this machine \
                 right?)",
                certificate::day(not_before)
            ));
        } else if not_after.duration_since(now) < SOON {
            warnings.push(format!(
                "{certificate} expires on {} (hint: {renew})",
                certificate::day(not_after)
            ));
        }
        if names.is_empty() {
            warnings.push(format!(
                "{certificate} has no names (subjectAltName), so that browsers refuse it (hint: request one that names \
                 the server)"
            ));
        } else if let Some(host) = settings.public_host().filter(|host| !self.facts.is_for(host)) {
            warnings.push(format!(
                "{certificate} is not for {host}, which \"public_url\" in [web] names, but for {}",
                self.facts.shown_names()
            ));
        }
        warnings.extend(self.open_key());
        warnings
    }

    /// Returns the warning about a key that everybody on this machine can read.
    fn open_key(&self) -> Option<String> {
        let file = &self.files.key;
        let mode = file.metadata().ok()?.mode();
        (mode & 0o007 != 0).then(|| {
            format!(
                "every user of this machine can read the key of the web page \"{}\" (hint: {})",
                file.display(),
                advice::chmod(file, "640")
            )
        })
    }
}

/// What the listener asks for each new connection. A reload replaces it; connections that exist keep what they have.
pub struct TlsCurrent(RwLock<Arc<ServerConfig>>);

impl TlsCurrent {
    /// Puts the first certificate in force.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(RwLock::new(config))
    }

    /// Returns what a new connection needs.
    pub fn get(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read())
    }

    /// Replaces the certificate, for new connections.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.write() = config;
    }
}

/// Returns the error about a key that is not that of the first certificate.
fn mismatch(files: &TlsFiles, certified: &CertifiedKey) -> Error {
    let key = certified.key.public_key();
    let is_its_own = |certificate: &CertificateDer<'static>| {
        let parsed = ParsedCertificate::try_from(certificate);
        parsed.is_ok_and(|parsed| Some(parsed.subject_public_key_info()) == key)
    };
    let error = cannot_use_key(&files.key);
    let certificate = files.certificate.display();
    match certified.cert.iter().skip(1).any(is_its_own) {
        true => error
            .because(format!("its certificate is not the first one in \"{certificate}\""))
            .hint("put the server's own certificate first, and then those of the authorities"),
        false => error
            .because(format!("it is not the key of the certificate \"{certificate}\""))
            .hint("name two files of one request, with certbot fullchain.pem and privkey.pem of one directory; if they are \
                   being renewed just now, try again"),
    }
}

fn server_config(
    provider: CryptoProvider,
    certified: CertifiedKey,
) -> std::result::Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![HTTP.to_vec()];
    // Browsers come back often, and nothing is kept for them.
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests;
