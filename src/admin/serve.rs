//! `homeportd serve` and `demo`: signals in, a running server out.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{demo, owner};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::server::{self, Server, Signals};
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry;

/// Runs the server until it is told to stop and has drained.
///
/// # Errors
/// When it cannot start.
pub fn serve(config: Config) -> Result<()> {
    telemetry::init(&config.log)?;
    run(config, |_| Ok(()))
}

/// Makes a demo ready, serves it, and says what to try.
///
/// # Errors
/// When it cannot be made or served.
pub fn demo(dir: &Path, listen: Option<SocketAddr>) -> Result<()> {
    let config = demo::prepare(dir, listen)?;
    telemetry::init(&config.log)?;
    // A second demo on the same port is told so before anything else; `bind` will find out by itself.
    for address in &config.server.listen {
        TcpListener::bind(address).map_err(|e| {
            Error::new(format!("cannot listen on {address}"))
                .because(e)
                .hint("another demo may be running; --listen 127.0.0.1:2022 takes another port")
        })?;
    }
    owner::make_data_dir(&config)?;
    let made = config.clone();
    super::wait(async move {
        let store = SqlStore::open(&made.store.path).await?;
        let added = demo::add_users(&made, &store).await;
        store.close().await;
        added
    })??;
    let shown = config.clone();
    run(config, move |addresses| {
        let fingerprints = super::wait(async {
            let store = SqlStore::open_read_only(&shown.store.path).await?;
            store.host_keys().await
        })??;
        let address = addresses.first().copied();
        let address = address.ok_or_else(|| Error::new("the server listens nowhere"))?;
        let text = demo::welcome(&shown, address, &fingerprints);
        // Nobody reading is no reason not to serve.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(())
    })
}

/// `ready` is called, off the runtime's own threads, with the addresses once they are bound.
fn run(config: Config, ready: impl FnOnce(Vec<SocketAddr>) -> Result<()> + Send + 'static) -> Result<()> {
    let runtime = server::runtime()?;
    runtime.block_on(async {
        // Before anything else: SIGHUP would end a process that does not listen for it yet.
        let signals = signals()?;
        let server = Server::bind(config).await?;
        let addresses = server.local_addrs();
        let told = tokio::task::spawn_blocking(move || ready(addresses)).await;
        told.map_err(|e| Error::new("cannot say that the server is ready").because(e))??;
        server.run(signals).await
    })
}

/// SIGTERM and SIGINT shut down, SIGHUP reloads.
fn signals() -> Result<Signals> {
    let cannot = |e| Error::new("cannot listen for signals").because(e);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    // One is enough: a reload that has not begun yet reads the newest file anyway.
    let (reloads, reload) = mpsc::channel(1);
    // Ends with the runtime, and has nothing to put in order.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => told.cancel(),
                _ = interrupt.recv() => told.cancel(),
                _ = hangup.recv() => drop(reloads.try_send(())),
            }
        }
    });
    Ok(Signals { shutdown, reload })
}
