//! `homeport` from the command line to the exit code.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::cli::{Cli, Command, CommonArgs, Verb};
use super::commands::args::TransferArgs;
use super::commands::output::{Output, Style};
use super::commands::{self, Session};
use super::connect::ssh_config::settings::UnknownKeys;
use super::connect::{
    ConfigFile, Credentials, Destination, Options, Place, Prompts, Surroundings, Target, Terminal, Unattended,
};
use super::printable::printable;
use super::remote::Remote;
use super::remote::failed::Failed;
use super::shell::Run as _;
use super::{interrupt, shell};
use base::error::{Error, Result};
use base::manual;
use base::secret::Secret;

/// Longest password that is read from standard input.
const MAX_PASSWORD: u64 = 4096;

/// How long a server may take to hear that we leave, and a question to end.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long a signal may take to be heard.
const SIGNAL: Duration = Duration::from_millis(50);

/// Why there is no result, and the exit code that says so.
struct Failure {
    code: u8,
    error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: 1, error }
    }
}

fn usage(message: impl Into<String>, hint: &str) -> Failure {
    Failure {
        code: 2,
        error: Error::new(message).hint(hint),
    }
}

/// Does what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    let code = match try_run(cli) {
        Ok(code) => code,
        Err(Failure { code, error }) => {
            eprintln!("homeport: {error}");
            code
        }
    };
    // A thread that waits for a person at the terminal must not hold it up.
    std::process::exit(i32::from(code))
}

fn try_run(cli: Cli) -> std::result::Result<u8, Failure> {
    let command = match cli.verb {
        Some(Verb::Completions { .. } | Verb::Man { .. }) if cli.target.is_some() => {
            return Err(usage(
                "this command needs no server",
                "leave out what stands before it",
            ));
        }
        Some(Verb::Completions { shell }) => {
            commands::output::print(&manual::completions::<Cli>(shell))?;
            return Ok(0);
        }
        Some(Verb::Man { dir }) => {
            manual::pages::<Cli>(&dir)?;
            return Ok(0);
        }
        Some(Verb::There(command)) => Some(command),
        None => None,
    };
    let task = Task::of(command, cli.target)?;
    let runtime = match task {
        // The connection is kept alive while a line is typed.
        Task::Shell(_) => Builder::new_multi_thread().worker_threads(1).enable_all().build(),
        // One task encrypts and sends all; its helpers on other threads would only have to be woken.
        _ => Builder::new_current_thread().enable_all().build(),
    };
    let runtime = runtime.map_err(|error| Error::new("cannot start the event loop").because(error))?;
    let style = match (cli.common.json, cli.common.quiet) {
        (true, _) => Style::Json,
        (_, true) => Style::Quiet,
        _ => Style::Words,
    };
    let output = Output { style };
    let code = work(&runtime, &task, &cli.common, output);
    // A thread that waits for a person at the terminal must not hold it up.
    runtime.shutdown_background();
    code
}

/// Signs in, and does it.
fn work(
    runtime: &Runtime,
    task: &Task,
    common: &CommonArgs,
    output: Output,
) -> std::result::Result<u8, Failure> {
    let stop = CancellationToken::new();
    let session = signed_in(&stop, common, task.target(), output);
    match task {
        Task::Shell(target) => {
            let session = runtime.block_on(interrupt::guard(stop.clone(), async {
                let session = session.await?;
                session.heed(stop.clone());
                session.stoppable(go_to(&session, target)).await?;
                Ok::<_, Failure>(session)
            }))?;
            let runner = Arc::new(commands::Runner);
            let code = shell::run(Arc::clone(&session), runner, runtime.handle().clone());
            runtime.block_on(goodbye(&session));
            Ok(code)
        }
        task => runtime.block_on(interrupt::guard(stop.clone(), async {
            let session = session.await?;
            session.heed(stop.clone());
            let code = task.run(&session).await?;
            goodbye(&session).await;
            Ok(code)
        })),
    }
}

/// Who is gone does not hear it: it is not waited for.
async fn goodbye(session: &Session) {
    let _ = tokio::time::timeout(GOODBYE, session.remote.close()).await;
}

