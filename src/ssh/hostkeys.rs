//! Host keys, which identify this server. They are files in OpenSSH's format, in one directory.
//!
//! A server's identity changes only when its operator changes it: each key that is recorded in the store must still
//! exist, or the server does not start.

pub mod rotation;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use getrandom::SysRng;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::rand_core::UnwrapErr;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use rustix::fs::{CWD, RenameFlags};
use zeroize::Zeroizing;

use crate::store::Store;
use base::advice;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};

/// The largest file that is read, in bytes. A private key of 16,384 bits takes 13 KiB.
const MAX_FILE: u64 = 64 << 10;

/// The size of the key that `hostkey generate --type rsa` creates, in bits: the least that is recommended beyond 2030.
const RSA_BITS: usize = 3072;

/// The smallest RSA key that is accepted, in bits. Current clients refuse smaller ones.
const LEAST_RSA_BITS: u32 = 2048;

/// The type of a host key. There is one file for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ed25519 is the default type.
    Ed25519,
    /// ECDSA: this server creates keys on the curve P-256, and accepts others.
    Ecdsa,
    /// RSA: this server creates keys of 3072 bits, and accepts others.
    Rsa,
}

impl Kind {
    /// All types, most preferred first.
    pub const ALL: [Kind; 3] = [Kind::Ed25519, Kind::Ecdsa, Kind::Rsa];

    /// The types of keys that a new server gets: old clients support only the second. RSA has to be asked for
    /// (RUSTSEC-2023-0071).
    pub const MADE: [Kind; 2] = [Kind::Ed25519, Kind::Ecdsa];

    /// Returns the name on the command line, which is also a part of the file name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ed25519",
            Kind::Ecdsa => "ecdsa",
            Kind::Rsa => "rsa",
        }
    }

    /// Returns the algorithm of the keys that this server creates of this type.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Kind::Ed25519 => Algorithm::Ed25519,
            Kind::Ecdsa => Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            },
            Kind::Rsa => Algorithm::Rsa { hash: None },
        }
    }

    /// Returns the path of the file with the private key, which has the same name as sshd's.
    pub fn file(self, directory: &Path) -> PathBuf {
        directory.join(format!("ssh_host_{}_key", self.name()))
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                Error::new(format!("\"{}\" is not a type of host key", text.escape_debug()))
                    .hint("ed25519, ecdsa or rsa")
            })
    }
}

/// Returns the keys that a server shows, most preferred first.
///
/// If the store has recorded none and the directory contains none, those of a new server are created. New keys are
/// recorded.
///
/// # Errors
/// Returns an error if a key cannot be used, or if one that was recorded is gone or has become another.
pub async fn ensure(directory: &Path, store: &dyn Store) -> Result<Vec<PrivateKey>> {
    let recorded = store.host_keys().await?;
    let mut keys = load(directory)?;
    verify(directory, &keys, &recorded)?;
    if keys.is_empty() {
        keys = generate_new(directory)?;
    }
    for key in &keys {
        let algorithm = key.algorithm();
        if !recorded.iter().any(|(name, _)| name == algorithm.as_str()) {
            store
                .record_host_key(algorithm.as_str(), &fingerprint(key))
                .await?;
        }
    }
    Ok(keys)
}

/// Creates the keys of a new server.
///
/// # Errors
/// Returns an error if one exists already, or cannot be written.
pub fn generate_new(directory: &Path) -> Result<Vec<PrivateKey>> {
    Kind::MADE
        .into_iter()
        .map(|kind| generate(directory, kind))
        .collect()
}

/// Returns what an operator should know about a key that works all the same.
pub fn notice(key: &Algorithm) -> Option<&'static str> {
    matches!(key, Algorithm::Rsa { .. }).then_some(
        "the RSA host key is signed with by code whose timing may give the key away over the network \
         (RUSTSEC-2023-0071, without a fix yet) (hint: keep it only for clients that know neither ed25519 nor ecdsa)",
    )
}

/// Compares the keys that exist with those that clients have been shown. It changes nothing.
///
/// # Errors
/// Returns an error if a recorded key is gone or has become another.
pub fn verify(directory: &Path, keys: &[PrivateKey], recorded: &[(String, String)]) -> Result<()> {
    for (algorithm, shown) in recorded {
        let found = keys.iter().find(|key| key.algorithm().as_str() == algorithm);
        let cause = match found {
            None => "is gone".to_owned(),
            Some(key) if fingerprint(key) != *shown => format!("has become {}", fingerprint(key)),
            Some(_) => continue,
        };
        let kind = kind_of(algorithm).name();
        return Err(Error::new(format!(
            "the {algorithm} host key in \"{}\" {cause}, but clients know this server by {shown}",
            directory.display()
        ))
        .hint(format!(
            "put the old key back, or accept the new identity: homeportd hostkey generate --type {kind}; or do without a \
             key of this type: homeportd hostkey retire --type {kind} --without-successor"
        )));
    }
    Ok(())
}

