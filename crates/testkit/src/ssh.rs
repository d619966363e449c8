//! A separate SSH client that works byte by byte: it sends what no library would send, in any order, and answers
//! nothing unless the test says so.

use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use russh::keys::load_secret_key;

use super::server::TestServer;
pub use super::transport::Message;
use super::transport::{Exchanged, Role, Secret, Transcript, Transport, split_string, string};
use super::wire::{kexinit, lists};

/// SSH_MSG_DISCONNECT (this and the following numbers: RFC 4250, section 4.1.2): ends the connection.
pub const DISCONNECT: u8 = 1;
/// SSH_MSG_IGNORE: its data is ignored by the receiver.
pub const IGNORE: u8 = 2;
/// SSH_MSG_KEXINIT: begins a key exchange.
pub const KEXINIT: u8 = 20;
/// SSH_MSG_NEWKEYS: the new keys are used from the next packet on.
pub const NEWKEYS: u8 = 21;
/// SSH_MSG_USERAUTH_FAILURE: the attempt is refused.
pub const FAILURE: u8 = 51;
/// SSH_MSG_USERAUTH_SUCCESS: the user is signed in.
pub const SUCCESS: u8 = 52;
/// SSH_MSG_USERAUTH_PK_OK: a signature by the offered key would be accepted (RFC 4252, section 7).
pub const KEY_ACCEPTED: u8 = 60;
/// SSH_MSG_GLOBAL_REQUEST: a request about the connection.
pub const GLOBAL_REQUEST: u8 = 80;
/// SSH_MSG_CHANNEL_OPEN: asks to open a channel.
pub const OPEN: u8 = 90;
/// SSH_MSG_CHANNEL_OPEN_CONFIRMATION: the channel is open.
pub const OPEN_CONFIRMATION: u8 = 91;
/// SSH_MSG_CHANNEL_OPEN_FAILURE: the channel is refused.
pub const OPEN_FAILURE: u8 = 92;
/// SSH_MSG_CHANNEL_WINDOW_ADJUST: enlarges the window of a channel.
pub const WINDOW_ADJUST: u8 = 93;
/// SSH_MSG_CHANNEL_DATA: data of a channel.
pub const DATA: u8 = 94;
/// SSH_MSG_CHANNEL_CLOSE: closes a channel in both directions.
pub const CLOSE: u8 = 97;
/// SSH_MSG_CHANNEL_REQUEST: a request about a channel.
pub const REQUEST: u8 = 98;
/// SSH_MSG_CHANNEL_SUCCESS: the reply to a channel request that succeeded.
pub const REQUEST_SUCCESS: u8 = 99;

const OURS: &[u8] = b"SSH-2.0-raw";

/// A connection to an SSH server.
pub struct Ssh {
    transport: Transport,
    theirs: Vec<u8>,
    session: Vec<u8>,
}

impl Ssh {
    /// Connects and exchanges keys. Panics if the server refuses the connection.
    pub fn connect(port: u16) -> Self {
        let mut ssh = Self::greet(port);
        ssh.identification();
        ssh.exchange_keys().unwrap();
        ssh
    }

    /// Connects and exchanges keys; returns `None` if the server refuses the connection.
    pub fn try_connect(port: u16) -> Option<Self> {
        let mut ssh = Self::greet(port);
        let mut first = [0; 4];
        let peeked = ssh.stream().peek(&mut first);
        (peeked.is_ok() && first == *b"SSH-").then(|| {
            ssh.identification();
            ssh.exchange_keys().unwrap();
            ssh
        })
    }

    /// Connects and exchanges identification strings.
    pub fn greet(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut transport = Transport::new(stream, Role::Client);
        transport.stream.write_all(&[OURS, b"\r\n"].concat()).unwrap();
        Self {
            transport,
            theirs: Vec::new(),
            session: Vec::new(),
        }
    }

