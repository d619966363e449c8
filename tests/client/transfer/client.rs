//! The client's library, used as a command uses it. All results and warnings are recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use homeport::connect::{ConfigFile, Credentials};
use homeport::link::{RemoteError, Space};
use homeport::remote::Remote;
use homeport::transfer::error::TransferError;
use homeport::transfer::free_space::{InsufficientSpace, missing_space};
use homeport::transfer::progress_hub::{FileProgress, ProgressHub, ProgressObserver, Totals};
use homeport::transfer::stream::upload::StreamUpload;
use homeport::transfer::{Direction, Engine, Job, Outcome, Settings, Summary};
use tokio_util::sync::CancellationToken;

use crate::client::connect::prompts::ScriptedPrompts;
use crate::client::destination::local_destination;

/// The longest time of one run before it counts as hung.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// A local directory, and a signed-in connection to a server.
pub struct Client {
    dir: tempfile::TempDir,
    pub remote: Arc<Remote>,
    /// The directory of the files on the server.
    pub base: Vec<u8>,
}

impl Client {
    /// Connects, and signs in with this key.
    pub async fn connect(user: &str, port: u16, key: &Path, base: &[u8]) -> Self {
        Self::configured(user, port, &format!("IdentityFile {}\n", key.display()), base).await
    }

    /// Connects with this configuration of ssh, and signs in.
    pub async fn configured(user: &str, port: u16, config: &str, base: &[u8]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("homeport-transfer-")
            .tempdir()
            .unwrap();
        let file = dir.path().join("ssh_config");
        std::fs::write(&file, config).unwrap();
        let destination = local_destination(user, port, dir.path(), ConfigFile::File(file));
        let connecting = Remote::connect(
            destination,
            Credentials::default(),
            ScriptedPrompts::without_answers(),
        );
        let remote = tokio::time::timeout(testkit::PATIENCE, connecting).await;
        Self {
            remote: Arc::new(remote.expect("connected in time").expect("connected")),
            dir,
            base: base.to_vec(),
        }
    }

    /// Returns the path of a file in the local directory.
    pub fn local(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in the local directory.
    pub fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.local(name), content).unwrap();
    }

    /// Returns the job that transfers a file to the same name on the other side.
    pub fn job(&self, direction: Direction, name: &str) -> Job {
        let local = self.local(name);
        Job {
            direction,
            size: std::fs::metadata(&local).map_or(0, |meta| meta.len()),
            local,
            remote: [&self.base[..], b"/", name.as_bytes()].concat(),
            destination: None,
            known: None,
        }
    }

    /// Returns the job that uploads a file.
    pub fn up(&self, name: &str) -> Job {
        self.job(Direction::Up, name)
    }

    /// Returns the job that downloads a file, whose size a listing would have shown.
    pub fn down(&self, name: &str, size: usize) -> Job {
        Job {
            size: size as u64,
            ..self.job(Direction::Down, name)
        }
    }

    /// Returns the room that uploads lack on the server, if this much is there.
    pub async fn missing_space(
        &self,
        jobs: &[Job],
        space: Space,
    ) -> Result<Option<InsufficientSpace>, RemoteError> {
        let hub = ProgressHub::new(Arc::default(), Box::new(Recorder(Arc::default())));
        let (remote, stop) = (Arc::clone(&self.remote), CancellationToken::new());
        let engine = Engine::new(remote, Settings::default(), hub, stop);
        missing_space(&engine.context, jobs, Some(space)).await
    }

    /// Sends these bytes as standard input to a file of the server.
    pub async fn stream(&self, name: &str, content: &[u8]) -> End {
        let hub = ProgressHub::new(Arc::default(), Box::new(Recorder(Arc::default())));
        hub.expect(1, 0);
        let (remote, stop) = (Arc::clone(&self.remote), CancellationToken::new());
        let engine = Engine::new(remote, Settings::default(), hub, stop);
        let input = Box::new(std::io::Cursor::new(content.to_vec()));
        let sending = StreamUpload::new(&engine.context, self.up(name)).run(input);
        let sent = tokio::time::timeout(RUN_LIMIT, sending).await;
        sent.expect("a stream that hangs")
            .map_err(|error| error.to_string())
    }

    /// Runs these jobs to their end.
    pub async fn run(&self, settings: Settings, jobs: Vec<Job>) -> Run {
        self.run_until(&CancellationToken::new(), settings, jobs).await
    }

    /// Runs these jobs until `stop` is cancelled.
    pub async fn run_until(&self, stop: &CancellationToken, settings: Settings, jobs: Vec<Job>) -> Run {
        let log = Arc::<Log>::default();
        let totals = Arc::<Totals>::default();
        let hub = ProgressHub::new(Arc::clone(&totals), Box::new(Recorder(Arc::clone(&log))));
        hub.expect(jobs.len() as u64, jobs.iter().map(|job| job.size).sum());
        let engine = Engine::new(Arc::clone(&self.remote), settings, hub, stop.clone());
        let running = tokio::time::timeout(RUN_LIMIT, engine.run(jobs));
        let summary = running.await.expect("a run that hangs");
        // At the end, the counters of the run are complete.
        assert_eq!(totals.done.load(Relaxed), totals.bytes.load(Relaxed), "{log:?}");
        assert_eq!(totals.ended.load(Relaxed), totals.files.load(Relaxed));
        let ended = std::mem::take(&mut *log.ended.lock().unwrap());
        let warnings = log.warnings.lock().unwrap().join("\n");
        Run {
            summary,
            ended,
            warnings,
            moved: totals.moved.load(Relaxed),
            compared: std::mem::take(&mut *log.compared.lock().unwrap()),
        }
    }
}

