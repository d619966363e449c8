//! A row of the table: its name and its requests.

use testkit::packets::Request;

/// A few requests, independent of all other rows.
pub struct Row {
    pub name: String,
    pub steps: Vec<Step>,
    pub session: RowSession,
}

/// Requests that are sent together, before their replies are read.
pub enum Step {
    /// Sends requests in one write, and reads replies until the last one is answered.
    Together(Vec<Request>),
    /// Sends READDIR for the nth handle until the end, and compares the names as a sorted list.
    List(usize),
}

/// The session on which a row runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSession {
    /// The session that all such rows share.
    Shared,
    /// A session of its own after INIT, because the row may make it unusable.
    Own,
    /// A session of its own before INIT.
    WithoutInit,
}

/// Returns a row with this name and without steps.
pub fn row(name: impl Into<String>) -> Row {
    Row {
        name: name.into(),
        steps: Vec::new(),
        session: RowSession::Shared,
    }
}

impl Row {
    /// Sends a request and waits for its reply.
    pub fn ask(self, request: Request) -> Self {
        self.together(vec![request])
    }

    /// Sends these requests one by one, waiting for each reply.
    pub fn asks(self, requests: impl IntoIterator<Item = Request>) -> Self {
        requests.into_iter().fold(self, Row::ask)
    }

    /// Sends these requests in one write.
    pub fn together(mut self, requests: Vec<Request>) -> Self {
        self.steps.push(Step::Together(requests));
        self
    }

    /// Lists the nth handle to its end.
    pub fn list(mut self, handle: usize) -> Self {
        self.steps.push(Step::List(handle));
        self
    }

    /// Runs the row on a session of its own.
    pub fn own_session(mut self) -> Self {
        self.session = RowSession::Own;
        self
    }

    /// Runs the row on a session of its own without INIT.
    pub fn without_init(mut self) -> Self {
        self.session = RowSession::WithoutInit;
        self
    }
}
