//! An SFTP server that misbehaves as it is told, on top of russh's server. Files live in memory.

mod wire;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use md5::Digest as _;
use russh::server::{self, Auth, Config, Handler, Session};
use russh::{Channel, ChannelId};
use sftp_wire::extension::{Md5HashReply, Md5Query};
use sftp_wire::frame::{LENGTH_FIELD, request_length};
use sftp_wire::{
    Announcement, Attributes, ExtendedReply as _, ExtendedRequest, Extension, Name, NamesReply, OpenFlags,
    Packet, PacketType, Reply, Request, StatusCode,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use testkit::sshd::keygen;
use wire::{attributes, flip, no_such_file, status};

/// What it does wrong. The default is an honest server with md5-hash.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// It offers no way to hash.
    pub no_hashes: bool,
    /// It stores another bit than was sent, in the byte at this offset.
    pub flips: Option<u64>,
    /// It reads another bit than is stored, in the byte at this offset.
    pub reads_flipped: Option<u64>,
    /// A READ is answered with at most so many bytes.
    pub short: Option<usize>,
    /// Of every size that it tells.
    pub size_lie: i64,
    /// A WRITE at this offset, or a READ there, is refused, once.
    pub refuses: Option<u64>,
    /// Its first connection ends after so many requests.
    pub dies_after: Option<usize>,
    /// The answer to the first READ or WRITE of a connection comes so late.
    pub late: Duration,
    /// READs are answered last come, first served, so many together.
    pub backwards: usize,
    /// A directory.
    pub directory: Option<Vec<u8>>,
    /// What every directory contains.
    pub names: Vec<Vec<u8>>,
}

/// Files, by path.
type Files = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// The server; ends with the test.
pub struct FaultyServer {
    dir: tempfile::TempDir,
    pub port: u16,
    pub files: Files,
    stop: CancellationToken,
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl FaultyServer {
    pub async fn start(faults: Faults) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("homeport-faulty-")
            .tempdir()
            .unwrap();
        for name in ["host", "key"] {
            keygen(&dir.path().join(name), &["-t", "ed25519", "-N", ""]);
        }
        let key = russh::keys::load_secret_key(dir.path().join("host"), None).unwrap();
        let config = Arc::new(Config {
            keys: vec![key],
            ..Config::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (files, stop) = (Files::default(), CancellationToken::new());
        let (stored, faults, once) = (Arc::clone(&files), Arc::new(faults), Arc::<Once>::default());
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let talk = Talk {
                    faults: Arc::clone(&faults),
                    files: Arc::clone(&stored),
                    once: Arc::clone(&once),
                    first: once.connections.fetch_add(1, SeqCst) == 0,
                    ..Talk::default()
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(config, stream, talk).await {
                        // However it ended, the client has seen it.
                        let _ = session.await;
                    }
                });
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Self {
            dir,
            port,
            files,
            stop,
        }
    }

    /// Whoever has a key is let in.
    pub async fn client(&self) -> crate::client::transfer::client::Client {
        crate::client::transfer::client::Client::connect("tom", self.port, &self.key(), b"").await
    }

    /// A key.
    pub fn key(&self) -> std::path::PathBuf {
        self.dir.path().join("key")
    }

    pub fn put(&self, name: &str, content: &[u8]) {
        let path = format!("/{name}").into_bytes();
        self.files.lock().unwrap().insert(path, content.to_vec());
    }

    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let files = self.files.lock().unwrap();
        files.get(format!("/{name}").as_bytes()).cloned()
    }
}

/// What happens once in the life of a server.
#[derive(Default)]
struct Once {
    connections: AtomicUsize,
    refused: AtomicUsize,
}

/// One connection.
#[derive(Default)]
struct Talk {
    faults: Arc<Faults>,
    files: Files,
    once: Arc<Once>,
    first: bool,
    buffer: Vec<u8>,
    handles: HashMap<Vec<u8>, Vec<u8>>,
    requests: usize,
    /// The first READ or WRITE has been answered.
    was_late: bool,
    /// Directories that were read.
    listed: usize,
    /// READs that wait for others, so that they are answered backwards.
    waiting: Vec<Bytes>,
    /// It was asked for what is behind the end: nothing comes for which others could wait.
    probed: bool,
}

