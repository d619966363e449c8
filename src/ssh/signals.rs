//! The signals between a connection and its supervisor.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::admission::SignInProgress;
use crate::session::{Activity, EndReport, EndRequest};

/// The signals between a connection and its supervisor.
#[derive(Clone)]
pub struct ConnectionSignals {
    /// Asks the connection to end.
    pub ending: EndRequest,
    /// Set by the connection once the user has signed in. The supervisor holds it too, since only the supervisor learns
    /// the reason of the end, and the connection is gone by then.
    pub end_report: Arc<OnceLock<Arc<EndReport>>>,
    /// Cancelled by the connection once the user has signed in.
    pub signed_in: CancellationToken,
    /// Cancelled by the supervisor if the peer is gone before the sign-in, so that nothing needs to be answered.
    pub gone: CancellationToken,
    /// Whether the server is working for the connection.
    pub activity: Activity,
    /// How far the connection has come in signing in.
    pub progress: SignInProgress,
}
