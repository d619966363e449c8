//! `POST shares`: makes a link.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::listed::{ListedShare, ShareAct, emit, may_share, records_of};
use crate::auth::password::MAX_PASSWORD;
use crate::auth::secret_hash::hash_of;
use crate::domain::path::VirtualPath;
use crate::domain::permission::Permission;
use crate::domain::share::{SharePurpose, ShareScope};
use crate::domain::user::PasswordHash;
use crate::storage::router::call_io::CallPath;
use crate::storage::{FileKind, Links};
use crate::store::web::ShareRecord;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::url_path::{from_b64, plain_path};
use crate::web::users::WebUser;
use base::secret::Secret;
use base::visible::printable;

/// How long a share lasts unless its owner chooses something else.
const USUAL_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The most shares of one user.
const MOST: usize = 200;

/// The longest title in characters.
const LONGEST_TITLE: usize = 200;

/// What expires never, as `expires_at` says it.
const NEVER: &str = "never";

/// What a share is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedShare {
    /// The path of what is shared.
    path: Option<String>,
    /// Its bytes in Base64, where it is not UTF-8.
    path_b64: Option<String>,
    /// What visitors read; the name, if it is missing.
    title: Option<String>,
    #[serde(default)]
    download: bool,
    #[serde(default)]
    upload: bool,
    password: Option<String>,
    /// A time as RFC 3339 says, or `never`; in seven days, if it is missing.
    expires_at: Option<String>,
    /// The most visits.
    uses: Option<u64>,
    /// The most bytes that may be sent and fetched.
    bytes: Option<u64>,
}

/// The answer: the share, and its address.
#[derive(Serialize)]
struct MadeShare {
    #[serde(flatten)]
    share: ListedShare,
    /// The address of the link: with `public_url` in front if there is one, else its path. It is told only here.
    url: String,
}

/// Answers POST.
pub(super) async fn create(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(new): JsonBody<WantedShare>,
) -> Result<Response, WebError> {
    may_share(&user)?;
    if records_of(&app, &user).await?.len() >= MOST {
        return Err(WebError::new(
            WebErrorKind::TooMany,
            format!("you have {MOST} shares, which is the most"),
        )
        .hint("remove some of them first"));
    }
    let (path, is_directory) = target(&user, &new).await?;
    let purpose = SharePurpose {
        is_directory,
        download: new.download,
        upload: new.upload,
    };
    let scope = ShareScope::new(&path, purpose)
        .map_err(|error| WebError::new(WebErrorKind::BadRequest, error.to_string()))?;
    check_permissions(&user, &scope, purpose)?;
    let token = new_token()?;
    let now = Timestamp::now();
    let login = user.login();
    let mut share = ShareRecord {
        // The store chooses the number.
        id: 0,
        hash: hash_of(token.as_bytes()),
        user: login.user().clone(),
        incarnation: login.incarnation(),
        title: title(&new, scope.path()),
        path: scope.path().absolute(),
        is_directory,
        allows_download: new.download,
        allows_upload: new.upload,
        expires_at: expiry(new.expires_at.as_deref(), now)?,
        uses_left: at_least_one("uses", new.uses)?,
        bytes_left: at_least_one("bytes", new.bytes)?,
        password_hash: password(&app, &user, new.password).await?,
        created_at: now,
        used: 0,
    };
    let added = app.store.add_share(&share).await;
    share.id = added.map_err(|error| WebError::internal("a share cannot be stored", &error))?;
    emit(&app, &user, &share, ShareAct::Add);
    let made = MadeShare {
        share: ListedShare::of(&share),
        url: format!(
            "{}/s/{token}",
            app.settings().public_url.clone().unwrap_or_default()
        ),
    };
    Ok((StatusCode::CREATED, Versioned::new(made)).into_response())
}

/// Returns the path of what is to be shared, with links resolved, and whether it is a directory.
async fn target(user: &WebUser, new: &WantedShare) -> Result<(VirtualPath, bool), WebError> {
    let bad = |sentence: String| WebError::new(WebErrorKind::BadRequest, sentence);
    let raw = match (&new.path, &new.path_b64) {
        (_, Some(text)) => {
            from_b64(text).ok_or_else(|| bad("path_b64 is not Base64 with padding".to_owned()))?
        }
        (Some(text), None) => text.clone().into_bytes(),
        (None, None) => return Err(bad("path is missing".to_owned())),
    };
    let named = plain_path(&raw).map_err(|error| bad(error.to_string()))?;
    let named = named.without_slash();
    let home = user.session.home().await?;
    let wanted = named.clone();
    let looking = home.call(CallPath::Name(&named), move |storage, _wait| {
        // The rules of a share are about names, so these must not lead elsewhere.
        let path = storage.real_path(&wanted)?;
        Ok((storage.stat(&path, Links::NoFollow)?.kind, path))
    });
    let (kind, path) = looking
        .await
        .map_err(|error| WebError::storage(error, home.refused(&named, error)))?;
    match kind {
        FileKind::Directory => Ok((path, true)),
        FileKind::File => Ok((path, false)),
        FileKind::Symlink | FileKind::Special => Err(WebError::new(
            WebErrorKind::WrongKind,
            "only files and directories can be shared",
        )),
    }
}

