//! An SSH client of its own, byte by byte: it sends what no library would send, in whatever order a test likes, and
//! answers nothing unless the test says so. curve25519-sha256, ssh-ed25519 and aes256-gcm@openssh.com only.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use russh::keys::load_secret_key;

use super::server::TestServer;

pub const DISCONNECT: u8 = 1;
pub const IGNORE: u8 = 2;
pub const KEXINIT: u8 = 20;
pub const NEWKEYS: u8 = 21;
pub const SUCCESS: u8 = 52;
pub const GLOBAL_REQUEST: u8 = 80;
pub const OPEN: u8 = 90;
pub const OPEN_CONFIRMATION: u8 = 91;
pub const OPEN_FAILURE: u8 = 92;
pub const WINDOW_ADJUST: u8 = 93;
pub const DATA: u8 = 94;
pub const CLOSE: u8 = 97;
pub const REQUEST: u8 = 98;
pub const REQUEST_SUCCESS: u8 = 99;

const OURS: &[u8] = b"SSH-2.0-raw";
const TAG: usize = 16;

/// A message under construction.
#[derive(Clone)]
pub struct Message(pub Vec<u8>);

impl Message {
    pub fn new(kind: u8) -> Self {
        Self(vec![kind])
    }
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }
    pub fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend((bytes.as_ref().len() as u32).to_be_bytes());
        self.0.extend(bytes.as_ref());
        self
    }
}

/// One direction's key.
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

/// A connection.
pub struct Ssh {
    pub stream: TcpStream,
    sealing: Option<Gcm>,
    opening: Option<Gcm>,
    theirs: Vec<u8>,
    session: Vec<u8>,
}

impl Ssh {
    /// Connects and exchanges keys.
    pub fn connect(port: u16) -> Self {
        let mut ssh = Self::greet(port);
        ssh.identification();
        ssh.exchange_keys().unwrap();
        ssh
    }

    /// The same, unless the server turns it away.
    pub fn try_connect(port: u16) -> Option<Self> {
        let mut ssh = Self::greet(port);
        let mut first = [0; 4];
        let peeked = ssh.stream.peek(&mut first);
        (peeked.is_ok() && first == *b"SSH-").then(|| {
            ssh.identification();
            ssh.exchange_keys().unwrap();
            ssh
        })
    }

