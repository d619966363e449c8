//! `known_hosts`: which keys are known for a host, as sshd(8) describes the file under SSH_KNOWN_HOSTS FILE FORMAT.
//!
//! The rules are OpenSSH's, as its client behaves: a key that is listed for the host is known; if only *other* keys
//! are listed, of whatever type, the host has [changed](Standing::Changed) — which is why a connection asks for the
//! types that are listed first ([`KnownHosts::algorithms`]); `@revoked` outweighs everything; `@cert-authority` says
//! nothing about plain keys. A host on another port than 22 is also known by its lines without a port, unless it has
//! lines of its own.

#[doc(hidden)]
pub mod fuzz;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

use super::pattern;
use base::error::{Error, Result};

/// The port that is not written.
const PORT: u16 = 22;
/// As long as the hash, as OpenSSH has it.
const SALT: usize = 20;

/// A host as `known_hosts` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// `host`, or `[host]:port`.
    name: String,
    /// The same without its port, where it has one.
    without_port: Option<String>,
}

impl HostName {
    /// Of the host that is connected to, or the alias that stands for it (`HostKeyAlias`).
    pub fn new(host: &str, port: u16, alias: Option<&str>) -> Self {
        if let Some(alias) = alias {
            return Self {
                name: alias.to_owned(),
                without_port: None,
            };
        }
        let host = host.to_lowercase();
        match port {
            PORT => Self {
                name: host,
                without_port: None,
            },
            _ => Self {
                name: format!("[{host}]:{port}"),
                without_port: Some(host),
            },
        }
    }

    /// As it is written into the file, and as `ssh-keygen -R` takes it.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// Where a key is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// What stands there.
    pub key: PublicKey,
}

/// How a key stands for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is the host's.
    Known,
    /// Nothing is listed for the host.
    Unknown,
    /// Others are listed for the host, and this one is not: the first of its type, else the first.
    Changed(Listed),
    /// It must not be used any more.
    Revoked(Listed),
}

/// The lines of some files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    revoked: bool,
    hosts: HostPatterns,
    listed: Listed,
}

impl KnownHosts {
    /// Reads the files; one that is not there has no lines.
    ///
    /// # Errors
    /// When one is there and cannot be read: what it says could matter.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        let mut known = Self::default();
        for file in files {
            match std::fs::read(file) {
                Ok(bytes) => known.add(file, &String::from_utf8_lossy(&bytes)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => {
                    return Err(Error::new(format!("cannot read \"{}\"", file.display())).because(error));
                }
            }
        }
        Ok(known)
    }

    /// Adds the lines of a file. One that makes no sense is passed over, as ssh does.
    pub fn add(&mut self, file: &Path, text: &str) {
        let lines = (1..).zip(text.lines());
        self.lines
            .extend(lines.filter_map(|(number, line)| Line::parse(file, number, line)));
    }

    /// How this key stands for the host.
    pub fn check(&self, host: &HostName, key: &PublicKey) -> Standing {
        let standing = self.check_name(&host.name, key);
        match &host.without_port {
            Some(bare) if standing == Standing::Unknown => match self.check_name(bare, key) {
                // Another key for the bare name says nothing about this port.
                Standing::Changed(_) => Standing::Unknown,
                standing => standing,
            },
            _ => standing,
        }
    }

    fn check_name(&self, name: &str, key: &PublicKey) -> Standing {
        let same = |line: &&Line| line.listed.key.key_data() == key.key_data();
        let of_host: Vec<&Line> = self.lines.iter().filter(|line| line.is_for(name)).collect();
        let (revoked, listed): (Vec<&Line>, Vec<&Line>) = of_host.into_iter().partition(|line| line.revoked);
        if let Some(line) = revoked.into_iter().find(same) {
            return Standing::Revoked(line.listed.clone());
        }
        if listed.iter().any(same) {
            return Standing::Known;
        }
        let of_type = listed
            .iter()
            .find(|line| line.listed.key.algorithm() == key.algorithm());
        match of_type.or(listed.first()) {
            Some(line) => Standing::Changed(line.listed.clone()),
            None => Standing::Unknown,
        }
    }

    /// The types of the keys that are listed for the host: a connection asks for these first. RSA is without a hash.
    pub fn algorithms(&self, host: &HostName) -> Vec<Algorithm> {
        let of = |name: &str| -> Vec<Algorithm> {
            let lines = self
                .lines
                .iter()
                .filter(|line| !line.revoked && line.is_for(name));
            lines.map(|line| line.listed.key.algorithm()).collect()
        };
        let listed = of(&host.name);
        match &host.without_port {
            Some(bare) if listed.is_empty() => of(bare),
            _ => listed,
        }
    }
}

impl Line {
    fn parse(file: &Path, number: usize, line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().peekable();
        let marker = match words.next_if(|word| word.starts_with('@')) {
            Some(word) => Some(word.parse::<Marker>().ok()?),
            None => None,
        };
        let hosts = words.next().filter(|word| !word.starts_with('#'))?;
        let (kind, data) = words.next().zip(words.next())?;
        if marker == Some(Marker::CertAuthority) {
            return None;
        }
        Some(Self {
            revoked: marker == Some(Marker::Revoked),
            hosts: hosts.parse().ok()?,
            listed: Listed {
                file: file.to_owned(),
                line: number,
                key: PublicKey::from_openssh(&format!("{kind} {data}")).ok()?,
            },
        })
    }

    fn is_for(&self, name: &str) -> bool {
        match &self.hosts {
            HostPatterns::Patterns(patterns) => {
                let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.to_lowercase()).collect();
                pattern::matches_list(patterns.iter().map(String::as_str), &name.to_lowercase())
            }
            HostPatterns::HashedName { salt, hash } => hashed(name, salt) == Some(*hash),
        }
    }
}

/// `None` does not happen: HMAC takes keys of any length.
fn hashed(name: &str, salt: &[u8]) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// Appends a line for the host; `hash`: nobody is to read from it which host it is. Makes the file (0600) and its
/// directory (0700) where they are missing.
///
/// # Errors
/// When the file cannot be written.
pub fn learn(file: &Path, host: &HostName, key: &PublicKey, hash: bool) -> Result<()> {
    let cannot = |why: std::io::Error| {
        Error::new(format!("cannot add the host key to \"{}\"", file.display())).because(why)
    };
    let line = new_line(host, key, hash).map_err(cannot)?;
    if let Some(directory) = file
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot(error)),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(file).map_err(cannot)?;
    let start = if ends_in_a_line(&mut file).map_err(cannot)? {
        ""
    } else {
        "\n"
    };
    // One write: a file that others append to meanwhile never gets half a line.
    file.write_all(format!("{start}{line}\n").as_bytes())
        .map_err(cannot)
}

fn new_line(host: &HostName, key: &PublicKey, hash: bool) -> std::io::Result<String> {
    let mut key = key.clone();
    key.set_comment("");
    let key = key.to_openssh().map_err(std::io::Error::other)?;
    let mut salt = vec![0; SALT];
    getrandom::fill(&mut salt).map_err(std::io::Error::other)?;
    let name = match hashed(&host.name, &salt).filter(|_| hash) {
        Some(hash) => HostPatterns::HashedName { salt, hash }.to_string(),
        None => host.name.clone(),
    };
    Ok(format!("{name} {}", key.trim_end()))
}

/// An editor may have left the last line without its end.
fn ends_in_a_line(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests;
