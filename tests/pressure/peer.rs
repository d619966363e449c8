//! An SSH client whose window, packet size, rekeying and reading are controlled by the test.
//!
//! russh's client enlarges its window as data arrives. A [`Gate`] in front of its socket makes it a client that does
//! not read: nothing arrives, so the window stays shut, but requests are still sent.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle, Session};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelId, ChannelWriteHalf, Limits, Names};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use testkit::packets::{self, Request, init};
use testkit::replies::{Reply, decode, split_packet};
use testkit::server::TestServer;

/// The longest time of any step in these tests.
pub const STEP_LIMIT: Duration = Duration::from_secs(300);

/// The window, the packet size and the rekeying of a client.
#[derive(Debug, Clone, Copy)]
pub struct PeerSettings {
    /// The window of each channel, in bytes.
    pub window: u32,
    /// The largest packet that it accepts, in bytes.
    pub packet: u32,
    /// The bytes after which it starts a key exchange.
    pub rekey: Option<usize>,
}

impl PeerSettings {
    /// Returns settings with this window, packets of 32 KiB, and no key exchange by the client.
    pub fn window(window: u32) -> Self {
        Self {
            window,
            packet: 32_768,
            rekey: None,
        }
    }
}

/// Controls what the client receives from its socket.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<(GateState, Option<Waker>)>>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum GateState {
    #[default]
    Open,
    /// Nothing is received; the data stays in the socket.
    Shut,
    /// The connection appears to be lost.
    Lost,
}

impl Gate {
    pub fn shut(&self) {
        self.0.lock().unwrap().0 = GateState::Shut;
    }

    pub fn open(&self) {
        self.see(GateState::Open);
    }

    /// Closes the socket without a DISCONNECT message.
    pub fn close_silently(&self) {
        self.see(GateState::Lost);
    }

    fn see(&self, state: GateState) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = state;
        if let Some(waker) = gate.1.take() {
            waker.wake();
        }
    }
}

