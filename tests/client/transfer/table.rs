//! Each row of the decision table, both ways, with each policy, against our server and against OpenSSH's.

use std::path::{Path, PathBuf};

use homeport::plan::Policy;
use homeport::transfer::{Direction, Job, Outcome, Proof, Settings};

use crate::client::transfer::client::{Client, End};
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;
use testkit::sshd::Sshd;

/// What stands where the file is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Empty,
    Same,
    Beginning,
    NoBeginning,
    Longer,
    Differs,
}

const ALL: [There; 7] = [
    There::Nothing,
    There::Empty,
    There::Same,
    There::Beginning,
    There::NoBeginning,
    There::Longer,
    There::Differs,
];

impl There {
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

    /// What becomes of it, where nothing is decided: the outcome, or the words of the conflict.
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

/// One run of the whole table: seven files at once.
struct Round<'a> {
    client: &'a Client,
    /// The directory of the other end, on this machine's disk.
    disk: &'a Path,
    direction: Direction,
    settings: Settings,
    length: usize,
}

impl Round<'_> {
    fn name(&self, there: There) -> String {
        let Settings {
            conflicts, resume, ..
        } = self.settings;
        format!(
            "{:?}-{conflicts:?}-{resume}-{}-{there:?}",
            self.direction, self.length
        )
    }

    /// Where the file comes from, and where it goes.
    fn ends(&self, there: There) -> (PathBuf, PathBuf) {
        let name = self.name(there);
        let (here, other) = (self.client.local(&name), self.disk.join(&name));
        match self.direction {
            Direction::Up => (here, other),
            Direction::Down => (other, here),
        }
    }

    async fn run(&self) {
        let ours = bytes(self.length as u64, self.length);
        let mut jobs: Vec<Job> = Vec::new();
        for there in ALL {
            let (from, to) = self.ends(there);
            std::fs::write(from, &ours).unwrap();
            if let Some(content) = there.content(&ours) {
                std::fs::write(to, content).unwrap();
            }
            let job = self.client.job(self.direction, &self.name(there));
            let size = self.length as u64;
            jobs.push(Job { size, ..job });
        }
        let run = self.client.run(self.settings, jobs).await;
        assert_eq!(run.ended.len(), ALL.len());
        for there in ALL {
            let name = self.name(there);
            self.check(there, &ours, &run.ended[&name], &run.warnings);
        }
        let failed = run.ended.values().filter(|end| end.is_err()).count() as u64;
        assert_eq!(run.summary.failed, failed);
        assert_eq!(run.summary.exit_code(), if failed > 0 { 4 } else { 0 });
    }

    fn check(&self, there: There, ours: &[u8], end: &End, warnings: &str) {
        let (from, to) = self.ends(there);
        let what = format!("{}: {end:?}; {warnings}", self.name(there));
        let expected = there.expected(self.length as u64, self.settings.resume);
        let sent = Outcome::Sent {
            resumed_from: 0,
            proof: Proof::Md5,
        };
        let ending = |ending: &str| PathBuf::from(format!("{}{ending}", to.display()));
        let before = there.content(ours);
        let (mut other, mut stays) = (None, false);
        match (expected, self.settings.conflicts) {
            (Ok(outcome), _) => assert_eq!(end.as_ref(), Ok(&outcome), "{what}"),
            (Err(words), Policy::Ask) => {
                assert!(end.as_ref().is_err_and(|text| text.contains(words)), "{what}");
                stays = true;
            }
            (Err(_), Policy::Overwrite) => assert_eq!(end.as_ref(), Ok(&sent), "{what}"),
            (Err(_), Policy::Skip) => {
                assert_eq!(end.as_ref(), Ok(&Outcome::Skipped), "{what}");
                stays = true;
            }
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

/// In four parts at once: most of the time of a command is spent on waiting.
async fn whole_table(client: &Client, disk: &Path) {
    tokio::join!(
        part_of_table(client, disk, Direction::Up, true),
        part_of_table(client, disk, Direction::Up, false),
        part_of_table(client, disk, Direction::Down, true),
        part_of_table(client, disk, Direction::Down, false),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_our_server() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    whole_table(&client, &server.home("alice")).await;
}

/// An sshd, and a client whose files are in its directory `files`.
pub async fn openssh(more: &str) -> (Sshd, Client) {
    // What a person's shell does when it starts would be done for each hash.
    let config = format!("Subsystem sftp internal-sftp\nSetEnv HOME=/nonexistent\n{more}");
    let sshd = Sshd::start(&["ed25519"], &config);
    let key = sshd.make_key("key", &["-t", "ed25519"]);
    let files = sshd.path("files");
    std::fs::create_dir(&files).unwrap();
    let base = files.display().to_string().into_bytes();
    let client = Client::connect(&sshd.user(), sshd.port, &key, &base).await;
    (sshd, client)
}

/// It hashes by the command `md5sum`.
#[tokio::test(flavor = "multi_thread")]
async fn with_openssh() {
    let (sshd, client) = openssh("").await;
    whole_table(&client, &sshd.path("files")).await;
}

/// It allows ten sessions of a connection: commands wait for one another instead of being refused.
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
    // What is missing is named.
    let run = client
        .run(Settings::default(), vec![client.down("missing", 0)])
        .await;
    run.failed_with(&["cannot look at the file on the server: no such file or directory"]);
    let run = client.run(Settings::default(), vec![client.up("missing")]).await;
    run.failed_with(&["cannot open the file: no such file or directory"]);
}
