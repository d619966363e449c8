//! The listening sockets of a server that starts: they are opened first, since they may need root.

use std::net::{SocketAddr, TcpListener as StdTcpListener};

use tokio::net::{TcpListener, UnixListener};

use crate::config::Config;
use crate::ops::check::report::Report;
use crate::ops::data_dir;
use crate::ops::installation::Installation;
use crate::serve::manager::sockets::HeldSocket;
use crate::serve::tasks::Listeners;
use crate::serve::{preflight, privileges};
use base::error::{Error, Result};

/// The listening sockets, before anything else is opened.
pub(super) struct BoundSockets {
    clients: Vec<TcpListener>,
    metrics: Vec<TcpListener>,
    web: Vec<TcpListener>,
}

impl BoundSockets {
    /// Opens the listening sockets that the service manager does not hold, then gives up privileges. Returns all sockets.
    ///
    /// # Errors
    /// Returns an error that says what keeps the server from running, and what to do about it.
    pub(super) fn open(
        config: &Config,
        installation: &Installation,
        held: Vec<HeldSocket>,
        report: &mut Report,
    ) -> Result<Self> {
        preflight::machine(config, report);
        preflight::ownership(config, report);
        let covered: Vec<SocketAddr> = held.iter().flat_map(HeldSocket::covers).collect();
        let own = preflight::sockets(config, &covered, report);
        let metrics = preflight::metrics_sockets(config, &[], report);
        let web = preflight::web_sockets(config, &[], report);
        report.proceed()?;
        for address in held.iter().map(|socket| socket.address) {
            if !config.server.listen.contains(&address) {
                tracing::warn!(
                    "the service manager holds a socket for {address}, which [server] listen does not name (hint: the \
                     ports of homeport.socket and of the configuration should be the same)"
                );
            }
        }
        let held = held.into_iter().map(|socket| socket.listener);
        let sockets = Self {
            clients: watched(held.chain(own))?,
            metrics: watched(metrics.into_iter())?,
            web: watched(web.into_iter())?,
        };
        data_dir::make_key_dir(installation)?;
        privileges::drop_root(config)?;
        Ok(sockets)
    }

    /// Adds the socket for commands, which lies in the data directory.
    pub(super) fn with_control(self, control: UnixListener) -> Listeners {
        Listeners {
            tcp: self.clients,
            metrics: self.metrics,
            web: self.web,
            control,
        }
    }
}

fn watched(sockets: impl Iterator<Item = StdTcpListener>) -> Result<Vec<TcpListener>> {
    let listeners: std::io::Result<_> = sockets.map(TcpListener::from_std).collect();
    listeners.map_err(|error| Error::new("cannot watch the listening sockets").because(error))
}

/// Returns the addresses of sockets, with the ports that the kernel chose for port 0.
pub(super) fn addresses_of(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    addresses.filter_map(std::io::Result::ok).collect()
}

/// Logs where metrics and the web page are, and returns these addresses. `scheme` is that of the web page.
pub(super) fn announce_others(listeners: &Listeners, scheme: &str) -> Vec<SocketAddr> {
    let metrics = addresses_of(&listeners.metrics);
    for address in &metrics {
        tracing::info!("metrics are on http://{address}/metrics");
    }
    let web = addresses_of(&listeners.web);
    for address in &web {
        tracing::info!("the web page is on {scheme}://{address}/");
    }
    [metrics, web].concat()
}