struct Gated {
    stream: TcpStream,
    gate: Gate,
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut gate = self.gate.0.lock().unwrap();
            // The reader must be woken when the gate changes.
            gate.1 = Some(cx.waker().clone());
            match gate.0 {
                GateState::Open => {}
                GateState::Shut => return Poll::Pending,
                GateState::Lost => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[derive(Default)]
struct Seen {
    key_exchanges: AtomicUsize,
    routes: Mutex<HashMap<ChannelId, UnboundedSender<Vec<u8>>>>,
}

struct Events(Arc<Seen>);

impl client::Handler for Events {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn kex_done(
        &mut self,
        _secret: Option<&[u8]>,
        _names: &Names,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.0.key_exchanges.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(route) = self.0.routes.lock().unwrap().get(&id) {
            let _ = route.send(data.to_vec());
        }
        Ok(())
    }

    async fn disconnected(&mut self, _reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        // All channels end with the connection.
        self.0.routes.lock().unwrap().clear();
        Ok(())
    }
}

/// A connection that has signed in.
pub struct Peer {
    connection: Handle<Events>,
    seen: Arc<Seen>,
    pub gate: Gate,
}

impl Peer {
    pub async fn connect(server: &TestServer, user: &str, settings: PeerSettings) -> Self {
        Self::connect_to(server.port(), user, &server.key(user), settings).await
    }

    pub async fn connect_to(port: u16, user: &str, key: &Path, settings: PeerSettings) -> Self {
        let mut config = client::Config {
            window_size: settings.window,
            maximum_packet_size: settings.packet,
            nodelay: true,
            ..client::Config::default()
        };
        if let Some(bytes) = settings.rekey {
            config.limits = Limits::new(bytes, bytes, Duration::from_secs(3600));
        }
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
        stream.set_nodelay(true).unwrap();
        let (gate, seen) = (Gate::default(), Arc::<Seen>::default());
        let gated = Gated {
            stream,
            gate: gate.clone(),
        };
        let mut connection = client::connect_stream(Arc::new(config), gated, Events(Arc::clone(&seen)))
            .await
            .expect("an SSH session");
        let key = load_secret_key(key, None).unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let signed_in = connection.authenticate_publickey(user, key).await;
        assert!(signed_in.expect("an answer").success(), "{user} is not let in");
        Self {
            connection,
            seen,
            gate,
        }
    }

    /// Opens a channel with an SFTP session, and sends INIT.
    pub async fn sftp(&self) -> (Sender, Receiver) {
        self.try_sftp().await.expect("a channel")
    }

    /// Opens a channel with an SFTP session, or returns `None` if the server has ended the connection.
    pub async fn try_sftp(&self) -> Option<(Sender, Receiver)> {
        let channel = self.connection.channel_open_session().await.ok()?;
        let (reader, writer) = channel.split();
        // This half is dropped, so that a slow reader does not stop the client's event loop.
        drop(reader);
        let (sink, source) = unbounded_channel();
        self.seen.routes.lock().unwrap().insert(writer.id(), sink);
        writer
            .request_subsystem(true, "sftp")
            .await
            .expect("the subsystem");
        let sender = Sender(writer);
        let mut receiver = Receiver {
            source,
            buffer: Vec::new(),
            start: 0,
        };
        sender.send(encode(&init(3), 0, b"")).await;
        let hello = receiver.next().await.expect("a VERSION");
        assert!(matches!(decode(&hello).1, Reply::Version { version: 3, .. }));
        Some((sender, receiver))
    }

    /// Starts a key exchange from the client side.
    pub async fn rekey(&self) {
        self.connection.rekey_soon().await.expect("the connection lives");
    }

    /// Returns the number of key exchanges so far, including the first one.
    pub fn key_exchanges(&self) -> usize {
        self.seen.key_exchanges.load(Ordering::Relaxed)
    }
}

/// The sending side of one channel.
pub struct Sender(ChannelWriteHalf<client::Msg>);

impl Sender {
    /// Sends bytes, as one SSH message if they are fewer than 65,000.
    pub async fn send(&self, bytes: Vec<u8>) {
        self.try_send(bytes).await.expect("the connection lives");
    }

    pub async fn try_send(&self, bytes: Vec<u8>) -> Result<(), russh::Error> {
        self.0.data_bytes(bytes).await
    }
}

/// The receiving side of one channel, which splits the stream into packets.
pub struct Receiver {
    source: UnboundedReceiver<Vec<u8>>,
    buffer: Vec<u8>,
    start: usize,
}

impl Receiver {
    /// Returns the next packet without its length field, or `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((packet, rest)) = split_packet(&self.buffer[self.start..]) {
                let packet = packet.to_vec();
                self.start = self.buffer.len() - rest.len();
                return Some(packet);
            }
            let at_hand = self.buffer.len() - self.start;
            assert!(at_hand <= 2 << 20, "a reply of more than {at_hand} bytes");
            self.buffer.drain(..self.start);
            self.start = 0;
            let more = self.source.recv().await?;
            self.buffer.extend_from_slice(&more);
        }
    }

    /// Returns the next reply, which must have this id.
    pub async fn reply_to(&mut self, id: u32) -> Reply {
        let packet = tokio::time::timeout(STEP_LIMIT, self.next())
            .await
            .unwrap_or_else(|_| panic!("no reply to request {id} in {STEP_LIMIT:?}"))
            .unwrap_or_else(|| panic!("the connection ended before the reply to request {id}"));
        let (replied, reply) = decode(&packet);
        assert_eq!(replied, Some(id), "out of order: a reply of type {}", packet[0]);
        reply
    }
}

/// Sends a request, and returns its reply.
pub async fn ask(ends: &mut (Sender, Receiver), request: &Request, handle: &[u8]) -> Reply {
    ends.0.send(encode(request, u32::MAX, handle)).await;
    ends.1.reply_to(u32::MAX).await
}

/// Opens a file or a directory, and returns its handle.
pub async fn open(ends: &mut (Sender, Receiver), request: &Request) -> Vec<u8> {
    match ask(ends, request, b"").await {
        Reply::Handle(handle) => handle,
        other => panic!("{request:?} gave no handle but {other:?}"),
    }
}

/// Encodes a request, in which `nth(0)` is this handle.
pub fn encode(request: &Request, id: u32, handle: &[u8]) -> Vec<u8> {
    let context = packets::Context {
        base: "",
        handles: &[handle.to_vec()],
    };
    request.encode(id, &context)
}
