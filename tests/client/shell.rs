//! The client's shell against `homeportd`: names that patterns stand for, scripts, and a real terminal.

mod globs;
mod questions;
mod scripts;
mod terminal;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base::secret::Secret;
use homeport::commands::{Command, CommandRunner, Session};
use homeport::connect::{
    ConfigFile, Credentials, Destination, LocalEnvironment, Options, Target, Unattended, UnknownKeys,
};
use homeport::output::Output;
use homeport::remote::Remote;

use tokio::sync::mpsc;

use testkit::server::{TestServer, password};

const USER: &str = "alice";

/// A server with these files in the user's home; what ends in `/` is a directory.
fn server_with(names: &[&str]) -> TestServer {
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

/// Signed in to the server at this port. `home`: of the person, where nothing is yet.
async fn signed_in(port: u16, home: &Path) -> Arc<Session> {
    let options = Options {
        config: ConfigFile::None,
        unknown_keys: Some(UnknownKeys::Learn),
        ..Options::default()
    };
    let here = LocalEnvironment {
        home: home.to_owned(),
        local_user: "nobody".to_owned(),
        agent: None,
        system: home.join("etc"),
    };
    let word = format!("sftp://{USER}@127.0.0.1:{port}");
    let target = Target::parse(OsStr::new(&word)).unwrap();
    let destination = Destination::resolve(&target, &options, &here).unwrap();
    let credentials = Credentials::new(Some(Secret::new(password(USER))));
    let remote = Remote::connect(destination, credentials, Arc::new(Unattended)).await;
    let remote = remote.unwrap_or_else(|error| panic!("{error}"));
    Session::new(Arc::new(remote), Output::default(), b"/".to_vec())
}

/// Writes down what is asked for, and answers with the codes of [`code`].
struct Scribe(mpsc::UnboundedSender<String>);

/// `sum` never goes well.
fn code(command: &Command) -> u8 {
    match command {
        Command::Sum(_) => 5,
        _ => 0,
    }
}

#[async_trait]
impl CommandRunner for Scribe {
    async fn run(&self, session: &Arc<Session>, command: Command) -> u8 {
        let directory = String::from_utf8(session.directory()).unwrap();
        let (name, words) = match &command {
            Command::Ls(args) => ("ls", &args.words),
            Command::Get(args) => ("get", &args.transfer.words),
            Command::Put(args) => ("put", &args.transfer.words),
            Command::Mkdir(args) => ("mkdir", &args.words),
            Command::Rm(args) => ("rm", &args.words),
            Command::Mv(args) => ("mv", &args.words),
            Command::Chmod(args) => ("chmod", &args.words),
            Command::Sum(args) => ("sum", &args.words),
            Command::Df(args) => ("df", &args.words),
        };
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        self.0
            .send(format!("{directory}: {name} {}", words.join(" ")))
            .unwrap();
        code(&command)
    }
}
