//! `homeportd user …`: what each verb does to the store and the disk.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::cli::{AddArgs, KeyCommand, SetArgs, UserCommand};
use super::show::{self, UserView};
use super::usage::{self, HomeUsage};
use super::{control, erase, keys, passwords, storage};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::homes::{self, Made};
use crate::store::Store;
use crate::user::{PasswordHash, Permissions, Quota, User, UserName};

/// What has to be read before root becomes the owner of the data directory, who may not be able to.
#[derive(Debug, Default)]
pub struct Inputs {
    keys: Vec<String>,
    password: Option<PasswordHash>,
}

impl Inputs {
    /// Reads key files and asks for the password, as the command needs it.
    ///
    /// # Errors
    /// When a file or the password is no good.
    pub fn read(command: &UserCommand) -> Result<Self> {
        let key_files: &[PathBuf] = match command {
            UserCommand::Add(add) => &add.keys,
            UserCommand::Key(KeyCommand::Add { files, .. }) => files,
            _ => &[],
        };
        let ask = match command {
            UserCommand::Add(add) if add.password.password_stdin => Some((&add.name, true)),
            UserCommand::Add(add) if add.keys.is_empty() => Some((&add.name, false)),
            UserCommand::Passwd { name, password } => Some((name, password.password_stdin)),
            _ => None,
        };
        let stdin_keys = key_files.iter().filter(|file| file.as_os_str() == "-").count();
        if stdin_keys + usize::from(ask.is_some_and(|(_, stdin)| stdin)) > 1 {
            return Err(Error::new("standard input can be read once only").hint("give keys by file"));
        }
        Ok(Self {
            keys: keys::read(key_files)?,
            password: ask.map(|(name, stdin)| passwords::ask(name, stdin)).transpose()?,
        })
    }
}

/// Does what the command says; returns what to print.
///
/// # Errors
/// When the store, the disk or the rules refuse.
pub async fn run(command: UserCommand, inputs: Inputs, config: &Config, store: &dyn Store) -> Result<String> {
    match command {
        UserCommand::Add(args) => add(args, inputs, config, store).await,
        UserCommand::Set(args) => set(args, config, store).await,
        UserCommand::Show { name, json } => {
            let user = find(store, &name).await?;
            let usages = usages(std::slice::from_ref(&user), config, store).await?;
            let view = UserView::new(&user, usages.first());
            if json { show::json(&view) } else { Ok(view.text()) }
        }
        UserCommand::List { json } => {
            let users = store.users().await?;
            let usages = usages(&users, config, store).await?;
            if json {
                let both = users.iter().zip(&usages);
                let views: Vec<UserView> = both
                    .map(|(user, usage)| UserView::new(user, Some(usage)))
                    .collect();
                show::json(&views)
            } else {
                Ok(show::table(&users, &usages))
            }
        }
        UserCommand::Passwd { name, .. } => {
            let change = move |user: &mut User| {
                user.password_hash = inputs.password;
                Ok(())
            };
            store.change_user(&name, Box::new(change)).await?;
            Ok(format!("password of {name} changed\n"))
        }
        UserCommand::Key(command) => key(command, inputs, store).await,
        UserCommand::Enable { name } => enable(store, &name, true).await,
        UserCommand::Disable { name } => enable(store, &name, false).await,
        UserCommand::Remove { name, delete_home } => remove(&name, delete_home, config, store).await,
    }
}

pub(super) async fn find(store: &dyn Store, name: &UserName) -> Result<User> {
    store
        .user(name)
        .await?
        .ok_or_else(|| Error::new(format!("there is no user \"{name}\"")).hint("homeportd user list"))
}

/// What the users' homes hold. A server that hangs is no reason not to show users: what is written down is true too.
async fn usages(users: &[User], config: &Config, store: &dyn Store) -> Result<Vec<HomeUsage>> {
    let error = match usage::of_users(users, config, store).await {
        Ok(usages) => return Ok(usages),
        Err(error) => error,
    };
    let usages = HomeUsage::recorded(users, store).await?;
    let note = "what is shown as used is what was written down last";
    let _ = writeln!(std::io::stderr(), "homeportd: {error}; {note}");
    Ok(usages)
}

/// A user with nothing set.
pub fn blank(name: UserName) -> User {
    User {
        name,
        password_hash: None,
        keys: Vec::new(),
        home: PathBuf::new(),
        enabled: true,
        expires_at: None,
        quota: Quota::default(),
        max_sessions: None,
        permissions: Permissions::all(),
        allowed_from: Vec::new(),
        require: BTreeSet::new(),
    }
}

