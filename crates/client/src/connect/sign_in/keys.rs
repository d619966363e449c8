//! Private keys in files: finds them and their public parts, unlocks them, and signs with them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{self, Signature};
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PublicKey, decode_secret_key};
use zeroize::Zeroizing;

use super::credentials::Credentials;
use crate::connect::destination::IdentityFile;
use crate::connect::prompts::AsyncPrompts;
use base::error::Clause;

/// How often a passphrase is asked for, as in ssh.
const PASSPHRASE_TRIES: usize = 3;
/// The largest key file, in bytes. An RSA key of 16384 bits takes 13 KiB.
const MAX_FILE: u64 = 256 * 1024;

/// A file with a key.
#[derive(Debug, Clone)]
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    /// The public part. `None`: the whole file is encrypted, and no `.pub` is beside it.
    pub(super) public: Option<PublicKey>,
    /// Whether there is a private part that may be used.
    pub(super) private: bool,
    pub(super) named: bool,
}

/// Reads what can be read without a passphrase. It blocks. The second value is a note for the user about the file.
pub(super) fn load(file: &IdentityFile) -> (Option<KeyFile>, Option<String>) {
    let path = &file.path;
    let beside = with_pub(path);
    let public_beside = || read_public(&beside);
    let found = |public: Option<PublicKey>, private: bool| KeyFile {
        path: path.clone(),
        public,
        private,
        named: file.named,
    };
    let text = match private_text(path) {
        Ok(text) => text,
        Err(problem) => {
            // The agent may have the key whose public part is here.
            let public = public_beside();
            // Keys that nobody has named need not be there.
            let is_reported = !problem.is_missing() || (file.named && public.is_none());
            let key = public.map(|public| found(Some(public), false));
            return (key, is_reported.then(|| problem.describe(path)));
        }
    };
    if let Some(public) = public_in(&text) {
        return (Some(found(Some(public), false)), None);
    }
    match public_part(&text) {
        Ok(public) => (Some(found(public.or_else(public_beside), true)), None),
        Err(why) => {
            let note = format!("the key \"{}\" cannot be used: {why}", path.display());
            (None, Some(note))
        }
    }
}

/// Why a file cannot be read as a private key.
enum KeyFileProblem {
    Missing,
    /// Other users may read the file. Holds its permissions.
    Open(u32),
    Unreadable(io::Error),
}

impl KeyFileProblem {
    fn is_missing(&self) -> bool {
        matches!(self, KeyFileProblem::Missing)
    }

    fn describe(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            KeyFileProblem::Missing => format!("the key \"{path}\" is not there"),
            KeyFileProblem::Open(mode) => format!(
                "the private key \"{path}\" can be read by others (permissions {mode:04o}) and is not used (hint: chmod 600 \"{path}\")"
            ),
            KeyFileProblem::Unreadable(error) => {
                format!("the key \"{path}\" cannot be read: {}", Clause(error))
            }
        }
    }
}

fn private_text(path: &Path) -> Result<Zeroizing<String>, KeyFileProblem> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => KeyFileProblem::Missing,
        _ => KeyFileProblem::Unreadable(error),
    })?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(KeyFileProblem::Unreadable(io::Error::other(
            "it is not a key file",
        )));
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(KeyFileProblem::Unreadable)?);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| KeyFileProblem::Unreadable(io::Error::other("it is not text")))?;
    let own = metadata.uid() == rustix::process::getuid().as_raw();
    // As in ssh, only the owner is warned, because only the owner can change it. Everybody may read a public key.
    if own && metadata.mode() & 0o077 != 0 && public_in(text).is_none() {
        return Err(KeyFileProblem::Open(metadata.mode() & 0o777));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn with_pub(path: &Path) -> PathBuf {
    with_ending(path, ".pub")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Reads the certificates that lie beside these keys (`KEY-cert.pub`), and those in these files. It blocks. The second
/// value are notes for the user about files that cannot be used.
pub(super) fn certificates(keys: &[IdentityFile], named: &[PathBuf]) -> (Vec<Certificate>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for file in named {
        match certificate_in(file) {
            Ok(certificate) => found.push(certificate),
            Err(why) => notes.push(format!(
                "the certificate \"{}\" cannot be used: {why}",
                file.display()
            )),
        }
    }
    for key in keys {
        let bare = key.path.as_os_str().as_bytes();
        let bare = bare.strip_suffix(b".pub").unwrap_or(bare);
        let file = with_ending(Path::new(OsStr::from_bytes(bare)), "-cert.pub");
        match certificate_in(&file) {
            Ok(certificate) if !found.contains(&certificate) => found.push(certificate),
            Ok(_) => {}
            Err(_) if !file.exists() => {}
            Err(why) => notes.push(format!(
                "the certificate \"{}\" cannot be used: {why}",
                file.display()
            )),
        }
    }
    (found, notes)
}

fn certificate_in(file: &Path) -> io::Result<Certificate> {
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(io::Error::other("it is not a certificate"));
    }
    let text = std::fs::read_to_string(file)?;
    Certificate::from_openssh(text.trim()).map_err(io::Error::other)
}

fn read_public(path: &Path) -> Option<PublicKey> {
    let small = std::fs::metadata(path).ok()?.len() <= MAX_FILE;
    public_in(&std::fs::read_to_string(path).ok().filter(|_| small)?)
}

fn public_in(text: &str) -> Option<PublicKey> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    PublicKey::from_openssh(line).ok()
}