/// Signs in, unless Ctrl-C stops it.
async fn signed_in(
    stop: &CancellationToken,
    common: &CommonArgs,
    target: &Target,
    output: Output,
) -> std::result::Result<Arc<Session>, Failure> {
    let stopped = async {
        stop.cancelled().await;
        // A question ends by itself, and leaves the terminal as it was.
        tokio::time::sleep(GOODBYE).await;
    };
    let session = tokio::select! {
        session = sign_in(common, target, output) => Some(session),
        () = stopped => None,
    };
    if matches!(session, Some(Err(_))) {
        // A question that Ctrl-C has ended is heard of sooner than the signal.
        let _ = tokio::time::timeout(SIGNAL, stop.cancelled()).await;
    }
    match session {
        Some(session) if !stop.is_cancelled() => session,
        _ => Err(Failure {
            code: interrupt::EXIT_CODE,
            error: Error::new("stopped"),
        }),
    }
}

async fn sign_in(
    common: &CommonArgs,
    target: &Target,
    output: Output,
) -> std::result::Result<Arc<Session>, Failure> {
    let password = if common.password_stdin {
        // On another thread: Ctrl-C is heard meanwhile.
        let read = tokio::task::spawn_blocking(read_password).await;
        Some(read.map_err(|error| Error::new("cannot read the password").because(error))??)
    } else {
        None
    };
    let options = Options {
        port: common.port,
        identities: common.identity.clone(),
        config: match &common.config {
            None => ConfigFile::Usual,
            Some(file) if file.as_os_str() == "none" => ConfigFile::None,
            Some(file) => ConfigFile::File(file.clone()),
        },
        known_hosts: common.known_hosts.clone(),
        unknown_keys: common.accept_new.then_some(UnknownKeys::Learn),
        connect_timeout: common.connect_timeout.map(Duration::from_secs),
        ..Options::default()
    };
    let destination = Destination::resolve(target, &options, &Surroundings::of_this_process()?)?;
    let prompts: Arc<dyn Prompts> = match Terminal::is_there() && !common.batch && !destination.batch {
        true => Arc::new(Terminal),
        false => Arc::new(Unattended),
    };
    let remote = Remote::connect(destination, Credentials::new(password), prompts).await;
    let remote = remote.map_err(|error| Failure {
        code: error.exit_code(),
        error: Error::new(error.to_string()),
    })?;
    let link = remote
        .link()
        .await
        .map_err(|failed| Error::new(failed.to_string()))?;
    let home = link
        .home
        .clone()
        .map_err(|failed| Error::new("cannot find the home").because(failed))?;
    Ok(Session::new(Arc::new(remote), output, home))
}

fn read_password() -> Result<Secret> {
    let mut line = zeroize::Zeroizing::new(String::new());
    let mut input = io::Read::take(io::stdin().lock(), MAX_PASSWORD);
    input
        .read_line(&mut line)
        .map_err(|error| Error::new("cannot read the password from standard input").because(error))?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Error::new("no password came on standard input")
            .hint("printf '%s\\n' … | homeport --password-stdin …"));
    }
    Ok(Secret::new(password.to_owned()))
}

/// What is to be done, and where.
enum Task {
    /// Interactive, or a script on standard input.
    Shell(Target),
    Get(Target, TransferArgs, Vec<OsString>, PathBuf),
    Put(Target, TransferArgs, Vec<PathBuf>, OsString),
    Other(Target, shell::Command),
}

/// The path of a target, as a word.
fn word(target: &Target) -> OsString {
    OsString::from_vec(target.path.clone().unwrap_or_else(|| b".".to_vec()))
}

impl Task {
    fn of(command: Option<Command>, target: Option<OsString>) -> std::result::Result<Self, Failure> {
        const HELP: &str = "homeport --help shows how";
        match (command, target) {
            (Some(_), Some(target)) => Err(usage(
                format!("{target:?} stands before the command"),
                "write the server in front of each path: HOST:PATH",
            )),
            (None, None) => Err(usage("no server is named", HELP)),
            (None, Some(target)) => Target::parse(&target)
                .map(Self::Shell)
                .map_err(|error| usage(error.to_string(), HELP)),
            (Some(Command::Get(args)), None) => Self::get(args),
            (Some(Command::Put(args)), None) => Self::put(args),
            (Some(command), None) => Self::other(command),
        }
    }

