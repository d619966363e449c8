//! The file of one host key: how it is read, which files are refused, and how a new one is written.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::public::KeyData;
use rustix::fs::{CWD, RenameFlags};
use zeroize::Zeroizing;

use base::advice;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};
use base::temporary;

/// The largest file that is read, in bytes. A private key of 16,384 bits takes 13 KiB.
const MAX_FILE: u64 = 64 << 10;

/// The smallest RSA key that is accepted, in bits. Current clients refuse smaller ones.
const LEAST_RSA_BITS: u32 = 2048;

/// Reads the key in one file.
///
/// # Errors
/// Returns an error in the same cases as [`super::load`], and if the file does not exist.
pub fn read_one(file: &Path) -> Result<PrivateKey> {
    let missing = || Unusable::from(io::Error::from(io::ErrorKind::NotFound));
    read(file)
        .and_then(|key| key.ok_or_else(missing))
        .map_err(|e| e.about(file))
}

/// Why a file cannot be used as a host key.
pub(super) struct Unusable {
    cause: Box<dyn std::error::Error + Send + Sync>,
    hint: Option<String>,
}

impl Unusable {
    pub(super) fn new(
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            cause: cause.into(),
            hint: Some(hint.into()),
        }
    }

    /// Returns the error for people, about this file.
    pub(super) fn about(self, file: &Path) -> Error {
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
pub(super) fn read(file: &Path) -> std::result::Result<Option<PrivateKey>, Unusable> {
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
/// The secrets of containers belong to root, and the group of the server may read them: that is the only way in which
/// they can be given to a server that is not root.
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

/// Writes a key that does not exist yet, with its public half beside it, and creates the directory if it is missing.
pub(super) fn write(file: &Path, key: &PrivateKey) -> Result<()> {
    let cannot = |cause: io::Error| cannot_make(file, cause);
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(file.parent().unwrap_or(Path::new(".")))
        .map_err(cannot)?;

    let pem = key
        .to_openssh(LineEnding::LF)
        .map_err(|e| cannot(io::Error::other(e)))?;
    write_new(file, pem.as_bytes(), 0o600).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => cannot(e).hint("for a new identity, move the old key away first"),
        _ => cannot(e),
    })?;
    write_public(file, key)
}

/// Writes the public half of the key in `file` beside it.
pub(super) fn write_public(file: &Path, key: &PrivateKey) -> Result<()> {
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

/// Returns the error for a key that cannot be written.
pub(super) fn cannot_make(file: &Path, cause: io::Error) -> Error {
    Error::new(format!("cannot make host key \"{}\"", file.display())).because(cause)
}

/// Returns the path of the file with the public half of a key.
pub fn public_file(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Writes a file that must not exist yet: complete and on the disk before it gets its name.
fn write_new(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let hidden = temporary::beside(file);
    let write = || {
        let mut options = OpenOptions::new();
        let mut new = options.write(true).create_new(true).mode(mode).open(&hidden)?;
        new.write_all(content)?;
        new.sync_all()?;
        rustix::fs::renameat_with(CWD, &hidden, CWD, file, RenameFlags::NOREPLACE)?;
        File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&hidden);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_an_unprivileged_server_may_read_a_key_of_root() {
        let check = |mode, owner, uid, is_in_group, expected| {
            let reader = KeyReader { uid, is_in_group };
            assert_eq!(
                others_can_read(mode, owner, reader),
                expected,
                "{mode:o} of {owner}, read by {uid}"
            );
        };
        // A secret of a container.
        check(0o100_440, 0, 10001, true, false);
        check(0o100_640, 0, 10001, true, false);
        check(0o100_440, 0, 10001, false, true);
        check(0o100_440, 10001, 10001, true, true);
        check(0o100_440, 0, 0, true, true);
        for mode in [0o100_444, 0o100_460, 0o100_450, 0o100_642] {
            check(mode, 0, 10001, true, true);
        }
        check(0o100_600, 10001, 10001, true, false);
        check(0o100_400, 0, 10001, false, false);
    }
}