impl Handler for Talk {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)?;
        session.close(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.buffer.extend_from_slice(data);
        while let Some(length) = request_length(&self.buffer).unwrap() {
            if self.buffer.len() < LENGTH_FIELD + length {
                break;
            }
            let packet = self.buffer[LENGTH_FIELD..LENGTH_FIELD + length].to_vec();
            self.buffer.drain(..LENGTH_FIELD + length);
            self.requests += 1;
            if self.first && self.faults.dies_after.is_some_and(|after| self.requests > after) {
                // Of what waits only the newest answer is given.
                self.waiting.drain(..self.waiting.len().saturating_sub(1));
                self.let_out(channel, session)?;
                return session.disconnect(russh::Disconnect::ByApplication, "enough", "en");
            }
            let packet_type = PacketType::of(&packet);
            let moves = matches!(packet_type, Some(PacketType::Read | PacketType::Write));
            if moves && !std::mem::replace(&mut self.was_late, true) {
                tokio::time::sleep(self.faults.late).await;
            }
            let reply = self.answer(&packet);
            if packet_type == Some(PacketType::Read) && !self.probed {
                self.waiting.push(reply);
                // On a later connection fewer are asked for than would have to come together.
                let in_order = self.faults.dies_after.is_some() && !self.first;
                if !in_order && self.waiting.len() < self.faults.backwards {
                    continue;
                }
            } else {
                self.waiting.insert(0, reply);
            }
            self.let_out(channel, session)?;
        }
        Ok(())
    }
}

impl Talk {
    fn let_out(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        for reply in self.waiting.drain(..).rev() {
            session.data(channel, reply)?;
        }
        Ok(())
    }

    fn answer(&mut self, packet: &[u8]) -> Bytes {
        match Packet::decode(packet) {
            Packet::Init { .. } => self.version(),
            Packet::Request { id, request } => self.request(id, request),
            Packet::Bad { .. } => panic!("our client sends {packet:?}"),
        }
    }

    fn version(&self) -> Bytes {
        let mut extensions = Vec::new();
        if !self.faults.no_hashes {
            extensions.push(Announcement {
                name: Extension::Md5Hash.name().as_bytes(),
                data: b"1",
            });
        }
        let version = sftp_wire::VERSION;
        Reply::<&[u8]>::Version { version, extensions }.to_bytes(0)
    }

    fn request(&mut self, id: u32, request: Request<'_>) -> Bytes {
        match request {
            Request::Open { path, flags, .. } => self.open(id, path, flags),
            Request::Opendir { path } => self.handle(id, path),
            Request::Read {
                handle,
                offset,
                length,
            } => self.read(id, handle, offset, length),
            Request::Write { handle, offset, data } => self.write(id, handle, offset, data),
            Request::Stat { path } | Request::Lstat { path } => self.attrs(id, path),
            Request::Fstat { handle } => self.attrs(id, &self.handles[handle].clone()),
            Request::Setstat { path, attrs } => self.set(id, path, attrs),
            Request::Realpath { path } => NamesReply::single(id, path),
            Request::Readdir { .. } => self.names(id),
            Request::Extended(ExtendedRequest::Md5Hash { path, query }) if !self.faults.no_hashes => {
                self.md5(id, path, query)
            }
            Request::Extended(_) => status(id, StatusCode::OpUnsupported, "no"),
            _ => status(id, StatusCode::Ok, ""),
        }
    }

    fn handle(&mut self, id: u32, path: &[u8]) -> Bytes {
        let handle = (self.handles.len() as u32).to_be_bytes().to_vec();
        self.handles.insert(handle.clone(), path.to_vec());
        Reply::Handle(&handle[..]).to_bytes(id)
    }

