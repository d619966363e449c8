//! `known_hosts`: which keys are known for a host, as sshd(8) describes the file under SSH_KNOWN_HOSTS FILE FORMAT. It
//! never prompts.
//!
//! The rules are those of OpenSSH's client. A key that is listed for the host is known. If only *other* keys are
//! listed, of whatever type, the host has [changed](HostKeyStatus::Changed); that is why a connection asks for the
//! listed types first ([`KnownHosts::algorithms`]). `@revoked` outweighs everything; `@cert-authority` says nothing
//! about plain keys, but its certificates are asked for first. A host on another port than 22 is also known by its lines without a port, unless it has lines of
//! its own.

#[doc(hidden)]
pub mod fuzz;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

use base::error::{Error, Result};
use base::glob::matches_host_list;

/// The port that is not written into the file.
const PORT: u16 = 22;
/// The length of the salt in bytes: as long as the hash, as in OpenSSH.
const SALT: usize = 20;

/// A host as `known_hosts` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// The host as `host` or `[host]:port`.
    name: String,
    /// The host without its port, if it has one.
    without_port: Option<String>,
}

impl HostName {
    /// The name of the host that is connected to, or of the alias that stands for it (`HostKeyAlias`).
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

    /// The name that a certificate of the host has: the host without its port, or the alias.
    pub fn principal(&self) -> &str {
        self.without_port.as_deref().unwrap_or(&self.name)
    }

    /// The name as it is written into the file, and as `ssh-keygen -R` takes it.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// A key that is listed in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The file that lists it.
    pub file: PathBuf,
    /// The line in the file, counted from 1.
    pub line: usize,
    /// The key that is listed.
    pub key: PublicKey,
}

/// What the files say about a key of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyStatus {
    /// The key is listed for the host.
    Known,
    /// Nothing is listed for the host.
    Unknown,
    /// Other keys are listed for the host, and this one is not. Holds the first listed key of its type, else the first
    /// of all.
    Changed(ListedKey),
    /// The key is marked as revoked.
    Revoked(ListedKey),
}

/// The lines of some `known_hosts` files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<KnownHostsLine>,
    /// The lines about authorities, which say nothing about plain keys.
    authorities: Vec<KnownHostsLine>,
}

#[derive(Debug, Clone)]
struct KnownHostsLine {
    revoked: bool,
    hosts: HostPatterns,
    listed: ListedKey,
}

impl KnownHosts {
    /// Reads the files. A file that does not exist has no lines.
    ///
    /// # Errors
    /// When a file exists and cannot be read: what it says could matter.
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

    /// Adds the lines of a file. A line that makes no sense is skipped, as in ssh.
    pub fn add(&mut self, file: &Path, text: &str) {
        let lines = (1..).zip(text.lines());
        for (number, line) in lines {
            match KnownHostsLine::parse(file, number, line) {
                Some((Some(Marker::CertAuthority), line)) => self.authorities.push(line),
                Some((_, line)) => self.lines.push(line),
                None => {}
            }
        }
    }

    /// Whether certificates of the host can be checked: an authority for it is listed.
    pub fn has_authority(&self, host: &HostName) -> bool {
        self.authorities_for(host).next().is_some()
    }

    /// The keys of the authorities whose certificates are trusted for the host.
    pub fn authorities_for<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a PublicKey> {
        let names = [Some(host.name.as_str()), host.without_port.as_deref()];
        let is_for = move |line: &&KnownHostsLine| names.iter().flatten().any(|name| line.is_for(name));
        self.authorities
            .iter()
            .filter(is_for)
            .map(|line| &line.listed.key)
    }

    /// The line that revokes this key for the host, if there is one.
    pub fn revoked(&self, host: &HostName, key: &KeyData) -> Option<ListedKey> {
        let names = [Some(host.name.as_str()), host.without_port.as_deref()];
        let revokes = |line: &&KnownHostsLine| {
            line.revoked
                && line.listed.key.key_data() == key
                && names.iter().flatten().any(|name| line.is_for(name))
        };
        self.lines.iter().find(revokes).map(|line| line.listed.clone())
    }

    /// What the lines say about this key of the host.
    pub fn check(&self, host: &HostName, key: &PublicKey) -> HostKeyStatus {
        let status = self.check_name(&host.name, key);
        match &host.without_port {
            Some(bare) if status == HostKeyStatus::Unknown => match self.check_name(bare, key) {
                // Another key for the bare name says nothing about this port.
                HostKeyStatus::Changed(_) => HostKeyStatus::Unknown,
                status => status,
            },
            _ => status,
        }
    }

    fn check_name(&self, name: &str, key: &PublicKey) -> HostKeyStatus {
        let same = |line: &&KnownHostsLine| line.listed.key.key_data() == key.key_data();
        let of_host: Vec<&KnownHostsLine> = self.lines.iter().filter(|line| line.is_for(name)).collect();
        let (revoked, listed): (Vec<&KnownHostsLine>, Vec<&KnownHostsLine>) =
            of_host.into_iter().partition(|line| line.revoked);
        if let Some(line) = revoked.into_iter().find(same) {
            return HostKeyStatus::Revoked(line.listed.clone());
        }
        if listed.iter().any(same) {
            return HostKeyStatus::Known;
        }
        let of_type = listed
            .iter()
            .find(|line| line.listed.key.algorithm() == key.algorithm());
        match of_type.or(listed.first()) {
            Some(line) => HostKeyStatus::Changed(line.listed.clone()),
            None => HostKeyStatus::Unknown,
        }
    }

    /// The types of the keys that are listed for the host. A connection asks for these first. RSA stands without a
    /// hash.
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

impl KnownHostsLine {
    /// Reads a line, with its marker.
    fn parse(file: &Path, number: usize, line: &str) -> Option<(Option<Marker>, Self)> {
        let mut words = line.split_whitespace().peekable();
        let marker = match words.next_if(|word| word.starts_with('@')) {
            Some(word) => Some(word.parse::<Marker>().ok()?),
            None => None,
        };
        let hosts = words.next().filter(|word| !word.starts_with('#'))?;
        let (kind, data) = words.next().zip(words.next())?;
        let line = Self {
            revoked: marker == Some(Marker::Revoked),
            hosts: hosts.parse().ok()?,
            listed: ListedKey {
                file: file.to_owned(),
                line: number,
                key: PublicKey::from_openssh(&format!("{kind} {data}")).ok()?,
            },
        };
        Some((marker, line))
    }

    fn is_for(&self, name: &str) -> bool {
        match &self.hosts {
            HostPatterns::Patterns(patterns) => {
                let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.to_lowercase()).collect();
                matches_host_list(patterns.iter().map(String::as_str), &name.to_lowercase())
            }
            HostPatterns::HashedName { salt, hash } => hashed(name, salt) == Some(*hash),
        }
    }
}

/// The hash of a host's name. `None` does not happen: HMAC takes keys of any length.
fn hashed(name: &str, salt: &[u8]) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// Appends a line for the host. With `hash`, the line contains a hash instead of the name of the host. Makes the file
/// (0600) and its directory (0700) where they are missing.
///
/// # Errors
/// When the file cannot be written.
pub fn add_key(file: &Path, host: &HostName, key: &PublicKey, hash: bool) -> Result<()> {
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
    // The line is written at once, so that other programs that append to the file never see half a line.
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

/// Whether the last line of the file has its end. An editor may have left it without one.
fn ends_in_a_line(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The fingerprint of a key, `SHA256:…`, as `ssh-keygen -l` prints it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests;
