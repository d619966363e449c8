//! Reads certificates and keys from files in PEM, and says in words what is wrong with one.

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

use memchr::memmem;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use base::advice;
use base::error::{Error, Result};
use base::regular;

/// The largest file that is read, in bytes. A chain of certificates has some thousand.
const LARGEST: u64 = 1 << 20;
/// The most certificates in a chain. A file with more has the authorities of a system.
const MOST_CERTIFICATES: usize = 16;

/// The first byte of a certificate or a key in DER.
const DER_SEQUENCE: u8 = 0x30;

/// Reads the certificates in a file: that of the server first.
///
/// # Errors
/// Returns an error if the file cannot be read, or has no certificate, or too many.
pub(super) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let cannot = || cannot_use_certificate(file);
    let pem = read(file).map_err(|error| unreadable(cannot(), error, file))?;
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| broken(cannot(), &error))?;
    match chain.len() {
        0 if has(&pem, "PRIVATE KEY-----") => Err(cannot()
            .because("it has a key and no certificate")
            .hint("are \"certificate\" and \"key\" exchanged?")),
        0 => Err(without(cannot(), "certificate", &pem)),
        1..=MOST_CERTIFICATES => Ok(chain),
        many => Err(cannot()
            .because(format!("it has {many} certificates, more than {MOST_CERTIFICATES}"))
            .hint("it should have the server's own and those between it and a root, not all that a system trusts")),
    }
}

/// Reads the key in a file.
///
/// # Errors
/// Returns an error if the file cannot be read, or has no key, or one that is protected by a passphrase.
pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let cannot = || cannot_use_key(file);
    let pem = read(file).map_err(|error| unreadable(cannot(), error, file))?;
    if has(&pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(&pem, "Proc-Type: 4,ENCRYPTED") {
        return Err(cannot()
            .because("it is protected by a passphrase, which a server cannot enter")
            .hint("take the passphrase off: openssl pkey -in FILE -out NEWFILE"));
    }
    match PrivateKeyDer::pem_slice_iter(&pem).next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(error)) => Err(broken(cannot(), &error)),
        None if has(&pem, "-----BEGIN OPENSSH PRIVATE KEY-----") => Err(cannot()
            .because("it is a key of OpenSSH, which no certificate of the web is made for")
            .hint("name the key with which the certificate was requested")),
        None if has(&pem, "-----BEGIN CERTIFICATE-----") => Err(cannot()
            .because("it has a certificate and no key")
            .hint("are \"certificate\" and \"key\" exchanged?")),
        None => Err(without(cannot(), "private key", &pem)),
    }
}

/// Returns the error about a certificate without its cause.
pub(super) fn cannot_use_certificate(file: &Path) -> Error {
    Error::new(format!(
        "cannot use the certificate of the web page \"{}\"",
        file.display()
    ))
}

/// Returns the error about a key without its cause.
pub(super) fn cannot_use_key(file: &Path) -> Error {
    Error::new(format!(
        "cannot use the key of the web page \"{}\"",
        file.display()
    ))
}

fn read(file: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    regular::read_regular(file, LARGEST).map(Zeroizing::new)
}

fn has(pem: &[u8], text: &str) -> bool {
    memmem::find(pem, text.as_bytes()).is_some()
}

fn unreadable(error: Error, cause: IoError, file: &Path) -> Error {
    let hint = match cause.kind() {
        ErrorKind::NotFound => {
            "certbot's files are fullchain.pem and privkey.pem in /etc/letsencrypt/live/NAME".to_owned()
        }
        ErrorKind::PermissionDenied => advice::view(file)
            .or_else(|| advice::outside_of_sandbox(file))
            .unwrap_or_else(readers),
        _ => return error.because(cause),
    };
    error.because(cause).hint(hint)
}

/// Returns the advice for a file that the server's user may not read. Certificates belong to the program that renews them,
/// so that the owner should stay as it is.
fn readers() -> String {
    let us = rustix::process::geteuid().as_raw();
    format!(
        "user {us}, which the server runs as, must be able to read it, and to enter the directories above it and above \
         what it links to: by a group (chgrp, then chmod 640, and 750 for the directories) or by an ACL (setfacl -m \
         u:{us}:rX); docs/web.md has the commands for certbot"
    )
}

fn broken(error: Error, cause: &PemError) -> Error {
    // The library's own words may have parts of a key.
    let why = match cause {
        PemError::MissingSectionEnd { .. } => "its last section has no line that begins with -----END",
        PemError::IllegalSectionStart { .. } => "a line that begins with -----BEGIN does not end with -----",
        PemError::Base64Decode(_) => "what stands between -----BEGIN and -----END is not base64",
        _ => "it is not PEM",
    };
    error
        .because(why)
        .hint("was it copied as a whole? fetch it again from where it was issued")
}

fn without(error: Error, what: &str, bytes: &[u8]) -> Error {
    if bytes.is_empty() {
        return error.because("it is empty");
    }
    if bytes.first() == Some(&DER_SEQUENCE) {
        return error
            .because("it is DER, not PEM")
            .hint("openssl x509 -inform der (for a key: openssl pkey -inform der) -in FILE -out NEWFILE");
    }
    error.because(format!("it has no {what}")).hint(format!(
        "a line -----BEGIN {}----- is looked for",
        what.to_uppercase()
    ))
}