    fn open(&mut self, id: u32, path: &[u8], flags: OpenFlags) -> Bytes {
        let mut files = self.files.lock().unwrap();
        if !flags.contains(OpenFlags::CREAT) && !files.contains_key(path) {
            return no_such_file(id);
        }
        let file = files.entry(path.to_vec()).or_default();
        if flags.contains(OpenFlags::TRUNC) {
            file.clear();
        }
        drop(files);
        self.handle(id, path)
    }

    fn refuses(&self, offset: u64) -> bool {
        self.faults.refuses == Some(offset) && self.once.refused.fetch_add(1, SeqCst) == 0
    }

    fn read(&mut self, id: u32, handle: &[u8], offset: u64, length: u32) -> Bytes {
        if self.refuses(offset) {
            return status(id, StatusCode::Failure, "the disk \u{1b}[31mbroke");
        }
        let files = self.files.lock().unwrap();
        let content = files.get(&self.handles[handle]).unwrap();
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest
            .len()
            .min(length as usize)
            .min(self.faults.short.unwrap_or(usize::MAX));
        self.probed |= rest.is_empty();
        match count {
            0 => status(id, StatusCode::Eof, "End of file"),
            count => {
                let mut data = rest[..count].to_vec();
                flip(&mut data, offset, self.faults.reads_flipped);
                Reply::Data(&data[..]).to_bytes(id)
            }
        }
    }

    fn write(&mut self, id: u32, handle: &[u8], offset: u64, data: &[u8]) -> Bytes {
        if self.refuses(offset) {
            return status(id, StatusCode::Failure, "the disk \u{1b}[31mbroke");
        }
        let mut data = data.to_vec();
        flip(&mut data, offset, self.faults.flips);
        let mut files = self.files.lock().unwrap();
        let content = files.get_mut(&self.handles[handle]).unwrap();
        let end = offset as usize + data.len();
        content.resize(content.len().max(end), 0);
        content[offset as usize..end].copy_from_slice(&data);
        status(id, StatusCode::Ok, "")
    }

    fn attrs(&mut self, id: u32, path: &[u8]) -> Bytes {
        let attrs = match self.files.lock().unwrap().get(path) {
            _ if self.faults.directory.as_deref() == Some(path) => attributes(0, 0o040_755),
            Some(content) => {
                let size = (content.len() as u64).saturating_add_signed(self.faults.size_lie);
                attributes(size, 0o100_644)
            }
            None => return status(id, StatusCode::NoSuchFile, "No such file"),
        };
        Reply::<&[u8]>::Attrs(attrs).to_bytes(id)
    }

    /// Only the size counts.
    fn set(&mut self, id: u32, path: &[u8], attrs: Attributes) -> Bytes {
        if let Some(size) = attrs.size {
            let mut files = self.files.lock().unwrap();
            let content = files.get_mut(path).unwrap();
            content.resize(size as usize, 0);
        }
        status(id, StatusCode::Ok, "")
    }

    fn names(&mut self, id: u32) -> Bytes {
        self.listed += 1;
        if self.listed > 1 {
            return status(id, StatusCode::Eof, "End of file");
        }
        let entry = |name: &Vec<u8>| Name {
            name: Bytes::copy_from_slice(name),
            long: Bytes::copy_from_slice(name),
            attrs: attributes(5, 0o100_644),
        };
        Reply::Names(self.faults.names.iter().map(entry).collect()).to_bytes(id)
    }

    /// Of what is stored, honestly.
    fn md5(&mut self, id: u32, path: &[u8], query: Md5Query<'_>) -> Bytes {
        let Md5Query { offset, length, .. } = query;
        let files = self.files.lock().unwrap();
        let Some(content) = files.get(path) else {
            return no_such_file(id);
        };
        let end = match length {
            0 => content.len(),
            length => content.len().min((offset + length) as usize),
        };
        let hash = md5::Md5::digest(&content[offset as usize..end]);
        let name = b"md5-hash";
        Md5HashReply { name, hash: &hash }.to_bytes(id)
    }
}
