//! The key with which secrets in the store are encrypted: a file beside the store, which is made when it is first
//! needed.
//!
//! Secrets are sealed by AES-256-GCM for one record: its incarnation is authenticated with them, so that a secret
//! cannot be moved to another user in the store. A rename keeps the incarnation, and with it the secret.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use super::totp::TotpSecret;
use crate::domain::user::SealedSecret;
use base::advice;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};
use base::temporary;

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "secrets.key";
/// The length of the key in bytes.
const KEY: usize = 32;
/// The length of the file: the key in hexadecimal digits, and a newline.
const FILE_LENGTH: usize = 2 * KEY + 1;
/// What precedes a sealed secret: the version of its format.
const VERSION: &str = "v1:";
/// What is authenticated with a TOTP secret, before the incarnation.
const PURPOSE: &str = "homeport totp ";

/// The place of the key for secrets. It is read each time, so that a key that was lost or restored is noticed at once;
/// that happens only after a first factor was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsKeyFile {
    path: PathBuf,
}

impl SecretsKeyFile {
    /// Returns the file in this data directory.
    pub fn in_directory(data: &Path) -> Self {
        Self {
            path: data.join(FILE_NAME),
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the key.
    ///
    /// # Errors
    /// Returns an error if it is missing, damaged, or readable by others.
    pub fn read(&self) -> Result<SecretsKey> {
        match self.read_if_there()? {
            Some(key) => Ok(key),
            None => Err(self.cannot_read().because("it does not exist".to_owned()).hint(
                "restore it from a backup; without it, secrets cannot be used: homeportd user totp reset NAME",
            )),
        }
    }

    /// Reads the key, and makes it first if it does not exist.
    ///
    /// # Errors
    /// Returns an error if it cannot be read or made.
    pub fn read_or_make(&self) -> Result<SecretsKey> {
        if let Some(key) = self.read_if_there()? {
            return Ok(key);
        }
        self.make()
            .map_err(|error| advice::because(self.cannot("make"), error, &self.path, "u+rw"))?;
        self.read()
    }

    /// Returns whether the file exists.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Returns the key, or `None` if the file does not exist. A file that cannot be used is an error.
    fn read_if_there(&self) -> Result<Option<SecretsKey>> {
        let file = match open_regular(&self.path, OpenOptions::new().read(true), Links::Refuse) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|e| advice::because(self.cannot_read(), e, &self.path, "u+r"))?,
        };
        let meta = file.metadata().map_err(|e| self.cannot_read().because(e))?;
        if meta.mode() & 0o077 != 0 {
            let why = format!(
                "its mode is {}, so that others can read or change it",
                advice::mode_text(&meta)
            );
            return Err(self
                .cannot_read()
                .because(why)
                .hint(advice::chmod(&self.path, "600")));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_LENGTH + 1));
        let read = file.take(FILE_LENGTH as u64 + 1).read_to_end(&mut text);
        read.map_err(|e| self.cannot_read().because(e))?;
        SecretsKey::parse(&text).map(Some).ok_or_else(|| {
            self.cannot_read()
                .because("it is damaged: it must have 64 hexadecimal digits".to_owned())
                .hint("restore it from a backup")
        })
    }

    /// Makes a new key under its name, unless another process has just made one. It is on the disk then.
    fn make(&self) -> io::Result<()> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *key).map_err(io::Error::other)?;
        let mut text = Zeroizing::new(HEXLOWER.encode(&*key));
        text.push('\n');
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let temporary = temporary::beside(&self.path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        let made = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| match std::fs::hard_link(&temporary, &self.path) {
                // The first one counts.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            });
        made.and(std::fs::remove_file(&temporary))?;
        File::open(directory)?.sync_all()
    }

    fn cannot_read(&self) -> Error {
        self.cannot("read")
    }

    fn cannot(&self, verb: &str) -> Error {
        Error::new(format!("cannot {verb} the key for secrets {:?}", self.path))
    }
}

/// The key for secrets.
pub struct SecretsKey(RandomizedNonceKey);

impl SecretsKey {
    fn parse(text: &[u8]) -> Option<Self> {
        let digits = text.strip_suffix(b"\n").unwrap_or(text);
        let bytes = Zeroizing::new(HEXLOWER.decode(digits).ok()?);
        // Another length is refused here.
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok().map(Self)
    }

