//! A program in a real terminal, which `script` (bsdutils) provides, and child processes that end with their test.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    /// All output so far. Its end may be the beginning of a character.
    output: Arc<Mutex<Vec<u8>>>,
    /// The thread that reads the output until its end.
    reader: JoinHandle<()>,
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
        let output = Arc::<Mutex<Vec<u8>>>::default();
        let sink = Arc::clone(&output);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                sink.lock().unwrap().extend(&buffer[..length]);
            }
        });
        Self {
            script: KillOnDrop(script),
            input,
            output,
            reader,
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
                .windows(text.len())
                .position(|shown| shown == text.as_bytes())
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

    /// Waits for the prompt in this directory, and types words whose last one is completed by TAB to this text. A listing
    /// that comes too late for one TAB is there for the next one.
    pub fn complete_at_prompt(&mut self, directory: &str, keys: &str, completed: &str) {
        /// Longer than the client waits for a listing: another TAB would show what there is to choose from.
        const TOO_LATE: Duration = Duration::from_secs(15);
        self.wait_for_output(&format!("@127.0.0.1:{directory}> "));
        self.type_keys(keys);
        self.type_keys("\t");
        let (output, read) = (Arc::clone(&self.output), self.read);
        let is_completed = || {
            let output = output.lock().unwrap();
            String::from_utf8_lossy(&output[read..]).contains(completed)
        };
        let mut typed = Instant::now();
        wait_for(&format!("the completion {completed:?}"), || {
            if typed.elapsed() > TOO_LATE && !is_completed() {
                self.type_keys("\t");
                typed = Instant::now();
            }
            is_completed()
        });
    }

    /// Takes the terminal away from the program, as a connection that breaks does.
    pub fn hang_up(&mut self) {
        self.script.0.kill().unwrap();
        self.script.0.wait().unwrap();
    }

    /// Returns all output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    /// Waits until the program has ended and all its output was read, and returns its exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_for("the end", || {
            status = self.script.0.try_wait().unwrap();
            status.is_some()
        });
        wait_for("the end of the output", || self.reader.is_finished());
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
