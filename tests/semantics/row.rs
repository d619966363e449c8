//! A row of the table: its name and what is sent.

use testkit::packets::Request;

/// A few requests, independent of all other rows.
pub struct Row {
    pub name: String,
    pub steps: Vec<Step>,
    pub session: Session,
}

/// What is sent in one go, and then waited for.
pub enum Step {
    /// Requests in one write; replies are read until the last one's has come.
    Together(Vec<Request>),
    /// READDIR of the nth handle until it ends, compared as a sorted list.
    List(usize),
}

/// On which session a row runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The one that all such rows share.
    Shared,
    /// One of its own, greeted, because what the row sends may spoil it.
    Own,
    /// One of its own that has not said hello.
    Ungreeted,
}

/// A row without steps.
pub fn row(name: impl Into<String>) -> Row {
    Row {
        name: name.into(),
        steps: Vec::new(),
        session: Session::Shared,
    }
}

impl Row {
    /// Sends a request and waits for its reply.
    pub fn ask(self, request: Request) -> Self {
        self.together(vec![request])
    }

    /// Sends these in turn, waiting for each reply.
    pub fn asks(self, requests: impl IntoIterator<Item = Request>) -> Self {
        requests.into_iter().fold(self, Row::ask)
    }

    /// Sends these in one write.
    pub fn together(mut self, requests: Vec<Request>) -> Self {
        self.steps.push(Step::Together(requests));
        self
    }

    /// Lists the nth handle to its end.
    pub fn list(mut self, handle: usize) -> Self {
        self.steps.push(Step::List(handle));
        self
    }

    /// Runs on a session of its own.
    pub fn own_session(mut self) -> Self {
        self.session = Session::Own;
        self
    }

    /// Runs on a session that has not said hello.
    pub fn ungreeted(mut self) -> Self {
        self.session = Session::Ungreeted;
        self
    }
}
