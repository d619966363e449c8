//! `homeportd user …`

mod qr;
mod text;
mod totp;

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::grammar::{AddArgs, Cli, KeyCommand, OutputArgs, SetArgs, TotpCommand, UserCommand};
use super::passwords::{self, PasswordSource};
use super::work::{IfMissing, with_store};
use super::{key_files, output};
use crate::auth::totp::TotpSecret;
use crate::config::Config;
use crate::domain::user::UserName;
use crate::ops::context::OpsContext;
use crate::ops::keys::KeyView;
use crate::ops::passwords::NewPassword;
use crate::ops::users::change::ConfirmedChange;
use crate::ops::users::totp::{self as second_factors, EnrolmentRequest};
use crate::ops::users::view::UserList;
use crate::ops::users::{self, NewUser};
use crate::shapes::json::{ChangeJson, KeyJson, UserJson};
use base::error::{Error, Result};
use base::secret::Secret;

/// Runs the command, and prints the result.
///
/// # Errors
/// Returns an error if the store, the disk or the rules refuse.
pub fn run(command: UserCommand, load: impl Fn() -> Result<Config>) -> Result<()> {
    match &command {
        UserCommand::Set(args) if args.is_empty() => nothing_to_set("user"),
        UserCommand::Set(args) => must_agree(args.settings.clone().changes()),
        UserCommand::Add(args) => must_agree(args.settings.clone().changes()),
        _ => {}
    }
    if matches!(&command, UserCommand::Set(args) if args.moves_and_changes()) {
        let error = Cli::command().error(
            ErrorKind::ArgumentConflict,
            "--move changes nothing but the home: change the other settings by another command",
        );
        error.exit()
    }
    let config = load()?;
    let inputs = Inputs::read(&command)?;
    let if_missing = match command {
        UserCommand::Add(_) => IfMissing::Make,
        _ => IfMissing::Fail,
    };
    let text = with_store(&config, if_missing, async |context| {
        execute(command, inputs, context).await
    })?;
    output::print(&text)
}

/// Ends a command that changes nothing, because its command line is wrong.
pub fn nothing_to_set(kind: &str) -> ! {
    let error = Cli::command().error(
        ErrorKind::MissingRequiredArgument,
        format!("nothing to set (see `{kind} set --help`)"),
    );
    error.exit()
}

/// Ends a command whose options contradict each other, because its command line is wrong.
pub fn must_agree<T>(changes: Result<T>) {
    if let Err(error) = changes {
        Cli::command().error(ErrorKind::ArgumentConflict, error).exit()
    }
}

/// What must be read before root becomes the owner of the data directory, who may not be able to read it.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    keys: Vec<String>,
    /// The source of the password, which is read once the command can do its work.
    password: Option<PasswordSource>,
    /// The secret of a second factor that the user's device has already.
    totp: Option<TotpSecret>,
}

impl Inputs {
    /// Reads the key files that the command needs.
    ///
    /// # Errors
    /// Returns an error if a file contains no usable key, or if standard input would have to be read twice.
    pub(super) fn read(command: &UserCommand) -> Result<Self> {
        let key_files: &[PathBuf] = match command {
            UserCommand::Add(add) => &add.keys,
            UserCommand::Key(KeyCommand::Add { files, .. }) => files,
            _ => &[],
        };
        let password = match command {
            UserCommand::Add(add) => match add.password.source() {
                PasswordSource::Terminal if !add.keys.is_empty() => None,
                source => Some(source),
            },
            UserCommand::Passwd { password, .. } => Some(password.source()),
            _ => None,
        };
        let stdin_keys = key_files.iter().filter(|file| file.as_os_str() == "-").count();
        let from_stdin = |source| matches!(source, PasswordSource::Stdin | PasswordSource::HashStdin);
        let stdin_password = password.is_some_and(from_stdin);
        if stdin_keys + usize::from(stdin_password) > 1 {
            return Err(Error::new("standard input can be read once only").hint("give keys by file"));
        }
        let totp = match command {
            UserCommand::Totp(TotpCommand::Enroll {
                secret_stdin: true, ..
            }) => Some(totp::secret_from_stdin()?),
            _ => None,
        };
        Ok(Self {
            keys: key_files::read(key_files)?,
            password,
            totp,
        })
    }
}

/// Executes the command; returns the text to print.
pub(super) async fn execute(
    command: UserCommand,
    inputs: Inputs,
    context: &OpsContext<'_>,
) -> Result<String> {
    match command {
        UserCommand::Add(args) => add(args, inputs, context).await,
        UserCommand::Set(args) => set(args, context).await,
        UserCommand::Show { name, json } => show(&users::show(&name, context).await?, json),
        UserCommand::List { group, json } => list(&users::list(group.as_ref(), context).await?, json),
        UserCommand::Passwd { name, output, .. } => {
            let prompt = PasswordPrompt::new(inputs.password);
            let ask = |name: &UserName| prompt.ask(name);
            let change = users::set_password(&name, &ask, context).await?;
            report_password(&change, &prompt, &output)
        }
        UserCommand::Key(command) => keys(command, inputs, context).await,
        UserCommand::Totp(command) => second_factor(command, inputs, context).await,
        UserCommand::Enable { name, output } => report(&users::enable(&name, true, context).await?, &output),
        UserCommand::Disable { name, output } => {
            report(&users::enable(&name, false, context).await?, &output)
        }
        UserCommand::Rename {
            name,
            new_name,
            output,
        } => report(&users::rename(&name, &new_name, context).await?, &output),
        UserCommand::Remove {
            name,
            delete_home,
            output,
        } => report(&users::remove(&name, delete_home, context).await?, &output),
        UserCommand::File(_) => Err(Error::new("a file of users is not about one user")),
    }
}