    fn get(args: TransferArgs) -> std::result::Result<Self, Failure> {
        let mut words = args.words.clone();
        let local = match words.last().map(|last| Place::parse(last)) {
            Some(Ok(Place::Local(path))) => {
                words.pop();
                path
            }
            _ => PathBuf::from("."),
        };
        let (target, paths) = remote_words(&words, false)?;
        Ok(Self::Get(target, args, paths, local))
    }

    fn put(args: TransferArgs) -> std::result::Result<Self, Failure> {
        let Some((last, sources)) = args.words.split_last() else {
            return Err(usage("nothing is named", "homeport put FILE… HOST:PATH"));
        };
        let hint = "homeport put FILE… [USER@]HOST:PATH";
        let target = match Place::parse(last) {
            Ok(Place::Remote(target)) => target,
            Ok(Place::Local(_)) => return Err(usage(format!("{last:?} names no server"), hint)),
            Err(error) => return Err(usage(error.to_string(), hint)),
        };
        if sources.is_empty() {
            return Err(usage("no file is named", hint));
        }
        for source in sources {
            if let Ok(Place::Remote(_)) = Place::parse(source) {
                return Err(usage(
                    format!("{source:?} is on a server"),
                    "only files of this machine are sent; a name with a colon is written ./a:b",
                ));
            }
        }
        let sources = sources.iter().map(PathBuf::from).collect();
        let path = word(&target);
        Ok(Self::Put(target, args.clone(), sources, path))
    }

    fn other(command: Command) -> std::result::Result<Self, Failure> {
        let bare_host = matches!(command, Command::Ls(_) | Command::Df(_));
        let mut command = shell::Command::from(command);
        let (target, paths) = remote_words(command.words(), bare_host)?;
        *command.words() = paths;
        Ok(Self::Other(target, command))
    }

    fn target(&self) -> &Target {
        match self {
            Self::Shell(target) | Self::Get(target, ..) | Self::Put(target, ..) | Self::Other(target, _) => {
                target
            }
        }
    }

    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        match self {
            Self::Shell(_) => Ok(0),
            Self::Get(_, args, patterns, local) => {
                commands::transfer::get(session, args, patterns, local).await
            }
            Self::Put(_, args, sources, path) => {
                commands::transfer::put(session, args, sources.clone(), &session.path(path)).await
            }
            Self::Other(_, command) => Ok(commands::Runner.run(session, command.clone()).await),
        }
    }
}

/// Words that must all be of one server; returns it, and the paths there.
fn remote_words(
    words: &[OsString],
    bare_host: bool,
) -> std::result::Result<(Target, Vec<OsString>), Failure> {
    let mut server: Option<Target> = None;
    let mut paths = Vec::new();
    for text in words {
        let hint = "[USER@]HOST:PATH, or sftp://[USER@]HOST[:PORT]/PATH";
        let target = match Place::parse(text) {
            Ok(Place::Remote(target)) => target,
            // A bare host, where no path is needed.
            Ok(Place::Local(_)) if bare_host => match Target::parse(text) {
                Ok(target) => target,
                Err(error) => return Err(usage(error.to_string(), hint)),
            },
            Ok(Place::Local(_)) => return Err(usage(format!("{text:?} names no server"), hint)),
            Err(error) => return Err(usage(error.to_string(), hint)),
        };
        paths.push(word(&target));
        let bare = Target { path: None, ..target };
        match &server {
            None => server = Some(bare),
            Some(first) if *first == bare => {}
            Some(_) => {
                return Err(usage(
                    "the paths are on different servers",
                    "one command speaks to one server",
                ));
            }
        }
    }
    match server {
        Some(server) => Ok((server, paths)),
        None => Err(usage("no server is named", "[USER@]HOST:PATH")),
    }
}

/// Where a shell begins.
async fn go_to(session: &Session, target: &Target) -> Result<()> {
    let Some(path) = &target.path else {
        return Ok(());
    };
    let link = session.link().await?;
    let path = session.path(OsStr::from_bytes(path));
    let refused =
        |failed: Failed| Error::new(format!("cannot go to \"{}\"", printable(&path))).because(failed);
    let there = link.stat(&path).await.map_err(refused)?;
    if there.is_directory() != Some(true) {
        return Err(Error::new(format!("\"{}\" is no directory", printable(&path))));
    }
    session.set_directory(link.realpath(&path).await.map_err(refused)?);
    Ok(())
}