async fn add(args: AddArgs, inputs: Inputs, config: &Config, store: &dyn Store) -> Result<String> {
    let mut user = blank(args.name);
    user.home = homes::choose(config, &user.name, args.home.home.as_deref())?;
    user.password_hash = inputs.password;
    keys::add(&mut user, &inputs.keys)?;
    // Who joins a home takes over its quota.
    let shared = store.quota_of_home(&user.home).await?;
    let default = Quota {
        bytes: config.quota.default_bytes,
        files: config.quota.default_files,
    };
    user.quota = shared.unwrap_or(default);
    args.settings.apply(&mut user);
    claim(config, &user.home, store).await?;
    // The store first: it has rules about homes, and a refused user leaves no directory behind.
    store.add_user(&user).await?;
    let made = match homes::make(&user.home) {
        Ok(made) => made,
        Err(error) => {
            store.remove_user(&user.name).await?;
            return Err(error);
        }
    };
    let found = match made {
        Made::New => "",
        Made::Found => ", which was there already",
    };
    Ok(format!(
        "added {}, at home in \"{}\"{found}\n",
        user.name,
        user.home.display()
    ))
}

/// Makes sure that a home may be made. One that is there can be read, whosever the storage is.
async fn claim(config: &Config, home: &Path, store: &dyn Store) -> Result<()> {
    match storage::take_if_new(config, home, store).await {
        Err(error) if home.is_dir() => {
            super::warn(&error);
            Ok(())
        }
        claimed => claimed,
    }
}

async fn set(args: SetArgs, config: &Config, store: &dyn Store) -> Result<String> {
    let before = find(store, &args.name).await?;
    let home = match &args.home.home {
        Some(home) => homes::choose(config, &args.name, Some(home))?,
        None => before.home.clone(),
    };
    if home != before.home {
        claim(config, &home, store).await?;
    }
    let (settings, to) = (args.settings, home.clone());
    let change = move |user: &mut User| {
        settings.apply(user);
        user.home = to;
        Ok(())
    };
    store.change_user(&args.name, Box::new(change)).await?;
    let mut text = format!("changed {}\n", args.name);
    if home != before.home {
        if let Err(error) = homes::make(&home) {
            let back = move |user: &mut User| {
                *user = before;
                Ok(())
            };
            store.change_user(&args.name, Box::new(back)).await?;
            return Err(error);
        }
        text.push_str(&format!(
            "the files in \"{}\" stay there\n",
            before.home.display()
        ));
    }
    Ok(text)
}

async fn enable(store: &dyn Store, name: &UserName, enabled: bool) -> Result<String> {
    let change = move |user: &mut User| {
        user.enabled = enabled;
        Ok(())
    };
    store.change_user(name, Box::new(change)).await?;
    Ok(format!(
        "{name} is {}\n",
        if enabled { "enabled" } else { "disabled" }
    ))
}

async fn key(command: KeyCommand, inputs: Inputs, store: &dyn Store) -> Result<String> {
    match command {
        KeyCommand::Add { name, .. } => {
            let lines = inputs.keys.clone();
            let change = move |user: &mut User| keys::add(user, &lines).map(drop);
            store.change_user(&name, Box::new(change)).await?;
            let prints = inputs
                .keys
                .iter()
                .map(|line| keys::KeyView::new(line).fingerprint);
            Ok(prints.map(|print| format!("added {print} to {name}\n")).collect())
        }
        KeyCommand::List { name, json } => {
            let user = find(store, &name).await?;
            let views: Vec<_> = user.keys.iter().map(|line| keys::KeyView::new(line)).collect();
            if json {
                return show::json(&views);
            }
            Ok(views
                .into_iter()
                .map(|key| format!("{} {}\n", key.fingerprint, key.comment))
                .collect())
        }
        KeyCommand::Remove { name, fingerprint } => {
            let wanted = fingerprint.clone();
            let change = move |user: &mut User| keys::remove(user, &wanted);
            store.change_user(&name, Box::new(change)).await?;
            Ok(format!("removed {fingerprint} from {name}\n"))
        }
    }
}

async fn remove(name: &UserName, delete_home: bool, config: &Config, store: &dyn Store) -> Result<String> {
    let user = find(store, name).await?;
    let home = user.home.display();
    if delete_home {
        let users = store.users().await?;
        let others = users.iter().filter(|other| other.name != *name);
        // Checked again: the record may be older than the configuration, and links may have moved.
        let place = homes::resolve(&user.home);
        homes::check_place(config, &place)?;
        for other in others {
            let theirs = homes::resolve(&other.home);
            if theirs.starts_with(&place) || place.starts_with(&theirs) {
                return Err(Error::new(format!("cannot delete home \"{home}\""))
                    .because(format!("{} has files there too", other.name))
                    .hint("leave --delete-home out"));
            }
        }
    }
    store.remove_user(name).await?;
    if !delete_home {
        return Ok(format!("removed {name}; the files in \"{home}\" stay there\n"));
    }
    // A running server ends the sessions by itself within 2 s; this way it does so now.
    let _ = control::ask(
        &config.control_socket(),
        &control::Request::Kick(control::Kick::User(name.to_string())),
    );
    erase::erase(&user.home).map_err(|error| {
        Error::new(format!("{name} was removed, but not all of the home"))
            .because(error)
            .hint("delete what is left by hand; the user is gone")
    })?;
    Ok(format!("removed {name} and deleted \"{home}\"\n"))
}

#[cfg(test)]
mod tests;
