//! The real `homeportd` in a temporary directory, with users, keys and what stock clients need to reach it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::programs::homeportd;
use super::raw::RawSftp;
use super::stock::{self, By, StockClient, run};
use super::{WITHOUT_CAPABILITIES, is_root, wait_for};

/// A directory with a configuration, users and keys; the server may run or not.
pub struct TestServer {
    dir: tempfile::TempDir,
    running: Option<Running>,
}

struct Running {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl TestServer {
    /// Creates a configuration that listens on a free port of the loopback address; no server runs yet.
    ///
    /// `extra` is added to the sections of its own name: `[("limits", "handles = 10")]`.
    pub fn new(extra: &[(&str, &str)]) -> Self {
        raise_descriptor_limit();
        let dir = tempfile::Builder::new()
            .prefix("homeport-test-")
            .tempdir()
            .unwrap();
        let mut sections = vec![
            ("server", "listen = [\"127.0.0.1:0\"]\n".to_owned()),
            ("storage", "homes = \"data/homes\"\n".to_owned()),
            ("store", "path = \"data/homeport.db\"\n".to_owned()),
            ("log", "audit = \"audit.log\"\n".to_owned()),
        ];
        for (name, text) in extra {
            match sections.iter_mut().find(|(section, _)| section == name) {
                Some((_, settings)) => settings.push_str(&format!("{text}\n")),
                None => sections.push((name, format!("{text}\n"))),
            }
        }
        let config: String = sections
            .iter()
            .map(|(name, text)| format!("[{name}]\n{text}\n"))
            .collect();
        // The command creates the directories and the store.
        let made = Command::new(homeportd()).arg("init").arg(dir.path()).output();
        assert!(made.unwrap().status.success());
        fs::write(dir.path().join("homeportd.toml"), config).unwrap();
        // The server creates its own host keys, as the configuration requires.
        fs::remove_dir_all(dir.path().join("hostkeys")).unwrap();
        fs::create_dir(dir.path().join("hostkeys")).unwrap();
        Self { dir, running: None }
    }

    /// Starts a server with these users, each with a key and the password that [`password`] returns.
    pub fn start(users: &[&str]) -> Self {
        Self::start_with(&[], users)
    }

    /// Starts a server with these settings and users.
    pub fn start_with(extra: &[(&str, &str)], users: &[&str]) -> Self {
        let mut sandbox = Self::new(extra);
        for user in users {
            sandbox.add_user(user, &[]);
        }
        sandbox.serve();
        sandbox
    }

    /// Returns the path of the test's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the path of the configuration file.
    pub fn config(&self) -> PathBuf {
        self.path().join("homeportd.toml")
    }

    /// Returns the path of a user's home on disk.
    pub fn home(&self, user: &str) -> PathBuf {
        self.path().join("data/homes").join(user)
    }

    /// Returns the path of a user's private key.
    pub fn key(&self, user: &str) -> PathBuf {
        self.path().join(format!("key-{user}"))
    }

    /// Adds a user with a fresh key and a password; `more` are further arguments of `user add`.
    pub fn add_user(&self, user: &str, more: &[&str]) {
        self.make_key(user);
        let key = format!("{}.pub", self.key(user).display());
        let add = ["user", "add", user, "--password-stdin", "--key", &key];
        self.admin_ok(&[&add[..], more].concat(), &password(user));
    }

    /// Creates the key pair `key-NAME`.
    pub fn make_key(&self, name: &str) {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(self.key(name))
            .status();
        assert!(made.unwrap().success());
    }

    /// Runs `homeportd -c … ARGS` with this input on its standard input.
    pub fn admin(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(homeportd());
        command.arg("-c").arg(self.config()).args(args);
        run(command, input)
    }

    /// Runs a command as [`TestServer::admin`] does; it must succeed. Returns its standard output.
    pub fn admin_ok(&self, args: &[&str], input: &str) -> String {
        let output = self.admin(args, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "homeportd {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the server and waits until it listens.
    pub fn serve(&mut self) {
        self.serve_by(&[]);
    }

    /// Starts the server through a program that becomes the server, such as `prlimit`.
    pub fn serve_by(&mut self, program: &[&str]) {
        let mut words = program.to_vec();
        if is_root() {
            // Root's capabilities would hide the effects of permissions.
            words.push("setpriv");
            words.extend(WITHOUT_CAPABILITIES);
        }
        words.push(homeportd());
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .arg("-c")
            .arg(self.config())
            .arg("serve")
            .env("TZ", "UTC0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap());
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&String::from_utf8_lossy(&line));
                log.push('\n');
            }
        });
        let mut port = None;
        wait_for("the server to listen", || {
            port = listening_port(&log.lock().unwrap());
            let gone = child.try_wait().unwrap();
            assert!(
                gone.is_none(),
                "the server ended: {gone:?}\n{}",
                log.lock().unwrap()
            );
            port.is_some()
        });
        self.running = port.map(|port| Running { child, port, log });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server was started")
    }

    /// Returns the port that the server listens on.
    pub fn port(&self) -> u16 {
        self.running().port
    }

    /// Returns the server's process id.
    pub fn pid(&self) -> u32 {
        self.running().child.id()
    }

