//! Hooks with the real server: programs and addresses that are told about events.

mod commands;
mod crashes;
mod full;
mod helper;
mod moved;
mod publishing;
mod uploaded_again;
mod webhooks;

use std::path::PathBuf;

use super::*;
use testkit::processes::{children, is_running, kill, only_child, parent, processes, send, session};

/// A script that appends what it is told to the file `told`, as one line.
const TELL: &str = "printf '%s\\n' \"$(cat)\" >> DIR/told";

/// A script that does that, waits for the file `go`, appends the file of the upload to `seen`, prints the file `says`
/// and ends with the exit code in the file `code`.
const DECIDE: &str = "printf '%s\\n' \"$(cat)\" >> DIR/told
until [ -e DIR/go ]; do sleep 0.02; done
cat <&3 >> DIR/seen
cat DIR/says
exit \"$(cat DIR/code)\"";

/// A hook that has uploads to `/in` checked, and moved to `/clean`.
const CHECKED: &str = "[[hooks]]\non = [\"uploaded\"]\nmatch = \"/in/**\"\ncommand = [\"DIR/hook\"]\nmove_to = \"/clean\"\nretries = 3\n";

/// A server with hooks and the user alice.
struct HookStory {
    server: TestServer,
}

impl HookStory {
    /// Prepares a server whose hooks may run the script `DIR/hook`. `DIR` stands for its directory in both texts.
    fn new(script: &str, hooks: &str) -> Self {
        Self::of(TestServer::new(&[]), script, hooks)
    }

    /// Does the same with this server.
    fn of(server: TestServer, script: &str, hooks: &str) -> Self {
        let story = Self { server };
        story.script(script);
        story.write("says", "");
        story.write("code", "0");
        story.configure(hooks);
        story.server.add_user("alice", &[]);
        story
    }

    /// Starts a server with these hooks and this script.
    fn start(script: &str, hooks: &str) -> Self {
        let mut story = Self::new(script, hooks);
        story.server.serve();
        story
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Replaces the script.
    fn script(&self, script: &str) {
        let text = script.replace("DIR", self.server.path().to_str().unwrap());
        // A script that is running is not changed.
        let new = self.path("hook.new");
        testkit::programs::write_program(&new, &format!("#!/bin/sh\n{text}\n"));
        std::fs::rename(new, self.path("hook")).unwrap();
    }

    /// Adds hooks to the configuration.
    fn configure(&self, hooks: &str) {
        let config = std::fs::read_to_string(self.server.config()).unwrap();
        let hooks = hooks.replace("DIR", self.server.path().to_str().unwrap());
        std::fs::write(self.server.config(), format!("{config}\n{hooks}\n")).unwrap();
    }

    /// Returns what hooks were told, in the order in which they wrote it.
    fn told(&self) -> Vec<Value> {
        let told = self.read("told");
        let whole = told.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn wait_for_told(&self, count: usize) -> Vec<Value> {
        let mut told = Vec::new();
        wait_for(
            &format!("{count} events to be told\n{}", self.server.log()),
            || {
                told = self.told();
                told.len() >= count
            },
        );
        told
    }

    fn list(&self) -> Vec<Value> {
        let text = self.server.admin_ok(&["hooks", "list", "--json"], "");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until an entry is set aside, and returns it.
    fn wait_for_set_aside(&self) -> Value {
        let mut found = None;
        wait_for("an entry to be set aside", || {
            found = self
                .list()
                .into_iter()
                .find(|entry| entry["state"] == "set_aside");
            found.is_some()
        });
        found.unwrap()
    }

    fn wait_for_empty_queue(&self) {
        wait_for("the queue to be empty", || self.list().is_empty());
    }

    /// Sends a file in a session of its own.
    fn put(&self, name: &str, content: &[u8]) {
        put(&mut self.server.raw("alice"), name, content);
    }

    /// Starts a server that checks uploads to `/in`, with the directories `/in` and `/in/d`.
    fn checking() -> Self {
        let story = Self::start(DECIDE, CHECKED);
        let mut sftp = story.server.raw("alice");
        ok(&mut sftp, &mkdir("in", &Attrs::default()), b"");
        ok(&mut sftp, &mkdir("in/d", &Attrs::default()), b"");
        story
    }

    fn in_home(&self, name: &str) -> PathBuf {
        self.server.home("alice").join(name)
    }

    fn content(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.in_home(name)).ok()
    }

    fn go(&self) {
        self.write("go", "");
    }

    /// Returns the process whose parent is the server: the supervisor of the helper.
    fn supervisor(&self) -> u32 {
        let found = children(self.server.pid());
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    /// Returns the process whose parent is the supervisor: the helper.
    fn helper(&self) -> Option<u32> {
        helper_of(self.supervisor())
    }

    /// Returns the helper. It has its name a moment after the server has started it.
    fn running_helper(&self) -> u32 {
        let mut found = None;
        wait_for("a helper", || {
            found = self.helper();
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for a helper that is not this one.
    fn wait_for_helper(&self, former: u32) -> u32 {
        let mut found = None;
        wait_for("another helper", || {
            found = self.helper().filter(|pid| *pid != former);
            found.is_some()
        });
        found.unwrap()
    }
}

/// Returns the helper that a supervisor has started.
fn helper_of(supervisor: u32) -> Option<u32> {
    // Services that commands have started may be its children, too.
    let is_helper = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(b"homeportd-hooks\0")
    };
    children(supervisor).into_iter().find(is_helper)
}

/// Sends a file in this session.
fn put(sftp: &mut RawSftp, name: &str, content: &[u8]) {
    let handle = sftp.handle(&open(name, WRITE | CREAT | TRUNC));
    if !content.is_empty() {
        ok(sftp, &write(bogus(&handle), 0, content), &handle);
    }
    ok(sftp, &close(bogus(&handle)), &handle);
}

const ON_UPLOADS: &str = "[[hooks]]\non = [\"uploaded\"]\ncommand = [\"DIR/hook\"]\nretries = 0\n";
