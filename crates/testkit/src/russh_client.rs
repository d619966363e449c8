//! SFTP over russh's own client, in this process: hundreds of connections, and windows of any size.

use std::sync::Arc;

use russh::ChannelMsg;
use russh::client::{self, Config, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, ssh_key};

use super::packets::{Context, Request, init, open};
use super::replies::{Reply, decode, split_packet};

/// A client handler that accepts any host key.
pub struct AnyServer;

impl client::Handler for AnyServer {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// An SFTP session over russh's client, one packet at a time.
pub struct Session {
    _connection: Handle<AnyServer>,
    channel: russh::Channel<client::Msg>,
    buffer: Vec<u8>,
}

impl Session {
    /// Connects, signs in and sends INIT.
    pub async fn start(config: Config, port: u16, user: &str, key: &ssh_key::PrivateKey) -> Self {
        let mut connection = client::connect(Arc::new(config), ("127.0.0.1", port), AnyServer)
            .await
            .expect("connect");
        let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
        let signed_in = connection
            .authenticate_publickey(user, key)
            .await
            .expect("authenticate");
        assert!(signed_in.success(), "not signed in");
        let channel = connection.channel_open_session().await.expect("open a channel");
        channel.request_subsystem(true, "sftp").await.expect("subsystem");
        let mut session = Self {
            _connection: connection,
            channel,
            buffer: Vec::new(),
        };
        session.send(&init(3), &[]).await;
        assert!(matches!(session.receive().await.1, Reply::Version { .. }));
        session
    }

    /// Sends a request with id 1. `handle` replaces `nth(0)`.
    pub async fn send(&mut self, request: &Request, handle: &[u8]) {
        let packet = request.encode(
            1,
            &Context {
                base: "",
                handles: &[handle.to_vec()],
            },
        );
        self.send_bytes(&packet).await;
    }

    /// Sends bytes as data of the channel, unchanged.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.channel.data(bytes).await.expect("send");
    }

    /// Returns the next reply and its id.
    pub async fn receive(&mut self) -> (Option<u32>, Reply) {
        loop {
            if let Some((packet, rest)) = split_packet(&self.buffer) {
                let (reply, rest) = (decode(packet), rest.len());
                self.buffer.drain(..self.buffer.len() - rest);
                return reply;
            }
            match self.channel.wait().await.expect("the channel lives") {
                ChannelMsg::Data { data } => self.buffer.extend_from_slice(&data),
                ChannelMsg::Success | ChannelMsg::WindowAdjusted { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Sends a request and returns its reply.
    pub async fn ask(&mut self, request: &Request, handle: &[u8]) -> Reply {
        self.send(request, handle).await;
        self.receive().await.1
    }

    /// Opens a file and returns its handle.
    pub async fn open(&mut self, name: &str, flags: u32) -> Vec<u8> {
        match self.ask(&open(name, flags), b"").await {
            Reply::Handle(handle) => handle,
            other => panic!("{other:?}"),
        }
    }
}
