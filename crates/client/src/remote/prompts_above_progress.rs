//! Prompts that work while something is drawn on the same screen: messages and questions go through what draws.

use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};

use crate::connect::Prompts;
use crate::interrupt;
use base::secret::Secret;

/// Something that draws on the screen and can make way for a question.
pub trait PausableDisplay: Send + Sync {
    /// Prints a line that stays.
    fn say(&self, message: &str);

    /// Draws nothing while `ask` runs, which asks somebody.
    fn pause(&self, ask: &mut dyn FnMut());
}

/// Asks and tells as `inner` does. What is drawn makes way meanwhile.
pub(super) struct PromptsAboveProgress {
    inner: Arc<dyn Prompts>,
    /// Locked while something is asked.
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

    /// Waits until nothing is asked any more. A question that was given up ends by itself; what is typed before that
    /// would be lost.
    pub fn wait(&self) {
        drop(self.asking.lock());
    }

    fn ask<T>(&self, question: impl Fn(&dyn Prompts) -> io::Result<T>) -> io::Result<T> {
        let interrupts = interrupt::count();
        let _asking = self.asking.lock();
        if interrupt::count() != interrupts {
            // Ctrl-C was pressed while another question was open: nobody wants an answer to this one any more.
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

    fn tell(&self, message: &str) {
        match self.screen() {
            Some(screen) => screen.say(message),
            None => self.inner.tell(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a list of what happens.
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

        fn tell(&self, message: &str) {
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
    }

    #[test]
    fn what_is_drawn_steps_aside_as_long_as_it_is_there() {
        let log = Arc::<Log>::default();
        let screen_prompts = PromptsAboveProgress::new(Arc::new(Arc::clone(&log)));
        screen_prompts.tell("before");
        let screen = Arc::new(Log::default());
        screen_prompts.set_display(Arc::downgrade(&screen) as Weak<dyn PausableDisplay>);
        screen_prompts.tell("lost");
        assert_eq!(screen_prompts.line("?").unwrap(), "x");
        assert_eq!(screen_prompts.secret("?").unwrap().reveal(), "x");
        assert_eq!(
            *screen.0.lock(),
            ["said lost", "paused", "goes on", "paused", "goes on"]
        );
        drop(screen);
        screen_prompts.tell("after");
        assert_eq!(*log.0.lock(), ["before", "line", "secret", "after"]);
    }
}
