//! `homeportd init`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::grammar::InitArgs;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::{self, Config, FILE_NAME, sample};
use crate::ops::host_keys::{self, HostKeyView};
use crate::ops::init::make_directory;
use crate::ops::installation::Installation;
use crate::shapes::json::HostKeyJson;
use base::error::Result;

/// Creates a new server's directory and its store, or what an existing configuration names; returns the text to print.
///
/// # Errors
/// Returns an error if the directory has a configuration already, or if something cannot be written.
pub fn run(args: &InitArgs, load: impl Fn() -> Result<Config>) -> Result<String> {
    let Some(dir) = &args.dir else {
        return complete(&load()?, args.json);
    };
    let file = directory(dir, args.listen)?;
    let config = config::load(&file)?;
    with_store(&config, IfMissing::Make, async |_| Ok(()))?;
    if args.json {
        return json(&config, &host_keys::list(&config.installation())?);
    }
    let file = file.display();
    Ok(format!(
        "made \"{file}\"\nnow: homeportd -c {file} user add NAME\n     homeportd -c {file} serve\n"
    ))
}

/// Creates the store and the host keys that this configuration names, unless they exist.
///
/// # Errors
/// Returns an error if one cannot be created, or if an existing one cannot be used.
fn complete(config: &Config, as_json: bool) -> Result<String> {
    let installation = config.installation();
    let keys = with_store(config, IfMissing::Make, async |context| {
        host_keys::ensure(&installation, context).await
    })?;
    if as_json {
        return json(config, &keys);
    }
    let mut text = format!("the store \"{}\" is ready\n", config.store.path.display());
    for key in keys {
        text.push_str(&format!("host key {} {}\n", key.algorithm, key.fingerprint));
    }
    Ok(text)
}

/// What there is now, as `init --json` prints it.
#[derive(Serialize)]
struct InitJson<'a> {
    configuration: String,
    store: String,
    host_keys: Vec<HostKeyJson<'a>>,
}

fn json(config: &Config, keys: &[HostKeyView]) -> Result<String> {
    output::json(&InitJson {
        configuration: config.file.display().to_string(),
        store: config.store.path.display().to_string(),
        host_keys: keys.iter().map(Into::into).collect(),
    })
}

/// Creates a new server's directory with its contents, except for the store; returns the path of the configuration.
///
/// # Errors
/// Returns an error if a configuration exists already, or if something cannot be written.
pub fn directory(dir: &Path, listen: Option<SocketAddr>) -> Result<PathBuf> {
    let installation = planned(dir);
    make_directory(&installation, &sample::for_directory(listen))?;
    Ok(installation.config_file)
}

/// Returns the paths of the sample, before there is a file to read.
fn planned(dir: &Path) -> Installation {
    let mut config = Config {
        file: dir.join(FILE_NAME),
        ..Config::default()
    };
    config.storage.homes = dir.join("data/homes");
    config.server.host_keys = dir.join("hostkeys");
    config.store.path = dir.join("data/homeport.db");
    config.installation()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::hostkeys;

    #[test]
    fn what_init_writes_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("new");
        let listen: SocketAddr = "[::1]:2022".parse().unwrap();
        let file = directory(&root, Some(listen)).unwrap();
        let config = config::load(&file).unwrap();
        assert_eq!(config.server.listen, [listen]);
        assert_eq!(config.server.host_keys, root.join("hostkeys"));
        assert_eq!(config.storage.homes, root.join("data/homes"));
        assert_eq!(config.data_dir(), root.join("data"));
        let keys = hostkeys::load(&config.server.host_keys).unwrap();
        let names: Vec<String> = keys.iter().map(|key| key.algorithm().to_string()).collect();
        assert_eq!(names, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);

        // Existing files are never overwritten.
        std::fs::write(&file, "# mine\n").unwrap();
        let error = directory(&root, None).unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"# mine\n");
    }

    #[test]
    fn what_a_configuration_names_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(
            &file,
            "[store]\npath = \"var/homeport.db\"\n[server]\nhost_keys = \"keys\"\n",
        )
        .unwrap();
        let args = InitArgs {
            dir: None,
            listen: None,
            json: false,
        };
        let load = || config::load(&file);
        let first = run(&args, load).unwrap();
        assert!(first.contains("homeport.db\" is ready"), "{first}");
        let keys = first.matches("host key ssh-ed25519 SHA256:").count();
        assert_eq!(keys, 1, "{first}");
        assert!(dir.path().join("var/homeport.db").is_file());
        // It says the same again, and changes nothing.
        let written = std::fs::read(dir.path().join("keys/ssh_host_ed25519_key")).unwrap();
        assert_eq!(run(&args, load).unwrap(), first);
        assert_eq!(
            std::fs::read(dir.path().join("keys/ssh_host_ed25519_key")).unwrap(),
            written
        );
        let args = InitArgs { json: true, ..args };
        let said: serde_json::Value = serde_json::from_str(&run(&args, load).unwrap()).unwrap();
        assert_eq!(said["configuration"], load().unwrap().file.to_str().unwrap());
        assert!(
            said["store"].as_str().unwrap().ends_with("/var/homeport.db"),
            "{said}"
        );
        assert_eq!(said["host_keys"][0]["algorithm"], "ssh-ed25519");
        assert_eq!(said["host_keys"][0]["state"], "in_use");
    }

    #[test]
    fn without_an_address_the_default_stands() {
        let dir = tempfile::tempdir().unwrap();
        let config = config::load(&directory(dir.path(), None).unwrap()).unwrap();
        assert_eq!(config.server, config::load(&config.file).unwrap().server);
        assert_eq!(config.server.listen, Config::default().server.listen);
    }
}