async fn add(args: AddArgs, inputs: Inputs, context: &OpsContext<'_>) -> Result<String> {
    let source = inputs.password;
    let prompt = PasswordPrompt::new(source);
    let ask = |name: &UserName| prompt.ask(name);
    let new = NewUser {
        name: args.name,
        home: args.home,
        keys: inputs.keys,
        password: source.is_some().then_some(&ask),
        settings: args.settings.changes()?,
    };
    report_password(&users::add(new, context).await?, &prompt, &args.output)
}

/// Asks for a password, and keeps it if it was generated, because it is to be printed.
struct PasswordPrompt {
    source: PasswordSource,
    generated: OnceLock<Secret>,
}

impl PasswordPrompt {
    fn new(source: Option<PasswordSource>) -> Self {
        Self {
            source: source.unwrap_or(PasswordSource::Terminal),
            generated: OnceLock::new(),
        }
    }

    fn ask(&self, name: &UserName) -> Result<NewPassword> {
        let password = passwords::ask(name, self.source)?;
        if let (PasswordSource::Generated, NewPassword::Plain(secret)) = (self.source, &password) {
            self.generated.get_or_init(|| secret.clone());
        }
        Ok(password)
    }
}

async fn set(args: SetArgs, context: &OpsContext<'_>) -> Result<String> {
    let home = args.home.as_deref();
    if let (Some(home), true) = (home, args.move_files) {
        let moved = users::move_home(&args.name, home, context).await?;
        return report(&moved, &args.output);
    }
    let changed = users::set(&args.name, home, args.settings.changes()?, context).await?;
    report(&changed, &args.output)
}

async fn keys(command: KeyCommand, inputs: Inputs, context: &OpsContext<'_>) -> Result<String> {
    match command {
        KeyCommand::Add { name, output, .. } => {
            report(&users::add_keys(&name, inputs.keys, context).await?, &output)
        }
        KeyCommand::List { name, json } => list_keys(&users::list_keys(&name, context).await?, json),
        KeyCommand::Remove {
            name,
            fingerprint,
            output,
        } => report(&users::remove_key(&name, &fingerprint, context).await?, &output),
    }
}

async fn second_factor(command: TotpCommand, inputs: Inputs, context: &OpsContext<'_>) -> Result<String> {
    match command {
        TotpCommand::Enroll {
            name, replace, json, ..
        } => {
            let request = EnrolmentRequest {
                replace,
                secret: inputs.totp,
            };
            let enrolment = second_factors::enroll_totp(&name, request, context).await?;
            totp::print(&name, enrolment, json)
        }
        TotpCommand::Reset { name, output } => {
            report(&second_factors::reset_totp(&name, context).await?, &output)
        }
    }
}

/// Formats the result of a change, as text or JSON.
pub(super) fn report(change: &ConfirmedChange, output: &OutputArgs) -> Result<String> {
    match output.json {
        true => output::json(&ChangeJson::from(change)),
        false => Ok(text::change(change)),
    }
}

/// Formats the result of a change that may have generated a password, which is the last line.
fn report_password(change: &ConfirmedChange, prompt: &PasswordPrompt, output: &OutputArgs) -> Result<String> {
    let generated = prompt.generated.get().map(Secret::reveal);
    match (output.json, generated) {
        (true, generated) => output::json(&ChangeJson::with_password(change, generated)),
        (false, Some(password)) => Ok(format!("{}{password}\n", text::change(change))),
        (false, None) => Ok(text::change(change)),
    }
}

fn show(list: &UserList, json: bool) -> Result<String> {
    note_unanswered(list);
    let mut shown = String::new();
    for user in &list.users {
        shown.push_str(&match json {
            true => output::json(&UserJson::from(user))?,
            false => text::user(user),
        });
    }
    Ok(shown)
}

fn list(list: &UserList, json: bool) -> Result<String> {
    note_unanswered(list);
    if json {
        let users: Vec<UserJson> = list.users.iter().map(Into::into).collect();
        return output::json_array(&users);
    }
    Ok(text::table(&list.users))
}

/// Prints a note if the running server did not report the use of homes.
fn note_unanswered(list: &UserList) {
    if let Some(error) = &list.unanswered {
        output::note(&format!("{error}; the use shown is what was last recorded"));
    }
}

fn list_keys(keys: &[KeyView], json: bool) -> Result<String> {
    if json {
        let keys: Vec<KeyJson> = keys.iter().map(Into::into).collect();
        return output::json_array(&keys);
    }
    let line = |key: &KeyView| format!("{} {}\n", key.fingerprint, key.comment);
    Ok(keys.iter().map(line).collect())
}

#[cfg(test)]
mod tests;