    /// Returns the CPU time that the server has used, in hundredths of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        // The fields 14 and 15 are utime and stime (proc(5)).
        fields
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum()
    }

    /// Returns what the server has logged so far.
    pub fn log(&self) -> String {
        self.running().log.lock().unwrap().clone()
    }

    /// Waits until the log contains this text.
    pub fn wait_for_log(&self, text: &str) {
        wait_for(&format!("\"{text}\" in the log"), || self.log().contains(text));
    }

    /// Returns the audit log so far. A last line that is only half written yet is left out.
    pub fn audit(&self) -> String {
        let mut bytes = fs::read(self.path().join("audit.log")).unwrap_or_default();
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        bytes.truncate(whole);
        String::from_utf8(bytes).expect("the audit log is UTF-8")
    }

    /// Returns the events in the audit log so far.
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.audit()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until the audit log contains this text.
    pub fn wait_for_audit(&self, text: &str) {
        wait_for(&format!("\"{text}\" in the audit log"), || {
            self.audit().contains(text)
        });
    }

    /// Sends a signal to the server, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    /// Stops the server with a signal, and waits until it has stopped. It continues at `signal("CONT")`.
    pub fn stop(&self) {
        self.signal("STOP");
        wait_for("the server to stand still", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            tasks.map_while(Result::ok).all(|task| {
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                let state = stat.rsplit(") ").next().unwrap_or_default().chars().next();
                state.is_none_or(|state| state == 'T')
            })
        });
    }

    /// Whether the server is in the middle of a transaction. It then holds the write lock of the store, byte 120 of the
    /// file `homeport.db-shm`.
    pub fn is_in_a_transaction(&self) -> bool {
        let pid = self.pid().to_string();
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        locks.lines().any(|line| {
            // The fields are number, class, mode, type, process, file, first and last byte (proc(5)).
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(3..5) == Some(&["WRITE", &pid]) && fields.get(6) == Some(&"120")
        })
    }

    /// Returns a client's command with all options except the user's name. The machine's own configuration is ignored.
    pub fn client(&self, program: &str, user: &str, by: By) -> Command {
        self.client_at(self.port(), program, user, by)
    }

    /// Returns the same command for another port, behind which is something that forwards to the server.
    pub fn client_at(&self, port: u16, program: &str, user: &str, by: By) -> Command {
        let client = StockClient {
            directory: self.path(),
            port,
            key: self.key(user),
        };
        client.command(program, by)
    }

    /// Lets the client read `password` from the environment when it asks for one.
    pub fn with_password(&self, command: Command, password: &str) -> Command {
        stock::with_password(self.path(), command, password)
    }

    /// Returns the command `sftp -b -` by key, in the test's directory.
    pub fn sftp_command(&self, user: &str) -> Command {
        let mut command = self.client("sftp", user, By::Key);
        command.args(["-q", "-b", "-"]).arg(format!("{user}@127.0.0.1"));
        command
    }

    /// Runs a batch of sftp's commands, signed in by key.
    pub fn sftp(&self, user: &str, batch: &str) -> Output {
        run(self.sftp_command(user), batch)
    }

    /// Runs a batch that must succeed, and returns its output.
    pub fn sftp_ok(&self, user: &str, batch: &str) -> String {
        let output = self.sftp(user, batch);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "sftp for {user}:\n{batch}\n{errors}\n{}",
            self.log()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Tries to sign in and list the home, and returns sftp's output.
    pub fn sign_in(&self, user: &str, by: By, password: &str) -> Output {
        // The option `-b` would forbid password prompts.
        let mut command = self.with_password(self.client("ssh", user, by), password);
        command.args(["-s", &format!("{user}@127.0.0.1"), "sftp"]);
        run(command, "")
    }

    /// Returns the command `ssh -s … sftp` by key, for the raw driver.
    pub fn raw_command(&self, user: &str) -> Command {
        let mut command = self.client("ssh", user, By::Key);
        command.args(["-s", &format!("{user}@127.0.0.1"), "sftp"]);
        command
    }

    /// Returns a session of the raw driver that has sent INIT.
    pub fn raw(&self, user: &str) -> RawSftp {
        RawSftp::start(self.raw_command(user))
    }

    /// Waits until the server has ended, and returns its exit code.
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("the server was started");
        let mut status = None;
        wait_for("the server to end", || {
            status = running.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|s| s.code())
    }

    /// Whether the server is still running.
    pub fn is_alive(&mut self) -> bool {
        let running = self.running.as_mut().expect("the server was started");
        running.child.try_wait().unwrap().is_none()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
            if std::thread::panicking() {
                let log = running.log.lock().unwrap();
                eprintln!("--- the server's log\n{log}---");
            }
        }
    }
}

/// Raises the limit on this process's open files to its maximum, because tests with hundreds of connections run in
/// parallel in it.
fn raise_descriptor_limit() {
    static RAISED: std::sync::Once = std::sync::Once::new();
    RAISED.call_once(|| {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap();
    });
}

/// Returns the password of a user made by [`TestServer::add_user`].
pub fn password(user: &str) -> String {
    format!("secret of {user}")
}

fn listening_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("listening on ")?;
    let address = rest.split(|c: char| c.is_whitespace() || c == '"').next()?;
    // A line that is only partly written does not end in a newline yet.
    rest.contains('\n')
        .then(|| address.rsplit(':').next()?.parse().ok())?
}
