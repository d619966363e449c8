//! What is not done because there is no connection any more: it is counted, and said once.

use super::error::TransferError;
use crate::link::RemoteError;

/// The names for which nothing could be done without a connection.
#[derive(Debug)]
pub(super) struct UndoneNames {
    /// The first of them, as it is shown.
    first: String,
    /// Why there is no connection.
    why: RemoteError,
    count: u64,
}

impl UndoneNames {
    /// The first name.
    pub(super) fn new(first: String, why: RemoteError) -> Self {
        let count = 1;
        Self { first, why, count }
    }

    /// Counts another name.
    pub(super) fn add(&mut self) {
        self.count += 1;
    }

    /// The one message for all of them.
    pub(super) fn message(self) -> String {
        let Self { first, why, count } = self;
        match count {
            1 => format!("{first}: FAILED: {}", TransferError::Disconnected(why)),
            _ => format!(
                "{why}; {count} files or directories are not done (hint: run the same command again; it goes on where this one stopped)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use parking_lot::Mutex;

    use super::*;
    use crate::link::ConnectionLost;
    use crate::transfer::progress_hub::{FileProgress, ProgressHub, ProgressObserver};
    use crate::transfer::{Direction, Job, Outcome};

    /// Records the messages about names that are not done.
    struct UndoneRecorder(Arc<Mutex<Vec<String>>>);

    impl ProgressObserver for UndoneRecorder {
        fn began(&self, _: &Job, _: &Arc<FileProgress>) {}
        fn ended(&self, _: &Job, _: &Arc<FileProgress>, _: &Result<Outcome, TransferError>) {}
        fn fail(&self, _: &[u8], _: &str) {}
        fn undone(&self, message: &str) {
            self.0.lock().push(message.to_owned());
        }
        fn left_out(&self, _: &str) {}
        fn warn(&self, _: &str) {}
        fn pause(&self, _: &mut dyn FnMut()) {}
        fn reconnecting(&self, _: Option<Instant>) {}
    }

    #[test]
    fn all_names_that_are_not_done_are_said_in_one_message() {
        let lost = || RemoteError::from(ConnectionLost("it was closed".into()));
        let hint = "(hint: run the same command again; it goes on where this one stopped)";
        for (files, names, expected) in [
            (0, 0, None),
            (
                1,
                0,
                Some("f0: FAILED: the connection to the server was lost: it was closed"),
            ),
            (
                0,
                1,
                Some("d0: FAILED: the connection to the server was lost: it was closed"),
            ),
            (
                20,
                3,
                Some(
                    "the connection to the server was lost: it was closed; 23 files or directories are not done",
                ),
            ),
        ] {
            let said = Arc::<Mutex<Vec<String>>>::default();
            let hub = ProgressHub::new(Arc::default(), Box::new(UndoneRecorder(Arc::clone(&said))));
            for number in 0..files {
                let job = Job {
                    direction: Direction::Up,
                    local: format!("f{number}").into(),
                    remote: Vec::new(),
                    size: 1,
                    destination: None,
                    known: None,
                };
                let progress = hub.begin(&job);
                hub.end(&job, &progress, &Err(TransferError::Disconnected(lost())));
            }
            for number in 0..names {
                hub.not_done(&format!("d{number}"), &lost());
            }
            assert!(said.lock().is_empty(), "more may follow");
            drop(hub);
            let expected: Vec<String> = expected
                .map(|text| format!("{text} {hint}"))
                .into_iter()
                .collect();
            assert_eq!(*said.lock(), expected, "{files}, {names}");
        }
    }
}
