//! The directory of a demo, and the text that is printed when it is served.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use russh::keys::Algorithm;

use super::init;
use crate::config::{self, Config, FILE_NAME};
use crate::ops::demo::{DemoUser, USERS, claim_directory, must_be_loopback};
use crate::ssh::algorithms::shows;
use base::error::Result;
use base::size::Size;

/// The seconds that a demo drains: no transfer there is worth waiting for.
const DRAIN_SECS: u64 = 2;

/// The port of the demo's web page, if it is free.
const WEB_PORT: u16 = 8022;

/// Where a demo is served.
#[derive(Debug, Clone, Copy)]
pub struct DemoAddresses {
    /// The address for SSH.
    pub ssh: SocketAddr,
    /// The address of the web page, if it is served.
    pub web: Option<SocketAddr>,
}

/// Creates the directory unless it is a demo already; returns its configuration.
///
/// # Errors
/// Returns an error if an address is not loopback, or if the directory contains something else.
pub fn prepare(dir: &Path, listen: Option<SocketAddr>) -> Result<Config> {
    // Check this before anything is created.
    must_be_loopback(listen.as_slice())?;
    claim_directory(dir)?;
    let file = dir.join(FILE_NAME);
    if !file.exists() {
        init::directory(dir, None)?;
    }
    let mut config = config::load(&file)?;
    if let Some(address) = listen {
        config.server.listen = vec![address];
    }
    must_be_loopback(&config.server.listen)?;
    if cfg!(feature = "web") && config.web.listen.is_empty() {
        config.web.listen = vec![web_address(listen)];
    }
    must_be_loopback(&config.web.listen)?;
    config.server.drain_secs = config.server.drain_secs.min(DRAIN_SECS);
    Ok(config)
}

/// Returns the address of the demo's web page: a port that is easy to remember, or any free one if that is taken, or if the
/// demo itself is to take any.
fn web_address(listen: Option<SocketAddr>) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let usual = SocketAddr::from(([127, 0, 0, 1], WEB_PORT));
    let wants_any = listen.is_some_and(|address| address.port() == 0);
    match !wants_any && TcpListener::bind(usual).is_ok() {
        true => usual,
        false => any,
    }
}

/// Returns the host keys that clients are shown under the configuration's algorithms.
fn shown<'a>(config: &Config, recorded: &'a [(String, String)]) -> Vec<&'a (String, String)> {
    let algorithm = |(name, _): &(String, String)| Algorithm::new(name).ok();
    let keys: Vec<Algorithm> = recorded.iter().filter_map(algorithm).collect();
    let offered = config.ssh.host_key_algorithms(&keys);
    let shown = recorded
        .iter()
        .filter(|one| algorithm(one).is_some_and(|key| shows(&offered, &key)));
    shown.collect()
}

/// Returns the text that says what to try, once the server listens.
pub fn welcome(config: &Config, addresses: DemoAddresses, fingerprints: &[(String, String)]) -> String {
    let address = addresses.ssh;
    let host = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let mut text = format!("Homeport is serving on {address}. Try, in another terminal:\n\n");
    for DemoUser {
        name,
        password,
        quota_bytes,
        is_admin: _,
    } in USERS
    {
        let command = format!("sftp -P {} {name}@{host}", address.port());
        text.push_str(&format!(
            "  {command:<36}  password {password}, quota {}\n",
            Size(quota_bytes)
        ));
    }
    if let Some(first) = USERS.first() {
        let command = format!("homeport -P {} {}@{host}", address.port(), first.name);
        text.push_str(&format!("  {command:<36}  the same with Homeport's own client\n"));
    }
    if let Some(web) = addresses.web {
        let page = format!("http://{web}/");
        text.push_str(&format!("  {page:<36}  the same in a browser\n"));
    }
    let homes = config.storage.homes.display();
    text.push_str(&format!(
        "\n  put README.md; ls -l; get README.md      files land in {homes}/NAME\n"
    ));
    text.push_str(
        "  df; put BIGGER.iso                       refused if it exceeds the quota; existing files stay\n",
    );
    text.push_str(&format!(
        "  homeportd -c {} quota show\n\n",
        config.file.display()
    ));
    for (algorithm, fingerprint) in shown(config, fingerprints) {
        text.push_str(&format!("Its host key is {algorithm} {fingerprint}.\n"));
    }
    text.push_str("Ctrl-C stops it; the next `homeportd demo` uses the same files.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::data_dir::make_data_dir;
    use crate::ops::demo::add_users;
    use crate::store::Store as _;
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

        // This also holds when the demo's own configuration has been edited.
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path(), None).unwrap();
        let file = dir.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("127.0.0.1:2222", "0.0.0.0:2222")).unwrap();
        assert!(prepare(dir.path(), None).is_err());
    }

    #[test]
    fn only_host_keys_that_clients_see_are_printed() {
        let recorded = [
            ("ssh-ed25519", "SHA256:one"),
            ("ecdsa-sha2-nistp256", "SHA256:two"),
        ];
        let recorded = recorded.map(|(name, print)| (name.to_owned(), print.to_owned()));
        let addresses = DemoAddresses {
            ssh: "127.0.0.1:2222".parse().unwrap(),
            web: Some("127.0.0.1:8022".parse().unwrap()),
        };
        let told = |config: &Config| welcome(config, addresses, &recorded);
        let mut config = Config::default();
        let text = told(&config);
        assert!(
            text.contains("SHA256:one")
                && !text.contains("SHA256:two")
                && text.contains("http://127.0.0.1:8022/"),
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
        init::directory(dir.path(), None).unwrap();
        let error = prepare(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("is not a demo, and not empty"), "{error}");
    }

    #[tokio::test]
    async fn a_second_run_goes_on_with_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let config = prepare(dir.path(), None).unwrap();
        make_data_dir(&config.installation()).unwrap();
        let store = SqlStore::open(&config.store.path).await.unwrap();
        add_users(&config.installation(), &store).await.unwrap();
        let tom = "tom".parse().unwrap();
        store.remove_user(&tom).await.unwrap();
        let calvin = store.user(&"calvin".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(calvin.quota().bytes, Some(1 << 30));
        assert!(calvin.home.is_dir());

        let again = prepare(dir.path(), None).unwrap();
        add_users(&again.installation(), &store).await.unwrap();
        assert_eq!(
            store.user(&tom).await.unwrap().unwrap().quota().bytes,
            Some(100 << 20)
        );
        let same = store.user(&calvin.name).await.unwrap().unwrap();
        assert_eq!(same.password_hash, calvin.password_hash);
    }
}
