//! The same commands against `homeportd` and against a stock `sshd`.

use std::os::unix::fs::symlink;
use std::path::Path;

use testkit::sshd::Sshd;

use super::*;

/// Runs the client as the user of this machine against a stock `sshd`.
struct StockSandbox {
    sshd: Sshd,
    dir: tempfile::TempDir,
    key: PathBuf,
}

impl StockSandbox {
    fn new() -> Self {
        let sshd = Sshd::start(&["ed25519"], "Subsystem sftp internal-sftp");
        let key = sshd.make_key("key", &["-t", "ed25519"]);
        let dir = tempfile::tempdir().unwrap();
        Self { sshd, dir, key }
    }

    /// Runs a command whose words are on the server where they begin with `:`, below the temporary directory.
    fn run(&self, words: &[&str]) -> CommandResult {
        let base = self.dir.path().display();
        let user = self.sshd.user();
        let words = words.iter().map(|word| match word.strip_prefix(':') {
            Some(path) => format!("{user}@127.0.0.1:{base}/{path}"),
            None => (*word).to_owned(),
        });
        let mut command = testkit::programs::homeport_command();
        command
            .args(words)
            .args([
                "-P",
                &self.sshd.port.to_string(),
                "-F",
                "none",
                "--accept-new",
                "-i",
            ])
            .arg(&self.key)
            .args([
                "--known-hosts".as_ref(),
                self.sshd.path("known_hosts").as_os_str(),
            ])
            .current_dir(self.sshd.path(""));
        CommandResult::of(command.output().unwrap())
    }
}

/// Runs a command against `homeportd`, whose words are on the server where they begin with `:`.
fn run_at_homeportd(sandbox: &ClientSandbox, words: &[&str]) -> CommandResult {
    let words = words.iter().map(|word| match word.strip_prefix(':') {
        Some(path) => sandbox.remote(path),
        None => (*word).to_owned(),
    });
    sandbox.run(words)
}

/// Runs the same story against both servers: with a way to run a command, and the directory in which `:` is.
pub(super) fn on_both(story: impl Fn(&dyn Fn(&[&str]) -> CommandResult, &Path)) {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir_all(sandbox.stored("")).unwrap();
    story(&|words| run_at_homeportd(&sandbox, words), &sandbox.stored(""));
    let stock = StockSandbox::new();
    story(&|words| stock.run(words), stock.dir.path());
}

/// Creates `tree/a.txt` (3 bytes), `tree/deep/b.log` (2000 bytes), `tree/deep/.hidden`, and a link that leads out.
pub(super) fn make_tree(home: &Path) {
    std::fs::create_dir_all(home.join("tree/deep")).unwrap();
    std::fs::write(home.join("tree/a.txt"), "abc").unwrap();
    std::fs::write(home.join("tree/deep/b.log"), vec![b'x'; 2000]).unwrap();
    std::fs::write(home.join("tree/deep/.hidden"), "").unwrap();
    symlink("..", home.join("tree/out")).unwrap();
}
