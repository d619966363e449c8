//! Why a connection is refused at its beginning.

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefused {
    /// There are as many connections as `[limits] connections` allows.
    #[error("too many connections")]
    Connections,
    /// The last places of `[limits] connections` are kept for other sources.
    #[error("too many connections from this address")]
    Share,
    /// There are as many waiting connections as `[limits] unauthenticated` allows.
    #[error("too many connections that have not signed in")]
    Unauthenticated,
    /// There are as many waiting connections from this source as `[limits] unauthenticated_per_address` allows.
    #[error("too many connections from this address that have not signed in")]
    Address,
}

impl AdmissionRefused {
    /// Returns the fixed word for this reason, by which programs that read the audit log know it.
    pub fn code(self) -> &'static str {
        match self {
            AdmissionRefused::Connections => "connections",
            AdmissionRefused::Share => "connections_from_address",
            AdmissionRefused::Unauthenticated => "unauthenticated",
            AdmissionRefused::Address => "unauthenticated_from_address",
        }
    }
}