    /// Returns the socket, for bytes that are not a packet.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.transport.stream
    }

    /// Connects, and signs in with the user's key.
    pub fn sign_in(server: &TestServer, user: &str) -> Self {
        let mut ssh = Self::connect(server.port());
        ssh.send(&Message::new(5).string("ssh-userauth"));
        ssh.authenticate(user, &server.key(user));
        ssh
    }

    fn authenticate(&mut self, user: &str, key: &Path) {
        self.sign(user, key);
        self.wait_for(SUCCESS);
    }

    /// Asks whether a signature by this key would be accepted, and waits until the server says so.
    pub fn offer_key(&mut self, user: &str, key: &Path) {
        let key = load_secret_key(key, None).unwrap();
        let request = Message::new(50)
            .string(user)
            .string("ssh-connection")
            .string("publickey")
            .byte(0)
            .string("ssh-ed25519")
            .string(key.public_key().to_bytes().unwrap());
        self.send(&request);
        self.wait_for(KEY_ACCEPTED);
    }

    /// Sends the signature of a sign-in by this key.
    pub fn sign(&mut self, user: &str, key: &Path) {
        let key = load_secret_key(key, None).unwrap();
        let seed = key.key_data().ed25519().unwrap().private.to_bytes();
        let public = key.public_key().to_bytes().unwrap();
        self.sign_by(user, "ssh-ed25519", &public, |signed| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
            Message(string(b"ssh-ed25519")).string(pair.sign(signed).as_ref())
        });
    }

    /// Sends a sign-in by a public key or certificate. `sign` gets what is signed, and returns the signature.
    pub fn sign_by(
        &mut self,
        user: &str,
        algorithm: &str,
        public: &[u8],
        sign: impl FnOnce(&[u8]) -> Message,
    ) {
        let request = Message::new(50)
            .string(user)
            .string("ssh-connection")
            .string("publickey")
            .byte(1)
            .string(algorithm)
            .string(public);
        let signed = [&string(&self.session)[..], &request.0].concat();
        let signature = sign(&signed);
        self.send(&request.string(signature.0));
    }

    /// Returns the client's KEXINIT. Sent alone, it begins a key exchange that never ends.
    pub fn kexinit() -> Message {
        Self::kexinit_with("curve25519-sha256")
    }

    /// Returns the client's KEXINIT with these key exchange methods.
    pub fn kexinit_with(methods: &str) -> Message {
        let mut lists = lists();
        lists[0] = methods.as_bytes().to_vec();
        kexinit(&lists)
    }

    /// Exchanges the first keys, or new ones.
    pub fn exchange_keys(&mut self) -> io::Result<()> {
        self.exchange_keys_by(&Self::kexinit())
    }

    /// Exchanges keys with this KEXINIT, whose first method must be curve25519-sha256.
    pub fn exchange_keys_by(&mut self, ours: &Message) -> io::Result<()> {
        self.try_send(ours)?;
        let their_kexinit = self.receive_kind(KEXINIT)?;
        self.finish_exchange(ours, &their_kexinit)
    }

    /// Completes the key exchange after both sides have sent KEXINIT.
    pub fn finish_exchange(&mut self, ours: &Message, their_kexinit: &[u8]) -> io::Result<()> {
        let secret = Secret::fresh();
        let share = secret.share.clone();
        self.send(&Message::new(30).string(&share));
        let reply = self.wait_for(31);
        let (host_key, rest) = split_string(&reply[1..]);
        let (their_share, _) = split_string(rest);
        let transcript = Transcript {
            client_id: OURS,
            server_id: &self.theirs,
            client_init: &ours.0,
            server_init: their_kexinit,
            host_key,
            client_share: &share,
            server_share: their_share,
        };
        let exchanged = Exchanged::new(&transcript, secret.agree(their_share));
        if self.session.is_empty() {
            self.session.clone_from(&exchanged.hash);
        }
        self.send(&Message::new(NEWKEYS));
        self.wait_for(NEWKEYS);
        self.transport.set_keys(&exchanged, &self.session);
        Ok(())
    }

    /// Reads the server's identification string.
    pub fn identification(&mut self) {
        self.theirs = self.transport.identification();
    }

    /// Sends a message. Panics if the server has disconnected.
    pub fn send(&mut self, message: &Message) {
        self.try_send(message).expect("the connection lives");
    }

    /// Sends a message to a server that may have disconnected.
    pub fn try_send(&mut self, message: &Message) -> io::Result<()> {
        self.transport.try_send(message)
    }

    /// Returns a message's bytes on the wire.
    pub fn seal(&mut self, message: &Message) -> Vec<u8> {
        self.transport.seal(message)
    }

    /// Receives the next message, whatever its number is.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        self.transport.receive()
    }

    /// Receives messages up to the next one of this kind, and drops those before it.
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

    /// Returns the kinds of all messages until the server disconnects.
    pub fn kinds_until_the_end(&mut self) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Ok(message) = self.receive() {
            kinds.push(message[0]);
        }
        kinds
    }

    /// Returns the request to open a channel.
    pub fn open(ours: u32, window: u32) -> Message {
        Message::new(OPEN)
            .string("session")
            .u32(ours)
            .u32(window)
            .u32(32_768)
    }

    /// Opens a channel for SFTP. Returns the server's number of the channel and the window that the server grants at
    /// first.
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
        // The server can only answer if the window is large enough.
        if window > 1024 {
            self.wait_for(DATA);
        }
        opened
    }

    /// Sends at least this many bytes, in IGNORE messages.
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
    /// The server's number of the channel.
    pub theirs: u32,
    /// The window that the server grants at first, in bytes.
    pub window: u32,
}

/// Returns a message with data for a channel.
pub fn data(channel: u32, bytes: &[u8]) -> Message {
    Message::new(DATA).u32(channel).string(bytes)
}
