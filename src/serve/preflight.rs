//! What must hold before the server serves. One piece of code has two callers: a start begins with it
//! and refuses to start if there is an error, `homeportd check` prints all of it. Nothing here changes anything.
//!
//! The order is that of a start, since rights change on the way: first what needs the rights that the program was
//! started with (the machine, the sockets), then, as the user that the server will be, what lies on the disk.

mod places;

use std::net::{SocketAddr, TcpListener};

pub use places::{orphans, ownership, places};

use super::{kernel, listen, privileges};
use crate::config::Config;
use crate::ops::check::report::Report;
use crate::ops::data_dir;
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// What the system must offer: calls of the kernel, `/proc`, the user that the server becomes, and a store.
pub fn machine(config: &Config, report: &mut Report) {
    for error in kernel::missing() {
        report.error(error);
    }
    if let Some(name) = &config.server.user
        && let Err(error) = data_dir::system_user(name)
    {
        report.error(format!("{}{error}", config.place_of("server", "user")));
    }
    // Nothing is made where [store] path is wrong: a store comes from `init` and `user add`.
    let found = config.store.path.symlink_metadata();
    if found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        && let Err(error) = SqlStore::must_exist(&config.store.path)
    {
        report.error(error);
    }
}

/// Opens every socket of `[server] listen` but those that our running server holds; each that cannot be opened is an
/// error.
pub fn sockets(config: &Config, held: &[SocketAddr], report: &mut Report) -> Vec<TcpListener> {
    let (listeners, refused) = listen::listen_on(&config.server.listen, held);
    for refused in refused {
        let at = config.place_of_listen(refused.address);
        report.error(format!("{at}{}", Error::from(refused)));
    }
    listeners
}

/// As root, becomes `[server] user`, else the owner of the data directory, for good.
///
/// # Errors
/// When there is no such user, or the system refuses.
pub fn become_server(config: &Config) -> Result<()> {
    privileges::become_server(config)
}
