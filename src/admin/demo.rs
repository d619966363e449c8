//! `homeportd demo`: a server to try, with users whose passwords everybody knows. Loopback only.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use russh::keys::Algorithm;

use super::{init, passwords};
use crate::config::{Config, FILE_NAME};
use crate::domain::user::{Quota, User};
use crate::homes;
use crate::ssh::algorithms::shows;
use crate::store::Store;
use base::error::{Error, Result};
use base::secret::Secret;
use base::size::Size;

/// Its presence says that a directory is a demo, and that its users' passwords may be public.
const MARKER: &str = ".homeport-demo";

/// Name, password, quota.
const USERS: [(&str, &str, u64); 2] = [("calvin", "123456", 1 << 30), ("tom", "654321", 100 << 20)];

/// A demo holds nothing that is worth waiting for.
const DRAIN_SECS: u64 = 2;

/// Makes the directory unless it is a demo already; returns its configuration.
///
/// # Errors
/// When an address is not loopback, or the directory is something else.
pub fn prepare(dir: &Path, listen: Option<SocketAddr>) -> Result<Config> {
    // Before anything is made.
    loopback(listen.as_slice())?;
    let (file, marker) = (dir.join(FILE_NAME), dir.join(MARKER));
    if !marker.exists() {
        let cannot = |e: io::Error| Error::new(format!("cannot make \"{}\"", dir.display())).because(e);
        let occupied = match dir.read_dir() {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(cannot(e)),
        };
        if occupied {
            return Err(
                Error::new(format!("\"{}\" is no demo, and not empty", dir.display()))
                    .hint("--dir DIR names another directory"),
            );
        }
        init::make_public(dir).map_err(cannot)?;
        std::fs::write(
            &marker,
            "Made by `homeportd demo`: the passwords of its users are public.\n",
        )
        .map_err(cannot)?;
    }
    if !file.exists() {
        init::init(dir, None)?;
    }
    let mut config = Config::load(&file)?;
    if let Some(address) = listen {
        config.server.listen = vec![address];
    }
    loopback(&config.server.listen)?;
    config.server.drain_secs = config.server.drain_secs.min(DRAIN_SECS);
    Ok(config)
}

fn loopback(listen: &[SocketAddr]) -> Result<()> {
    match listen.iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Error::new(format!("a demo is not served on {address}"))
            .because("everybody knows its users' passwords, and it is no loopback address")
            .hint("for a server to keep: homeportd init DIR")),
    }
}

/// Makes the users that are missing, with their homes.
///
/// # Errors
/// When the store or the disk refuses.
pub async fn add_users(config: &Config, store: &dyn Store) -> Result<()> {
    for (name, password, bytes) in USERS {
        let mut user = User::blank(name.parse()?);
        let users = store.users().await?;
        if users.iter().any(|there| there.name == user.name) {
            continue;
        }
        user.home = homes::choose(config, &user.name, None)?;
        user.password_hash = Some(passwords::hash(&Secret::new(password.to_owned()))?);
        user.quota = Quota {
            bytes: Some(bytes),
            files: None,
        };
        homes::make(&user.home)?;
        store.add_user(&user).await?;
    }
    Ok(())
}

/// The host keys that clients get to see under the configuration's algorithms.
fn shown<'a>(config: &Config, recorded: &'a [(String, String)]) -> Vec<&'a (String, String)> {
    let algorithm = |(name, _): &(String, String)| Algorithm::new(name).ok();
    let keys: Vec<Algorithm> = recorded.iter().filter_map(algorithm).collect();
    let offered = config.ssh.host_key_algorithms(&keys);
    let shown = recorded
        .iter()
        .filter(|one| algorithm(one).is_some_and(|key| shows(&offered, &key)));
    shown.collect()
}

