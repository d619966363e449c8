//! Each row of the decision table, in both directions, with each policy, against `homeportd` and against OpenSSH.

use std::path::{Path, PathBuf};

use homeport::plan::Policy;
use homeport::transfer::{Direction, Job, Outcome, Proof, Settings};

use crate::client::transfer::client::{Client, End};
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;
use testkit::sshd::Sshd;

/// The file that exists at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Nothing,
    Empty,
    Same,
    Beginning,
    NoBeginning,
    Longer,
    Differs,
}

const ALL: [Existing; 7] = [
    Existing::Nothing,
    Existing::Empty,
    Existing::Same,
    Existing::Beginning,
    Existing::NoBeginning,
    Existing::Longer,
    Existing::Differs,
];

impl Existing {
    fn content(self, ours: &[u8]) -> Option<Vec<u8>> {
        let half = &ours[..ours.len() / 2];
        let mut other = ours.to_vec();
        other[0] ^= 1;
        match self {
            Self::Nothing => None,
            Self::Empty => Some(Vec::new()),
            Self::Same => Some(ours.to_vec()),
            Self::Beginning => Some(half.to_vec()),
            Self::NoBeginning => Some(other[..half.len()].to_vec()),
            Self::Longer => Some([ours, b"x"].concat()),
            Self::Differs => Some(other),
        }
    }

    /// Returns the expected outcome, or the message of the conflict if nobody decides it.
    fn expected(self, size: u64, resume: bool) -> Result<Outcome, &'static str> {
        let sent = |resumed_from| {
            let proof = Proof::Md5;
            Ok(Outcome::Sent { resumed_from, proof })
        };
        match self {
            Self::Nothing | Self::Empty => sent(0),
            Self::Same => Ok(Outcome::Same(Proof::Md5)),
            Self::Beginning if resume => sent(size / 2),
            Self::Beginning => Err("a shorter file is there (hint"),
            Self::NoBeginning if resume => Err("a shorter file is there that is not its beginning"),
            Self::NoBeginning => Err("a shorter file is there (hint"),
            Self::Longer => Err("a longer file is there"),
            Self::Differs => Err("a file of the same size but with other content is there"),
        }
    }
}

/// One run with the files of all rows at once.
struct Round<'a> {
    client: &'a Client,
    /// The directory of the server's files, on this machine's disk.
    disk: &'a Path,
    direction: Direction,
    settings: Settings,
    length: usize,
}

impl Round<'_> {
    fn name(&self, existing: Existing) -> String {
        let Settings {
            conflicts, resume, ..
        } = self.settings;
        format!(
            "{:?}-{conflicts:?}-{resume}-{}-{existing:?}",
            self.direction, self.length
        )
    }

    /// Returns the paths of the source and of the target.
    fn ends(&self, existing: Existing) -> (PathBuf, PathBuf) {
        let name = self.name(existing);
        let (here, other) = (self.client.local(&name), self.disk.join(&name));
        match self.direction {
            Direction::Up => (here, other),
            Direction::Down => (other, here),
        }
    }

    async fn run(&self) {
        let ours = bytes(self.length as u64, self.length);
        let mut jobs: Vec<Job> = Vec::new();
        for existing in ALL {
            let (from, to) = self.ends(existing);
            std::fs::write(from, &ours).unwrap();
            if let Some(content) = existing.content(&ours) {
                std::fs::write(to, content).unwrap();
            }
            let job = self.client.job(self.direction, &self.name(existing));
            let size = self.length as u64;
            jobs.push(Job { size, ..job });
        }
        let run = self.client.run(self.settings, jobs).await;
        assert_eq!(run.ended.len(), ALL.len());
        for existing in ALL {
            let name = self.name(existing);
            self.check(existing, &ours, &run.ended[&name], &run.warnings);
        }
        let failed = run.ended.values().filter(|end| end.is_err()).count() as u64;
        assert_eq!(run.summary.failed, failed);
        assert_eq!(run.summary.exit_code(), if failed > 0 { 4 } else { 0 });
    }

    fn check(&self, existing: Existing, ours: &[u8], end: &End, warnings: &str) {
        let (from, to) = self.ends(existing);
        let what = format!("{}: {end:?}; {warnings}", self.name(existing));
        let expected = existing.expected(self.length as u64, self.settings.resume);
        let sent = Outcome::Sent {
            resumed_from: 0,
            proof: Proof::Md5,
        };
        let ending = |ending: &str| PathBuf::from(format!("{}{ending}", to.display()));
        let before = existing.content(ours);
        let (mut other, mut stays) = (None, false);
        let untouched = !matches!(existing, Existing::Nothing | Existing::Same);
        match (expected, self.settings.conflicts) {
            (_, Policy::Skip) if untouched => {
                assert_eq!(end.as_ref(), Ok(&Outcome::Skipped), "{what}");
                stays = true;
            }
            (Ok(outcome), _) => assert_eq!(end.as_ref(), Ok(&outcome), "{what}"),
            (Err(words), Policy::Ask) => {
                assert!(end.as_ref().is_err_and(|text| text.contains(words)), "{what}");
                stays = true;
            }
            (Err(_), Policy::Overwrite) => assert_eq!(end.as_ref(), Ok(&sent), "{what}"),
            (Err(_), Policy::Skip) => unreachable!("no conflict without a file"),
            (Err(_), Policy::Rename) => {
                assert_eq!(end.as_ref(), Ok(&sent), "{what}");
                (other, stays) = (Some(ours.to_vec()), true);
            }
        }
        let wanted = if stays { before.as_deref().unwrap() } else { ours };
        assert_same(&read(&to).unwrap(), wanted, &what);
        assert_same(&read(&from).unwrap(), ours, &what);
        assert_eq!(read(&ending(".1")), other, "{what}");
        for leftover in [".part", ".1.part", ".2"] {
            assert!(read(&ending(leftover)).is_none(), "{leftover} stayed: {what}");
        }
    }
}

