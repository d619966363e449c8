//! The client's library, used as a command uses it; what a person would see is written down.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeport::connect::{
    ConfigFile, Credentials, Destination, LocalEnvironment, Options, Target, Unattended, UnknownKeys,
};
use homeport::remote::Remote;
use homeport::transfer::error::TransferError;
use homeport::transfer::progress_hub::{FileProgress, ProgressHub, ProgressObserver, Totals};
use homeport::transfer::{Direction, Engine, Job, Outcome, Settings, Summary};
use tokio_util::sync::CancellationToken;

/// Longest that one run may take before it counts as hung.
const BOUND: Duration = Duration::from_secs(300);

/// A directory of this machine's, and a server that somebody is signed in to.
pub struct Client {
    dir: tempfile::TempDir,
    pub remote: Arc<Remote>,
    /// Where uploads go and downloads come from, as the server names it.
    pub base: Vec<u8>,
}

impl Client {
    /// Signs in by this key.
    pub async fn connect(user: &str, port: u16, key: &Path, base: &[u8]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("homeport-transfer-")
            .tempdir()
            .unwrap();
        let config = dir.path().join("ssh_config");
        std::fs::write(&config, format!("IdentityFile {}\n", key.display())).unwrap();
        let options = Options {
            config: ConfigFile::File(config),
            unknown_keys: Some(UnknownKeys::Learn),
            ..Options::default()
        };
        let here = LocalEnvironment {
            home: dir.path().to_owned(),
            local_user: "nobody".to_owned(),
            agent: None,
            system: dir.path().join("etc"),
        };
        let word = format!("sftp://{user}@127.0.0.1:{port}");
        let target = Target::parse(OsStr::new(&word)).unwrap();
        let destination = Destination::resolve(&target, &options, &here).unwrap();
        let connecting = Remote::connect(destination, Credentials::default(), Arc::new(Unattended));
        let remote = tokio::time::timeout(testkit::PATIENCE, connecting).await;
        Self {
            remote: Arc::new(remote.expect("connected in time").expect("connected")),
            dir,
            base: base.to_vec(),
        }
    }

    /// A name of this machine's.
    pub fn local(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file here.
    pub fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.local(name), content).unwrap();
    }

    /// The file of the same name at both ends.
    pub fn job(&self, direction: Direction, name: &str) -> Job {
        let local = self.local(name);
        Job {
            direction,
            size: std::fs::metadata(&local).map_or(0, |meta| meta.len()),
            local,
            remote: [&self.base[..], b"/", name.as_bytes()].concat(),
            there: None,
            known: None,
        }
    }

    pub fn up(&self, name: &str) -> Job {
        self.job(Direction::Up, name)
    }

    /// `size` is what a listing would have told.
    pub fn down(&self, name: &str, size: usize) -> Job {
        Job {
            size: size as u64,
            ..self.job(Direction::Down, name)
        }
    }

    /// Runs them, in bounded time.
    pub async fn run(&self, settings: Settings, jobs: Vec<Job>) -> Run {
        self.run_until(&CancellationToken::new(), settings, jobs).await
    }

    /// The same, which somebody may stop.
    pub async fn run_until(&self, stop: &CancellationToken, settings: Settings, jobs: Vec<Job>) -> Run {
        let log = Arc::<Log>::default();
        let totals = Arc::<Totals>::default();
        let hub = ProgressHub::new(Arc::clone(&totals), Box::new(Recorder(Arc::clone(&log))));
        hub.expect(jobs.len() as u64, jobs.iter().map(|job| job.size).sum());
        let engine = Engine::new(Arc::clone(&self.remote), settings, hub, stop.clone());
        let running = tokio::time::timeout(BOUND, engine.run(jobs));
        let summary = running.await.expect("a run that hangs");
        // The counters of a display that is still: all that is known has come.
        assert_eq!(totals.done.load(Relaxed), totals.bytes.load(Relaxed), "{log:?}");
        assert_eq!(totals.ended.load(Relaxed), totals.files.load(Relaxed));
        let ended = std::mem::take(&mut *log.ended.lock().unwrap());
        let warnings = log.warnings.lock().unwrap().join("\n");
        Run {
            summary,
            ended,
            warnings,
            moved: totals.moved.load(Relaxed),
        }
    }
}

/// How one file ended: well, or with these words.
pub type End = Result<Outcome, String>;

/// What a run has come to.
#[derive(Debug)]
pub struct Run {
    pub summary: Summary,
    /// By the file's last component.
    pub ended: BTreeMap<String, End>,
    pub warnings: String,
    pub moved: u64,
}

impl Run {
    /// The only file's end.
    pub fn only(&self) -> &End {
        assert_eq!(self.ended.len(), 1, "{self:?}");
        self.ended.values().next().unwrap()
    }

    /// It was sent; from here on.
    pub fn resumed_from(&self) -> u64 {
        match self.only() {
            Ok(Outcome::Sent { resumed_from, .. }) => *resumed_from,
            other => panic!("{other:?}; {}", self.warnings),
        }
    }

    /// It failed, with these words among others.
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
}

struct Recorder(Arc<Log>);

impl ProgressObserver for Recorder {
    fn began(&self, _job: &Job, _meter: &Arc<FileProgress>) {}

    fn ended(&self, job: &Job, _meter: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        let name = job.local.file_name().unwrap().to_string_lossy().into_owned();
        let end = match result {
            Ok(outcome) => Ok(*outcome),
            Err(error) => Err(error.to_string()),
        };
        let before = self.0.ended.lock().unwrap().insert(name, end);
        assert!(before.is_none(), "a file that ended twice");
    }

    fn warn(&self, message: &str) {
        self.0.warnings.lock().unwrap().push(message.to_owned());
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }
}
