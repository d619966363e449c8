//! SSH message by message, as client or as server: whatever bytes a test likes in whatever field.
//!
//! One set of algorithms (curve25519-sha256, ssh-ed25519, aes256-gcm@openssh.com), no strict key exchange, no rekeying;
//! as a client it checks no host key. On purpose not the library's code.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};

use super::PATIENCE;

/// No peer of ours sends larger ones.
const LARGEST: usize = 256 * 1024;
const TAG: usize = 16;

/// A message under construction.
#[derive(Debug, Clone)]
pub struct Message(pub Vec<u8>);

/// A message that begins with its number.
pub fn message(number: u8) -> Message {
    Message(vec![number])
}

impl Message {
    /// Adds a string: its length and its bytes.
    pub fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.extend((bytes.len() as u32).to_be_bytes());
        self.0.extend(bytes);
        self
    }

    /// Adds a byte, or a truth value.
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }
}

/// The ten lists of a KEXINIT.
pub type Lists = [Vec<u8>; 10];

/// Lists with one name each, and none where there may be none.
pub fn lists() -> Lists {
    let cipher = "aes256-gcm@openssh.com";
    let mac = "hmac-sha2-256";
    let names = [
        "curve25519-sha256",
        "ssh-ed25519",
        cipher,
        cipher,
        mac,
        mac,
        "none",
        "none",
        "",
        "",
    ];
    names.map(|name| name.as_bytes().to_vec())
}

/// A connection whose messages are sent and received one by one.
pub struct Wire {
    stream: BufReader<TcpStream>,
    out: Option<Direction>,
    inward: Option<Direction>,
}

struct Direction {
    key: LessSafeKey,
    nonce: [u8; 12],
}

