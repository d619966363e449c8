//! What must hold before the server serves. One piece of code for both who ask: [`super::Server::bind`] begins with it
//! and refuses to start if there is an error, `homeportd check` prints all of it. Nothing here changes anything.
//!
//! The order is that of a start, since rights change on the way: first what needs the rights that the program was
//! started with (the machine, the sockets), then, as the user that the server will be, what lies on the disk.

mod report;

use std::net::TcpListener;

pub use report::Report;

use super::{kernel, listen};
use crate::admin::owner;
use crate::config::Config;

/// What the system must offer: calls of the kernel, `/proc`, the user that the server becomes.
pub fn machine(config: &Config, report: &mut Report) {
    for error in kernel::missing() {
        report.error(error);
    }
    if let Some(name) = &config.server.user
        && let Err(error) = owner::system_user(name)
    {
        report.error(format!("{}{error}", config.place_of("server", "user")));
    }
}

/// Opens every socket of `[server] listen`, each that cannot be opened being an error.
pub fn sockets(config: &Config, report: &mut Report) -> Vec<TcpListener> {
    let (listeners, errors) = listen::listen_on(&config.server.listen);
    for error in errors {
        report.error(error);
    }
    listeners
}
