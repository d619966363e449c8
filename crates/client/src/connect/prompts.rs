//! Prompts and messages for the user at the terminal. Only this module reads the terminal.
//!
//! A [`Prompts`] blocks until the user answers. [`AsyncPrompts`] is its asynchronous front, and knows whether a prompt
//! is open, so that no time limit expires meanwhile.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::sync::watch;

use crate::interrupt;
use crate::output::{TerminalSize, wrapped};
use crate::report;
use base::secret::Secret;

/// The longest answer, in bytes. An answer is a name, a word or a fingerprint.
const LONGEST_LINE: usize = 4096;
/// How often Ctrl-C is checked for while a prompt is open.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Prompts the user, and shows messages. Callers escape labels and messages with
/// [`printable`](base::visible::printable).
pub trait Prompts: Send + Sync {
    /// Asks for a password or passphrase, without echo.
    ///
    /// # Errors
    /// When there is no user to ask, or the user cancelled the prompt.
    fn secret(&self, label: &str) -> io::Result<Secret>;

    /// Asks for a line, with echo. Returns it without its end.
    ///
    /// # Errors
    /// When there is no user to ask, or the user cancelled the prompt.
    fn line(&self, label: &str) -> io::Result<String>;

    /// Asks for yes or no, again until the answer is one of them.
    ///
    /// # Errors
    /// When there is no user to ask, or the user cancelled the prompt.
    fn confirm(&self, question: &str) -> io::Result<bool> {
        let mut label = format!("{question} (yes/no)? ");
        loop {
            match self.line(&label)?.trim().to_ascii_lowercase().as_str() {
                "yes" | "y" => return Ok(true),
                "no" | "n" => return Ok(false),
                _ => label = "Please type yes or no: ".to_owned(),
            }
        }
    }

    /// Shows a message on lines of its own.
    fn show(&self, message: &str);

    /// Shows what belongs to a prompt, such as instructions: whoever can be asked sees it, even where other messages
    /// are left out.
    fn explain(&self, message: &str) {
        self.show(message);
    }

    /// Whether there is a user who can answer.
    fn are_answered(&self) -> bool {
        true
    }
}

/// The terminal of this process, whatever its standard input and output are.
///
/// Ctrl-C at a secret raises SIGINT and is [`io::ErrorKind::Interrupted`]. A program must handle that signal
/// (`tokio::signal` does); otherwise it would die with the terminal's echo switched off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal;

impl Terminal {
    /// Whether this process has a terminal.
    pub fn is_there() -> bool {
        Self::open().is_ok()
    }

    fn open() -> io::Result<File> {
        File::options().read(true).write(true).open("/dev/tty")
    }
}

impl Prompts for Terminal {
    fn secret(&self, label: &str) -> io::Result<Secret> {
        // The echo is off before the label appears, because a program may answer at once.
        let terminal = Self::open()?;
        let label = wrapped(label, TerminalSize::of(&terminal).columns);
        let _silent = EchoOff::new(terminal)?;
        rpassword::prompt_password(label).map(Secret::new)
    }

    fn line(&self, label: &str) -> io::Result<String> {
        let interrupts = interrupt::count();
        let mut terminal = Self::open()?;
        let label = wrapped(label, TerminalSize::of(&terminal).columns);
        terminal.write_all(label.as_bytes())?;
        terminal.flush()?;
        let mut bytes = Vec::new();
        while bytes.last() != Some(&b'\n') && bytes.len() < LONGEST_LINE {
            let mut ready = [PollFd::new(&terminal, PollFlags::IN)];
            let there = match poll(&mut ready, Some(&LOOK)) {
                Err(rustix::io::Errno::INTR) => 0,
                there => there?,
            };
            // A read that was not cancelled would consume the line for the next prompt.
            if interrupt::count() != interrupts {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
            }
            if there == 0 {
                continue;
            }
            let mut some = [0; 256];
            match terminal.read(&mut some)? {
                0 => break,
                count => bytes.extend_from_slice(some.get(..count).unwrap_or_default()),
            }
        }
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"));
        }
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("the answer is not UTF-8"))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    fn show(&self, message: &str) {
        report::write(message);
    }
}

/// A terminal in the modes in which a secret is read: no echo, and Ctrl-C is a byte. Dropping this restores its modes.
struct EchoOff {
    terminal: File,
    before: Termios,
}

impl EchoOff {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // It fails only if the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The prompts without a user: in scripts, in cron jobs, and with `--batch`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

impl Prompts for Unattended {
    fn secret(&self, label: &str) -> io::Result<Secret> {
        Err(nobody(
            label,
            "use a key (-i FILE or ssh-agent), or --password-stdin",
        ))
    }

