//! Starts the web page, where the configuration names addresses for it.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::tasks::Tasks;
use crate::web::accept::{self, WebLifetime};
use crate::web::api::uploads::expiry;
use crate::web::app::{WebApp, WebSetup};
use crate::web::sampler;

/// Starts to serve the web page on these sockets. Transfers continue in a drain, like those of SSH.
pub(super) fn start(tasks: &Tasks, sockets: Vec<TcpListener>, setup: WebSetup) {
    let app = WebApp::new(setup);
    // Also where the web page is off by now: what uploads have left counts for their users' quotas.
    tasks
        .helpers
        .spawn(expiry::remove_expired(Arc::clone(&app), tasks.stopping()));
    if sockets.is_empty() {
        return;
    }
    tasks
        .helpers
        .spawn(sampler::sample(Arc::clone(&app), tasks.stopping()));
    for socket in sockets {
        let lifetime = WebLifetime {
            stop: tasks.stopping(),
            connections: tasks.connections.clone(),
        };
        let accepting = accept::accept(socket, Arc::clone(&app), lifetime);
        tasks.helpers.spawn(accepting);
    }
}