impl Direction {
    fn nonce(&mut self) -> Nonce {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let (_, counter) = self.nonce.split_at_mut(4);
        let next = u64::from_be_bytes(counter.try_into().unwrap()).wrapping_add(1);
        counter.copy_from_slice(&next.to_be_bytes());
        nonce
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

impl Wire {
    /// Connects, exchanges keys and asks for the service that signs users in.
    pub fn client(port: u16, lists: &Lists) -> Self {
        let mut wire = Self::exchange(
            TcpStream::connect(("127.0.0.1", port)).unwrap(),
            Role::Client,
            lists,
        );
        wire.send(&message(5).string("ssh-userauth"));
        wire.expect(6);
        wire
    }

    /// Serves one client up to the point where it asks for its first way to sign in.
    pub fn server(stream: TcpStream, lists: &Lists) -> Self {
        let mut wire = Self::exchange(stream, Role::Server, lists);
        wire.expect(5);
        wire.send(&message(6).string("ssh-userauth"));
        wire
    }

    fn exchange(stream: TcpStream, role: Role, lists: &Lists) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut wire = Self {
            stream: BufReader::new(stream),
            out: None,
            inward: None,
        };
        let own_id = b"SSH-2.0-wire";
        wire.stream
            .get_mut()
            .write_all(&[&own_id[..], b"\r\n"].concat())
            .unwrap();
        let their_id = wire.line();
        let own_init = lists
            .iter()
            .fold(Message([&[20], &[7; 16][..]].concat()), |message, list| {
                message.string(list)
            })
            .byte(0)
            .number(0);
        wire.send(&own_init);
        let their_init = wire.expect(20);
        let transcript = |own: &[u8], their: &[u8]| match role {
            Role::Client => Message(Vec::new()).string(own).string(their).0,
            Role::Server => Message(Vec::new()).string(their).string(own).0,
        };
        let ids = transcript(own_id, &their_id);
        let inits = transcript(&own_init.0, &their_init);

        let secret = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let own_share = secret.compute_public_key().unwrap().as_ref().to_vec();
        let agree = |share: &[u8]| {
            agree_ephemeral(secret, UnparsedPublicKey::new(&X25519, share), (), |k| {
                Ok(k.to_vec())
            })
            .unwrap()
        };
        let (hash, shared) = match role {
            Role::Client => {
                wire.send(&message(30).string(&own_share));
                let reply = wire.expect(31);
                let (host_key, rest) = string(&reply[1..]);
                let (share, _) = string(rest);
                let shared = mpint(&agree(share));
                let shares = Message(Vec::new())
                    .string(host_key)
                    .string(&own_share)
                    .string(share)
                    .0;
                (digest(&[&ids, &inits, &shares, &shared]), shared)
            }
            Role::Server => {
                let init = wire.expect(30);
                let (share, _) = string(&init[1..]);
                let shared = mpint(&agree(share));
                let key = Ed25519KeyPair::generate().unwrap();
                let name = "ssh-ed25519";
                let host_key = Message(Vec::new())
                    .string(name)
                    .string(key.public_key().as_ref())
                    .0;
                let shares = Message(Vec::new())
                    .string(&host_key)
                    .string(share)
                    .string(&own_share)
                    .0;
                let hash = digest(&[&ids, &inits, &shares, &shared]);
                let signature = Message(Vec::new())
                    .string(name)
                    .string(key.sign(&hash).as_ref())
                    .0;
                wire.send(&message(31).string(&host_key).string(&own_share).string(signature));
                (hash, shared)
            }
        };
        wire.send(&message(21));
        wire.expect(21);
        let derived = |letter: u8| digest(&[&shared, &hash, &[letter], &hash]);
        let direction = |iv: u8, key: u8| Direction {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived(key)).unwrap()),
            nonce: derived(iv)[..12].try_into().unwrap(),
        };
        let (to_server, to_client) = (direction(b'A', b'C'), direction(b'B', b'D'));
        (wire.out, wire.inward) = match role {
            Role::Client => (Some(to_server), Some(to_client)),
            Role::Server => (Some(to_client), Some(to_server)),
        };
        wire
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        line.pop_if(|last| *last == b'\r');
        line
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Message) {
        self.try_send(message).unwrap();
    }

    /// Sends a message to somebody who may be gone.
    pub fn try_send(&mut self, message: &Message) -> std::io::Result<()> {
        let payload = &message.0;
        // In the clear the length counts among what is padded.
        let counted = if self.out.is_some() { 1 } else { 5 } + payload.len();
        let padding = 16 - counted % 16 + if counted % 16 > 12 { 16 } else { 0 };
        let length = (1 + payload.len() + padding) as u32;
        let mut body = vec![padding as u8];
        body.extend(payload);
        body.resize(length as usize, 0);
        if let Some(direction) = &mut self.out {
            let nonce = direction.nonce();
            direction
                .key
                .seal_in_place_append_tag(nonce, Aad::from(length.to_be_bytes()), &mut body)
                .unwrap();
        }
        self.stream
            .get_mut()
            .write_all(&[&length.to_be_bytes()[..], &body].concat())
    }

    /// The next message, but for those that nobody has to answer (IGNORE, DEBUG, EXT_INFO); `None` at the end.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).ok()?;
            let size = u32::from_be_bytes(length) as usize;
            assert!(size < LARGEST, "a packet of {size} bytes");
            let tag = if self.inward.is_some() { TAG } else { 0 };
            let mut body = vec![0; size + tag];
            self.stream.read_exact(&mut body).ok()?;
            if let Some(direction) = &mut self.inward {
                let nonce = direction.nonce();
                direction
                    .key
                    .open_in_place(nonce, Aad::from(length), &mut body)
                    .expect("a packet that can be opened");
            }
            let padding = usize::from(body[0]);
            let payload = body[1..size - padding].to_vec();
            if !matches!(payload[0], 2 | 4 | 7) {
                return Some(payload);
            }
        }
    }

    /// The next message, which must be of this number.
    pub fn expect(&mut self, number: u8) -> Vec<u8> {
        let received = self.receive().expect("the connection goes on");
        assert_eq!(received[0], number, "{}", received.escape_ascii());
        received
    }

    /// Signs a user in by password.
    pub fn sign_in(&mut self, user: &str, password: &[u8]) {
        self.send(&password_request(user.as_bytes(), password));
        self.expect(52);
    }
}

/// USERAUTH_REQUEST by password.
pub fn password_request(user: &[u8], password: &[u8]) -> Message {
    userauth(user, "password").byte(0).string(password)
}

/// The beginning of each USERAUTH_REQUEST.
pub fn userauth(user: impl AsRef<[u8]>, method: impl AsRef<[u8]>) -> Message {
    message(50).string(user).string("ssh-connection").string(method)
}

/// A string at the beginning, and what follows it.
pub fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
    rest.split_at(u32::from_be_bytes(*length) as usize)
}

fn mpint(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let mut number = number[zeros..].to_vec();
    if number.first().is_some_and(|byte| byte & 0x80 != 0) {
        number.insert(0, 0);
    }
    Message(Vec::new()).string(number).0
}

fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}