/// Returns the type of the keys of an algorithm, by its name in SSH.
pub fn kind_of(algorithm: &str) -> Kind {
    match algorithm {
        name if name.starts_with("ecdsa") => Kind::Ecdsa,
        name if name.contains("rsa") => Kind::Rsa,
        _ => Kind::Ed25519,
    }
}

/// Returns the fingerprint as clients show it: `SHA256:…`.
pub fn fingerprint(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Reads the keys in a directory, most preferred first; none if there are none.
///
/// # Errors
/// Returns an error if one is readable by others, owned by another user, encrypted or malformed.
pub fn load(directory: &Path) -> Result<Vec<PrivateKey>> {
    let mut keys: Vec<PrivateKey> = Vec::new();
    for kind in Kind::ALL {
        let file = kind.file(directory);
        let Some(key) = read(&file).map_err(|e| e.about(&file))? else {
            continue;
        };
        if keys.iter().any(|other| other.algorithm() == key.algorithm()) {
            let cause = format!("another file holds a key of its algorithm, {}", key.algorithm());
            return Err(Unusable::new(cause, "keep one of the two").about(&file));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Reads the key in one file.
///
/// # Errors
/// Returns an error in the same cases as [`load`], and if the file does not exist.
pub fn read_one(file: &Path) -> Result<PrivateKey> {
    let missing = || Unusable::from(io::Error::from(io::ErrorKind::NotFound));
    read(file)
        .and_then(|key| key.ok_or_else(missing))
        .map_err(|e| e.about(file))
}

/// Why a file cannot be used as a host key.
struct Unusable {
    cause: Box<dyn std::error::Error + Send + Sync>,
    hint: Option<String>,
}

impl Unusable {
    fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>, hint: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            hint: Some(hint.into()),
        }
    }

    fn about(self, file: &Path) -> Error {
        let error = Error::new(format!("cannot use host key \"{}\"", file.display())).because(self.cause);
        match self.hint {
            Some(hint) => error.hint(hint.replace("FILE", &file.display().to_string())),
            None => error,
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self {
            cause: error.into(),
            hint: None,
        }
    }
}

/// Reads one key; `None` if the file does not exist.
fn read(file: &Path) -> std::result::Result<Option<PrivateKey>, Unusable> {
    // Follow links, because containers mount secrets as links; the owner and the mode are checked on the file that is
    // opened.
    let opened = match open_regular(file, OpenOptions::new().read(true), Links::Follow) {
        Ok(opened) => opened,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            let hint = advice::permission(file, "600");
            return Err(Unusable::new(e, hint));
        }
        Err(e) => return Err(e.into()),
    };
    let meta = opened.metadata()?;
    let us = rustix::process::geteuid().as_raw();
    // The owner of the directory can put any key there anyway.
    let of_directory = file
        .parent()
        .and_then(|dir| dir.metadata().ok())
        .map(|dir| dir.uid());
    if meta.uid() != us && meta.uid() != 0 && Some(meta.uid()) != of_directory {
        let cause = format!("it belongs to user {}, who could replace it", meta.uid());
        return Err(Unusable::new(cause, advice::chown(file, us)));
    }
    let reader = KeyReader {
        uid: us,
        is_in_group: is_own_group(meta.gid()),
    };
    if others_can_read(meta.mode(), meta.uid(), reader) {
        let cause = format!("its mode is {}", advice::mode_text(&meta));
        return Err(Unusable::new(cause, advice::chmod(file, "600")));
    }
    let mut pem = Zeroizing::new(Vec::new());
    opened.take(MAX_FILE).read_to_end(&mut pem)?;
    parse(&pem).map(Some)
}

/// What the process is to the file of a key.
#[derive(Clone, Copy)]
struct KeyReader {
    uid: u32,
    /// Whether the process is a member of the file's group.
    is_in_group: bool,
}

/// Returns whether a key with this mode and owner is open to others than the server.
///
/// The secrets of containers belong to root, and the group of the server may read them: that is the only way in which they
/// can be given to a server that is not root.
fn others_can_read(mode: u32, owner: u32, reader: KeyReader) -> bool {
    let is_secret = owner == 0 && reader.uid != 0 && reader.is_in_group;
    let allowed = if is_secret { 0o040 } else { 0 };
    mode & 0o077 & !allowed != 0
}

/// Returns whether this process is a member of a group.
fn is_own_group(gid: u32) -> bool {
    let others = || rustix::process::getgroups().unwrap_or_default();
    rustix::process::getegid().as_raw() == gid || others().iter().any(|group| group.as_raw() == gid)
}

fn parse(pem: &[u8]) -> std::result::Result<PrivateKey, Unusable> {
    let is_openssh = pem
        .trim_ascii_start()
        .starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----");
    if !is_openssh && pem.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err(Unusable::new(
            "it is not in OpenSSH's format",
            "rewrite it: ssh-keygen -p -N '' -f FILE",
        ));
    }
    let key = PrivateKey::from_openssh(pem).map_err(|e| {
        Unusable::new(
            format!("it is not an OpenSSH private key: {e}"),
            "restore it from a backup",
        )
    })?;
    if key.is_encrypted() {
        let hint = "take the passphrase off: ssh-keygen -p -N '' -f FILE";
        return Err(Unusable::new(
            "it is protected by a passphrase, which a server cannot enter",
            hint,
        ));
    }
    match key.public_key().key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => Ok(key),
        KeyData::Rsa(rsa) if rsa.key_size() >= LEAST_RSA_BITS => Ok(key),
        KeyData::Rsa(rsa) => Err(Unusable::new(
            format!("it is an RSA key of {} bits", rsa.key_size()),
            "remove it, then: homeportd hostkey generate --type rsa",
        )),
        _ => {
            let cause = format!("its algorithm is {}", key.algorithm());
            Err(Unusable::new(cause, "use ed25519, ecdsa or rsa"))
        }
    }
}

