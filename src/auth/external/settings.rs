//! The settings of the section `[auth.external]`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::user::Factor;

/// The section `[auth.external]`: the outside source of users. Without a command and an address there is none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalSettings {
    /// The program that judges proofs, and its arguments.
    pub command: Vec<String>,
    /// The address that is called instead of a program.
    pub url: Option<String>,
    /// The file with the secret that requests to the address are signed with.
    pub secret_file: Option<PathBuf>,
    /// The proofs that the source judges.
    pub proofs: BTreeSet<ExternalProofKind>,
    /// The seconds within which the source must answer.
    pub timeout_secs: u64,
    /// For how many seconds a proof that was accepted is accepted again without asking.
    pub cache_secs: u64,
}

impl Default for ExternalSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            url: None,
            secret_file: None,
            proofs: [ExternalProofKind::Password].into(),
            timeout_secs: 10,
            // What a directory takes away is gone at once.
            cache_secs: 0,
        }
    }
}

impl ExternalSettings {
    /// Returns whether there is a source.
    pub fn is_on(&self) -> bool {
        !self.command.is_empty() || self.url.is_some()
    }

    /// Returns whether the source judges this factor.
    pub fn judges(&self, factor: Factor) -> bool {
        self.proofs.iter().any(|kind| kind.factor() == factor)
    }

    /// Returns how long the source may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }
}

/// A kind of proof that an outside source can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalProofKind {
    /// A password, whichever method has sent it.
    Password,
    /// A public key by which the client has signed.
    PublicKey,
}

impl ExternalProofKind {
    fn factor(self) -> Factor {
        match self {
            ExternalProofKind::Password => Factor::Password,
            ExternalProofKind::PublicKey => Factor::PublicKey,
        }
    }
}
