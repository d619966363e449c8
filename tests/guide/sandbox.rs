//! Where the commands of a page are run: a directory that stands for the machine, with a server, users and their keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::programs::{homeport, homeportd, write_program};

/// The directories of a machine that paths in a page begin with. They are beneath the sandbox when the page is run.
const PLACES: [&str; 12] = [
    "etc", "srv", "var", "mnt", "home", "tmp", "usr", "opt", "root", "run", "sys", "lib",
];

/// The programs of this machine that are run. They do nothing to it, since all paths lead into the sandbox.
const HARMLESS: [&str; 10] = [
    "cat", "cut", "tr", "head", "tail", "grep", "sort", "mkdir", "sleep", "true",
];

/// The users of the system whose keys a page may read.
const SYSTEM_USERS: [&str; 3] = ["calvin", "alice", "bob"];

/// `homeportd` as a page sees it: it notes each command and its result, and puts a server into the background.
const WRAP_SERVER: &str = r#"#!/bin/bash
if [ "$1" = serve ]; then
    "$REAL_SERVER" "$@" >/dev/null 2>"$SANDBOX/server.log" &
    echo $! >"$SANDBOX/server.pid"
    until port=$(grep -o 'listening on 127.0.0.1:[0-9]*' "$SANDBOX/server.log"); do
        kill -0 $! || break
        sleep 0.05
    done
    echo "${port##*:}" >"$SANDBOX/port"
    kill -0 $!
else
    "$REAL_SERVER" "$@"
fi
code=$?
echo "$code homeportd $*" >>"$SANDBOX/ran"
exit $code
"#;

/// `homeport` as a page sees it: port 2222 is that of the server in the sandbox.
const WRAP_CLIENT: &str = r#"#!/bin/bash
port=$(cat "$SANDBOX/port")
"$REAL_CLIENT" --batch "${@/#2222/$port}"
code=$?
echo "$code homeport $*" >>"$SANDBOX/ran"
exit $code
"#;

/// What the script begins with: the names of other programs do nothing.
const PRELUDE: &str = r#"
command_not_found_handle() { true; }
unset HOMEPORT_CONFIG
export HOMEPORT_CONFIG="$SANDBOX/etc/homeport/homeportd.toml"
"#;

/// A directory that stands for a machine.
pub struct GuideSandbox {
    dir: tempfile::TempDir,
}

impl GuideSandbox {
    /// Prepares the machine for a script: as the package leaves it, with a server that runs and the user calvin, unless
    /// the script itself starts a server or adds this user.
    pub fn for_script(script: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("homeport-guide-")
            .tempdir()
            .unwrap();
        let sandbox = Self { dir };
        sandbox.make_places();
        sandbox.make_programs();
        sandbox.make_files();
        sandbox.must_run("homeportd init");
        if !script.contains("user add calvin ") {
            sandbox.must_run("homeportd user add calvin --key calvin.pub --quota 10GiB");
            let inside = sandbox.path().join("srv/homeport/calvin/in");
            fs::create_dir(&inside).unwrap();
            fs::write(inside.join("order.csv"), "1;2\n").unwrap();
        }
        if !script.contains("homeportd serve") {
            sandbox.must_run("homeportd serve");
        }
        sandbox
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn make_places(&self) {
        let root = self.path().display();
        for place in PLACES {
            fs::create_dir(self.path().join(place)).unwrap();
        }
        for place in [
            "bin",
            "work/keys",
            ".ssh",
            "etc/homeport",
            "srv/homeport",
            "srv/inbox",
            "var/lib/homeport",
            "var/log/homeport",
            "var/backups",
        ] {
            fs::create_dir_all(self.path().join(place)).unwrap();
        }
        let config = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nhost_keys = \"{root}/var/lib/homeport/hostkeys\"\n\
             [storage]\nhomes = \"{root}/srv/homeport\"\n\
             [store]\npath = \"{root}/var/lib/homeport/data/homeport.db\"\n\
             [log]\naudit = \"{root}/var/log/homeport/audit.log\"\n"
        );
        fs::write(self.path().join("etc/homeport/homeportd.toml"), config).unwrap();
    }

