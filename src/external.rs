//! The outside source of users that `[auth.external]` names: a program or an address that judges proofs, and says what the
//! users may do.
//!
//! A question is a JSON object, on the standard input of a program that the helper of hooks runs, or as the body of a POST
//! ([`protocol`], [`contact`]). The answer is the record of the user, or no; it is put into the store ([`records`]), and the
//! sign-in goes on with that. When it is asked, and about whom, is decided in [`crate::auth::external`].
//!
//! Whatever else comes, or does not come in time, is a failure: the attempt is refused, the log says why, and nothing in the
//! store changes. No password is in an argument, a variable, or a message ([`redaction`]).

pub mod check;
mod contact;
mod protocol;
mod records;
mod redaction;
mod unique_fields;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::contact::SourceContact;
use self::records::ExternalRecords;
pub use self::records::RecordSetup;
use self::redaction::Redaction;
use crate::auth::external::settings::ExternalSettings;
use crate::auth::external::{ExternalQuestion, ExternalSource};
use crate::domain::user::User;
use crate::hooks::helper::HookHelper;
use base::error::Error;
use base::report_interval::ReportInterval;

/// The shortest time between two lines of the log about failures. The audit log has each of them.
const FAILURES_EVERY: Duration = Duration::from_secs(10);

/// Makes the source of a configuration, at the start and at each reload.
#[derive(Clone)]
pub struct SourceLoader {
    /// What its records need.
    pub setup: RecordSetup,
    /// The helper that runs programs, if one was started with the server.
    pub helper: Option<Arc<HookHelper>>,
}

impl SourceLoader {
    /// Creates the source of these settings, if there is one. It reads the secret and the system's certificates, and so
    /// blocks on the disk.
    ///
    /// # Errors
    /// Returns an error if the secret cannot be read.
    pub fn load(&self, settings: &ExternalSettings) -> base::error::Result<LoadedSource> {
        if !settings.is_on() {
            return Ok(None);
        }
        let source: Arc<dyn ExternalSource> = Arc::new(OutsideSource {
            contact: SourceContact::load(settings, self.helper.clone())?,
            records: ExternalRecords::new(self.setup.clone()),
            failures: ReportInterval::new(FAILURES_EVERY),
        });
        Ok(Some((settings.clone(), source)))
    }
}

/// A source with its settings, if there is one.
pub type LoadedSource = Option<(ExternalSettings, Arc<dyn ExternalSource>)>;

/// The source that the configuration names.
struct OutsideSource {
    contact: SourceContact,
    records: ExternalRecords,
    failures: ReportInterval,
}

impl OutsideSource {
    async fn try_judge(&self, question: ExternalQuestion) -> Result<Option<User>, String> {
        let name = question.user.clone();
        let Some(answered) = ask(&self.contact, &question).await? else {
            return Ok(None);
        };
        let stored = self.records.put(&name, answered).await;
        stored
            .map(Some)
            .map_err(|error| format!("its answer cannot be used: {error}"))
    }
}

#[async_trait]
impl ExternalSource for OutsideSource {
    async fn judge(&self, question: ExternalQuestion) -> base::error::Result<Option<User>> {
        let redaction = Redaction::of(&question.proof);
        let name = question.user.clone();
        self.try_judge(question).await.map_err(|why| {
            let why = redaction.apply(why);
            if self.failures.is_due() {
                tracing::error!(
                    user = %name,
                    cause = %why,
                    "the outside source of users ({}) has failed: sign-ins that need it are refused",
                    self.contact.label()
                );
            }
            Error::new("the outside source of users has failed").because(why)
        })
    }
}

/// Asks a source, and returns the settings of the user as it answered them; `None` if it refuses.
async fn ask(contact: &SourceContact, question: &ExternalQuestion) -> Result<Option<toml::Table>, String> {
    let body = protocol::question(question)?;
    let answer = contact.ask(&body).await?;
    protocol::answer(&answer, &question.user)
}
