//! What the pages of administrators share: turns, and what the server did in the last week.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};

use super::graphs::Graphs;
use crate::ops::demo;
use crate::ops::installation::Installation;

/// The most use cases at once. Each has a thread, and may wait for a disk.
const MOST_AT_ONCE: usize = 4;

/// What the pages of administrators share.
pub(super) struct Administration {
    /// Whether the server is a demo, which needs no second factor.
    pub is_demo: bool,
    /// The turns of use cases.
    pub turns: Arc<Semaphore>,
    /// The turn of questions to the audit log: each reads all of it, on several threads.
    pub audit_turn: Arc<Semaphore>,
    /// Held while somebody may cease to be an administrator, so that two do not remove each other.
    pub rights: Mutex<()>,
    /// What the server did in the last week.
    pub graphs: Graphs,
}

impl Administration {
    /// Creates what is shared.
    pub fn new(installation: &Installation) -> Self {
        Self {
            is_demo: demo::is_demo(installation),
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            audit_turn: Arc::new(Semaphore::new(1)),
            rights: Mutex::new(()),
            graphs: Graphs::default(),
        }
    }
}
