//! Prompts with prepared answers, which record all labels and messages.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use base::secret::Secret;
use homeport::connect::Prompts;

/// Prompts that are answered in this order. When no answer is left, they fail as without a terminal.
#[derive(Default)]
pub struct ScriptedPrompts {
    answers: Mutex<VecDeque<String>>,
    labels: Mutex<Vec<String>>,
    messages: Mutex<String>,
    unattended: bool,
}

impl ScriptedPrompts {
    /// Creates prompts with these answers.
    pub fn with_answers(answers: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(|answer| (*answer).to_owned()).collect()),
            ..Self::default()
        })
    }

    /// Creates prompts without answers, all of which fail.
    pub fn without_answers() -> Arc<Self> {
        Self::with_answers(&[])
    }

    /// Creates the prompts of a program that nobody watches.
    pub fn unattended() -> Arc<Self> {
        Arc::new(Self {
            unattended: true,
            ..Self::default()
        })
    }

    /// Returns the labels of all prompts so far.
    pub fn labels(&self) -> Vec<String> {
        self.labels.lock().unwrap().clone()
    }

    /// Returns all messages so far, one per line.
    pub fn messages(&self) -> String {
        self.messages.lock().unwrap().clone()
    }
}

impl Prompts for ScriptedPrompts {
    fn secret(&self, label: &str) -> io::Result<Secret> {
        self.line(label).map(Secret::new)
    }

    fn line(&self, label: &str) -> io::Result<String> {
        self.labels.lock().unwrap().push(label.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "there is no terminal"))
    }

    fn show(&self, message: &str) {
        let mut messages = self.messages.lock().unwrap();
        messages.push_str(message);
        messages.push('\n');
    }

    fn are_answered(&self) -> bool {
        !self.unattended
    }
}
