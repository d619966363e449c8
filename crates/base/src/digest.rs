//! The digests with which two ends compare files, and the lines in which coreutils prints them.

use md5::digest::{Digest as _, DynDigest};

use crate::visible::hex;

/// A digest that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say what they are")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// All algorithms, in this order.
    pub const ALL: [Algorithm; 4] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha512,
    ];

    /// Returns the name of the algorithm in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Returns the size of a digest, in bytes.
    pub fn length(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// Creates a hasher. Those for SHA use the CPU's instructions if there are any.
    pub fn hasher(self) -> Box<dyn DynDigest + Send> {
        match self {
            Algorithm::Md5 => Box::new(md5::Md5::new()),
            Algorithm::Sha1 => Box::new(sha1::Sha1::new()),
            Algorithm::Sha256 => Box::new(sha2::Sha256::new()),
            Algorithm::Sha512 => Box::new(sha2::Sha512::new()),
        }
    }
}

/// The format of a line of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether `*` precedes the name instead of a space.
    pub binary: bool,
    /// Whether the line is in BSD's style.
    pub tag: bool,
    /// Whether NUL ends the line, and nothing is escaped.
    pub zero: bool,
}

/// Formats the line that coreutils prints for a digest. A name with a backslash, a newline or a carriage return is
/// escaped, and the line then begins with a backslash.
pub fn line(style: Style, algorithm: Algorithm, digest: &[u8], name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'\\' => b"\\\\".to_vec(),
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        &plain => vec![plain],
    };
    let shown: Vec<u8> = match style.zero {
        true => name.to_vec(),
        false => name.iter().flat_map(escape).collect(),
    };
    let hex = hex(digest);
    let mut line = Vec::new();
    if shown != name {
        line.push(b'\\');
    }
    if style.tag {
        let tag = algorithm.name().to_uppercase();
        line.extend([tag.as_bytes(), b" (", &shown, b") = ", hex.as_bytes()].concat());
    } else {
        let mark: &[u8] = if style.binary { b" *" } else { b"  " };
        line.extend([hex.as_bytes(), mark, &shown].concat());
    }
    line.push(if style.zero { 0 } else { b'\n' });
    line
}
