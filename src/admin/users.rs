//! `homeportd user …`: what each verb does to the store and the disk.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::announce::{Announced, Stored};
use super::cli::{AddArgs, KeyCommand, SetArgs, UserCommand};
use super::passwords::Source;
use super::show::{self, UserView};
use super::usage::{self, HomeUsage};
use super::{erase, key_files, keys, passwords, storage};
use crate::config::Config;
use crate::domain::user::{Quota, User, UserName};
use crate::homes::{self, Made};
use crate::store::{Store, name_taken, no_such_user};
use base::advice;
use base::error::{Error, Result};

/// What has to be read before root becomes the owner of the data directory, who may not be able to.
#[derive(Debug, Default)]
pub struct Inputs {
    keys: Vec<String>,
    /// Where the password comes from, once it is known that the command can do its work.
    password: Option<Source>,
}

impl Inputs {
    /// Reads key files, as the command needs them.
    ///
    /// # Errors
    /// When a file is no good.
    pub fn read(command: &UserCommand) -> Result<Self> {
        let key_files: &[PathBuf] = match command {
            UserCommand::Add(add) => &add.keys,
            UserCommand::Key(KeyCommand::Add { files, .. }) => files,
            _ => &[],
        };
        let password = match command {
            UserCommand::Add(add) => match add.password.source() {
                Source::Terminal if !add.keys.is_empty() => None,
                source => Some(source),
            },
            UserCommand::Passwd { password, .. } => Some(password.source()),
            _ => None,
        };
        let stdin_keys = key_files.iter().filter(|file| file.as_os_str() == "-").count();
        let stdin_password = password.is_some_and(|source| source != Source::Terminal);
        if stdin_keys + usize::from(stdin_password) > 1 {
            return Err(Error::new("standard input can be read once only").hint("give keys by file"));
        }
        Ok(Self {
            keys: key_files::read(key_files)?,
            password,
        })
    }
}

/// Does what the command says; returns what to print.
///
/// # Errors
/// When the store, the disk or the rules refuse.
pub async fn run(command: UserCommand, inputs: Inputs, config: &Config, store: &dyn Store) -> Result<String> {
    let socket = config.control_socket();
    let finish = |stored: Stored, json: bool| stored.announce(&socket)?.text(json);
    match command {
        UserCommand::Add(args) => {
            let json = args.output.json;
            finish(add(args, inputs, config, store).await?, json)
        }
        UserCommand::Set(args) => {
            let json = args.output.json;
            finish(set(args, config, store).await?, json)
        }
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
        UserCommand::Passwd { name, output, .. } => finish(passwd(&name, inputs, store).await?, output.json),
        UserCommand::Key(KeyCommand::Add { name, output, .. }) => {
            finish(add_keys(&name, inputs.keys, store).await?, output.json)
        }
        UserCommand::Key(KeyCommand::List { name, json }) => list_keys(&find(store, &name).await?, json),
        UserCommand::Key(KeyCommand::Remove {
            name,
            fingerprint,
            output,
        }) => finish(remove_key(&name, fingerprint, store).await?, output.json),
        UserCommand::Enable { name, output } => finish(enable(store, &name, true).await?, output.json),
        UserCommand::Disable { name, output } => finish(enable(store, &name, false).await?, output.json),
        UserCommand::Rename {
            name,
            new_name,
            output,
        } => finish(rename(&name, new_name, store).await?, output.json),
        UserCommand::Remove {
            name,
            delete_home,
            output,
        } => {
            let home = match delete_home {
                true => Some(deletable_home(&name, config, store).await?),
                false => None,
            };
            let removed = remove(&name, home.as_deref(), store).await?.announce(&socket);
            match home {
                None => removed?.text(output.json),
                Some(home) => erase_unused(&name, &home, removed)?.text(output.json),
            }
        }
    }
}

