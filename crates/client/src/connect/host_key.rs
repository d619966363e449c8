//! Is this the server that was meant? Decides by `known_hosts`, and asks where it does not know.
//!
//! The rules are ssh's, with two exceptions on the safe side: a changed or revoked key is refused whatever
//! `StrictHostKeyChecking` says, and RSA signatures with SHA-1 are not taken at all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{PublicKey, PublicKeyOrCertificate};

use super::known_hosts::{self, HostName, KnownHosts, Listed, Standing, fingerprint};
use super::prompts::Desk;
use super::ssh_config::settings::UnknownKeys;
use base::error::Error;

/// How keys of hosts are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyRules {
    /// As the files name the host.
    pub name: HostName,
    /// The first is the one that learns.
    pub user_files: Vec<PathBuf>,
    /// Only read.
    pub global_files: Vec<PathBuf>,
    /// What to do about a host that is not known.
    pub unknown: UnknownKeys,
    /// Learn in a form that does not tell the host's name.
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

    /// What the files say. Reads from disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn known(&self) -> base::error::Result<KnownHosts> {
        KnownHosts::read(&self.files())
    }
}

/// Why a server's key is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// Others are known for the host.
    #[error("{0}")]
    Changed(String),
    /// The key is marked as one that must not be used.
    #[error("{0}")]
    Revoked(String),
    /// Nobody knows the host, and nobody could be asked.
    #[error("{0}")]
    Unknown(String),
    /// The person said no.
    #[error("the host key of {0} was not confirmed")]
    NotConfirmed(String),
    /// The server shows a certificate, which was not asked for.
    #[error("{0} shows a certificate as its host key, which is not supported")]
    Certificate(String),
    /// The signature can be forged.
    #[error(
        "{0} signs with RSA and SHA-1, which can be forged (hint: its OpenSSH is older than 7.2; update it, or make it an ed25519 host key)"
    )]
    Sha1(String),
    /// `known_hosts` cannot be used.
    #[error(transparent)]
    Files(#[from] Error),
}

/// Judges the key of one connection. A [`russh::client::Handler`] has one, and calls it in `check_server_key`.
pub struct HostKeyCheck {
    rules: HostKeyRules,
    desk: Arc<Desk>,
    refusal: Refusal,
}

/// Where the reason of a refusal waits for the caller of `connect`: russh itself only passes on that there was one.
#[derive(Clone, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<HostKeyError>>>);

impl Refusal {
    pub(super) fn take(&self) -> Option<HostKeyError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: HostKeyError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

impl HostKeyCheck {
    pub(super) fn new(rules: HostKeyRules, desk: Arc<Desk>) -> (Self, Refusal) {
        let refusal = Refusal::default();
        let check = Self {
            rules,
            desk,
            refusal: refusal.clone(),
        };
        (check, refusal)
    }

    /// Is it the server's? Asks the person if need be. The reason of a refusal becomes the error of `connect`.
    pub async fn accepts(&self, key: &PublicKeyOrCertificate) -> bool {
        let key = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => key,
            PublicKeyOrCertificate::Certificate(_) => {
                self.refusal.set(HostKeyError::Certificate(self.host()));
                return false;
            }
        };
        match self.judge(key).await {
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

    async fn judge(&self, key: &PublicKey) -> Result<(), HostKeyError> {
        let rules = self.rules.clone();
        let known = tokio::task::spawn_blocking(move || rules.known()).await;
        let known = known.map_err(|error| Error::new("cannot read known_hosts").because(error))??;
        match known.check(&self.rules.name, key) {
            Standing::Known => Ok(()),
            Standing::Unknown => self.unknown(key).await,
            Standing::Changed(listed) => Err(HostKeyError::Changed(changed(&self.rules.name, key, &listed))),
            Standing::Revoked(listed) => Err(HostKeyError::Revoked(format!(
                "the host key of {} is marked as revoked: {} ({}, line {}); somebody may be using a stolen key (hint: ask whoever runs the server)",
                self.host(),
                shown(key),
                listed.file.display(),
                listed.line
            ))),
        }
    }

    async fn unknown(&self, key: &PublicKey) -> Result<(), HostKeyError> {
        let told = match self.rules.unknown {
            UnknownKeys::Refuse => {
                let why = "StrictHostKeyChecking is on".to_owned();
                return Err(HostKeyError::Unknown(not_known(&self.rules, key, &why)));
            }
            UnknownKeys::Ask => {
                self.ask(key).await?;
                "Added"
            }
            UnknownKeys::Learn => "Added",
            UnknownKeys::LearnLoudly => "Warning: added, without anybody having checked it,",
        };
        self.learn(key, told).await
    }

    /// `yes`, `no`, or the fingerprint itself, as ssh takes them.
    async fn ask(&self, key: &PublicKey) -> Result<(), HostKeyError> {
        let expected = fingerprint(key);
        let mut label = format!(
            "The host {} is not known. Its key is\n{}.\nIs that right (yes/no/[fingerprint])? ",
            self.host(),
            shown(key)
        );
        loop {
            let answer = self.desk.line(label).await;
            let answer = answer.map_err(|error| match error.kind() {
                std::io::ErrorKind::Interrupted | std::io::ErrorKind::UnexpectedEof => {
                    HostKeyError::NotConfirmed(self.host())
                }
                _ => HostKeyError::Unknown(not_known(&self.rules, key, "there is no terminal to ask")),
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

    /// That it cannot be written down is no reason to refuse, as ssh has it.
    async fn learn(&self, key: &PublicKey, told: &str) -> Result<(), HostKeyError> {
        let Some(file) = self.rules.user_files.first().cloned() else {
            return Ok(());
        };
        let shown_file = file.display().to_string();
        let (name, added, hash) = (self.rules.name.clone(), key.clone(), self.rules.hash);
        let learned =
            tokio::task::spawn_blocking(move || known_hosts::learn(&file, &name, &added, hash)).await;
        let learned =
            learned.unwrap_or_else(|error| Err(Error::new("cannot add the host key").because(error)));
        match learned {
            Ok(()) => {
                let message = format!(
                    "{told} the host key of {} to {shown_file}: {}",
                    self.host(),
                    shown(key)
                );
                self.desk.tell(&message);
            }
            Err(error) => self.desk.tell(&format!("warning: {error}")),
        }
        Ok(())
    }
}

/// `ssh-ed25519 SHA256:…`
fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), fingerprint(key))
}

fn changed(name: &HostName, key: &PublicKey, listed: &Listed) -> String {
    format!(
        "the host key of \"{name}\" has changed: it shows {}, but known is {} ({file}, line {}). Somebody may be listening in, or the server got a new key. (hint: ask whoever runs it; if the new key is right: ssh-keygen -f \"{file}\" -R \"{name}\")",
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
        "the host \"{}\" is not known, and {why}. Its key is {} (hint: compare that with what whoever runs the server says, or with ssh-keygen -lf on the server; then add this line to {file}: {} {})",
        name.escape_debug(),
        shown(key),
        name.escape_debug(),
        line.trim_end()
    )
}

#[cfg(test)]
mod tests;
