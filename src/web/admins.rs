//! Who may administer the server by the web, and how what they change is done.
//!
//! An administrator is a user whose record says so now: it is read for each request. A browser must have signed in with a
//! second factor, unless the server is a demo; a token must be of the scope `admin`. What hands out rights asks a browser
//! for the password again. Changes are the use cases of the command line, on behalf of a web user.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::MutexGuard;

use super::app::WebApp;
use super::confirmation;
use super::error::{WebError, WebErrorKind};
use super::live::WebScope;
use super::use_cases;
use super::users::WebUser;
use crate::domain::token::TokenScope;
use crate::domain::user::{Factor, User, UserName};
use crate::ops::context::OpsContext;
use base::error::Result;
use base::secret::Secret;

/// How long a question to the audit log waits for those before it.
const AUDIT_TURN: Duration = Duration::from_secs(20);

/// An administrator who makes a request of the API.
#[derive(Clone)]
pub struct WebAdmin(pub WebUser);

impl FromRequestParts<Arc<WebApp>> for WebAdmin {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> std::result::Result<Self, WebError> {
        Self::of(WebUser::from_request_parts(parts, app).await?, app).await
    }
}

/// An administrator who looks at a page. For others, there is no such page.
#[derive(Clone)]
pub struct AdminReader(pub WebAdmin);

impl FromRequestParts<Arc<WebApp>> for AdminReader {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> std::result::Result<Self, WebError> {
        let user = WebUser::from_request_parts(parts, app).await?;
        match examine(&user, app).await? {
            AdminAccess::Administrator => Ok(Self(WebAdmin(user))),
            AdminAccess::WithoutSecondFactor => Err(without_second_factor()),
            AdminAccess::Other | AdminAccess::WrongToken => {
                Err(WebError::new(WebErrorKind::NotFound, "there is no such page"))
            }
        }
    }
}

fn without_second_factor() -> WebError {
    WebError::new(
        WebErrorKind::Forbidden,
        "administration needs a sign-in with a second factor, and this one had none",
    )
    .hint("give yourself a second factor at /account, sign out, and sign in with a code")
}

/// What a request may do on the pages of administrators.
enum AdminAccess {
    Administrator,
    /// An administrator, but for the way of the sign-in.
    WithoutSecondFactor,
    /// The token is for something else.
    WrongToken,
    Other,
}

async fn examine(user: &WebUser, app: &WebApp) -> std::result::Result<AdminAccess, WebError> {
    let login = user.login();
    let record = app.store.user(login.user()).await;
    let record = record.map_err(|error| WebError::internal("cannot look an administrator up", &error))?;
    if !record.is_some_and(|record| record.is_admin) {
        return Ok(AdminAccess::Other);
    }
    Ok(match user.session.scope() {
        WebScope::Token(TokenScope::Admin) => AdminAccess::Administrator,
        WebScope::Token(TokenScope::Files) => AdminAccess::WrongToken,
        WebScope::Browser if app.administration.is_demo || login.factors().contains(&Factor::Totp) => {
            AdminAccess::Administrator
        }
        WebScope::Browser => AdminAccess::WithoutSecondFactor,
        // A visitor has what a share opens, whoever its owner is.
        WebScope::Share => AdminAccess::Other,
    })
}

impl WebAdmin {
    /// Returns the administrator, if this user is one and has signed in as administrators must.
    ///
    /// # Errors
    /// Returns an error that says what is missing, or if the store cannot be read.
    pub async fn of(user: WebUser, app: &WebApp) -> std::result::Result<Self, WebError> {
        match examine(&user, app).await? {
            AdminAccess::Administrator => Ok(Self(user)),
            AdminAccess::Other => Err(WebError::new(
                WebErrorKind::Forbidden,
                "only administrators may do this",
            )
            .hint(format!("homeportd user set {} --admin", user.login().user()))),
            AdminAccess::WithoutSecondFactor => Err(without_second_factor()),
            AdminAccess::WrongToken => Err(WebError::new(
                WebErrorKind::Forbidden,
                "this token is for files, not for administration",
            )
            .hint("homeportd token add NAME --scope admin")),
        }
    }

