//! The certificate of the web page: loaded at a start, checked by `check`, loaded again by a reload.

use std::sync::Arc;

use jiff::Timestamp;

use super::blocking::run_blocking;
use crate::config::Config;
use crate::ops::check::report::Report;
use crate::web::settings::{CurrentWebSettings, WebSettings};
use crate::web::tls::{CertifiedFiles, TlsCurrent};
use base::error::Result;

/// The settings and the certificate of the web page that are in force, which a reload replaces.
#[derive(Clone)]
pub(super) struct CurrentWeb {
    /// The settings.
    pub(super) settings: Arc<CurrentWebSettings>,
    /// The certificate; `None` if the page is served without one.
    pub(super) tls: Option<Arc<TlsCurrent>>,
}

impl CurrentWeb {
    /// Loads what the settings of the start name.
    ///
    /// # Errors
    /// Returns an error that says why the certificate or its key cannot be used.
    pub(super) async fn open(settings: &WebSettings) -> Result<Self> {
        // Without an address nobody needs the certificate.
        let certified = match settings.listen.is_empty() {
            true => None,
            false => load(settings).await?,
        };
        Ok(Self {
            settings: Arc::new(CurrentWebSettings::new(settings.clone())),
            tls: certified.map(|certified| Arc::new(TlsCurrent::new(certified.config()))),
        })
    }

    /// Loads the certificate that these settings name, if the server was started with one. Nothing changes yet.
    ///
    /// # Errors
    /// Returns the errors of [`CurrentWeb::open`].
    pub(super) async fn load(&self, settings: &WebSettings) -> Result<Option<CertifiedFiles>> {
        match self.tls {
            Some(_) => load(settings).await,
            None => Ok(None),
        }
    }

    /// Puts settings in force, and the certificate that was loaded with them.
    pub(super) fn replace(&self, settings: WebSettings, certified: Option<CertifiedFiles>) {
        if let (Some(current), Some(certified)) = (&self.tls, certified) {
            current.replace(certified.config());
        }
        self.settings.replace(settings);
    }
}

/// Loads the certificate that these settings name, on a thread that may block, and logs what is wrong with it.
async fn load(settings: &WebSettings) -> Result<Option<CertifiedFiles>> {
    let Some(files) = settings.tls.clone() else {
        return Ok(None);
    };
    let certified = run_blocking(move || CertifiedFiles::load(&files)).await?;
    for warning in certified.warnings(settings, Timestamp::now()) {
        tracing::warn!("{warning}");
    }
    Ok(Some(certified))
}

/// Checks the certificate as a start loads it. It must be called as the user that the server becomes.
pub(super) fn check(config: &Config, report: &mut Report) {
    let Some(address) = config.web.shown_address() else {
        return;
    };
    // Without the page, the sockets say that there is none.
    if !cfg!(feature = "web") {
        return;
    }
    let Some(files) = &config.web.tls else {
        return report.plan(format!("serve the web page on {address}"));
    };
    let at = config.place_of("web.tls", "certificate");
    match CertifiedFiles::load(files) {
        Ok(certified) => {
            for warning in certified.warnings(&config.web, Timestamp::now()) {
                report.warn(format!("{at}{warning}"));
            }
            report.plan(format!(
                "serve the web page on {address}, with a certificate {}",
                certified.facts()
            ));
        }
        Err(error) => report.error(format!("{at}{error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::web::settings::TlsFiles;

    const CHAIN: &str = include_str!("../web/tls/fixtures/chain.pem");
    const KEY: &str = include_str!("../web/tls/fixtures/key.pem");
    const OTHER: &str = include_str!("../web/tls/fixtures/rsa.pem");
    const OTHER_KEY: &str = include_str!("../web/tls/fixtures/rsa_key.pem");

    fn settings(dir: &Path) -> WebSettings {
        WebSettings {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            tls: Some(TlsFiles {
                certificate: dir.join("certificate"),
                key: dir.join("key"),
            }),
            ..WebSettings::default()
        }
    }

    #[tokio::test]
    async fn a_broken_pair_keeps_the_one_that_is_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let write = |certificate: &str, key: &str| {
            std::fs::write(dir.path().join("certificate"), certificate).unwrap();
            std::fs::write(dir.path().join("key"), key).unwrap();
        };
        write(CHAIN, KEY);
        let settings = settings(dir.path());
        let web = CurrentWeb::open(&settings).await.unwrap();
        let in_force = || web.tls.as_ref().unwrap().get();
        let first = in_force();
        write(OTHER, KEY);
        assert!(web.load(&settings).await.is_err());
        assert!(Arc::ptr_eq(&first, &in_force()));
        write(OTHER, OTHER_KEY);
        let renewed = web.load(&settings).await.unwrap();
        web.replace(settings.clone(), renewed);
        assert!(!Arc::ptr_eq(&first, &in_force()));
        // The sockets of the start are never served without a certificate.
        let renewed = in_force();
        let plain = WebSettings {
            tls: None,
            ..settings
        };
        let nothing = web.load(&plain).await.unwrap();
        web.replace(plain.clone(), nothing);
        assert!(Arc::ptr_eq(&renewed, &in_force()));
        assert_eq!(*web.settings.get(), plain);
    }

    #[tokio::test]
    async fn without_an_address_nobody_needs_the_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let settings = WebSettings {
            listen: Vec::new(),
            ..settings(dir.path())
        };
        let web = CurrentWeb::open(&settings).await.unwrap();
        assert!(web.tls.is_none() && web.load(&settings).await.unwrap().is_none());
    }
}
