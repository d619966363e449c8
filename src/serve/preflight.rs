//! The checks before the server starts. A start begins with them and fails if there is an error; `homeportd check`
//! prints the whole report. Nothing here changes anything.
//!
//! They have the order of a start, because rights change in between: first what needs the rights that the program was
//! started with (the machine, the sockets), then, as the user that the server will be, what lies on the disk.

mod creation;
mod places;

use std::net::{SocketAddr, TcpListener};

pub use creation::creation;
pub use places::{orphans, ownership, places};

use super::listen::{ListenList, ListenSection};
use super::{kernel, listen, privileges};
use crate::config::Config;
use crate::ops::check::report::Report;
use crate::ops::data_dir;
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// Checks what the system must offer: system calls, `/proc`, the user that the server becomes, and a store.
pub fn machine(config: &Config, report: &mut Report) {
    for error in kernel::missing() {
        report.error(error);
    }
    if let Some(name) = &config.server.user
        && let Err(error) = data_dir::system_user(name)
    {
        report.error(format!("{}{error}", config.place_of("server", "user")));
    }
    if !config.unknown_variables.is_empty() {
        report.warn(format!(
            "variables of the environment that are no settings have no effect: {}",
            config.unknown_variables.join(", ")
        ));
    }
    // Nothing is created if [store] path is wrong: `init` and `user add` create a store.
    let found = config.store.path.symlink_metadata();
    if found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        && let Err(error) = SqlStore::must_exist(&config.store.path)
    {
        report.error(error);
    }
}

/// Opens every socket of `[server] listen` except those that the running server or its service manager holds; each that
/// cannot be opened is an error.
pub fn sockets(config: &Config, held: &[SocketAddr], report: &mut Report) -> Vec<TcpListener> {
    let list = ListenList {
        section: "server",
        addresses: &config.server.listen,
        others: &[],
    };
    open_all(list, config, held, report)
}

/// Opens every socket of `[metrics] listen` except those that the running server holds; each that cannot be opened is
/// an error.
pub fn metrics_sockets(config: &Config, held: &[SocketAddr], report: &mut Report) -> Vec<TcpListener> {
    let list = ListenList {
        section: "metrics",
        addresses: &config.metrics.listen,
        others: &[of_server(config)],
    };
    open_all(list, config, held, report)
}

/// Opens every socket of `[web] listen` except those that the running server holds; each that cannot be opened is an
/// error.
pub fn web_sockets(config: &Config, held: &[SocketAddr], report: &mut Report) -> Vec<TcpListener> {
    if let Some(address) = config.web.listen.first()
        && !cfg!(feature = "web")
    {
        let at = config.place_of_listen("web", *address);
        report.error(format!(
            "{at}the web page cannot be served: this version of homeportd has none yet (hint: take \"listen\" out of [web])"
        ));
        return Vec::new();
    }
    let metrics = ListenSection {
        name: "metrics",
        addresses: &config.metrics.listen,
    };
    let list = ListenList {
        section: "web",
        addresses: &config.web.listen,
        others: &[of_server(config), metrics],
    };
    open_all(list, config, held, report)
}

fn of_server(config: &Config) -> ListenSection<'_> {
    ListenSection {
        name: "server",
        addresses: &config.server.listen,
    }
}

fn open_all(
    list: ListenList<'_>,
    config: &Config,
    held: &[SocketAddr],
    report: &mut Report,
) -> Vec<TcpListener> {
    let (listeners, refused) = listen::listen_on(list, held);
    for refused in refused {
        let at = config.place_of_listen(list.section, refused.address);
        report.error(format!("{at}{}", Error::from(refused)));
    }
    listeners
}

/// As root, becomes the user of `[server] user`, or else the owner of the data directory, permanently.
///
/// # Errors
/// Returns an error if there is no such user, or if the system refuses.
pub fn become_server(config: &Config) -> Result<()> {
    privileges::become_server(config)
}