    fn line(&self, label: &str) -> io::Result<String> {
        Err(nobody(label, "run it once in a terminal"))
    }

    fn show(&self, message: &str) {
        report::write(message);
    }

    fn are_answered(&self) -> bool {
        false
    }
}

fn nobody(label: &str, hint: &str) -> io::Error {
    let label = label.trim_end_matches([' ', ':', '?']);
    io::Error::new(
        io::ErrorKind::NotConnected,
        format!("there is no terminal to ask \"{label}\" (hint: {hint})"),
    )
}

/// Prompts the user without blocking the event loop.
pub(super) struct AsyncPrompts {
    prompts: Arc<dyn Prompts>,
    /// Whether a prompt is open.
    asking: watch::Sender<bool>,
}

impl AsyncPrompts {
    pub(super) fn new(prompts: Arc<dyn Prompts>) -> Self {
        Self {
            prompts,
            asking: watch::Sender::new(false),
        }
    }

    pub(super) fn show(&self, message: &str) {
        self.prompts.show(message);
    }

    pub(super) fn explain(&self, message: &str) {
        self.prompts.explain(message);
    }

    pub(super) fn are_answered(&self) -> bool {
        self.prompts.are_answered()
    }

    pub(super) async fn secret(&self, label: String) -> io::Result<Secret> {
        self.ask(move |prompts| prompts.secret(&label)).await
    }

    pub(super) async fn line(&self, label: String) -> io::Result<String> {
        self.ask(move |prompts| prompts.line(&label)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Prompts) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        /// Marks the prompt as ended, even if the caller is dropped before the answer comes.
        struct Open<'a>(&'a watch::Sender<bool>);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                self.0.send_replace(false);
            }
        }
        self.asking.send_replace(true);
        let _open = Open(&self.asking);
        let prompts = Arc::clone(&self.prompts);
        let answer = tokio::task::spawn_blocking(move || question(&*prompts)).await;
        answer.map_err(io::Error::other)?
    }

    /// Waits for a peer, but no longer than `limit`, and returns `None` when the time is up. Time with an open prompt
    /// does not count, and each answer restarts the limit.
    pub(super) async fn with_timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut asking = self.asking.subscribe();
        tokio::pin!(work);
        loop {
            let open = *asking.borrow_and_update();
            tokio::select! {
                // The time limit comes last: a prompt or an answer at the same moment counts first.
                biased;
                done = &mut work => return Some(done),
                // The sender cannot be dropped while `self` is borrowed.
                _ = asking.changed() => {}
                () = tokio::time::sleep(limit), if !open => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// The limit on what is not a prompt. A busy machine may delay that, too.
    const LIMIT: Duration = Duration::from_secs(1);
    /// The time until a secret is typed.
    const LATE: Duration = Duration::from_millis(1500);

    /// Prompts that are answered with these lines.
    struct ScriptedAnswers(Mutex<Vec<&'static str>>);

    impl Prompts for ScriptedAnswers {
        fn secret(&self, _label: &str) -> io::Result<Secret> {
            std::thread::sleep(LATE);
            Ok(Secret::new("late".to_owned()))
        }

        fn line(&self, _label: &str) -> io::Result<String> {
            let next = self.0.lock().pop();
            next.map(str::to_owned).ok_or_else(|| io::Error::other("no more"))
        }

        fn show(&self, _message: &str) {}
    }

    #[test]
    fn confirm_repeats_until_the_answer_is_yes_or_no() {
        for (typed, expected) in [
            (&["yes"][..], Some(true)),
            (&["NO", "what", ""], Some(false)),
            (&["hm"], None),
        ] {
            let answers = ScriptedAnswers(Mutex::new(typed.to_vec()));
            assert_eq!(answers.confirm("Really").ok(), expected, "{typed:?}");
        }
    }

    #[test]
    fn an_unattended_prompt_fails_with_a_hint() {
        let error = Unattended
            .secret("calvin@host's password: ")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "there is no terminal to ask \"calvin@host's password\" (hint: use a key (-i FILE or ssh-agent), or --password-stdin)"
        );
        assert!(Unattended.confirm("Sure").is_err());
    }

    #[tokio::test]
    async fn time_with_an_open_prompt_does_not_count() {
        let prompts = AsyncPrompts::new(Arc::new(ScriptedAnswers(Mutex::default())));
        let asked = prompts.with_timeout(LIMIT, prompts.secret(String::new())).await;
        assert_eq!(asked.unwrap().unwrap().reveal(), "late");
        let hung = prompts.with_timeout(LIMIT, async {
            prompts.secret(String::new()).await.unwrap();
            std::future::pending::<()>().await;
        });
        assert!(hung.await.is_none());
    }
}
