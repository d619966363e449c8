//! Files of public keys as operators have them: lines of authorized_keys, or RFC 4716 as PuTTYgen and others save it.
//!
//! A file is read as a whole: each line that is refused is named with its number, and the others are taken. A file of
//! another kind is named for what it is, with the command that converts it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use russh::keys::parse_public_key_base64;

use crate::auth::keys::AuthorizedKey;
use crate::telemetry::escape::for_terminal;
use base::error::{Error, Result};
use base::size::Size;

/// The largest file that is read: some 2,000 RSA keys.
const MAX_FILE: u64 = 1 << 20;

const BEGIN: &str = "---- BEGIN SSH2 PUBLIC KEY ----";
const END: &str = "---- END SSH2 PUBLIC KEY ----";

/// Reads the keys of all files, `-` being standard input. What is refused is told on standard error, if there are others
/// in its file.
///
/// # Errors
/// When a file cannot be read, or holds no key that can be used.
pub fn read(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in files {
        let (name, bytes) = if file == Path::new("-") {
            ("standard input".to_owned(), slurp(std::io::stdin().lock()))
        } else {
            (
                format!("\"{}\"", file.display()),
                File::open(file).and_then(slurp),
            )
        };
        let bytes = bytes.map_err(|e| Error::new(format!("cannot read keys from {name}")).because(e))?;
        let found = parse(&name, &bytes)?;
        for (number, why) in &found.refused {
            let text = format!("homeportd: {name}: line {number} is left out: {why}");
            eprintln!("{}", for_terminal(&text));
        }
        lines.extend(found.lines);
    }
    Ok(lines)
}

fn slurp(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        // Taking a part of the keys would leave somebody out without a word.
        return Err(std::io::Error::other(format!(
            "it is larger than {}",
            Size(MAX_FILE)
        )));
    }
    Ok(bytes)
}

/// What a file holds.
#[derive(Debug, Default)]
struct Found {
    /// Lines of authorized_keys.
    lines: Vec<String>,
    /// Lines that are refused, by number, and why.
    refused: Vec<(usize, String)>,
}

impl Found {
    fn take(&mut self, number: usize, line: &str) {
        match AuthorizedKey::parse(line) {
            Ok(key) => self.lines.push(key.line().to_owned()),
            Err(error) => self.refused.push((number, error.cause().unwrap_or_default())),
        }
    }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Found> {
    let cannot = || Error::new(format!("cannot use the keys in {name}"));
    if let Some(other) = OtherKind::of(bytes) {
        // Standard input has no name that a command could be given.
        let file = if name.starts_with('"') { name } else { "FILE" };
        return Err(cannot().because(other.what()).hint(other.way_out(file)));
    }
    // A comment in another encoding is no reason to refuse the key.
    let text = String::from_utf8_lossy(bytes);
    // Windows editors put a byte order mark in front.
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let mut found = Found::default();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        match line {
            "" => {}
            _ if line.starts_with('#') => {}
            BEGIN => match rfc4716(&mut lines) {
                Ok(line) => found.take(number, &line),
                Err(why) => found.refused.push((number, why)),
            },
            _ => found.take(number, line),
        }
    }
    match (found.lines.is_empty(), &found.refused[..]) {
        (false, _) => Ok(found),
        (true, []) => Err(cannot()
            .because("there is no public key in it")
            .hint("the file's name usually ends in .pub")),
        (true, [(number, why)]) => Err(cannot().because(format!("line {number}: {why}"))),
        (true, all) => {
            let lines: Vec<String> = all
                .iter()
                .map(|(number, why)| format!("\n  line {number}: {why}"))
                .collect();
            Err(cannot().because(format!("each of its lines is refused{}", lines.concat())))
        }
    }
}