    /// Connects and exchanges identification strings.
    pub fn greet(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&[OURS, b"\r\n"].concat()).unwrap();
        Self {
            stream,
            sealing: None,
            opening: None,
            theirs: Vec::new(),
            session: Vec::new(),
        }
    }

    /// Connects, and signs in with the user's key.
    pub fn sign_in(server: &TestServer, user: &str) -> Self {
        let mut ssh = Self::connect(server.port());
        ssh.send(&Message::new(5).string("ssh-userauth"));
        ssh.authenticate(user, &server.key(user));
        ssh
    }

    fn authenticate(&mut self, user: &str, key: &Path) {
        let key = load_secret_key(key, None).unwrap();
        let seed = key.key_data().ed25519().unwrap().private.to_bytes();
        let public = key.public_key().to_bytes().unwrap();
        let request = Message::new(50)
            .string(user)
            .string("ssh-connection")
            .string("publickey")
            .byte(1)
            .string("ssh-ed25519")
            .string(public);
        let signed = [&string(&self.session)[..], &request.0].concat();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let signature = Message(string(b"ssh-ed25519")).string(pair.sign(&signed).as_ref());
        self.send(&request.string(signature.0));
        self.wait_for(SUCCESS);
    }

    /// What our side offers; sent alone, it begins a key exchange that never ends.
    pub fn kexinit() -> Message {
        Self::kexinit_with("curve25519-sha256")
    }

    /// The same with these methods.
    pub fn kexinit_with(methods: &str) -> Message {
        let mut message = Message::new(KEXINIT);
        message.0.extend([7; 16]);
        let cipher = "aes256-gcm@openssh.com";
        for list in [
            methods,
            "ssh-ed25519",
            cipher,
            cipher,
            "hmac-sha2-256",
            "hmac-sha2-256",
            "none",
            "none",
            "",
            "",
        ] {
            message = message.string(list);
        }
        message.byte(0).u32(0)
    }

    /// The first keys, or new ones.
    pub fn exchange_keys(&mut self) -> io::Result<()> {
        self.exchange_keys_by(&Self::kexinit())
    }

    /// The same with this offer, which must begin with curve25519-sha256.
    pub fn exchange_keys_by(&mut self, ours: &Message) -> io::Result<()> {
        self.try_send(ours)?;
        let their_kexinit = self.receive_kind(KEXINIT)?;
        self.finish_exchange(ours, &their_kexinit)
    }

    /// The rest of it, when both sides have said what they offer.
    pub fn finish_exchange(&mut self, ours: &Message, their_kexinit: &[u8]) -> io::Result<()> {
        let random = SystemRandom::new();
        let secret = EphemeralPrivateKey::generate(&X25519, &random).unwrap();
        let public = secret.compute_public_key().unwrap();
        self.send(&Message::new(30).string(public.as_ref()));
        let reply = self.wait_for(31);
        let mut rest = &reply[1..];
        let (host_key, their_public) = (take_string(&mut rest), take_string(&mut rest));
        let peer = UnparsedPublicKey::new(&X25519, &their_public);
        let shared = agree_ephemeral(secret, peer, aws_lc_rs::error::Unspecified, |shared| {
            Ok(shared.to_vec())
        })
        .unwrap();
        let shared = mpint(&shared);
        let hashed = [
            string(OURS),
            string(&self.theirs),
            string(&ours.0),
            string(their_kexinit),
            string(&host_key),
            string(public.as_ref()),
            string(&their_public),
            shared.clone(),
        ]
        .concat();
        let hash = digest(&SHA256, &hashed).as_ref().to_vec();
        if self.session.is_empty() {
            self.session.clone_from(&hash);
        }
        let derive = |letter: u8| {
            let id = &self.session;
            digest(&SHA256, &[&shared, &hash, &vec![letter][..], id].concat())
                .as_ref()
                .to_vec()
        };
        let gcm = |key: u8, iv: u8| Gcm {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derive(key)).unwrap()),
            iv: derive(iv)[..12].try_into().unwrap(),
        };
        let (sealing, opening) = (gcm(b'C', b'A'), gcm(b'D', b'B'));
        self.send(&Message::new(NEWKEYS));
        self.wait_for(NEWKEYS);
        (self.sealing, self.opening) = (Some(sealing), Some(opening));
        Ok(())
    }

    /// Reads the server's identification string.
    pub fn identification(&mut self) {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        self.theirs = line;
    }

    /// Sends a message; panics if the server has gone.
    pub fn send(&mut self, message: &Message) {
        self.try_send(message).expect("the connection lives");
    }

    pub fn try_send(&mut self, message: &Message) -> io::Result<()> {
        let sealed = self.seal(message);
        self.stream.write_all(&sealed)
    }

    /// A message's bytes on the wire.
    pub fn seal(&mut self, message: &Message) -> Vec<u8> {
        let payload = &message.0;
        // RFC 5647: with GCM the length is not encrypted, and not padded.
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

    /// The next message.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let tag = if self.opening.is_some() { TAG } else { 0 };
        let mut body = vec![0; u32::from_be_bytes(length) as usize + tag];
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

    /// The next message of this kind; all before it are dropped.
    pub fn wait_for(&mut self, kind: u8) -> Vec<u8> {
        self.receive_kind(kind)
            .unwrap_or_else(|e| panic!("no message {kind}: {e}"))
    }

    fn receive_kind(&mut self, kind: u8) -> io::Result<Vec<u8>> {
        loop {
            let message = self.receive()?;
            if message[0] == kind {
                return Ok(message);
            }
        }
    }

    /// The kinds of all messages until the server hangs up.
    pub fn kinds_until_the_end(&mut self) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Ok(message) = self.receive() {
            kinds.push(message[0]);
        }
        kinds
    }

    /// The request to open a channel.
    pub fn open(ours: u32, window: u32) -> Message {
        Message::new(OPEN)
            .string("session")
            .u32(ours)
            .u32(window)
            .u32(32_768)
    }

    /// Opens a channel for SFTP; the server's number of it and the window that it grants at first.
    pub fn open_sftp(&mut self, ours: u32, window: u32) -> Opened {
        self.send(&Self::open(ours, window));
        let confirmation = self.wait_for(OPEN_CONFIRMATION);
        let number = |at: usize| u32::from_be_bytes(confirmation[at..at + 4].try_into().unwrap());
        let opened = Opened {
            theirs: number(5),
            window: number(9),
        };
        let subsystem = Message::new(REQUEST)
            .u32(opened.theirs)
            .string("subsystem")
            .byte(1)
            .string("sftp");
        self.send(&subsystem);
        self.wait_for(REQUEST_SUCCESS);
        let init = [0, 0, 0, 5, 1, 0, 0, 0, 3];
        self.send(&data(opened.theirs, &init));
        // The answer needs some window.
        if window > 1024 {
            self.wait_for(DATA);
        }
        opened
    }

    /// Sends so many bytes that mean nothing.
    pub fn ignored(&mut self, bytes: usize) {
        let message = Message::new(IGNORE).string(vec![0; 250_000]);
        for _ in 0..bytes.div_ceil(250_000) {
            self.send(&message);
        }
    }
}

/// A channel that the server has confirmed.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    pub theirs: u32,
    pub window: u32,
}

/// Data for a channel.
pub fn data(channel: u32, bytes: &[u8]) -> Message {
    Message::new(DATA).u32(channel).string(bytes)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn mpint(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
    let mut number = bytes[start..].to_vec();
    if number.first().is_some_and(|&b| b >= 0x80) {
        number.insert(0, 0);
    }
    string(&number)
}

fn take_string(rest: &mut &[u8]) -> Vec<u8> {
    let (length, after) = rest.split_first_chunk::<4>().unwrap();
    let (bytes, after) = after.split_at(u32::from_be_bytes(*length) as usize);
    *rest = after;
    bytes.to_vec()
}