    fn make_programs(&self) {
        let bin = self.path().join("bin");
        let program = |name: &str, text: &str| write_program(&bin.join(name), text);
        program("homeportd", WRAP_SERVER);
        program("homeport", WRAP_CLIENT);
        program("getent", "#!/bin/bash\necho sftponly:x:1:alice,bob\n");
        for name in HARMLESS {
            let usual = ["/usr/bin", "/bin"].map(|dir| PathBuf::from(dir).join(name));
            let found = usual.into_iter().find(|path| path.exists()).unwrap();
            std::os::unix::fs::symlink(found, bin.join(name)).unwrap();
        }
    }

    fn make_files(&self) {
        let work = self.path().join("work");
        for name in ["calvin", "backup", "tom", "alice", "bob"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(work.join(name))
                .status();
            assert!(made.unwrap().success());
        }
        for user in SYSTEM_USERS {
            let keys = self.path().join("home").join(user).join(".ssh");
            fs::create_dir_all(&keys).unwrap();
            fs::copy(work.join(format!("{user}.pub")), keys.join("authorized_keys")).unwrap();
        }
        fs::write(work.join("film.mkv"), vec![7; 300_000]).unwrap();
        fs::write(work.join("password.txt"), "correct horse battery staple\n").unwrap();
        let secret = base::secret::Secret::new("another long password".to_owned());
        let hash = homeportd::auth::password::hash(&secret).unwrap();
        fs::write(work.join("argon2id.txt"), hash.as_phc()).unwrap();
        let ssh = self.path().join(".ssh");
        let root = self.path().display();
        let config = format!(
            "Host files.example.org\n  HostName 127.0.0.1\n  StrictHostKeyChecking accept-new\n  IdentitiesOnly yes\n  \
             IdentityFile {root}/work/calvin\n  IdentityFile {root}/work/backup\n"
        );
        fs::write(ssh.join("config"), config).unwrap();
    }

    /// Runs a script, and returns the commands of ours that it has run, all of which must have succeeded.
    pub fn run(&self, page: &str, script: &str) -> Vec<String> {
        let text = format!("{PRELUDE}{}", self.moved(script));
        let output = Command::new("/bin/bash")
            .args(["-c", &text])
            .current_dir(self.path().join("work"))
            .env_clear()
            .env("PATH", self.path().join("bin"))
            .env("HOME", self.path())
            .env("SANDBOX", self.path())
            .env("REAL_SERVER", homeportd())
            .env("REAL_CLIENT", homeport())
            .env("HOMEPORT_SERVER_LISTEN", "127.0.0.1:0")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let ran = fs::read_to_string(self.path().join("ran")).unwrap_or_default();
        let failed = ran.lines().any(|line| !line.starts_with("0 "));
        assert!(
            !failed,
            "{page}: a command failed:\n{ran}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ran.lines().map(str::to_owned).collect()
    }

    fn must_run(&self, command: &str) {
        assert_eq!(self.run("the preparation", command).len(), 1, "{command}");
        fs::remove_file(self.path().join("ran")).unwrap();
    }

    /// Returns a script with every path of a machine beneath the sandbox.
    fn moved(&self, script: &str) -> String {
        // The sandbox itself lies in one of the places, so it is put in last.
        let mut text = script.to_owned();
        for place in PLACES {
            for before in [" ", "\n", "'", "\"", "=", "<", ">", "("] {
                text = text.replace(&format!("{before}/{place}/"), &format!("{before}\0/{place}/"));
            }
        }
        text.replace('\0', &self.path().display().to_string())
    }
}

impl Drop for GuideSandbox {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.path().join("server.pid")).unwrap_or_default();
        if let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