/// What to try, once the server listens.
pub fn welcome(config: &Config, address: SocketAddr, fingerprints: &[(String, String)]) -> String {
    let host = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let mut text = format!("Homeport is serving on {address}. Try, in another terminal:\n\n");
    for (name, password, bytes) in USERS {
        let command = format!("sftp -P {} {name}@{host}", address.port());
        text.push_str(&format!(
            "  {command:<36}  password {password}, quota {}\n",
            Size(bytes)
        ));
    }
    let homes = config.storage.homes.display();
    text.push_str(&format!(
        "\n  put README.md; ls -l; get README.md      files land in {homes}/NAME\n"
    ));
    text.push_str("  df; put BIGGER.iso                       what would pass the quota is refused, what is there stays\n");
    text.push_str(&format!(
        "  homeportd -c {} quota show\n\n",
        config.file.display()
    ));
    for (algorithm, fingerprint) in shown(config, fingerprints) {
        text.push_str(&format!("Its host key is {algorithm} {fingerprint}.\n"));
    }
    text.push_str("Ctrl-C ends it; the next `homeportd demo` goes on with the same files.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::SqlStore;

    #[test]
    fn only_loopback_is_served() {
        let check = |listen: &str, good: bool| {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("demo");
            let prepared = prepare(&dir, Some(listen.parse().unwrap()));
            assert_eq!(prepared.is_ok(), good, "{listen}: {prepared:?}");
            assert_eq!(dir.exists(), good, "{listen}");
        };
        check("127.0.0.1:0", true);
        check("127.8.9.1:2222", true);
        check("[::1]:2222", true);
        check("0.0.0.0:2222", false);
        check("[::]:2222", false);
        check("192.0.2.1:22", false);
        check("[::ffff:192.0.2.1]:22", false);

        // Nor when the demo's own configuration has been edited.
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path(), None).unwrap();
        let file = dir.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("127.0.0.1:2222", "0.0.0.0:2222")).unwrap();
        assert!(prepare(dir.path(), None).is_err());
    }

    #[test]
    fn only_host_keys_that_clients_see_are_told() {
        let recorded = [
            ("ssh-ed25519", "SHA256:one"),
            ("ecdsa-sha2-nistp256", "SHA256:two"),
        ];
        let recorded = recorded.map(|(name, print)| (name.to_owned(), print.to_owned()));
        let told = |config: &Config| welcome(config, "127.0.0.1:2222".parse().unwrap(), &recorded);
        let mut config = Config::default();
        let text = told(&config);
        assert!(
            text.contains("SHA256:one") && !text.contains("SHA256:two"),
            "{text}"
        );
        config.ssh.policy = crate::ssh::settings::Policy::Compatible;
        let text = told(&config);
        assert!(
            text.contains("SHA256:one") && text.contains("SHA256:two"),
            "{text}"
        );
    }

    #[test]
    fn another_server_is_never_given_public_passwords() {
        let dir = tempfile::tempdir().unwrap();
        init::init(dir.path(), None).unwrap();
        let error = prepare(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("is no demo, and not empty"), "{error}");
    }

    #[tokio::test]
    async fn a_second_run_goes_on_with_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let config = prepare(dir.path(), None).unwrap();
        crate::admin::owner::make_data_dir(&config).unwrap();
        let store = SqlStore::open(&config.store.path).await.unwrap();
        add_users(&config, &store).await.unwrap();
        let tom = "tom".parse().unwrap();
        store.remove_user(&tom).await.unwrap();
        let calvin = store.user(&"calvin".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(calvin.quota.bytes, Some(1 << 30));
        assert!(calvin.home.is_dir());

        let again = prepare(dir.path(), None).unwrap();
        add_users(&again, &store).await.unwrap();
        assert_eq!(
            store.user(&tom).await.unwrap().unwrap().quota.bytes,
            Some(100 << 20)
        );
        let same = store.user(&calvin.name).await.unwrap().unwrap();
        assert_eq!(same.password_hash, calvin.password_hash);
    }
}