/// The outcome of one file, or the message of its error.
pub type End = Result<Outcome, String>;

/// The results of a run.
#[derive(Debug)]
pub struct Run {
    pub summary: Summary,
    /// The outcomes by the names of the local files.
    pub ended: BTreeMap<String, End>,
    pub warnings: String,
    pub moved: u64,
    /// The bytes that were shown as compared in the last stage of each file, by the names of the local files.
    pub compared: BTreeMap<String, u64>,
}

impl Run {
    /// Returns the outcome of the only file of the run.
    pub fn only(&self) -> &End {
        assert_eq!(self.ended.len(), 1, "{self:?}");
        self.ended.values().next().unwrap()
    }

    /// Returns the offset from which the only file was sent.
    pub fn resumed_from(&self) -> u64 {
        match self.only() {
            Ok(Outcome::Sent { resumed_from, .. }) => *resumed_from,
            other => panic!("{other:?}; {}", self.warnings),
        }
    }

    /// Asserts that the only file failed with a message that contains these texts.
    pub fn failed_with(&self, words: &[&str]) {
        let Err(text) = self.only() else {
            panic!("{self:?}");
        };
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    ended: Mutex<BTreeMap<String, End>>,
    warnings: Mutex<Vec<String>>,
    compared: Mutex<BTreeMap<String, u64>>,
}

struct Recorder(Arc<Log>);

impl ProgressObserver for Recorder {
    fn began(&self, _job: &Job, _meter: &Arc<FileProgress>) {}

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        let name = job.local.file_name().unwrap().to_string_lossy().into_owned();
        let end = match result {
            Ok(outcome) => Ok(*outcome),
            Err(error) => Err(error.to_string()),
        };
        let compared = progress.compared();
        self.0.compared.lock().unwrap().insert(name.clone(), compared);
        let before = self.0.ended.lock().unwrap().insert(name, end);
        assert!(before.is_none(), "a file that ended twice");
    }

    fn fail(&self, name: &[u8], why: &str) {
        self.warn(&format!("{}: FAILED: {why}", String::from_utf8_lossy(name)));
    }

    fn undone(&self, message: &str) {
        self.warn(message);
    }

    fn left_out(&self, message: &str) {
        self.warn(message);
    }

    fn warn(&self, message: &str) {
        self.0.warnings.lock().unwrap().push(message.to_owned());
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }

    fn reconnecting(&self, _at: Option<Instant>) {}
}
