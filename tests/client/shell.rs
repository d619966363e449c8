//! The client's shell against `homeportd`: patterns, scripts, and a real terminal.

mod globs;
mod programs;
mod prompts;
mod scripts;
pub mod terminal;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base::secret::Secret;
use homeport::commands::{Command, CommandRunner, Session};
use homeport::connect::{ConfigFile, Credentials, Unattended};
use homeport::output::Output;
use homeport::remote::Remote;

use tokio::sync::mpsc;

use crate::client::destination::local_destination;
use testkit::server::{TestServer, password};

pub const USER: &str = "alice";

/// Starts a server with these files in the user's home; a name that ends in `/` is a directory.
pub fn server_with(names: &[&str]) -> TestServer {
    let server = TestServer::start(&[USER]);
    let home = server.home(USER);
    for name in names {
        let path = home.join(name);
        let directory = match name.strip_suffix('/') {
            Some(_) => &path,
            None => path.parent().unwrap(),
        };
        std::fs::create_dir_all(directory).unwrap();
        if !name.ends_with('/') {
            std::fs::write(path, name).unwrap();
        }
    }
    server
}

/// Signs in to the server at this port, with an empty local home.
async fn signed_in(port: u16, home: &Path) -> Arc<Session> {
    let destination = local_destination(USER, port, home, ConfigFile::None);
    let credentials = Credentials::new(Some(Secret::new(password(USER))));
    let remote = Remote::connect(destination, credentials, Arc::new(Unattended)).await;
    let remote = remote.unwrap_or_else(|error| panic!("{error}"));
    Session::new(Arc::new(remote), Output::default(), b"/".to_vec())
}

/// Records the commands that it gets, and returns the codes of [`code`].
struct CommandRecorder(mpsc::UnboundedSender<String>);

/// Returns the exit code for a command, which is a failure for `sum` only.
fn code(command: &Command) -> u8 {
    match command {
        Command::Sum(_) => 5,
        _ => 0,
    }
}

#[async_trait]
impl CommandRunner for CommandRecorder {
    async fn run(&self, session: &Arc<Session>, command: Command) -> u8 {
        let directory = String::from_utf8(session.directory()).unwrap();
        let debug = format!("{command:?}");
        let name = debug.split('(').next().unwrap().to_lowercase();
        let mut with_words = command.clone();
        let words = with_words.verb_mut().words();
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        self.0
            .send(format!("{directory}: {name} {}", words.join(" ")))
            .unwrap();
        code(&command)
    }
}