    /// Returns the name of the administrator.
    pub fn name(&self) -> &UserName {
        self.0.login().user()
    }

    /// Checks the password that a browser's user gives again before rights are handed out. A token needs none: whoever
    /// gave it had the rights.
    ///
    /// # Errors
    /// Returns an error if there is none, or if it is wrong; a wrong one is answered as late as at a sign-in.
    pub async fn confirm(
        &self,
        app: &WebApp,
        password: Option<&Secret>,
    ) -> std::result::Result<(), WebError> {
        if self.0.session.scope() != WebScope::Browser {
            return Ok(());
        }
        confirmation::password(app, &self.0, password).await.map(drop)
    }

    /// Runs a use case on behalf of the administrator, on a thread of its own, since use cases look at disks and hash
    /// passwords. It runs to its end even if the client leaves.
    ///
    /// # Errors
    /// Returns the error of the use case, in its own words.
    pub async fn run<T: Send + 'static>(
        &self,
        app: &Arc<WebApp>,
        work: impl AsyncFnOnce(&OpsContext<'_>) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, WebError> {
        use_cases::run_for(app, self.name().clone(), work).await
    }

    /// Reads the audit log, whose current file `read` gets, on a thread of its own: one question at a time, since each has
    /// several threads, and reads all of the log.
    ///
    /// # Errors
    /// Returns an error if the audit log has no file, if others are being answered for too long, or the error of `read`.
    pub async fn read_audit_log<T: Send + 'static>(
        &self,
        app: &WebApp,
        read: impl FnOnce(PathBuf) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, WebError> {
        let Some(file) = app.installation.audit.clone() else {
            return Err(WebError::new(
                WebErrorKind::NotFound,
                "the audit log has no file of its own, it goes into the server's log",
            )
            .hint("[log] audit = \"FILE\" in the configuration gives it one"));
        };
        let waiting = Arc::clone(&app.administration.audit_turn).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(AUDIT_TURN, waiting).await else {
            return Err(WebError::new(
                WebErrorKind::Busy,
                "the audit log is being read for somebody else; try again in a moment",
            ));
        };
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(file)
        });
        match reading.await {
            Ok(read) => read.map_err(|error| WebError::of_administration(&error)),
            Err(panic) => Err(WebError::internal("the audit log cannot be read", &panic)),
        }
    }

    /// Refuses to take the rights of the last administrator who can sign in. As long as the result is held, no other
    /// request takes rights.
    ///
    /// # Errors
    /// Returns an error that says so, or if the store cannot be read.
    pub async fn keep_one<'a>(
        app: &'a WebApp,
        leaving: &UserName,
    ) -> std::result::Result<MutexGuard<'a, ()>, WebError> {
        let held = app.administration.rights.lock().await;
        let users = app.store.users().await;
        let users = users.map_err(|error| WebError::internal("cannot read the users", &error))?;
        match is_last(&users, leaving) {
            false => Ok(held),
            true => Err(WebError::new(
                WebErrorKind::Conflict,
                format!("{leaving} is the last administrator, and without one nobody could come back here"),
            )
            .hint("make another user an administrator first: homeportd user set NAME --admin")),
        }
    }
}

/// Whether a user is the only enabled administrator.
fn is_last(users: &[User], name: &UserName) -> bool {
    let mut administrators = users.iter().filter(|user| user.is_admin && user.enabled);
    let (first, second) = (administrators.next(), administrators.next());
    second.is_none() && first.is_some_and(|user| user.name == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_administrator_is_the_only_enabled_one() {
        let user = |name: &str, is_admin: bool, enabled: bool| User {
            is_admin,
            enabled,
            ..User::blank(name.parse().unwrap())
        };
        let calvin: UserName = "calvin".parse().unwrap();
        let check = |others: Vec<User>, expected: bool| {
            let mut users = vec![user("calvin", true, true)];
            users.extend(others);
            assert_eq!(is_last(&users, &calvin), expected, "{users:?}");
        };
        check(vec![], true);
        check(vec![user("tom", false, true)], true);
        check(vec![user("tom", true, false)], true);
        check(vec![user("tom", true, true)], false);
        assert!(!is_last(&[user("calvin", false, true)], &calvin));
    }
}
