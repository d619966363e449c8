//! A program in a real terminal, which `script` (bsdutils) provides, and child processes that end with their test.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use testkit::wait_for;

/// The byte that a terminal sends for Ctrl-C.
pub const CTRL_C: &str = "\x03";

/// A child process that is killed when this is dropped.
pub struct KillOnDrop(pub Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A terminal in which one program runs. The program is killed when this is dropped.
pub struct Terminal {
    script: KillOnDrop,
    input: ChildStdin,
    output: Arc<Mutex<String>>,
    /// The length of the output that [`Terminal::wait_for_output`] has passed.
    read: usize,
}

impl Terminal {
    /// Starts a shell's command in a terminal, after `configure` has set its directory and its environment.
    pub fn start(command: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let mut script = Command::new("script");
        // The command replaces the shell, which would end at Ctrl-C.
        script
            .args(["-qec", &format!("exec {command}"), "/dev/null"])
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        configure(&mut script);
        let mut script = script
            .spawn()
            .expect("no script on this machine (hint: apt-get install bsdutils)");
        let input = script.stdin.take().unwrap();
        let mut stdout = script.stdout.take().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                sink.lock().unwrap().push_str(&text);
            }
        });
        Self {
            script: KillOnDrop(script),
            input,
            output,
            read: 0,
        }
    }

    /// Waits until this text appears behind the text of the last call.
    pub fn wait_for_output(&mut self, text: &str) {
        let (output, read) = (Arc::clone(&self.output), self.read);
        let mut end = 0;
        wait_for(&format!("{text:?}"), || {
            let output = output.lock().unwrap();
            end = output[read..]
                .find(text)
                .map_or(0, |found| read + found + text.len());
            end > 0
        });
        self.read = end;
    }

    /// Sends keys to the program.
    pub fn type_keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the prompt of the client's shell in this directory, sends keys, and waits for this text.
    pub fn at_prompt(&mut self, directory: &str, keys: &str, expected: &str) {
        self.wait_for_output(&format!("@127.0.0.1:{directory}> "));
        self.type_keys(keys);
        self.wait_for_output(expected);
    }

    /// Takes the terminal away from the program, as a connection that breaks does.
    pub fn hang_up(&mut self) {
        self.script.0.kill().unwrap();
        self.script.0.wait().unwrap();
    }

    /// Returns all output so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until the program has ended, and returns its exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_for("the end", || {
            status = self.script.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the terminal\n{:?}\n---", self.output());
        }
    }
}
