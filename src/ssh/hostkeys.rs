//! Host keys: who this server is. Files as OpenSSH keeps them, in one directory.
//!
//! A server's identity changes only when its operator says so: what was recorded in the store once must still be
//! there, or the server does not start.

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

/// A private key of 16,384 bits takes 13 KiB; nothing larger is read.
const MAX_FILE: u64 = 64 << 10;

/// What `hostkey generate --type rsa` makes: the least that is recommended beyond 2030.
const RSA_BITS: usize = 3072;

/// Smaller RSA keys are refused by clients of today.
const LEAST_RSA_BITS: u32 = 2048;

/// A kind of host key: one file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ed25519, the default.
    Ed25519,
    /// ECDSA, on the curve P-256 where the key is made here.
    Ecdsa,
    /// RSA, with 3072 bits where the key is made here.
    Rsa,
}

impl Kind {
    /// All kinds, most preferred first.
    pub const ALL: [Kind; 3] = [Kind::Ed25519, Kind::Ecdsa, Kind::Rsa];

    /// What a new server gets: old clients know only the second. RSA has to be asked for (RUSTSEC-2023-0071).
    pub const MADE: [Kind; 2] = [Kind::Ed25519, Kind::Ecdsa];

    /// The name on the command line, and in the file's.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ed25519",
            Kind::Ecdsa => "ecdsa",
            Kind::Rsa => "rsa",
        }
    }

    /// The algorithm of a key that is made here.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Kind::Ed25519 => Algorithm::Ed25519,
            Kind::Ecdsa => Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            },
            Kind::Rsa => Algorithm::Rsa { hash: None },
        }
    }

    /// The path of the file with the private key, named as sshd names it.
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
                Error::new(format!("\"{}\" is no type of host key", text.escape_debug()))
                    .hint("ed25519, ecdsa or rsa")
            })
    }
}

/// The keys that a server shows, most preferred first.
///
/// Where the store has recorded none and the directory holds none, those of a new server are made. New keys are
/// recorded.
///
/// # Errors
/// When a key cannot be used, or when one that was recorded is gone or has become another.
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

/// The keys of a new server.
///
/// # Errors
/// When one is there already, or cannot be written.
pub fn generate_new(directory: &Path) -> Result<Vec<PrivateKey>> {
    Kind::MADE
        .into_iter()
        .map(|kind| generate(directory, kind))
        .collect()
}

/// What an operator should know about a key that works all the same.
pub fn notice(key: &Algorithm) -> Option<&'static str> {
    matches!(key, Algorithm::Rsa { .. }).then_some(
        "the RSA host key is signed with by code whose timing may give the key away over the network \
         (RUSTSEC-2023-0071, without a fix yet) (hint: keep it only for clients that know neither ed25519 nor ecdsa)",
    )
}

/// Compares what is there with what clients have been shown. Changes nothing.
///
/// # Errors
/// When a recorded key is gone or has become another.
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
            "put the old key back, or accept the new identity: homeportd hostkey generate --type {kind}"
        )));
    }
    Ok(())
}

fn kind_of(algorithm: &str) -> Kind {
    match algorithm {
        name if name.starts_with("ecdsa") => Kind::Ecdsa,
        name if name.contains("rsa") => Kind::Rsa,
        _ => Kind::Ed25519,
    }
}

/// The fingerprint as clients show it: `SHA256:…`.
pub fn fingerprint(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Reads the keys in a directory, most preferred first; none if there are none.
///
/// # Errors
/// When one is readable by others, owned by another, encrypted or malformed.
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
/// As [`load`], and when there is no such file.
pub fn read_one(file: &Path) -> Result<PrivateKey> {
    let missing = || Unusable::from(io::Error::from(io::ErrorKind::NotFound));
    read(file)
        .and_then(|key| key.ok_or_else(missing))
        .map_err(|e| e.about(file))
}

/// Why a file is no good host key.
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

/// One key; `None` if there is no such file.
fn read(file: &Path) -> std::result::Result<Option<PrivateKey>, Unusable> {
    // Links are how secrets are mounted in containers; whose the key is and who may read it is asked of what is opened.
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
    // Who owns the directory can put any key there as it is.
    let of_directory = file
        .parent()
        .and_then(|dir| dir.metadata().ok())
        .map(|dir| dir.uid());
    if meta.uid() != us && meta.uid() != 0 && Some(meta.uid()) != of_directory {
        let cause = format!("it belongs to user {}, who could replace it", meta.uid());
        return Err(Unusable::new(cause, advice::chown(file, us)));
    }
    if meta.mode() & 0o077 != 0 {
        let cause = format!("its mode is {}", advice::mode_text(&meta));
        return Err(Unusable::new(cause, advice::chmod(file, "600")));
    }
    let mut pem = Zeroizing::new(Vec::new());
    opened.take(MAX_FILE).read_to_end(&mut pem)?;
    parse(&pem).map(Some)
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
            format!("it is no OpenSSH private key: {e}"),
            "restore it from a backup",
        )
    })?;
    if key.is_encrypted() {
        let hint = "take the passphrase off: ssh-keygen -p -N '' -f FILE";
        return Err(Unusable::new(
            "it is protected by a passphrase, which a server cannot be asked for",
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

/// Makes a key that is not there yet, with its public half beside it, and the directory if need be (0700).
///
/// # Errors
/// When it exists, or when it cannot be written. A key is there whole or not at all.
pub fn generate(directory: &Path, kind: Kind) -> Result<PrivateKey> {
    let file = kind.file(directory);
    let cannot =
        |cause: io::Error| Error::new(format!("cannot make host key \"{}\"", file.display())).because(cause);
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(cannot)?;

    let key = random(kind).map_err(|e| cannot(io::Error::other(e)))?;
    let pem = key
        .to_openssh(LineEnding::LF)
        .map_err(|e| cannot(io::Error::other(e)))?;
    let public = key
        .public_key()
        .to_openssh()
        .map_err(|e| cannot(io::Error::other(e)))?;
    place(&file, pem.as_bytes(), 0o600).map_err(|e| {
        let exists = e.kind() == io::ErrorKind::AlreadyExists;
        let error = cannot(e);
        if exists {
            error.hint("a new identity begins with moving the old key away")
        } else {
            error
        }
    })?;
    let beside = public_file(&file);
    // The public half can be made again from the private one: a stale one is no reason to fail.
    let _ = std::fs::remove_file(&beside);
    place(&beside, format!("{public}\n").as_bytes(), 0o644).map_err(cannot)?;
    Ok(key)
}

/// Where the public half of a key lies.
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

/// Writes a file that must not exist yet: whole and on the disk before it gets its name.
fn place(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
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
