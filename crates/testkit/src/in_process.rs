//! Runs the real server within the test's own process, for tests that need the library. It has no sandbox, keeps the
//! test's privileges, and logs where the test logs.

use homeportd::config;
use homeportd::serve::server::{Server, ServerSignals};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::TestServer;

/// A server that runs on the test's runtime. Dropping it ends it without waiting for its sessions.
pub struct InProcess {
    port: u16,
    shutdown: CancellationToken,
    running: JoinHandle<base::error::Result<()>>,
    // The sender is kept, because a server whose reloads have no sender would stop.
    _reload: tokio::sync::mpsc::Sender<()>,
}

impl InProcess {
    /// Binds and runs a server on the directory of a [`TestServer`] that was not started.
    pub async fn serve(directory: &TestServer) -> Self {
        let server = Server::bind(config::load(&directory.config()).unwrap())
            .await
            .unwrap();
        let port = server.local_addrs()[0].port();
        let shutdown = CancellationToken::new();
        let (sender, reload) = tokio::sync::mpsc::channel(1);
        let signals = ServerSignals {
            shutdown: shutdown.clone(),
            reload,
        };
        Self {
            port,
            shutdown,
            running: tokio::spawn(server.run(signals)),
            _reload: sender,
        }
    }

    /// Returns the port that the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells the server to stop, and waits until all sessions have ended.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(super::PATIENCE, &mut self.running).await;
        ended.expect("it ends").unwrap().unwrap();
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.running.abort();
    }
}