pub(super) async fn find(store: &dyn Store, name: &UserName) -> Result<User> {
    store.user(name).await?.ok_or_else(|| no_such_user(name))
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

async fn add(args: AddArgs, inputs: Inputs, config: &Config, store: &dyn Store) -> Result<Stored> {
    // Before a password is asked for; the store looks again.
    if store.user(&args.name).await?.is_some() {
        return Err(name_taken(&args.name));
    }
    let mut user = User::blank(args.name);
    user.home = homes::choose(config, &user.name, args.home.home.as_deref())?;
    if let Some(source) = inputs.password {
        user.password_hash = Some(passwords::ask(&user.name, source)?.hash()?);
    }
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
    let done = format!(
        "added {}, at home in \"{}\"{found}",
        user.name,
        user.home.display()
    );
    Ok(Stored::done(&user.name, done))
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

async fn set(args: SetArgs, config: &Config, store: &dyn Store) -> Result<Stored> {
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
        user.home.clone_from(&to);
        Ok(())
    };
    let changed = store.change_user(&args.name, Box::new(change)).await?;
    let stored = Stored::done_if(changed.is_change(), &args.name, format!("changed {}", args.name));
    if changed.after.home != changed.before.home {
        let before = changed.before;
        let stays = format!("the files in \"{}\" stay there", before.home.display());
        if let Err(error) = homes::make(&home) {
            let back = move |user: &mut User| {
                *user = before.clone();
                Ok(())
            };
            store.change_user(&args.name, Box::new(back)).await?;
            return Err(error);
        }
        return Ok(stored.note(stays));
    }
    Ok(stored)
}

async fn enable(store: &dyn Store, name: &UserName, enabled: bool) -> Result<Stored> {
    let change = move |user: &mut User| {
        user.enabled = enabled;
        Ok(())
    };
    let changed = store.change_user(name, Box::new(change)).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    Ok(Stored::done_if(
        changed.is_change(),
        name,
        format!("{name} is {state}"),
    ))
}

/// A password that is set again is no change: its sessions go on.
async fn passwd(name: &UserName, inputs: Inputs, store: &dyn Store) -> Result<Stored> {
    // Before a password is asked for.
    let before = find(store, name).await?;
    let password = passwords::ask(name, inputs.password.unwrap_or(Source::Terminal))?;
    if before
        .password_hash
        .as_ref()
        .is_some_and(|hash| password.is(hash))
    {
        return Ok(Stored::unchanged(name));
    }
    let hash = password.hash()?;
    let change = move |user: &mut User| {
        user.password_hash = Some(hash.clone());
        Ok(())
    };
    store.change_user(name, Box::new(change)).await?;
    Ok(Stored::done(name, format!("password of {name} changed")))
}

async fn rename(name: &UserName, new_name: UserName, store: &dyn Store) -> Result<Stored> {
    let to = new_name.clone();
    let change = move |user: &mut User| {
        user.name = to.clone();
        Ok(())
    };
    let changed = store.change_user(name, Box::new(change)).await?;
    let stays = format!("the home stays \"{}\"", changed.after.home.display());
    let done = format!("renamed {name} to {new_name}");
    let stored = Stored::done_if(changed.is_change(), &new_name, done);
    Ok(Stored {
        old_name: Some(name.clone()),
        ..stored.note(stays)
    })
}

async fn add_keys(name: &UserName, lines: Vec<String>, store: &dyn Store) -> Result<Stored> {
    let prints: Vec<String> = lines
        .iter()
        .map(|line| keys::KeyView::new(line).fingerprint)
        .collect();
    let change = move |user: &mut User| keys::add(user, &lines).map(drop);
    let changed = store.change_user(name, Box::new(change)).await?;
    let done: Vec<String> = prints
        .iter()
        .map(|print| format!("added {print} to {name}"))
        .collect();
    Ok(Stored::done_if(changed.is_change(), name, done.join("\n")))
}

fn list_keys(user: &User, json: bool) -> Result<String> {
    let views: Vec<_> = user.keys.iter().map(|line| keys::KeyView::new(line)).collect();
    if json {
        return show::json(&views);
    }
    Ok(views
        .into_iter()
        .map(|key| format!("{} {}\n", key.fingerprint, key.comment))
        .collect())
}

async fn remove_key(name: &UserName, fingerprint: String, store: &dyn Store) -> Result<Stored> {
    let done = format!("removed {fingerprint} from {name}");
    let change = move |user: &mut User| keys::remove(user, &fingerprint);
    let changed = store.change_user(name, Box::new(change)).await?;
    Ok(Stored::done_if(changed.is_change(), name, done))
}

/// The home of a user, if it may be deleted with the user.
async fn deletable_home(name: &UserName, config: &Config, store: &dyn Store) -> Result<PathBuf> {
    let user = find(store, name).await?;
    // Checked again: the record may be older than the configuration, and links may have moved.
    let place = homes::resolve(&user.home);
    homes::check_place(config, &place)?;
    // Homes are stored without links.
    for home in [&user.home, &place] {
        if let Some(other) = store.neighbour(home, name).await? {
            return Err(
                Error::new(format!("cannot delete home \"{}\"", user.home.display()))
                    .because(format!("{other} has files there too"))
                    .hint("leave --delete-home out"),
            );
        }
    }
    Ok(user.home)
}

async fn remove(name: &UserName, home_to_delete: Option<&Path>, store: &dyn Store) -> Result<Stored> {
    let home = store.remove_user(name).await?;
    let home = home.display();
    Ok(match home_to_delete {
        None => {
            Stored::done(name, format!("removed {name}")).note(format!("the files in \"{home}\" stay there"))
        }
        Some(_) => Stored::done(name, format!("removed {name} and deleted \"{home}\"")),
    })
}

/// Deletes the home of a user who was removed, unless sessions may still write into it.
fn erase_unused(name: &UserName, home: &Path, removed: Result<Announced>) -> Result<Announced> {
    let removed = removed.map_err(|error| {
        error.hint(format!(
            "delete {home:?} by hand once no session of {name} is left"
        ))
    })?;
    if removed.is_busy() {
        // Neither would that delete all of it, nor would it end.
        return Err(
            Error::new(format!("{name} was removed, but the home was not deleted"))
                .because("calls of its sessions wait for a disk that does not answer".to_owned())
                .hint(format!("once the disk answers: rm -r {}", advice::quoted(home))),
        );
    }
    erase_home(name, home)?;
    Ok(removed)
}

fn erase_home(name: &UserName, home: &Path) -> Result<()> {
    erase::erase(home).map_err(|error| {
        Error::new(format!("{name} was removed, but not all of the home"))
            .because(error)
            .hint("delete what is left by hand; the user is gone")
    })
}

#[cfg(test)]
mod tests;
