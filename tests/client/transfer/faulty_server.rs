//! An SFTP server with chosen faults, on top of russh's server. Its files exist in memory only.

mod connection;
mod continued;
mod counters;
mod replies;
mod shell;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::server::{self, Config};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use connection::FaultyConnection;
pub use counters::HashedBytes;
use counters::SharedCounters;
pub use shell::Shell;
use testkit::sshd::keygen;

/// The faults of a server. By default it has none, and offers md5-hash.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The server offers no way to hash files.
    pub no_hashes: bool,
    /// What is wrong with the replies to md5-hash and continue-hash.
    pub hashes: HashFault,
    /// The server offers continue-hash, too.
    pub continues_hashes: bool,
    /// The program that runs commands. Without one they are refused.
    pub shell: Option<Shell>,
    /// The server flips a bit of the byte at this offset when it stores a file.
    pub flips: Option<u64>,
    /// The server flips a bit of the byte at this offset when it reads a file.
    pub reads_flipped: Option<u64>,
    /// The most bytes with which a READ is answered.
    pub short: Option<usize>,
    /// The difference between the size that the server reports and the real one, in bytes.
    pub size_lie: i64,
    /// The first READ or WRITE at this offset is refused.
    pub refuses: Option<u64>,
    /// The first connection ends after this many requests.
    pub dies_after: Option<usize>,
    /// The number of connections that end so after the first one.
    pub dies_again: usize,
    /// The first connection ends when it is to run a command.
    pub dies_at_command: bool,
    /// The time of the last change of every file. Without it the server does not tell times.
    pub modified: Option<u32>,
    /// The delay of the reply to the first READ or WRITE of each connection.
    pub late: Duration,
    /// The number of READs whose replies are sent together, the last one first.
    pub backwards: usize,
    /// The path that is a directory; all other paths are files.
    pub directory: Option<Vec<u8>>,
    /// The server empties every file that is opened for writing, as rclone does.
    pub empties_opened: bool,
    /// The path that cannot be opened.
    pub refuses_open: Option<Vec<u8>>,
    /// The path of the directory that cannot be made.
    pub refuses_mkdir: Option<Vec<u8>>,
    /// The server refuses to set times.
    pub refuses_times: bool,
    /// The names in every directory.
    pub names: Vec<Vec<u8>>,
    /// Listings fail after their first names.
    pub listing_fails: bool,
    /// The files of a second server behind the same address, where all connections but the first end.
    pub second_server: Option<Files>,
}

/// What is wrong with a reply to md5-hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HashFault {
    /// The server answers with the right hash.
    #[default]
    None,
    /// The hash is that of an empty input.
    OfNothing,
    /// The hash is a byte too short.
    Short,
    /// One bit of the hash is wrong.
    Lie,
    /// The server refuses to hash any file.
    Denied,
}

/// The contents of the files by their absolute paths.
pub type Files = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// A running server, which ends when this is dropped.
pub struct FaultyServer {
    dir: tempfile::TempDir,
    pub port: u16,
    pub files: Files,
    counters: Arc<SharedCounters>,
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
        let counters = Arc::<SharedCounters>::default();
        let (stored, faults, shared) = (Arc::clone(&files), Arc::new(faults), Arc::clone(&counters));
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection =
                    FaultyConnection::new(Arc::clone(&faults), Arc::clone(&stored), Arc::clone(&shared));
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(config, stream, connection).await {
                        // The client sees how the session ends, so the result does not matter here.
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
            counters,
            stop,
        }
    }

    /// Returns the requests for hashes so far.
    pub fn hashed(&self) -> Vec<HashedBytes> {
        self.counters.hashed.lock().unwrap().clone()
    }

    /// Returns the commands that were run so far.
    pub fn commands(&self) -> Vec<String> {
        self.counters.commands.lock().unwrap().clone()
    }

    /// Connects a client to the server, which accepts any credentials.
    pub async fn client(&self) -> crate::client::transfer::client::Client {
        crate::client::transfer::client::Client::connect("tom", self.port, &self.key(), b"").await
    }

    /// Returns the path of a private key for clients.
    pub fn key(&self) -> std::path::PathBuf {
        self.dir.path().join("key")
    }

    /// Stores a file in the root directory.
    pub fn put(&self, name: &str, content: &[u8]) {
        let path = format!("/{name}").into_bytes();
        self.files.lock().unwrap().insert(path, content.to_vec());
    }

    /// Returns the content of a file in the root directory, if it exists.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let files = self.files.lock().unwrap();
        files.get(format!("/{name}").as_bytes()).cloned()
    }
}