/// The key of a block, as a line of authorized_keys: headers, the last of which may go on behind a backslash, then
/// base64.
fn rfc4716<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) -> std::result::Result<String, String> {
    let (mut comment, mut data, mut header) = (String::new(), String::new(), None::<String>);
    let mut ended = false;
    for (_, line) in lines {
        let line = line.trim();
        if line == END {
            ended = true;
            break;
        }
        let begun = header.take();
        // Base64 has no colon.
        if begun.is_none() && !line.contains(':') {
            data.push_str(line);
            continue;
        }
        let whole = begun.unwrap_or_default() + line;
        match whole.strip_suffix('\\') {
            Some(more) => header = Some(more.to_owned()),
            None => {
                if let Some((tag, value)) = whole.split_once(':')
                    && tag.eq_ignore_ascii_case("comment")
                {
                    comment = value.trim().trim_matches('"').to_owned();
                }
            }
        }
    }
    if !ended {
        return Err(format!("the line \"{END}\" is missing"));
    }
    let key =
        parse_public_key_base64(&data).map_err(|error| format!("the key's data is damaged: {error}"))?;
    let line = key.to_openssh().map_err(|error| error.to_string())?;
    Ok(format!("{line} {comment}").trim().to_owned())
}

/// Files that hold a key, and not as a line that could be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtherKind {
    Utf16,
    Putty,
    OpenSshPrivate,
    PemPrivate,
    Pkcs8Private,
    SshComPrivate,
    Pkcs8Public,
    PemPublic,
    Certificate,
}

impl OtherKind {
    /// Lines of authorized_keys never contain what these begin with.
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xff, 0xfe])
            || bytes.starts_with(&[0xfe, 0xff])
            || bytes.iter().take(64).any(|b| *b == 0)
        {
            return Some(OtherKind::Utf16);
        }
        let text = String::from_utf8_lossy(bytes);
        let marks = [
            ("PuTTY-User-Key-File-", OtherKind::Putty),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", OtherKind::OpenSshPrivate),
            ("-----BEGIN PRIVATE KEY-----", OtherKind::Pkcs8Private),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", OtherKind::Pkcs8Private),
            ("PRIVATE KEY-----", OtherKind::PemPrivate),
            (
                "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
                OtherKind::SshComPrivate,
            ),
            ("-----BEGIN PUBLIC KEY-----", OtherKind::Pkcs8Public),
            ("-----BEGIN RSA PUBLIC KEY-----", OtherKind::PemPublic),
            ("-----BEGIN CERTIFICATE-----", OtherKind::Certificate),
        ];
        let found = marks.iter().find(|(mark, _)| text.contains(mark));
        found.map(|(_, kind)| *kind)
    }

    fn what(self) -> &'static str {
        match self {
            OtherKind::Utf16 => {
                "it is not UTF-8 text but UTF-16, as PowerShell's > and some editors write it"
            }
            OtherKind::Putty => "it is a private key in PuTTY's format (.ppk), which only its owner may have",
            OtherKind::OpenSshPrivate => {
                "it is a private key in OpenSSH's format, which only its owner may have"
            }
            OtherKind::PemPrivate => "it is a private key in PEM format, which only its owner may have",
            OtherKind::Pkcs8Private => "it is a private key in PKCS#8 format, which only its owner may have",
            OtherKind::SshComPrivate => {
                "it is a private key in ssh.com's format, which only its owner may have"
            }
            OtherKind::Pkcs8Public => "it is a public key in PKCS#8 format",
            OtherKind::PemPublic => "it is a public key in PEM format",
            OtherKind::Certificate => "it is an X.509 certificate, which SSH does not use",
        }
    }

    /// What makes a line of it.
    fn way_out(self, file: &str) -> String {
        match self {
            OtherKind::Utf16 => format!("iconv -f UTF-16 -t UTF-8 {file} > key.pub"),
            OtherKind::Putty => {
                format!("puttygen {file} -O public-openssh -o key.pub prints the public half")
            }
            OtherKind::OpenSshPrivate | OtherKind::PemPrivate | OtherKind::Pkcs8Private => {
                format!(
                    "ssh-keygen -y -f {file} > key.pub writes the public half; often it is in the file that ends in .pub"
                )
            }
            OtherKind::SshComPrivate => {
                "ask its owner for the public half, in the file that ends in .pub".to_owned()
            }
            OtherKind::Pkcs8Public => format!("ssh-keygen -i -m PKCS8 -f {file} > key.pub"),
            OtherKind::PemPublic => format!("ssh-keygen -i -m PEM -f {file} > key.pub"),
            OtherKind::Certificate => "ask the key's owner for the file that ends in .pub".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