async fn part_of_table(client: &Client, disk: &Path, direction: Direction, resume: bool) {
    for conflicts in [Policy::Ask, Policy::Overwrite, Policy::Skip, Policy::Rename] {
        for length in [1001, 400_001] {
            let settings = Settings {
                conflicts,
                resume,
                ..Settings::default()
            };
            let round = Round {
                client,
                disk,
                direction,
                settings,
                length,
            };
            round.run().await;
        }
    }
}

/// The four parts run at the same time, because hash commands mostly wait.
async fn whole_table(client: &Client, disk: &Path) {
    tokio::join!(
        part_of_table(client, disk, Direction::Up, true),
        part_of_table(client, disk, Direction::Up, false),
        part_of_table(client, disk, Direction::Down, true),
        part_of_table(client, disk, Direction::Down, false),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_holds_with_homeportd() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    whole_table(&client, &server.home("alice")).await;
}

/// Starts an sshd, and a client with the directory `files` on it.
pub async fn openssh(more: &str) -> (Sshd, Client) {
    // The home does not exist, because the start files of the user's shell would run for each hash.
    let config = format!("Subsystem sftp internal-sftp\nSetEnv HOME=/nonexistent\n{more}");
    let sshd = Sshd::start(&["ed25519"], &config);
    let key = sshd.make_key("key", &["-t", "ed25519"]);
    let files = sshd.path("files");
    std::fs::create_dir(&files).unwrap();
    let base = files.display().to_string().into_bytes();
    let client = Client::connect(&sshd.user(), sshd.port, &key, &base).await;
    (sshd, client)
}

/// OpenSSH hashes by the command `md5sum`.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_holds_with_openssh() {
    let (sshd, client) = openssh("").await;
    whole_table(&client, &sshd.path("files")).await;
}

/// OpenSSH allows ten sessions per connection: commands wait for one another instead of being refused.
#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_are_all_proven_by_openssh() {
    let (_sshd, client) = openssh("").await;
    let mut jobs = Vec::new();
    for number in 0..40 {
        let name = number.to_string();
        client.write(&name, &bytes(number, 100));
        jobs.push(client.up(&name));
    }
    let run = client.run(Settings::default(), jobs).await;
    let (resumed_from, proof) = (0, Proof::Md5);
    for (name, end) in &run.ended {
        assert_eq!(end, &Ok(Outcome::Sent { resumed_from, proof }), "{name}");
    }
    assert_eq!(run.warnings, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_never_replaced() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let home = server.home("alice");
    client.write("up", b"ours");
    std::fs::write(home.join("down"), b"theirs").unwrap();
    std::fs::create_dir(home.join("up")).unwrap();
    std::fs::create_dir(client.local("down")).unwrap();
    std::fs::create_dir(home.join("folder")).unwrap();
    for (conflicts, words) in [
        (Policy::Ask, "a directory is there"),
        (Policy::Overwrite, "not replaced by a file"),
    ] {
        let settings = Settings {
            conflicts,
            ..Settings::default()
        };
        for job in [client.up("up"), client.down("down", 6)] {
            client
                .run(settings, vec![job])
                .await
                .failed_with(&["a directory is there", words]);
        }
    }
    let run = client
        .run(Settings::default(), vec![client.down("folder", 0)])
        .await;
    run.failed_with(&["is not a regular file"]);
    assert!(!client.local("folder").exists());
    // A missing file is named.
    let run = client
        .run(Settings::default(), vec![client.down("missing", 0)])
        .await;
    run.failed_with(&["cannot look at the file on the server: no such file or directory"]);
    let run = client.run(Settings::default(), vec![client.up("missing")]).await;
    run.failed_with(&["cannot open the file: no such file or directory"]);
}

/// With `--update`, the dates decide about a file that differs, in both directions. Nobody is asked.
#[tokio::test(flavor = "multi_thread")]
async fn the_newer_file_wins_where_that_is_asked_for() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let (here, there) = (client.local("f"), server.home("alice").join("f"));
    let settings = Settings {
        update: true,
        ..Settings::default()
    };
    let write = |path: &Path, text: &str, seconds: u64| {
        std::fs::write(path, text).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000 + seconds);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    for direction in [Direction::Up, Direction::Down] {
        let (source, target) = match direction {
            Direction::Up => (&here, &there),
            Direction::Down => (&there, &here),
        };
        for (seconds, counts, winner) in [(20, (1, 0), "the source"), (10, (0, 1), "the target")] {
            write(source, "the source", seconds);
            write(target, "the target", 15);
            let run = client.run(settings, vec![client.job(direction, "f")]).await;
            assert_eq!(run.summary.exit_code(), 0, "{run:?}");
            assert_eq!((run.summary.sent, run.summary.skipped), counts, "{run:?}");
            assert_eq!(read(target).unwrap(), winner.as_bytes());
        }
    }
}
