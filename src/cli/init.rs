//! `homeportd init`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::grammar::InitArgs;
use super::work::{IfMissing, with_store};
use crate::config::{self, Config, FILE_NAME, sample};
use crate::ops::init::make_directory;
use crate::ops::installation::Installation;
use base::error::Result;

/// Creates a new server's directory and its store; returns the text to print.
///
/// # Errors
/// Returns an error if a configuration exists already, or if something cannot be written.
pub fn run(args: &InitArgs) -> Result<String> {
    let file = directory(&args.dir, args.listen)?;
    with_store(&config::load(&file)?, IfMissing::Make, async |_| Ok(()))?;
    let file = file.display();
    Ok(format!(
        "made \"{file}\"\nnow: homeportd -c {file} user add NAME\n     homeportd -c {file} serve\n"
    ))
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
    fn without_an_address_the_default_stands() {
        let dir = tempfile::tempdir().unwrap();
        let config = config::load(&directory(dir.path(), None).unwrap()).unwrap();
        assert_eq!(config.server, config::load(&config.file).unwrap().server);
        assert_eq!(config.server.listen, Config::default().server.listen);
    }
}
