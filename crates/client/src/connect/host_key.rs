//! Checks host keys against `known_hosts`, and asks the user about unknown ones.
//!
//! The rules are ssh's, with two exceptions on the safe side: a changed or revoked key is refused whatever
//! `StrictHostKeyChecking` says, and RSA signatures with SHA-1 are not accepted at all.

use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::{Certificate, PublicKey, PublicKeyOrCertificate};

use super::host_certificate::{self, CertificateProblem};
use super::known_hosts::{self, HostKeyStatus, HostName, KnownHosts, ListedKey, fingerprint};
use super::prompts::AsyncPrompts;
use super::ssh_config::settings::UnknownKeys;
use base::error::Error;

/// The rules by which host keys are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyRules {
    /// The host as the files name it.
    pub name: HostName,
    /// The user's files. New keys are added to the first.
    pub user_files: Vec<PathBuf>,
    /// The system's files. They are only read.
    pub global_files: Vec<PathBuf>,
    /// What to do about a host that is not known.
    pub unknown: UnknownKeys,
    /// Whether a new line hides the host's name.
    pub hash: bool,
}

impl HostKeyRules {
    fn files(&self) -> Vec<PathBuf> {
        self.user_files
            .iter()
            .chain(&self.global_files)
            .cloned()
            .collect()
    }
}

/// What `known_hosts` says about a host before its key is known.
pub(super) struct KnownTypes {
    /// The types of the host's keys. The server is asked for these first.
    pub keys: Vec<russh::keys::Algorithm>,
    /// Whether certificates of the host can be checked.
    pub certificates: bool,
}

/// Why a server's key is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// Other keys are known for the host.
    #[error("{0}")]
    Changed(String),
    /// The key is marked as revoked.
    #[error("{0}")]
    Revoked(String),
    /// The host is not known, and the user could not be asked.
    #[error("{0}")]
    Unknown(String),
    /// The user did not confirm the key.
    #[error("the host key of {0} was not confirmed")]
    NotConfirmed(String),
    /// The server signs with SHA-1, which can be forged.
    #[error(
        "{0} signs with RSA and SHA-1, which can be forged (hint: its OpenSSH is older than 7.2; update it, or make it an ed25519 host key)"
    )]
    Sha1(String),
    /// A `known_hosts` file cannot be used.
    #[error(transparent)]
    Files(#[from] Error),
}

/// Checks the host key of one connection. A [`russh::client::Handler`] has one, and calls it in `check_server_key`, which
/// the library does once in a connection.
pub struct HostKeyCheck {
    rules: HostKeyRules,
    /// What the files said when the connection was begun.
    known: KnownHosts,
    prompts: Arc<AsyncPrompts>,
    refusal: RefusalReason,
}

/// Holds the reason of a refusal for the caller of `connect`: russh itself only reports that there was one.
#[derive(Clone, Default)]
pub(super) struct RefusalReason(Arc<Mutex<Option<HostKeyError>>>);

impl RefusalReason {
    pub(super) fn take(&self) -> Option<HostKeyError> {
        self.0.lock().take()
    }

    fn set(&self, error: HostKeyError) {
        *self.0.lock() = Some(error);
    }
}

impl HostKeyCheck {
    /// Reads the files, for a check by these rules.
    ///
    /// # Errors
    /// When a file exists and cannot be read.
    pub(super) async fn read(
        rules: HostKeyRules,
        prompts: Arc<AsyncPrompts>,
    ) -> Result<(Self, RefusalReason), HostKeyError> {
        let files = rules.files();
        let known = tokio::task::spawn_blocking(move || KnownHosts::read(&files)).await;
        let known = known.map_err(|error| Error::new("cannot read known_hosts").because(error))??;
        let refusal = RefusalReason::default();
        let check = Self {
            rules,
            known,
            prompts,
            refusal: refusal.clone(),
        };
        Ok((check, refusal))
    }

    /// What is known about the host before it presents a key.
    pub(super) fn known_types(&self) -> KnownTypes {
        KnownTypes {
            keys: self.known.algorithms(&self.rules.name),
            certificates: self.known.has_authority(&self.rules.name),
        }
    }

