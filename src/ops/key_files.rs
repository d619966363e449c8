//! Parses files of public keys: lines of authorized_keys, or RFC 4716 as PuTTYgen and others save it.
//!
//! A file is read as a whole: each line that is refused is reported with its number, and the others are accepted. For a
//! file in another format, the error names the format and the command that converts it.

use russh::keys::parse_public_key_base64;

use crate::auth::keys::AuthorizedKey;
use base::error::{Error, Result};

const BEGIN: &str = "---- BEGIN SSH2 PUBLIC KEY ----";
const END: &str = "---- END SSH2 PUBLIC KEY ----";

/// The public keys in one file.
#[derive(Debug, Default)]
pub struct KeyFile {
    /// The usable keys, as lines of authorized_keys.
    pub lines: Vec<String>,
    /// The lines that cannot be used.
    pub refused: Vec<RefusedLine>,
}

/// A line of a key file that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// The number of the line in the file, counted from 1.
    pub number: usize,
    /// The reason why it cannot be used.
    pub reason: String,
}

impl KeyFile {
    fn take(&mut self, number: usize, line: &str) {
        match AuthorizedKey::parse(line) {
            Ok(key) => self.lines.push(key.line().to_owned()),
            Err(error) => self.refuse(number, error.cause().unwrap_or_default()),
        }
    }

    fn refuse(&mut self, number: usize, reason: String) {
        self.refused.push(RefusedLine { number, reason });
    }
}

/// Parses the content of a file, or of standard input. `name` is its name in messages: a path in quotation marks, or
/// `standard input`.
///
/// # Errors
/// Returns an error if it contains no usable key.
pub fn parse(name: &str, bytes: &[u8]) -> Result<KeyFile> {
    let cannot = || Error::new(format!("cannot use the keys in {name}"));
    if let Some(other) = OtherKind::of(bytes) {
        // Standard input has no name that could be an argument.
        let file = if name.starts_with('"') { name } else { "FILE" };
        return Err(cannot().because(other.what()).hint(other.conversion(file)));
    }
    // A comment in another encoding does not make the key unusable.
    let text = String::from_utf8_lossy(bytes);
    // Windows editors begin files with a byte order mark.
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let mut file = KeyFile::default();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        match line {
            "" => {}
            _ if line.starts_with('#') => {}
            BEGIN => match rfc4716(&mut lines) {
                Ok(line) => file.take(number, &line),
                Err(reason) => file.refuse(number, reason),
            },
            _ => file.take(number, line),
        }
    }
    match (file.lines.is_empty(), &file.refused[..]) {
        (false, _) => Ok(file),
        (true, []) => Err(cannot()
            .because("there is no public key in it")
            .hint("the file's name usually ends in .pub")),
        (true, [RefusedLine { number, reason }]) => Err(cannot().because(format!("line {number}: {reason}"))),
        (true, all) => {
            let lines: Vec<String> = all
                .iter()
                .map(|RefusedLine { number, reason }| format!("\n  line {number}: {reason}"))
                .collect();
            Err(cannot().because(format!("each of its lines is refused{}", lines.concat())))
        }
    }
}

/// Converts the key of an RFC 4716 block to a line of authorized_keys: headers, of which a backslash continues the last
/// one, then base64.
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
        // Base64 does not contain a colon.
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

/// The formats of files that contain a key, but not as a line that could be added.
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
    /// A line of authorized_keys never contains what these formats begin with.
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

    /// Returns the command that converts it to a line of authorized_keys, or how to do it.
    fn conversion(self, file: &str) -> String {
        match self {
            OtherKind::Utf16 => format!("iconv -f UTF-16 -t UTF-8 {file} > key.pub"),
            OtherKind::Putty => {
                format!("puttygen {file} -O public-openssh -o key.pub prints the public half")
            }
            OtherKind::OpenSshPrivate | OtherKind::PemPrivate | OtherKind::Pkcs8Private => {
                format!(
                    "ssh-keygen -y -f {file} > key.pub writes the public half; often it is in the file that ends in \
                     .pub"
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
