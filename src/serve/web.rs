//! Starts the web page, where the configuration names addresses for it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::tasks::Tasks;
use crate::web::accept::{self, WebLifetime};
use crate::web::app::{WebApp, WebSetup};

/// Starts to serve the web page on these sockets. Transfers continue in a drain, like those of SSH.
pub(super) fn start(tasks: &Tasks, sockets: Vec<TcpListener>, setup: WebSetup) -> Arc<WebApp> {
    let scheme = match setup.tls {
        Some(_) => "https",
        None => "http",
    };
    let app = WebApp::new(setup);
    for socket in sockets {
        if let Ok(address) = socket.local_addr() {
            log_address(scheme, address);
        }
        let lifetime = WebLifetime {
            stop: tasks.stopping(),
            connections: tasks.connections.clone(),
        };
        tasks
            .helpers
            .spawn(accept::accept(socket, Arc::clone(&app), lifetime));
    }
    app
}

fn log_address(scheme: &str, address: SocketAddr) {
    tracing::info!("the web page is on {scheme}://{address}/");
}
