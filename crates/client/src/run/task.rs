//! The task that the command line asks for, and its server.

use std::ffi::OsString;
use std::sync::Arc;

use crate::commands::{Command, CommandRunner as _, Runner, Session, StdinUse, UsageError};
use crate::connect::Target;

/// The task of one run of the program, with its server.
pub(super) enum Task {
    /// The shell: interactive, or a script on standard input.
    Shell(Target),
    /// One command on one server.
    Command(Target, Box<Command>),
}

impl Task {
    /// Reads the server out of the words of a command, or out of the one word that stands alone.
    ///
    /// # Errors
    /// When no server is named, a server is named where none is expected, or a file that an option names is not one.
    pub(super) fn new(
        command: Option<Command>,
        target: Option<OsString>,
        stdin: StdinUse,
    ) -> Result<Self, UsageError> {
        const HELP: &str = "homeport --help shows how";
        match (command, target) {
            (Some(_), Some(target)) => Err(UsageError::new(
                format!("{target:?} stands before the command"),
                "write the server in front of each path: HOST:PATH",
            )),
            (None, None) => Err(UsageError::new("no server is named", HELP)),
            (None, Some(target)) => Target::parse(&target)
                .map(Self::Shell)
                .map_err(|error| UsageError::new(error.to_string(), HELP)),
            (Some(mut command), None) => {
                let target = command.verb_mut().take_server()?;
                command.verb_mut().prepare(stdin)?;
                command.verb().check()?;
                Ok(Self::Command(target, Box::new(command)))
            }
        }
    }

    /// The task in a few words, for the log: the name of the verb, and the server.
    pub(super) fn description(&self) -> String {
        let verb = match self {
            Self::Shell(_) => "shell".to_owned(),
            Self::Command(_, command) => command.name().to_lowercase(),
        };
        let Target { user, host, port, .. } = self.target();
        let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
        format!("{verb} on {user}{host}{port}")
    }

    /// The server that the task is about.
    pub(super) fn target(&self) -> &Target {
        match self {
            Self::Shell(target) | Self::Command(target, _) => target,
        }
    }

    /// Runs the one command, and returns the exit code. There is nothing to run for a shell.
    pub(super) async fn run(&self, session: &Arc<Session>) -> u8 {
        match self {
            Self::Shell(_) => 0,
            Self::Command(_, command) => Runner.run(session, Command::clone(command)).await,
        }
    }
}