/// The public part of a private key. OpenSSH's own format shows it without a passphrase; in other formats it may be
/// encrypted.
fn public_part(text: &str) -> Result<Option<PublicKey>, russh::keys::Error> {
    if let Ok(key) = PrivateKey::from_openssh(text) {
        return Ok(Some(key.public_key().clone()));
    }
    match decode_secret_key(text, None) {
        Ok(key) => Ok(Some(key.public_key().clone())),
        Err(russh::keys::Error::KeyIsEncrypted) => Ok(None),
        Err(_) if is_encrypted(text) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_encrypted(text: &str) -> bool {
    [
        "BEGIN ENCRYPTED PRIVATE KEY",
        "Proc-Type: 4,ENCRYPTED",
        "DEK-Info:",
    ]
    .iter()
    .any(|mark| text.contains(mark))
        || (text.contains("PuTTY-User-Key-File") && !text.contains("Encryption: none"))
}

/// Why a key does not sign.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The user cancelled, or there is no user to ask.
    #[error("{0}")]
    NotUnlocked(io::Error),
    #[error("the passphrase is wrong")]
    Passphrase,
    #[error("{0}")]
    Unusable(String),
    #[error("the connection broke")]
    Gone(#[from] russh::SendError),
}

impl KeyFile {
    /// The key itself. Its passphrase is asked for if it has one.
    pub(super) async fn unlock(
        &self,
        credentials: &Credentials,
        prompts: &AsyncPrompts,
    ) -> Result<Arc<PrivateKey>, KeyError> {
        if let Some(key) = self.public.as_ref().and_then(|public| credentials.key(public)) {
            return Ok(key);
        }
        let text =
            private_text(&self.path).map_err(|problem| KeyError::Unusable(problem.describe(&self.path)))?;
        let text = Arc::new(text);
        let mut tried = 0;
        let mut passphrase = None;
        let key = loop {
            match decode(Arc::clone(&text), passphrase.take()).await {
                Ok(key) => break key,
                Err(error) if tried == 0 && !may_be_encrypted(&text) => {
                    return Err(KeyError::Unusable(error.to_string()));
                }
                Err(_) if tried == PASSPHRASE_TRIES => return Err(KeyError::Passphrase),
                Err(_) => {}
            }
            if tried > 0 {
                prompts.explain("that passphrase is wrong");
            }
            tried += 1;
            let label = format!("Passphrase for the key \"{}\": ", self.path.display());
            let secret = prompts.secret(label).await.map_err(KeyError::NotUnlocked)?;
            if secret.reveal().is_empty() {
                return Err(KeyError::Passphrase);
            }
            passphrase = Some(secret);
        };
        let matches = self
            .public
            .as_ref()
            .is_none_or(|public| public.key_data() == key.public_key().key_data());
        if !matches {
            return Err(KeyError::Unusable("its public part is another key's".to_owned()));
        }
        let key = Arc::new(key);
        credentials.keep_key(Arc::clone(&key));
        Ok(key)
    }
}

fn may_be_encrypted(text: &str) -> bool {
    is_encrypted(text) || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
}

/// Decodes a key on another thread, because unlocking is deliberately slow.
async fn decode(
    text: Arc<Zeroizing<String>>,
    passphrase: Option<base::secret::Secret>,
) -> Result<PrivateKey, KeyError> {
    let work = move || decode_secret_key(&text, passphrase.as_ref().map(|secret| secret.reveal()));
    let decoded = tokio::task::spawn_blocking(work).await;
    let decoded = decoded.map_err(|error| KeyError::Unusable(error.to_string()))?;
    let key = decoded.map_err(|error| KeyError::Unusable(error.to_string()))?;
    match key.is_encrypted() {
        true => Err(KeyError::Unusable("it is encrypted".to_owned())),
        false => Ok(key),
    }
}

/// Signs once the server has said that it accepts the key: only then is a passphrase asked for.
pub(super) struct FileSigner<'a> {
    pub(super) file: &'a KeyFile,
    pub(super) credentials: &'a Credentials,
    pub(super) prompts: &'a AsyncPrompts,
}

impl Signer for FileSigner<'_> {
    type Error = KeyError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, KeyError> {
        let key = self.file.unlock(self.credentials, self.prompts).await?;
        let unusable = |why: String| KeyError::Unusable(why);
        if matches!(
            key.algorithm(),
            Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
        ) {
            let why = "its private part is on a security key (hint: add it to ssh-agent, or use --ssh)";
            return Err(unusable(why.to_owned()));
        }
        let signature = sign(&key, hash, &to_sign).map_err(|error| unusable(error.to_string()))?;
        // russh expects the signed data with the signature behind it, as in the request (RFC 4252, 7).
        signature
            .encode_prefixed(&mut to_sign)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(to_sign)
    }
}

fn sign(key: &PrivateKey, hash: Option<HashAlg>, data: &[u8]) -> Result<Signature, ssh_key::Error> {
    let signed = match key.key_data() {
        KeypairData::Rsa(rsa) => (rsa, hash.or(Some(HashAlg::Sha512))).try_sign(data),
        _ => key.try_sign(data),
    };
    signed.map_err(ssh_key::Error::from)
}
