//! SSH packet by packet, for both ends of a connection: messages, the key exchange and the cipher, as in RFC 4253 and
//! RFC 5647. The code deliberately does not use the server's library, and it sends any bytes that a test needs.
//!
//! It supports one set of algorithms: curve25519-sha256, ssh-ed25519 and aes256-gcm@openssh.com, without strict key
//! exchange.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;

use super::PATIENCE;

/// The largest packet that is accepted, in bytes. No peer in the tests sends larger ones.
const LARGEST: usize = 1 << 20;
const TAG: usize = 16;

/// An SSH message to which fields are added one by one.
#[derive(Debug, Clone)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// Creates a message that begins with its number.
    pub fn new(number: u8) -> Self {
        Self(vec![number])
    }

    /// Adds a byte or a boolean.
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds a number of four bytes.
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Adds a string: its length and its bytes.
    pub fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(string(bytes.as_ref()));
        self
    }
}

/// Returns a string as it is sent: its length and its bytes.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Returns the string at the beginning, and the bytes that follow it.
pub fn split_string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
    rest.split_at(u32::from_be_bytes(*length) as usize)
}

/// Returns a positive number as it is sent.
fn mpint(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let mut number = number[zeros..].to_vec();
    if number.first().is_some_and(|byte| *byte >= 0x80) {
        number.insert(0, 0);
    }
    string(&number)
}

/// The data that both ends have exchanged, in the order in which it is hashed: identification strings, KEXINIT
/// messages, the host key and the two public values.
pub struct Transcript<'a> {
    /// The client's identification string, without its line end.
    pub client_id: &'a [u8],
    /// The server's identification string, without its line end.
    pub server_id: &'a [u8],
    /// The client's KEXINIT message, without padding.
    pub client_init: &'a [u8],
    /// The server's KEXINIT message, without padding.
    pub server_init: &'a [u8],
    /// The server's public host key, as it is sent.
    pub host_key: &'a [u8],
    /// The client's public value of X25519.
    pub client_share: &'a [u8],
    /// The server's public value of X25519.
    pub server_share: &'a [u8],
}

/// One end's secret of a key exchange.
pub struct Secret {
    private: EphemeralPrivateKey,
    /// The public value that belongs to the secret.
    pub share: Vec<u8>,
}

impl Secret {
    /// Creates a fresh random secret.
    pub fn fresh() -> Self {
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let share = private.compute_public_key().unwrap().as_ref().to_vec();
        Self { private, share }
    }

    /// Returns the secret that both ends then share, in the form of a number that is sent.
    pub fn agree(self, their_share: &[u8]) -> Vec<u8> {
        let theirs = UnparsedPublicKey::new(&X25519, their_share);
        agree_ephemeral(self.private, theirs, Unspecified, |shared| Ok(mpint(shared))).unwrap()
    }
}

/// The result of a key exchange.
pub struct Exchanged {
    shared: Vec<u8>,
    /// The exchange hash, which the server signs. The first one of a connection is the session's identifier.
    pub hash: Vec<u8>,
}

impl Exchanged {
    /// Hashes the exchanged data and the shared secret.
    pub fn new(transcript: &Transcript<'_>, shared: Vec<u8>) -> Self {
        let strings = [
            transcript.client_id,
            transcript.server_id,
            transcript.client_init,
            transcript.server_init,
            transcript.host_key,
            transcript.client_share,
            transcript.server_share,
        ];
        let mut hashed = strings.map(string).concat();
        hashed.extend_from_slice(&shared);
        let hash = digest(&SHA256, &hashed).as_ref().to_vec();
        Self { shared, hash }
    }

    /// Returns the keys of both directions: to the server, and to the client.
    fn keys(&self, session: &[u8]) -> (Gcm, Gcm) {
        let derive = |letter: u8| {
            let hashed = [&self.shared, &self.hash, &[letter][..], session].concat();
            digest(&SHA256, &hashed).as_ref().to_vec()
        };
        let gcm = |iv: u8, key: u8| Gcm {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derive(key)).unwrap()),
            iv: derive(iv)[..12].try_into().unwrap(),
        };
        (gcm(b'A', b'C'), gcm(b'B', b'D'))
    }
}

/// The key of one direction.
struct Gcm {
    key: LessSafeKey,
    iv: [u8; 12],
}

impl Gcm {
    fn nonce(&mut self) -> Nonce {
        let nonce = self.iv;
        let (_, counter) = self.iv.split_at_mut(4);
        let next = u64::from_be_bytes(counter.try_into().unwrap()).wrapping_add(1);
        counter.copy_from_slice(&next.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The end of a connection that this side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This side opened the connection, as a client.
    Client,
    /// This side accepted the connection.
    Server,
}

/// A connection whose packets are sent and received one by one.
pub struct Transport {
    /// The socket, on which bytes are not encrypted.
    pub stream: TcpStream,
    role: Role,
    sealing: Option<Gcm>,
    opening: Option<Gcm>,
}

impl Transport {
    /// Creates an unencrypted connection. No read or write on it waits longer than [`PATIENCE`].
    pub fn new(stream: TcpStream, role: Role) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            role,
            sealing: None,
            opening: None,
        }
    }

    /// Starts to use the keys of an exchange.
    pub fn set_keys(&mut self, exchanged: &Exchanged, session: &[u8]) {
        let (to_server, to_client) = exchanged.keys(session);
        let (sealing, opening) = match self.role {
            Role::Client => (to_server, to_client),
            Role::Server => (to_client, to_server),
        };
        (self.sealing, self.opening) = (Some(sealing), Some(opening));
    }

    /// Reads the other end's identification string.
    pub fn identification(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        line
    }

    /// Sends a message to a peer that may have disconnected.
    pub fn try_send(&mut self, message: &Message) -> io::Result<()> {
        let sealed = self.seal(message);
        self.stream.write_all(&sealed)
    }

    /// Returns a message's bytes on the wire.
    pub fn seal(&mut self, message: &Message) -> Vec<u8> {
        let payload = &message.0;
        // With GCM, the length is neither encrypted nor padded (RFC 5647).
        let (block, before) = match self.sealing {
            Some(_) => (16, 1),
            None => (8, 5),
        };
        let mut padding = block - (before + payload.len()) % block;
        if padding < 4 {
            padding += block;
        }
        let length = ((1 + payload.len() + padding) as u32).to_be_bytes();
        let mut body = vec![padding as u8];
        body.extend_from_slice(payload);
        body.extend(vec![0; padding]);
        if let Some(gcm) = &mut self.sealing {
            let nonce = gcm.nonce();
            gcm.key
                .seal_in_place_append_tag(nonce, Aad::from(length), &mut body)
                .unwrap();
        }
        [&length[..], &body].concat()
    }

    /// Receives the next message, decrypted and without its padding.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let size = u32::from_be_bytes(length) as usize;
        assert!(size < LARGEST, "a packet of {size} bytes");
        let tag = if self.opening.is_some() { TAG } else { 0 };
        let mut body = vec![0; size + tag];
        self.stream.read_exact(&mut body)?;
        if let Some(gcm) = &mut self.opening {
            let nonce = gcm.nonce();
            gcm.key
                .open_in_place(nonce, Aad::from(length), &mut body)
                .map_err(|_| io::ErrorKind::InvalidData)?;
        }
        let end = body.len() - tag - usize::from(body[0]);
        Ok(body[1..end].to_vec())
    }
}
