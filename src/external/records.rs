//! Puts what an outside source has answered into the store, as the record of a user who is the source's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::protocol::not_for_sources;
use crate::config::users_file;
use crate::domain::event::{AdminAct, AdminRecord, Event, Operator};
use crate::domain::user::{User, UserName, UserSource};
use crate::ops::installation::Installation;
use crate::ops::users_file::declaration::DeclaredUser;
use crate::ops::{admin, homes};
use crate::session::events::Events;
use crate::store::Store;
use base::error::{Error, Result};
use base::paths::resolve;

/// The name of an answer in messages, as if it were a file.
const ANSWER: &str = "the answer";

/// What the records need.
#[derive(Clone)]
pub struct RecordSetup {
    /// The store of the users.
    pub store: Arc<dyn Store>,
    /// Where homes may lie.
    pub installation: Installation,
    /// Where changes of records are told.
    pub events: Events,
}

/// The records of the users whom a source has named.
pub(super) struct ExternalRecords {
    setup: Arc<RecordSetup>,
}

/// A user as a source has answered, with a home that may lie where it does.
struct AnsweredUser {
    declared: DeclaredUser,
    /// `[storage] homes`, without links.
    homes: PathBuf,
}

impl AnsweredUser {
    /// Reads the settings of a user, by the rules and with the messages of a file of users. It blocks on the disk.
    fn read(name: &UserName, settings: toml::Table, setup: &RecordSetup) -> Result<Self> {
        let installation = &setup.installation;
        let mut user = toml::Table::new();
        user.insert(name.to_string(), settings.into());
        let mut users = toml::Table::new();
        users.insert("users".to_owned(), user.into());
        let text = toml::to_string(&users).map_err(|error| Error::new("it cannot be read").because(error))?;
        let homes = resolve(&installation.storage.homes);
        let hidden = not_for_sources();
        let answer = Path::new(ANSWER);
        let declaration = users_file::declaration_without(&hidden, text, answer, &homes, installation);
        let mistakes: Vec<String> = declaration.mistakes.iter().map(ToString::to_string).collect();
        if !mistakes.is_empty() {
            return Err(Error::new(mistakes.join("; ")));
        }
        let declared = declaration.users.into_iter().next();
        let declared = declared.ok_or_else(|| Error::new("it has no user"))?.record;
        if declared.home.is_none() {
            homes::check_place(installation, &resolve(&homes.join(name.as_str())))?;
        }
        Ok(Self { declared, homes })
    }

    /// Returns the record as it is to be.
    fn record(&self, stored: Option<&User>) -> User {
        User {
            source: UserSource::External,
            password_hash: None,
            password_set_at: None,
            is_admin: stored.is_some_and(|user| user.is_admin),
            ..self.declared.record(stored, &self.homes)
        }
    }
}

impl ExternalRecords {
    pub(super) fn new(setup: RecordSetup) -> Self {
        Self {
            setup: Arc::new(setup),
        }
    }

    /// Makes the record of a user what a source has answered, and returns it. If it is so already, nothing is written. The
    /// home is not made: the user may still be refused, for another factor or an address. The first session makes it.
    ///
    /// # Errors
    /// Returns an error if the settings are invalid, if the home may not lie where it does, if a new user without a home of
    /// their own would get another user's, if an operator has added a user
    /// of this name meanwhile, or if the store refuses.
    pub(super) async fn put(&self, name: &UserName, settings: toml::Table) -> Result<User> {
        let (setup, of) = (Arc::clone(&self.setup), name.clone());
        let reading = tokio::task::spawn_blocking(move || AnsweredUser::read(&of, settings, &setup));
        let answered = reading
            .await
            .map_err(|error| Error::new("it cannot be read").because(error))??;
        let store = &*self.setup.store;
        if let Some(before) = store.user(name).await? {
            return self.change(before, answered).await;
        }
        let new = answered.record(None);
        if answered.declared.home.is_none() {
            homes::require_unowned(&new, store).await?;
        }
        let added = store.add_user(&new).await;
        match (added, store.user(name).await?) {
            (Ok(()), Some(user)) => {
                self.emit(admin::user_changed("external add", None, Some(&user)));
                Ok(user)
            }
            // Another connection of the same user was faster.
            (Err(_), Some(before)) => self.change(before, answered).await,
            (Err(error), None) => Err(error),
            (Ok(()), None) => Err(Error::new("the user was removed at once")),
        }
    }

    async fn change(&self, before: User, answered: AnsweredUser) -> Result<User> {
        require_external(&before)?;
        if answered.record(Some(&before)) == before {
            return Ok(before);
        }
        let name = before.name.clone();
        let change = move |user: &mut User| {
            require_external(user)?;
            *user = answered.record(Some(user));
            Ok(())
        };
        let store: &dyn Store = &*self.setup.store;
        let changed = store.change_user(&name, Box::new(change)).await?;
        // The store knows what the user inherits now.
        let user = store.user(&name).await?;
        let user = user.ok_or_else(|| Error::new("the user was removed meanwhile"))?;
        if changed.is_change() {
            self.emit(admin::user_changed(
                "external set",
                Some(&changed.before),
                Some(&user),
            ));
        }
        Ok(user)
    }

    fn emit(&self, act: AdminAct) {
        let by = Operator {
            uid: rustix::process::geteuid().as_raw(),
            sudo_user: None,
            web_user: None,
        };
        self.setup
            .events
            .emit(&Event::Admin(Box::new(AdminRecord { by, act })));
    }
}

fn require_external(user: &User) -> Result<()> {
    match user.source {
        UserSource::External => Ok(()),
        UserSource::Local => Err(Error::new(
            "an operator has added a user of this name, who is not the source's",
        )),
    }
}
