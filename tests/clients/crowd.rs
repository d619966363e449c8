//! Three hundred connections at once, each with a transfer of its own.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key, ssh_key};
use russh::{ChannelMsg, Preferred};
use tokio::sync::Barrier;

use crate::noise;
use crate::support::packets::{
    CREAT, Context, READ, Request, TRUNC, WRITE, close, init, nth, open, read, write,
};
use crate::support::replies::{Reply, decode};
use crate::support::server::Sandbox;

const CONNECTIONS: usize = 300;
const BLOCK: usize = 32_768;
const BLOCKS: usize = 8;

struct AnyServer;

impl client::Handler for AnyServer {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// A session of SFTP over russh's client: one packet at a time.
struct Session {
    _connection: Handle<AnyServer>,
    channel: russh::Channel<client::Msg>,
    buffer: Vec<u8>,
}

impl Session {
    async fn start(port: u16, user: &str, key: &ssh_key::PrivateKey) -> Self {
        let config = client::Config {
            preferred: Preferred::default(),
            ..client::Config::default()
        };
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
        assert!(matches!(session.receive().await, Reply::Version { .. }));
        session
    }

    async fn send(&mut self, request: &Request, handle: &[u8]) {
        let packet = request.encode(
            1,
            &Context {
                base: "",
                handles: &[handle.to_vec()],
            },
        );
        self.channel.data(&packet[..]).await.expect("send");
    }

    async fn receive(&mut self) -> Reply {
        loop {
            if let Some((length, rest)) = self.buffer.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if rest.len() >= length {
                    let (_, reply) = decode(&rest[..length]);
                    self.buffer.drain(..4 + length);
                    return reply;
                }
            }
            match self.channel.wait().await.expect("the channel lives") {
                ChannelMsg::Data { data } => self.buffer.extend_from_slice(&data),
                ChannelMsg::Success | ChannelMsg::WindowAdjusted { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    async fn ask(&mut self, request: &Request, handle: &[u8]) -> Reply {
        self.send(request, handle).await;
        self.receive().await
    }

    async fn open(&mut self, name: &str, flags: u32) -> Vec<u8> {
        match self.ask(&open(name, flags), b"").await {
            Reply::Handle(handle) => handle,
            other => panic!("{other:?}"),
        }
    }
}

/// Uploads noise of one's own, downloads it again, and compares.
async fn transfer(mut session: Session, number: usize) {
    let name = format!("file-{number}");
    let content = noise(BLOCK * BLOCKS, number as u64 + 1);
    let handle = session.open(&name, WRITE | CREAT | TRUNC).await;
    for (index, block) in content.chunks(BLOCK).enumerate() {
        let reply = session
            .ask(&write(nth(0), (index * BLOCK) as u64, block), &handle)
            .await;
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    }
    session.ask(&close(nth(0)), &handle).await;
    let handle = session.open(&name, READ).await;
    let mut back = Vec::new();
    while let Reply::Data(data) = session
        .ask(&read(nth(0), back.len() as u64, BLOCK as u32), &handle)
        .await
    {
        back.extend(data);
    }
    assert!(back == content, "file {number} came back changed");
}

#[test]
fn three_hundred_connections_all_come_out_whole() {
    let server = Sandbox::start(&["alice", "bob"]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let keys = ["alice", "bob"].map(|user| (user, load_secret_key(server.key(user), None).unwrap()));
    let port = server.port();
    runtime.block_on(async {
        let all_are_in = Arc::new(Barrier::new(CONNECTIONS));
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (user, key) = keys[number % 2].clone();
                let all_are_in = Arc::clone(&all_are_in);
                tokio::spawn(async move {
                    let session = Session::start(port, user, &key).await;
                    all_are_in.wait().await;
                    transfer(session, number).await;
                })
            })
            .collect();
        let all = async {
            for task in tasks {
                task.await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(180), all)
            .await
            .expect("all done in three minutes");
    });
    for number in 0..CONNECTIONS {
        let home = server.home(["alice", "bob"][number % 2]);
        let stored = std::fs::read(home.join(format!("file-{number}"))).unwrap();
        assert!(
            stored == noise(BLOCK * BLOCKS, number as u64 + 1),
            "file {number} is stored changed"
        );
    }
}