    /// Encrypts a secret for the record with this incarnation.
    ///
    /// # Errors
    /// Returns an error if the library refuses.
    pub fn seal(&self, secret: &TotpSecret, incarnation: i64) -> Result<SealedSecret> {
        let mut text = secret.bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(purpose(incarnation), &mut text)
            .map_err(|_| Error::new("cannot encrypt the TOTP secret"))?;
        let whole = [nonce.as_ref().as_slice(), &text].concat();
        Ok(SealedSecret::new(format!(
            "{VERSION}{}",
            BASE64_NOPAD.encode(&whole)
        )))
    }

    /// Decrypts the secret of the record with this incarnation.
    ///
    /// # Errors
    /// Returns an error if it was sealed with another key or for another record, or was changed.
    pub fn open(&self, sealed: &SealedSecret, incarnation: i64) -> Result<TotpSecret> {
        let opened = sealed
            .as_text()
            .strip_prefix(VERSION)
            .and_then(|text| BASE64_NOPAD.decode(text.as_bytes()).ok())
            .and_then(|whole| {
                let (nonce, text) = whole.split_first_chunk::<NONCE_LEN>()?;
                let mut text = Zeroizing::new(text.to_vec());
                let secret = self
                    .0
                    .open_in_place(Nonce::from(nonce), purpose(incarnation), &mut text)
                    .ok()?;
                TotpSecret::from_bytes(secret.to_vec()).ok()
            });
        opened.ok_or_else(|| {
            Error::new("cannot decrypt the TOTP secret")
                .because("it was encrypted with another key, or was changed".to_owned())
                .hint(format!(
                    "restore {FILE_NAME} from the backup of this store, or homeportd user totp reset NAME"
                ))
        })
    }
}

impl std::fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretsKey(***)")
    }
}

fn purpose(incarnation: i64) -> Aad<String> {
    Aad::from(format!("{PURPOSE}{incarnation}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_opens_what_it_has_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let file = SecretsKeyFile::in_directory(dir.path());
        assert!(!file.exists());
        let secret = TotpSecret::generate().unwrap();
        let sealed = file.read_or_make().unwrap().seal(&secret, 7).unwrap();
        assert_eq!(file.path().metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            dir.path().read_dir().unwrap().count(),
            1,
            "nothing is left beside it"
        );
        let content = std::fs::read(file.path()).unwrap();
        let key = file.read_or_make().unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), content);
        assert_eq!(key.open(&sealed, 7).unwrap().bytes(), secret.bytes());
        assert_ne!(
            key.seal(&secret, 7).unwrap(),
            sealed,
            "each seal has its own nonce"
        );
        assert!(!sealed.as_text().contains(secret.base32().as_str()));
    }

    #[test]
    fn a_secret_of_another_record_or_key_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = SecretsKeyFile::in_directory(dir.path());
        let secret = TotpSecret::generate().unwrap();
        let key = file.read_or_make().unwrap();
        let sealed = key.seal(&secret, 7).unwrap();
        let refused = |key: &SecretsKey, sealed: &SealedSecret, incarnation| {
            let error = key.open(sealed, incarnation).unwrap_err().to_string();
            assert!(error.contains("cannot decrypt the TOTP secret"), "{error}");
        };
        refused(&key, &sealed, 8);
        for text in [
            "",
            "v1:",
            "v1:AAAA",
            "v2:AAAA",
            &sealed.as_text().replace("v1:", "v1:A"),
        ] {
            refused(&key, &SealedSecret::new(text.to_owned()), 7);
        }
        std::fs::remove_file(file.path()).unwrap();
        refused(&file.read_or_make().unwrap(), &sealed, 7);
    }

    #[test]
    fn a_key_that_cannot_be_trusted_is_refused_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = SecretsKeyFile::in_directory(dir.path());
        let check = |expected: &str| {
            for error in [file.read().unwrap_err(), file.read_or_make().unwrap_err()] {
                let text = error.to_string();
                assert!(text.contains(expected), "{text}");
            }
        };
        assert!(file.read().unwrap_err().to_string().contains("does not exist"));
        for damaged in ["", "00\n", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            std::fs::write(file.path(), damaged).unwrap();
            mode(file.path(), 0o600);
            check("it is damaged");
        }
        std::fs::write(file.path(), "0".repeat(64)).unwrap();
        mode(file.path(), 0o640);
        check("others can read");
        mode(file.path(), 0o600);
        assert!(file.read().is_ok());
        std::fs::rename(file.path(), dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", file.path()).unwrap();
        check("symbolic link");
    }
}
