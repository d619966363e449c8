//! A question for the hash of a file on the server, and its answer: a value, or the reason why it cannot be had. The
//! third outcome is a lost connection, which is an error of the asking function.

use std::fmt;

use base::digest::Algorithm;
use base::hash_state::HashState;
use base::visible::hex;

use super::error::RemoteError;

/// The algorithms by which both ends of a transfer are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashKind {
    /// MD5, which is comparable with anybody's md5sum.
    Md5,
    /// SHA-256, which is faster where the CPUs have instructions for it.
    Sha256,
}

impl HashKind {
    /// The algorithm, with its name in the protocol and its length.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Md5 => Algorithm::Md5,
            Self::Sha256 => Algorithm::Sha256,
        }
    }
}

impl fmt::Display for HashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        })
    }
}

/// A hash with its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashValue {
    /// The sixteen bytes of an MD5.
    Md5([u8; 16]),
    /// The 32 bytes of a SHA-256.
    Sha256([u8; 32]),
}

impl HashValue {
    /// Makes a value, or `None` if these are not as many bytes as the algorithm has.
    pub fn new(kind: HashKind, bytes: &[u8]) -> Option<Self> {
        match kind {
            HashKind::Md5 => bytes.try_into().ok().map(Self::Md5),
            HashKind::Sha256 => bytes.try_into().ok().map(Self::Sha256),
        }
    }

    /// Whether it is the hash of an empty input.
    pub fn is_of_nothing(&self) -> bool {
        *self.bytes() == *self.kind().algorithm().hasher().finalize()
    }

    /// The algorithm that computed it.
    pub fn kind(&self) -> HashKind {
        match self {
            Self::Md5(_) => HashKind::Md5,
            Self::Sha256(_) => HashKind::Sha256,
        }
    }

    /// The bytes of the hash.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }
}

impl From<HashState> for HashValue {
    /// The hash that a state at the end of an input is.
    fn from(state: HashState) -> Self {
        match state {
            HashState::Md5(words) => Self::Md5(concatenated(words.map(u32::to_le_bytes))),
            HashState::Sha256(words) => Self::Sha256(concatenated(words.map(u32::to_be_bytes))),
        }
    }
}

/// The bytes of words, of which there are four times as many.
fn concatenated<const WORDS: usize, const BYTES: usize>(words: [[u8; 4]; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (places, _) = bytes.as_chunks_mut::<4>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word;
    }
    bytes
}

impl fmt::Display for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.bytes()))
    }
}

/// The bytes of a file that are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The whole file, whatever its size is.
    Whole,
    /// The first bytes, which were all when the file was looked at. A command hashes the whole file instead.
    AllOf(u64),
    /// The first bytes of a file that has more.
    First(u64),
    /// A range within the file.
    Part {
        /// The offset of its first byte.
        offset: u64,
        /// The length of the part, in bytes.
        length: u64,
    },
}

/// A question for a hash.
#[derive(Debug, Clone, Copy)]
pub struct HashQuestion<'a> {
    /// The path of the file.
    pub path: &'a [u8],
    /// A handle of the file that is open for reading, if there is one: it stays the same file when another gets its
    /// name.
    pub handle: Option<&'a [u8]>,
    /// The bytes of the file that are hashed.
    pub extent: Extent,
    /// How many bytes that is, if it is known. The hash of an empty input is no answer for a file that has bytes.
    pub expected: Option<u64>,
    /// The algorithm by which they are hashed.
    pub kind: HashKind,
}

/// Why a hash cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoHash {
    /// The server has no way to hash, or none that works.
    NoRoute,
    /// The server refuses to hash this file.
    Refused(RemoteError),
    /// A command on the server printed no hash of this file.
    NoLine,
    /// The server hashed an empty input instead of the file.
    EmptyInput,
    /// The commands of the server see another file under this path.
    OtherFile,
    /// The commands of the server may see another file under this path.
    Unchecked,
}

impl NoHash {
    /// Whether the reason is about the file, so that another file may be hashed by the same route.
    pub(super) fn is_about_the_file(&self) -> bool {
        match self {
            Self::Refused(RemoteError::UnexpectedReply(_))
            | Self::NoRoute
            | Self::OtherFile
            | Self::Unchecked => false,
            Self::Refused(refused) => !refused.is_unsupported(),
            Self::NoLine | Self::EmptyInput => true,
        }
    }
}

impl fmt::Display for NoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("the server cannot hash"),
            Self::Refused(refused) => write!(f, "the server cannot hash it: {refused}"),
            Self::NoLine => {
                f.write_str("the server cannot hash it: its md5sum does not answer for this path")
            }
            Self::EmptyInput => {
                f.write_str("the server cannot hash it: it answers with the hash of an empty input")
            }
            Self::OtherFile => {
                f.write_str("the server cannot hash it: its commands see other files than its SFTP")
            }
            Self::Unchecked => f.write_str(
                "the server cannot hash it for certain: its md5sum may see another file than its SFTP",
            ),
        }
    }
}
