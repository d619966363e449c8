//! A demo server whose users have public passwords. It listens on loopback addresses only.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;

use super::installation::Installation;
use super::{data_dir, homes, init};
use crate::auth::password;
use crate::domain::user::{Limit, User};
use crate::store::Store;
use base::error::{Error, Result};
use base::secret::Secret;

/// A file which shows that a directory is a demo, so that its users' passwords may be public.
const MARKER: &str = ".homeport-demo";

/// A user that the demo creates.
#[derive(Debug, Clone, Copy)]
pub struct DemoUser {
    /// The name by which the user signs in.
    pub name: &'static str,
    /// The password, which is public.
    pub password: &'static str,
    /// The quota of the home in bytes.
    pub quota_bytes: u64,
    /// Whether the user is an administrator, who needs no second factor in a demo.
    pub is_admin: bool,
}

/// The users that the demo creates.
pub const USERS: [DemoUser; 2] = [
    DemoUser {
        name: "calvin",
        password: "123456",
        quota_bytes: 1 << 30,
        is_admin: true,
    },
    DemoUser {
        name: "tom",
        password: "654321",
        quota_bytes: 100 << 20,
        is_admin: false,
    },
];

/// Creates the directory of a demo, unless it is one already.
///
/// # Errors
/// Returns an error if it contains something else, or cannot be created.
pub fn claim_directory(dir: &Path) -> Result<()> {
    let marker = dir.join(MARKER);
    if marker.exists() {
        return Ok(());
    }
    let cannot = |e: io::Error| data_dir::cannot_make(dir, e);
    let occupied = match dir.read_dir() {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) => return Err(cannot(e)),
    };
    if occupied {
        return Err(
            Error::new(format!("\"{}\" is not a demo, and not empty", dir.display()))
                .hint("--dir DIR names another directory"),
        );
    }
    init::make_public(dir)?;
    std::fs::write(
        &marker,
        "Made by `homeportd demo`: the passwords of its users are public.\n",
    )
    .map_err(cannot)
}

/// Whether the server is a demo.
pub fn is_demo(installation: &Installation) -> bool {
    let dir = installation.config_file.parent();
    dir.is_some_and(|dir| dir.join(MARKER).exists())
}

/// Refuses every address that other machines can reach.
///
/// # Errors
/// Returns an error that names the first such address.
pub fn must_be_loopback(listen: &[SocketAddr]) -> Result<()> {
    match listen.iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Error::new(format!("a demo is not served on {address}"))
            .because("everybody knows its users' passwords, and it is not a loopback address")
            .hint("for a server to keep: homeportd init DIR")),
    }
}

/// Creates the users that are missing, with their homes.
///
/// # Errors
/// Returns an error if the store or the disk refuses.
pub async fn add_users(installation: &Installation, store: &dyn Store) -> Result<()> {
    for demo in USERS {
        let mut user = User::blank(demo.name.parse()?);
        if store.user(&user.name).await?.is_some() {
            continue;
        }
        user.home = homes::choose(installation, &user.name, None)?;
        // The passwords are public, so the rules for new ones are not asked.
        user.password_hash = Some(password::hash(&Secret::new(demo.password.to_owned()))?);
        user.password_set_at = Some(Timestamp::now());
        user.is_admin = demo.is_admin;
        user.settings.quota_bytes = Some(Limit(Some(demo.quota_bytes)));
        user.settings.quota_files = Some(Limit(None));
        homes::make(installation, &user.home)?;
        store.add_user(&user).await?;
    }
    Ok(())
}
