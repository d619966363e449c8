//! `homeportd init`: a new server's directory. The store in it is made by [`super::store`].

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::store;
use crate::config::{Config, FILE_NAME};
use crate::ssh::hostkeys;
use base::error::{Error, Result};

/// The sample is the template: one commented configuration, tested once.
const SAMPLE: &str = include_str!("../../config/homeportd.toml");

/// Makes the directory and what is in it; returns the path of the configuration.
///
/// # Errors
/// When a configuration is there already, or something cannot be written.
pub fn init(dir: &Path, listen: Option<SocketAddr>) -> Result<PathBuf> {
    let cannot = |path: &Path, cause: io::Error| {
        Error::new(format!("cannot make \"{}\"", path.display())).because(cause)
    };
    let file = dir.join(FILE_NAME);
    if file.symlink_metadata().is_ok() {
        return Err(Error::new(format!("\"{}\" is there already", file.display()))
            .hint("nothing was changed; choose another directory, or edit that file"));
    }
    // What is there may be another server's, whose store is gone: nothing is written then.
    let store = dir.join("data/homeport.db");
    if !store.exists() {
        store::must_be_new(&Config {
            file: file.clone(),
            ..planned(dir, store)
        })?;
    }
    make_public(dir).map_err(|e| cannot(dir, e))?;
    for private in ["hostkeys", "data"] {
        let path = dir.join(private);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(cannot(&path, e)),
            _ => {}
        }
    }
    let host_keys = dir.join("hostkeys");
    if hostkeys::load(&host_keys)?.is_empty() {
        hostkeys::generate_new(&host_keys)?;
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o644).open(&file);
    opened
        .and_then(|mut new| new.write_all(template(listen).as_bytes()))
        .map_err(|e| cannot(&file, e))?;
    Ok(file)
}

/// The paths of the template, before there is a file to read.
fn planned(dir: &Path, store: PathBuf) -> Config {
    let mut config = Config::default();
    config.storage.homes = dir.join("data/homes");
    config.server.host_keys = dir.join("hostkeys");
    config.store.path = store;
    config
}

/// Makes a directory that all may look into, and only its owner may change, whatever the umask lets through: who
/// can change it can replace the configuration in it.
pub(super) fn make_public(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir)
}

/// The sample, with paths that fit a directory of its own.
fn template(listen: Option<SocketAddr>) -> String {
    let mut text = String::new();
    for line in SAMPLE.lines() {
        let line = match (line, listen) {
            (line, Some(address)) if line.starts_with("listen = ") => format!("listen = [\"{address}\"]"),
            (line, _) if line.starts_with("# Homeport's configuration") => {
                "# Homeport's configuration. What it says is the default, but perhaps for \"listen\"."
                    .to_owned()
            }
            (line, _) if line.starts_with("# It works as it stands") => {
                "# homeportd -c THIS_FILE serve".to_owned()
            }
            (line, _) => line.replace("\"../", "\""),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// What `init` writes without an address.
#[cfg(test)]
pub(super) fn tests_template() -> String {
    template(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("new");
        let listen: SocketAddr = "[::1]:2022".parse().unwrap();
        let file = init(&root, Some(listen)).unwrap();
        let config = Config::load(&file).unwrap();
        assert_eq!(config.server.listen, [listen]);
        assert_eq!(config.server.host_keys, root.join("hostkeys"));
        assert_eq!(config.storage.homes, root.join("data/homes"));
        assert_eq!(config.data_dir(), root.join("data"));
        let keys = hostkeys::load(&config.server.host_keys).unwrap();
        let names: Vec<String> = keys.iter().map(|key| key.algorithm().to_string()).collect();
        assert_eq!(names, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);

        // Nothing is ever overwritten.
        std::fs::write(&file, "# mine\n").unwrap();
        let error = init(&root, None).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"# mine\n");
    }

    #[test]
    fn without_an_address_the_default_stands() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::load(&init(dir.path(), None).unwrap()).unwrap();
        assert_eq!(config.server, Config::load(&config.file).unwrap().server);
        assert_eq!(config.server.listen, Config::default().server.listen);
    }
}
