//! What is said and asked about a connection while something is drawn on the same screen: it goes by way of who draws.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::connect::Prompts;
use crate::interrupt;
use base::secret::Secret;

/// Who draws.
pub trait Screen: Send + Sync {
    /// A line among those that stay.
    fn say(&self, message: &str);

    /// Nothing is drawn while this runs, which asks somebody.
    fn pause(&self, ask: &mut dyn FnMut());
}

/// Asks and tells as `inner` does; what is drawn steps aside meanwhile.
pub(super) struct Aside {
    inner: Arc<dyn Prompts>,
    /// Held while something is asked.
    asking: Mutex<()>,
    screen: Mutex<Option<Weak<dyn Screen>>>,
}

impl Aside {
    pub fn new(inner: Arc<dyn Prompts>) -> Self {
        let screen = Mutex::new(None);
        let asking = Mutex::default();
        Self {
            inner,
            asking,
            screen,
        }
    }

    /// From now on this one draws, as long as it lives.
    pub fn beside(&self, screen: Weak<dyn Screen>) {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen);
    }

    fn screen(&self) -> Option<Arc<dyn Screen>> {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.as_ref().and_then(Weak::upgrade)
    }

    /// Waits until nothing is asked any more. A question that was given up ends by itself; what is typed before it has
    /// would be lost.
    pub fn wait(&self) {
        drop(self.asking.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn ask<T>(&self, question: impl Fn(&dyn Prompts) -> io::Result<T>) -> io::Result<T> {
        let interrupts = interrupt::count();
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if interrupt::count() != interrupts {
            // While another question was open: nobody wants an answer to this one any more.
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

impl Prompts for Aside {
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

    /// Writes down what happens.
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Log {
        fn add(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
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

    impl Screen for Log {
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
        let aside = Aside::new(Arc::new(Arc::clone(&log)));
        aside.tell("before");
        let screen = Arc::new(Log::default());
        aside.beside(Arc::downgrade(&screen) as Weak<dyn Screen>);
        aside.tell("lost");
        assert_eq!(aside.line("?").unwrap(), "x");
        assert_eq!(aside.secret("?").unwrap().reveal(), "x");
        assert_eq!(
            *screen.0.lock().unwrap(),
            ["said lost", "paused", "goes on", "paused", "goes on"]
        );
        drop(screen);
        aside.tell("after");
        assert_eq!(*log.0.lock().unwrap(), ["before", "line", "secret", "after"]);
    }
}
