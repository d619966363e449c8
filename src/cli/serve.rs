//! `homeportd demo`: creates a demo server and serves it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::demo::{self, DemoAddresses};
use super::work::{IfMissing, wait, with_store};
use crate::ops::demo::add_users;
use crate::ops::store;
use crate::serve::listen::{ListenList, listen_on};
use crate::serve::manager::ServiceManager;
use crate::serve::process::{self, Beginning};
use crate::store::Store as _;
use crate::telemetry;
use base::error::{Error, Result};

/// Creates a demo unless it exists, serves it, and prints what to try.
///
/// # Errors
/// Returns an error if it cannot be created or served.
pub fn demo(dir: &Path, listen: Option<SocketAddr>) -> Result<()> {
    let config = demo::prepare(dir, listen)?;
    let installation = config.installation();
    let _flush = telemetry::init(&config.log)?;
    // Check the port first, so that a second demo fails before anything else; `bind` would fail later.
    let list = ListenList {
        section: "server",
        addresses: &config.server.listen,
        others: &[],
    };
    let (_, refused) = listen_on(list, &[]);
    if let Some(refused) = refused.into_iter().next() {
        let taken = refused.is_taken();
        let error = Error::from(refused);
        return Err(match taken {
            true => error.hint("another demo may be running; --listen 127.0.0.1:2022 takes another port"),
            false => error,
        });
    }
    with_store(&config, IfMissing::Make, async |context| {
        add_users(context.installation, context.store).await
    })?;
    let shown = config.clone();
    // The log's thread, which only writes to standard error, is not restricted.
    let beginning = Beginning::of(&config)?;
    process::run(config, ServiceManager::default(), beginning, move |addresses| {
        let fingerprints = wait(async {
            let store = store::open_read_only(&installation).await?;
            store.host_keys().await
        })??;
        let ssh = addresses.clients.first().copied();
        let ssh = ssh.ok_or_else(|| Error::new("the server listens nowhere"))?;
        let web = addresses.web.first().copied();
        let text = demo::welcome(&shown, DemoAddresses { ssh, web }, &fingerprints);
        // If standard output cannot be written, the server still serves.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(())
    })
}
