//! Prompts on a screen that also shows progress: messages and prompts pause the display.

use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::connect::Prompts;
use crate::interrupt;
use base::secret::Secret;

/// A display that can stop drawing while a prompt is open.
pub trait PausableDisplay: Send + Sync {
    /// Prints a line that stays.
    fn say(&self, message: &str);

    /// Draws nothing while `ask` runs, which prompts the user.
    fn pause(&self, ask: &mut dyn FnMut());

    /// Shows that the connection is made again at this time. `None`: it is there again, or given up.
    fn reconnecting(&self, at: Option<Instant>);
}

/// Passes prompts and messages on to `inner`, and pauses the display meanwhile.
pub(super) struct PromptsAboveProgress {
    inner: Arc<dyn Prompts>,
    /// The lock that is held while a prompt is open.
    asking: Mutex<()>,
    screen: Mutex<Option<Weak<dyn PausableDisplay>>>,
}

impl PromptsAboveProgress {
    pub fn new(inner: Arc<dyn Prompts>) -> Self {
        let screen = Mutex::new(None);
        let asking = Mutex::default();
        Self {
            inner,
            asking,
            screen,
        }
    }

    /// Makes this display the one that draws, as long as it lives.
    pub fn set_display(&self, screen: Weak<dyn PausableDisplay>) {
        *self.screen.lock() = Some(screen);
    }

    fn screen(&self) -> Option<Arc<dyn PausableDisplay>> {
        let screen = self.screen.lock();
        screen.as_ref().and_then(Weak::upgrade)
    }

    /// Shows on the display that the connection is made again at this time. `None`: it is there again, or given up.
    pub fn reconnecting(&self, at: Option<Instant>) {
        if let Some(screen) = self.screen() {
            screen.reconnecting(at);
        }
    }

    /// Waits until no prompt is open. A cancelled prompt ends by itself, but until then it would consume what is typed.
    pub fn wait(&self) {
        drop(self.asking.lock());
    }

    fn ask<T>(&self, question: impl Fn(&dyn Prompts) -> io::Result<T>) -> io::Result<T> {
        let interrupts = interrupt::count();
        let _asking = self.asking.lock();
        if interrupt::count() != interrupts {
            // Ctrl-C was pressed while another prompt was open, which cancels this one too.
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        let Some(screen) = self.screen() else {
            return question(&*self.inner);
        };
        let mut answer = Err(io::Error::other("nobody was asked"));
        screen.pause(&mut || answer = question(&*self.inner));
        answer
    }
}

impl Prompts for PromptsAboveProgress {
    fn secret(&self, label: &str) -> io::Result<Secret> {
        self.ask(|inner| inner.secret(label))
    }

    fn line(&self, label: &str) -> io::Result<String> {
        self.ask(|inner| inner.line(label))
    }

    fn show(&self, message: &str) {
        match self.screen() {
            Some(screen) => screen.say(message),
            None => self.inner.show(message),
        }
    }

    fn explain(&self, message: &str) {
        match self.screen() {
            Some(screen) => screen.pause(&mut || self.inner.explain(message)),
            None => self.inner.explain(message),
        }
    }

    fn are_answered(&self) -> bool {
        self.inner.are_answered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records all calls in order.
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Log {
        fn add(&self, text: &str) {
            self.0.lock().push(text.to_owned());
        }
    }

    impl Prompts for Arc<Log> {
        fn secret(&self, _: &str) -> io::Result<Secret> {
            self.add("secret");
            Ok(Secret::new("x".to_owned()))
        }

        fn line(&self, _: &str) -> io::Result<String> {
            self.add("line");
            Ok("x".to_owned())
        }

        fn show(&self, message: &str) {
            self.add(message);
        }
    }

    impl PausableDisplay for Log {
        fn say(&self, message: &str) {
            self.add(&format!("said {message}"));
        }

        fn pause(&self, ask: &mut dyn FnMut()) {
            self.add("paused");
            ask();
            self.add("goes on");
        }

        fn reconnecting(&self, _at: Option<Instant>) {}
    }

    #[test]
    fn prompts_pause_the_display_while_it_exists() {
        let log = Arc::<Log>::default();
        let screen_prompts = PromptsAboveProgress::new(Arc::new(Arc::clone(&log)));
        screen_prompts.show("before");
        let screen = Arc::new(Log::default());
        screen_prompts.set_display(Arc::downgrade(&screen) as Weak<dyn PausableDisplay>);
        screen_prompts.show("lost");
        assert_eq!(screen_prompts.line("?").unwrap(), "x");
        assert_eq!(screen_prompts.secret("?").unwrap().reveal(), "x");
        assert_eq!(
            *screen.0.lock(),
            ["said lost", "paused", "goes on", "paused", "goes on"]
        );
        drop(screen);
        screen_prompts.show("after");
        assert_eq!(*log.0.lock(), ["before", "line", "secret", "after"]);
    }
}
