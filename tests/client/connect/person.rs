//! A person in front of a terminal who answers as agreed, and remembers every question.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use base::secret::Secret;
use homeport::connect::Prompts;

/// Answers in this order; when none is left, nobody is there.
#[derive(Default)]
pub struct Person {
    answers: Mutex<VecDeque<String>>,
    asked: Mutex<Vec<String>>,
    told: Mutex<String>,
}

impl Person {
    pub fn who_says(answers: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(|answer| (*answer).to_owned()).collect()),
            ..Self::default()
        })
    }

    /// Nobody may be asked.
    pub fn absent() -> Arc<Self> {
        Self::who_says(&[])
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }
}

impl Prompts for Person {
    fn secret(&self, label: &str) -> io::Result<Secret> {
        self.line(label).map(Secret::new)
    }

    fn line(&self, label: &str) -> io::Result<String> {
        self.asked.lock().unwrap().push(label.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "there is no terminal"))
    }

    fn tell(&self, message: &str) {
        let mut told = self.told.lock().unwrap();
        told.push_str(message);
        told.push('\n');
    }
}
