//! `[auth.external]`: users whom a program or an address judges.

mod addresses;
mod commands;
mod failures;
mod keys;

use std::path::PathBuf;

use serde_json::Value;
use testkit::raw::RawSftp;
use testkit::server::TestServer;
use testkit::stock::By;
use testkit::wait_for;

const PASSWORD: By = By::Password("password");

/// The throttle of the tests, which refuse many passwords.
const QUICK: &str =
    "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";

/// A program that notes its questions in `asked`. It answers with the file `answer` to the right password of carol, and
/// refuses all else.
const JUDGE: &str = "question=$(cat)
printf '%s\\n' \"$question\" >> DIR/asked
case $question in
    *'\"user\":\"carol\"'*'\"password\":\"right\"'*) cat DIR/answer ;;
    *) echo '{\"v\":1,\"user\":null}' ;;
esac";

/// A server with an outside source of users.
struct SourceStory {
    server: TestServer,
}

impl SourceStory {
    /// Prepares a server whose source is the program `DIR/source`, with these further settings of `[auth.external]`.
    fn of_program(script: &str, settings: &str) -> Self {
        let story = Self::new();
        story.script(script);
        story.configure(&format!("command = [\"DIR/source\"]\n{settings}"));
        story
    }

    /// Prepares a server without a source.
    fn new() -> Self {
        let story = Self {
            server: TestServer::new(&[("auth", QUICK)]),
        };
        story.answer(r#"{"v":1,"user":{"name":"carol"}}"#);
        story
    }

    /// Starts a server whose source is a program.
    fn start(script: &str, settings: &str) -> Self {
        let mut story = Self::of_program(script, settings);
        story.server.serve();
        story
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.path().join(name)
    }

    fn answer(&self, text: &str) {
        std::fs::write(self.path("answer"), text).unwrap();
    }

    /// Replaces the program of the source.
    fn script(&self, script: &str) {
        let text = script.replace("DIR", self.server.path().to_str().unwrap());
        // A script that is running is not changed.
        let new = self.path("source.new");
        testkit::programs::write_program(&new, &format!("#!/bin/sh\n{text}\n"));
        std::fs::rename(new, self.path("source")).unwrap();
    }

    /// Replaces the settings of `[auth.external]`.
    fn configure(&self, settings: &str) {
        let config = std::fs::read_to_string(self.server.config()).unwrap();
        let before = config.split("[auth.external]").next().unwrap();
        let settings = settings.replace("DIR", self.server.path().to_str().unwrap());
        let config = format!("{before}[auth.external]\n{settings}\n");
        std::fs::write(self.server.config(), config).unwrap();
    }

    /// Returns the questions that the program has noted.
    fn asked(&self) -> Vec<Value> {
        let asked = std::fs::read_to_string(self.path("asked")).unwrap_or_default();
        asked
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn signs_in(&self, user: &str, password: &str) -> bool {
        self.server.sign_in(user, PASSWORD, password).status.success()
    }

    fn welcome(&self, user: &str, password: &str) {
        assert!(self.signs_in(user, password), "{user}\n{}", self.server.log());
    }

    /// Asserts that a password is refused, and returns the event.
    fn refused(&self, user: &str, password: &str) -> Value {
        // The denial of another user may be written meanwhile.
        let denials = || -> Vec<Value> {
            let all = self.denials().into_iter();
            all.filter(|denial| denial["user"] == user).collect()
        };
        let before = denials().len();
        assert!(!self.signs_in(user, password), "{user} {password}");
        wait_for("the denial", || denials().len() > before);
        denials().swap_remove(before)
    }

    fn denials(&self) -> Vec<Value> {
        self.events("denied")
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let events = self.server.events().into_iter();
        events.filter(|event| event["event"] == name).collect()
    }

    fn show(&self, user: &str) -> Value {
        let shown = self.server.admin_ok(&["user", "show", user, "--json"], "");
        serde_json::from_str(&shown).unwrap()
    }

    fn is_stored(&self, user: &str) -> bool {
        let shown = self.server.admin(&["user", "show", user, "--json"], "");
        shown.status.code() != Some(3)
    }

    /// Returns a session of carol, whose password is right.
    fn session(&self) -> RawSftp {
        let mut command = self.server.client("ssh", "carol", PASSWORD);
        command.args(["-s", "carol@127.0.0.1", "sftp"]);
        RawSftp::start(self.server.with_password(command, "right"))
    }

    /// Waits for the event that a record was changed.
    fn wait_for_change(&self, what: &str, user: &str) {
        wait_for(what, || {
            let mut events = self.events("admin").into_iter();
            events.any(|event| event["what"] == what && event["name"] == user)
        });
    }

    fn reload(&self) {
        self.server.admin_ok(&["reload"], "");
    }
}