    /// Whether the key is the server's. It asks the user if necessary. The reason of a refusal becomes the error of
    /// `connect`.
    pub async fn accepts(&self, key: &PublicKeyOrCertificate) -> bool {
        let judged = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge(key, None).await,
            PublicKeyOrCertificate::Certificate(certificate) => self.judge_certificate(certificate).await,
        };
        match judged {
            Ok(()) => true,
            Err(error) => {
                self.refusal.set(error);
                false
            }
        }
    }

    fn host(&self) -> String {
        format!("\"{}\"", self.rules.name.as_str().escape_debug())
    }

    /// Judges a certificate, and if it does not count, the key in it, as ssh does.
    async fn judge_certificate(&self, certificate: &Certificate) -> Result<(), HostKeyError> {
        let (known, name) = (&self.known, &self.rules.name);
        if let Some(listed) = known.revoked(name, certificate.signature_key()) {
            return Err(self.revoked(&listed.key, &listed));
        }
        let key = PublicKey::new(certificate.public_key().clone(), "");
        if let Some(listed) = known.revoked(name, key.key_data()) {
            return Err(self.revoked(&key, &listed));
        }
        let authorities = known.authorities_for(name);
        match host_certificate::problem(
            certificate,
            name.principal(),
            authorities,
            host_certificate::now(),
        ) {
            None => Ok(()),
            Some(problem) => self.judge(&key, Some(&problem)).await,
        }
    }

    /// Judges a key. `problem` says why the certificate that it came with does not count.
    async fn judge(&self, key: &PublicKey, problem: Option<&CertificateProblem>) -> Result<(), HostKeyError> {
        match self.known.check(&self.rules.name, key) {
            HostKeyStatus::Known => Ok(()),
            HostKeyStatus::Unknown => self.unknown(key, problem).await,
            HostKeyStatus::Changed(listed) => {
                self.warn_of(problem);
                Err(HostKeyError::Changed(changed(&self.rules.name, key, &listed)))
            }
            HostKeyStatus::Revoked(listed) => Err(self.revoked(key, &listed)),
        }
    }

    fn revoked(&self, key: &PublicKey, listed: &ListedKey) -> HostKeyError {
        HostKeyError::Revoked(format!(
            "the host key of {} is marked as revoked: {} ({}, line {}); somebody may be using a stolen key (hint: ask the server's administrator)",
            self.host(),
            shown(key),
            listed.file.display(),
            listed.line
        ))
    }

    /// Shows why a certificate does not count.
    fn warn_of(&self, problem: Option<&CertificateProblem>) {
        if let Some(problem) = problem {
            self.prompts.show(&format!(
                "warning: {} is not known by its certificate: {problem}",
                self.host()
            ));
        }
    }

    async fn unknown(
        &self,
        key: &PublicKey,
        problem: Option<&CertificateProblem>,
    ) -> Result<(), HostKeyError> {
        self.warn_of(problem);
        let why_certificate = problem.map_or_else(String::new, |problem| format!(" ({})", problem.why));
        let refused = |why: &str| {
            let why = format!("{why}{why_certificate}");
            HostKeyError::Unknown(not_known(&self.rules, key, &why))
        };
        let action = match self.rules.unknown {
            UnknownKeys::Refuse => return Err(refused("StrictHostKeyChecking is on")),
            UnknownKeys::Ask => {
                self.ask(key, refused).await?;
                "Added"
            }
            UnknownKeys::AcceptNew => "Added",
            UnknownKeys::AcceptWithWarning => "Warning: added, although nobody has checked it,",
        };
        self.remember(key, action).await
    }

    /// Asks the user to confirm the key. `yes`, `no` and the fingerprint itself are accepted, as in ssh. `refused` is the
    /// error when nobody can be asked, and says why.
    async fn ask(&self, key: &PublicKey, refused: impl Fn(&str) -> HostKeyError) -> Result<(), HostKeyError> {
        let expected = fingerprint(key);
        let mut label = format!(
            "The host {} is not known. Its key is\n{}.\nIs that right (yes/no/[fingerprint])? ",
            self.host(),
            shown(key)
        );
        loop {
            let answer = self.prompts.line(label).await;
            let answer = answer.map_err(|error| match error.kind() {
                std::io::ErrorKind::Interrupted | std::io::ErrorKind::UnexpectedEof => {
                    HostKeyError::NotConfirmed(self.host())
                }
                _ => refused("there is no terminal to ask"),
            })?;
            let answer = answer.trim();
            if answer == expected || answer.eq_ignore_ascii_case("yes") {
                return Ok(());
            }
            if answer.eq_ignore_ascii_case("no") {
                return Err(HostKeyError::NotConfirmed(self.host()));
            }
            label = "Please type yes, no or the fingerprint: ".to_owned();
        }
    }

    /// Adds the key to the user's file. A file that cannot be written is reported and is not a reason to refuse, as in
    /// ssh.
    async fn remember(&self, key: &PublicKey, action: &str) -> Result<(), HostKeyError> {
        let Some(file) = self.rules.user_files.first().cloned() else {
            return Ok(());
        };
        let shown_file = file.display().to_string();
        let (name, added, hash) = (self.rules.name.clone(), key.clone(), self.rules.hash);
        let result =
            tokio::task::spawn_blocking(move || known_hosts::add_key(&file, &name, &added, hash)).await;
        let result = result.unwrap_or_else(|error| Err(Error::new("cannot add the host key").because(error)));
        match result {
            Ok(()) => {
                let message = format!(
                    "{action} the host key of {} to {shown_file}: {}",
                    self.host(),
                    shown(key)
                );
                self.prompts.show(&message);
            }
            Err(error) => self.prompts.show(&format!("warning: {error}")),
        }
        Ok(())
    }
}

/// The key in a message: `ssh-ed25519 SHA256:…`.
fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), fingerprint(key))
}

fn changed(name: &HostName, key: &PublicKey, listed: &ListedKey) -> String {
    format!(
        "the host key of \"{name}\" has changed: it presents {}, but the known key is {} ({file}, line {}). Somebody may be intercepting the connection, or the server got a new key. (hint: ask its administrator; if the new key is right: ssh-keygen -f \"{file}\" -R \"{name}\")",
        shown(key),
        shown(&listed.key),
        listed.line,
        name = name.as_str().escape_debug(),
        file = listed.file.display(),
    )
}

fn not_known(rules: &HostKeyRules, key: &PublicKey, why: &str) -> String {
    let name = rules.name.as_str();
    let file = rules.user_files.first().map_or_else(
        || "known_hosts".to_owned(),
        |file| format!("\"{}\"", file.display()),
    );
    let mut key_only = key.clone();
    key_only.set_comment("");
    let line = key_only.to_openssh().unwrap_or_default();
    format!(
        "the host \"{}\" is not known, and {why}. Its key is {} (hint: compare that with what the server's administrator says, or with ssh-keygen -lf on the server; then add this line to {file}: {} {})",
        name.escape_debug(),
        shown(key),
        name.escape_debug(),
        line.trim_end()
    )
}

#[cfg(test)]
mod tests;
