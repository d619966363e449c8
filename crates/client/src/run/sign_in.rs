//! Signs in with the options of the command line. How it works stands in [`connect`](crate::connect).

use std::collections::HashSet;
use std::io::{self, BufRead as _};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::failure::CommandFailure;
use super::reported_prompts::ReportedPrompts;
use crate::cli::CommonArgs;
use crate::commands::{Session, UsageError};
use crate::connect::{
    ConfigFile, Credentials, Destination, LocalEnvironment, Options, Prompts, Target, Terminal, Unattended,
    UnknownKeys, destination,
};
use crate::interrupt;
use crate::output::Output;
use crate::remote::{Remote, RetryRule};
use crate::verbose;
use base::error::{Error, Result};
use base::secret::Secret;
use base::visible::printable;

/// The longest password that is read from standard input, in bytes.
const MAX_PASSWORD: u64 = 4096;
/// The longest time that a prompt takes to end by itself after Ctrl-C.
const QUESTION_ENDS: Duration = Duration::from_millis(500);
/// How long a signal may take to arrive at the task that waits for it.
const SIGNAL: Duration = Duration::from_millis(50);

/// Signs in, unless Ctrl-C stops it.
pub(super) async fn signed_in(
    stop: &CancellationToken,
    common: &CommonArgs,
    target: &Target,
    output: Output,
) -> std::result::Result<Arc<Session>, CommandFailure> {
    let stopped = async {
        stop.cancelled().await;
        // An open prompt ends by itself, and restores the modes of the terminal.
        tokio::time::sleep(QUESTION_ENDS).await;
    };
    let session = tokio::select! {
        session = sign_in(common, target, output) => Some(session),
        () = stopped => None,
    };
    if matches!(session, Some(Err(_))) {
        // The prompt may fail before the task that waits for SIGINT runs: it gets a moment.
        let _ = tokio::time::timeout(SIGNAL, stop.cancelled()).await;
    }
    match session {
        Some(session) if !stop.is_cancelled() => session,
        _ => Err(CommandFailure {
            code: interrupt::EXIT_CODE,
            error: Error::new("stopped"),
        }),
    }
}

async fn sign_in(
    common: &CommonArgs,
    target: &Target,
    output: Output,
) -> std::result::Result<Arc<Session>, CommandFailure> {
    let password = if common.password_stdin {
        // Another thread reads, so that Ctrl-C is handled meanwhile.
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
        unknown_keys: common.accept_new.then_some(UnknownKeys::AcceptNew),
        connect_timeout: common.connect_timeout.map(Duration::from_secs),
        settings: common.option.clone(),
        jump: common.jump.clone(),
        ssh: common.ssh.clone(),
        batch: common.batch,
        verbose: common.verbose,
        user: None,
    };
    destination::check_options(&options).map_err(UsageError)?;
    verbose::set_level(common.verbose);
    let destination = destination::resolve(target, &options, &LocalEnvironment::of_this_process()?)?;
    let prompts: Arc<dyn Prompts> = match Terminal::is_there() && !destination.batch {
        true => Arc::new(Terminal),
        false => Arc::new(Unattended),
    };
    let prompts: Arc<dyn Prompts> = Arc::new(ReportedPrompts(prompts));
    say_what_is_not_obeyed(&destination, &*prompts);
    let retry_rule = RetryRule::of_option(common.retry_for);
    let remote = Remote::connect_by(destination, Credentials::new(password), prompts, retry_rule).await;
    let remote = remote.map_err(|error| CommandFailure {
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

/// Says what the configuration of ssh sets for the server and the hosts in the middle, and is not obeyed here. Each
/// setting is named once.
fn say_what_is_not_obeyed(destination: &Destination, prompts: &dyn Prompts) {
    let mut said = HashSet::new();
    for host in destination.hosts() {
        let mut names = |settings: &[String]| -> Vec<String> {
            let new = settings.iter().filter(|name| said.insert((*name).clone()));
            new.map(|name| printable(name.as_bytes())).collect()
        };
        let (not_obeyed, comfort) = (names(&host.not_obeyed), names(&host.comfort));
        if !not_obeyed.is_empty() {
            prompts.show(&format!(
                "note: the configuration of ssh for \"{}\" sets what homeport does not obey: {} (hint: --ssh lets ssh connect)",
                printable(host.given.as_bytes()),
                not_obeyed.join(", ")
            ));
        }
        if !comfort.is_empty() {
            verbose::say(verbose::STEPS, || {
                let names = comfort.join(", ");
                format!("not obeyed, because it only concerns speed or comfort: {names}")
            });
        }
    }
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
