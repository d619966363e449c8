//! SSH message by message, as client or as server, up to the sign-in, with any bytes in any field. The host key and
//! signatures are not checked.

use std::io::Write;
use std::net::TcpStream;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::transport::{Exchanged, Role, Secret, Transcript, Transport};
pub use super::transport::{Message, split_string};

/// Creates a message that begins with its number.
pub fn message(number: u8) -> Message {
    Message::new(number)
}

/// The ten name lists of a KEXINIT.
pub type Lists = [Vec<u8>; 10];

/// Returns lists with one name each; lists that may be empty are empty.
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

/// Returns a KEXINIT with these lists.
pub fn kexinit(lists: &Lists) -> Message {
    let random = Message([&[20], &[7; 16][..]].concat());
    let lists = lists.iter().fold(random, |message, list| message.string(list));
    lists.byte(0).u32(0)
}

/// A connection whose messages are sent and received one by one.
pub struct Wire {
    transport: Transport,
}

impl Wire {
    /// Connects, exchanges keys and requests the service ssh-userauth.
    pub fn client(port: u16, lists: &Lists) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut wire = Self::exchange(stream, Role::Client, lists);
        wire.send(&message(5).string("ssh-userauth"));
        wire.expect(6);
        wire
    }

    /// Serves one client up to its first authentication request.
    pub fn server(stream: TcpStream, lists: &Lists) -> Self {
        let mut wire = Self::exchange(stream, Role::Server, lists);
        wire.expect(5);
        wire.send(&message(6).string("ssh-userauth"));
        wire
    }

    fn exchange(stream: TcpStream, role: Role, lists: &Lists) -> Self {
        let mut wire = Self {
            transport: Transport::new(stream, role),
        };
        let own_id = b"SSH-2.0-wire";
        let greeting = [&own_id[..], b"\r\n"].concat();
        wire.transport.stream.write_all(&greeting).unwrap();
        let their_id = wire.transport.identification();
        let own_init = kexinit(lists);
        wire.send(&own_init);
        let their_init = wire.expect(20);
        let secret = Secret::fresh();
        let own_share = secret.share.clone();
        let exchanged = match role {
            Role::Client => {
                wire.send(&message(30).string(&own_share));
                let reply = wire.expect(31);
                let (host_key, rest) = split_string(&reply[1..]);
                let (server_share, _) = split_string(rest);
                let transcript = Transcript {
                    client_id: own_id,
                    server_id: &their_id,
                    client_init: &own_init.0,
                    server_init: &their_init,
                    host_key,
                    client_share: &own_share,
                    server_share,
                };
                Exchanged::new(&transcript, secret.agree(server_share))
            }
            Role::Server => {
                let init = wire.expect(30);
                let (client_share, _) = split_string(&init[1..]);
                let key = Ed25519KeyPair::generate().unwrap();
                let name = "ssh-ed25519";
                let host_key = Message(Vec::new())
                    .string(name)
                    .string(key.public_key().as_ref())
                    .0;
                let transcript = Transcript {
                    client_id: &their_id,
                    server_id: own_id,
                    client_init: &their_init,
                    server_init: &own_init.0,
                    host_key: &host_key,
                    client_share,
                    server_share: &own_share,
                };
                let exchanged = Exchanged::new(&transcript, secret.agree(client_share));
                let signature = key.sign(&exchanged.hash);
                let signature = Message(Vec::new()).string(name).string(signature.as_ref()).0;
                wire.send(&message(31).string(&host_key).string(&own_share).string(signature));
                exchanged
            }
        };
        wire.send(&message(21));
        wire.expect(21);
        wire.transport.set_keys(&exchanged, &exchanged.hash);
        wire
    }

    /// Sends a message to the other end.
    pub fn send(&mut self, message: &Message) {
        self.try_send(message).unwrap();
    }

    /// Sends a message to a peer that may have disconnected.
    pub fn try_send(&mut self, message: &Message) -> std::io::Result<()> {
        self.transport.try_send(message)
    }

    /// Returns the next message except those that need no answer (IGNORE, DEBUG, EXT_INFO, the announcement of host
    /// keys), or `None` at the end.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let payload = self.transport.receive().ok()?;
            let announces = payload.starts_with(b"\x50\0\0\0\x17hostkeys-00@openssh.com");
            if !matches!(payload[0], 2 | 4 | 7) && !announces {
                return Some(payload);
            }
        }
    }

    /// Returns the next message, which must have this number.
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

/// Returns a USERAUTH_REQUEST by password.
pub fn password_request(user: &[u8], password: &[u8]) -> Message {
    userauth(user, "password").byte(0).string(password)
}

/// Returns the beginning of each USERAUTH_REQUEST.
pub fn userauth(user: impl AsRef<[u8]>, method: impl AsRef<[u8]>) -> Message {
    message(50).string(user).string("ssh-connection").string(method)
}