/// Checks that the user may do there what visitors shall.
fn check_permissions(user: &WebUser, scope: &ShareScope, purpose: SharePurpose) -> Result<(), WebError> {
    let login = user.login();
    let granted = scope.granted(login.permissions(), login.folders());
    let missing = [
        (purpose.download, Permission::Read),
        (purpose.download && purpose.is_directory, Permission::List),
        (purpose.upload, Permission::Create),
    ];
    let missing = missing
        .into_iter()
        .find(|(is_wanted, permission)| *is_wanted && !granted.allows(*permission));
    match missing {
        Some((_, permission)) => Err(WebError::new(
            WebErrorKind::Forbidden,
            format!(
                "you may not {} there, so visitors could not either",
                permission.name()
            ),
        )),
        None => Ok(()),
    }
}

/// Returns what visitors read at the top of the page.
fn title(new: &WantedShare, path: &VirtualPath) -> String {
    let chosen = new
        .title
        .as_deref()
        .map(str::trim)
        .filter(|title| !title.is_empty());
    let title = match chosen {
        Some(title) => printable(title.as_bytes()),
        None => path
            .split()
            .map_or_else(|| "Files".to_owned(), |(_, name)| printable(name)),
    };
    title.chars().take(LONGEST_TITLE).collect()
}

/// Returns when the share ends.
fn expiry(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, WebError> {
    let bad = |sentence: &str| {
        WebError::new(WebErrorKind::BadRequest, sentence).hint("such as 2027-01-31T12:00:00Z, or \"never\"")
    };
    let end = match text {
        None => now.saturating_add(USUAL_LIFETIME).unwrap_or(Timestamp::MAX),
        Some(NEVER) => return Ok(None),
        Some(text) => text
            .parse()
            .map_err(|_| bad("expires_at is not a time with a zone"))?,
    };
    match end > now {
        // The store has whole seconds.
        true => Ok(Some(Timestamp::from_second(end.as_second()).unwrap_or(end))),
        false => Err(bad("expires_at is in the past")),
    }
}

fn at_least_one(name: &str, number: Option<u64>) -> Result<Option<u64>, WebError> {
    // The store has signed numbers.
    let most = i64::MAX.unsigned_abs();
    match number {
        Some(number) if number == 0 || number > most => Err(WebError::new(
            WebErrorKind::BadRequest,
            format!("{name} is not a number from 1 to {most}"),
        )),
        number => Ok(number),
    }
}

/// Hashes the password, if there is one.
async fn password(
    app: &WebApp,
    user: &WebUser,
    text: Option<String>,
) -> Result<Option<PasswordHash>, WebError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > MAX_PASSWORD {
        return Err(WebError::new(
            WebErrorKind::BadRequest,
            format!("the password is longer than {MAX_PASSWORD} bytes"),
        ));
    }
    let password = Secret::new(text);
    let hash = app
        .service
        .auth
        .shares()
        .hash(&password, user.visitor.address.ip())
        .await;
    let hash = hash.ok_or_else(|| {
        WebError::new(
            WebErrorKind::Busy,
            "the server has too much to do to keep a password: try again",
        )
    })?;
    Ok(Some(hash))
}

/// Returns a token of 128 bits.
fn new_token() -> Result<String, WebError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| WebError::internal("no randomness for a share", &error))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_ends_in_a_week_unless_something_else_is_asked() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let check =
            |text: Option<&str>, expected: Result<Option<&str>, &str>| match (expiry(text, now), expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{text:?}");
                }
                (Err(error), Err(expected)) => assert!(error.sentence.contains(expected), "{error:?}"),
                (found, _) => panic!("{text:?}: {found:?}"),
            };
        check(None, Ok(Some("2027-01-08T00:00:00Z")));
        check(Some("never"), Ok(None));
        check(
            Some("2027-01-01T01:00:00+00:00"),
            Ok(Some("2027-01-01T01:00:00Z")),
        );
        check(Some("2026-12-31T00:00:00Z"), Err("in the past"));
        check(Some("tomorrow"), Err("not a time"));
    }

    #[test]
    fn tokens_have_128_bits() {
        let token = new_token().unwrap();
        assert_eq!(BASE64URL_NOPAD.decode(token.as_bytes()).unwrap().len(), 16);
        assert_ne!(token, new_token().unwrap());
    }
}