/// Creates a key that does not exist yet, with its public half beside it, and the directory if it is missing (0700).
///
/// # Errors
/// Returns an error if the key exists, or if it cannot be written. The file is either complete or does not exist.
pub fn generate(directory: &Path, kind: Kind) -> Result<PrivateKey> {
    create(&kind.file(directory), kind)
}

/// Creates a key in this file as [`generate`] does.
fn create(file: &Path, kind: Kind) -> Result<PrivateKey> {
    let cannot = |cause: io::Error| cannot_make(file, cause);
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(file.parent().unwrap_or(Path::new(".")))
        .map_err(cannot)?;

    let key = random(kind).map_err(|e| cannot(io::Error::other(e)))?;
    let pem = key
        .to_openssh(LineEnding::LF)
        .map_err(|e| cannot(io::Error::other(e)))?;
    write_new(file, pem.as_bytes(), 0o600).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => cannot(e).hint("for a new identity, move the old key away first"),
        _ => cannot(e),
    })?;
    write_public(file, &key)?;
    Ok(key)
}

/// Writes the public half of the key in `file` beside it.
fn write_public(file: &Path, key: &PrivateKey) -> Result<()> {
    let cannot = |cause: io::Error| cannot_make(file, cause);
    let public = key
        .public_key()
        .to_openssh()
        .map_err(|e| cannot(io::Error::other(e)))?;
    let beside = public_file(file);
    // The public half can be derived from the private one again, so a stale one is not an error.
    let _ = std::fs::remove_file(&beside);
    write_new(&beside, format!("{public}\n").as_bytes(), 0o644).map_err(cannot)
}

fn cannot_make(file: &Path, cause: io::Error) -> Error {
    Error::new(format!("cannot make host key \"{}\"", file.display())).because(cause)
}

/// Returns the path of the file with the public half of a key.
pub fn public_file(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn random(kind: Kind) -> ssh_key::Result<PrivateKey> {
    // The kernel's generator does not fail once the system is up.
    let mut rng = UnwrapErr(SysRng);
    let mut key = match kind {
        Kind::Ed25519 | Kind::Ecdsa => PrivateKey::random(&mut rng, kind.algorithm())?,
        Kind::Rsa => PrivateKey::new(KeypairData::Rsa(RsaKeypair::random(&mut rng, RSA_BITS)?), "")?,
    };
    key.set_comment("homeport");
    Ok(key)
}

/// Writes a file that must not exist yet: complete and on the disk before it gets its name.
fn write_new(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut hidden = file.as_os_str().to_owned();
    hidden.push(format!(".{}.new", std::process::id()));
    let hidden = PathBuf::from(hidden);
    let write = || {
        let mut options = OpenOptions::new();
        let mut new = options.write(true).create_new(true).mode(mode).open(&hidden)?;
        new.write_all(content)?;
        new.sync_all()?;
        rustix::fs::renameat_with(CWD, &hidden, CWD, file, RenameFlags::NOREPLACE)?;
        File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    let _ = std::fs::remove_file(&hidden);
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&hidden);
    })
}

#[cfg(test)]
mod tests;
