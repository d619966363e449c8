//! `/login` and `/logout`: the forms by which browsers sign in and out, and `/`, which leads to where the user is at home.
//!
//! Whatever was wrong with a form, the answer is the same: the form again, with one sentence.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::errors::sentence;
use super::frame::PageFrame;
use super::rendering::{rendered, rendered_with, see_other};
use super::templates::{LoginPage, NewPasswordPage};
use crate::auth::secret_hash::hash_of;
use crate::domain::user::MAX_NAME;
use crate::web::app::WebApp;
use crate::web::cookies;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::form::FormBody;
use crate::web::query::AskedFor;
use crate::web::sign_in::{self, AcceptedForm, FormDenied, LONGEST, NewCookie, SignInForm};
use crate::web::users::WebUser;
use crate::web::visitor::Visitor;
use base::secret::Secret;

/// Where users are at home.
const HOME: &str = "/files/";

/// The form for signing in.
const LOGIN: &str = "/login";

/// What every refused form says.
const WRONG: &str = "Name, password or code is wrong.";

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/", get(start))
        .route("/login", get(show).post(enter))
        .route("/login/password", get(no_password).post(set_password))
        .route("/logout", post(leave))
}

/// What stands behind the question mark of `/login`.
#[derive(Default, Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
}

/// What the form for signing in sends.
#[derive(Deserialize)]
struct LoginFields {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

/// What the form for a new password sends.
#[derive(Deserialize)]
struct NewPasswordFields {
    #[serde(default)]
    name: String,
    #[serde(default)]
    pending: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

/// A page of this site, to which a sign-in leads.
///
/// Invariant: it begins with one slash, and has printable ASCII alone, so that no browser takes it for another site.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NextPage(String);

impl NextPage {
    /// Parses what a request names; `None` if it may lead elsewhere, or to what is not a page to go to.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        // Browsers take a backslash for a slash, and leave tabs and line ends out.
        let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let is_here = is_plain && !rest.starts_with('/');
        let is_form = ["/login", "/logout"].iter().any(|form| text.starts_with(form));
        (is_here && !is_form).then(|| Self(text.to_owned()))
    }

    /// Returns the address of the page that was named, or that of the files.
    fn or_home(next: Option<&Self>) -> &str {
        next.map_or(HOME, |next| &next.0)
    }
}

/// A form that is shown again.
struct RefusedForm {
    status: StatusCode,
    error: String,
    name: String,
    next: Option<NextPage>,
}

/// Answers GET `/`.
async fn start(user: Result<WebUser, WebError>) -> Result<Response, WebError> {
    match user {
        Ok(_) => see_other(HOME),
        Err(error) if error.kind == WebErrorKind::SignInRequired => see_other(LOGIN),
        Err(error) => Err(error),
    }
}

/// Answers GET: the form, unless the browser is signed in.
async fn show(user: Result<WebUser, WebError>, query: AskedFor<LoginQuery>) -> Result<Response, WebError> {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let next = NextPage::parse(&query.next);
    match user {
        Ok(user) if user.cookie.is_some() => see_other(NextPage::or_home(next.as_ref())),
        _ => rendered(&LoginPage {
            frame: PageFrame::for_anybody(),
            error: None,
            name: String::new(),
            next: next.map(|next| next.0).unwrap_or_default(),
        }),
    }
}

/// Answers GET of the form that only a sign-in leads to.
async fn no_password() -> Result<Response, WebError> {
    see_other(LOGIN)
}

/// Answers POST: signs the browser in.
async fn enter(
    State(app): State<Arc<WebApp>>,
    visitor: Visitor,
    headers: HeaderMap,
    FormBody(fields): FormBody<LoginFields>,
) -> Result<Response, WebError> {
    let next = NextPage::parse(&fields.next);
    let name: String = fields.name.chars().take(MAX_NAME).collect();
    let form = SignInForm {
        name: fields.name,
        password: Secret::new(fields.password),
        code: Secret::new(fields.code),
    };
    match sign_in::sign_in(&app, &visitor, form).await {
        Ok(AcceptedForm::SignedIn(cookie)) => {
            forget_old(&app, &headers).await;
            signed_in(&cookie, NextPage::or_home(next.as_ref()))
        }
        Ok(AcceptedForm::NewPassword(pending)) => ask_password(&app, StatusCode::OK, None, name, pending),
        Err(denied) => RefusedForm::of(denied, name, next).response(),
    }
}

/// Answers POST: sets the password of a sign-in that waits for a new one.
async fn set_password(
    State(app): State<Arc<WebApp>>,
    visitor: Visitor,
    headers: HeaderMap,
    FormBody(fields): FormBody<NewPasswordFields>,
) -> Result<Response, WebError> {
    let name: String = fields.name.chars().take(MAX_NAME).collect();
    let refused = StatusCode::BAD_REQUEST;
    if fields.password != fields.again {
        let why = Some("The two passwords are not the same.".to_owned());
        return ask_password(&app, refused, why, name, fields.pending);
    }
    let password = Secret::new(fields.password);
    match sign_in::new_password(&app, &visitor, &fields.pending, &password).await {
        Ok(cookie) => {
            forget_old(&app, &headers).await;
            signed_in(&cookie, HOME)
        }
        // The sign-in waits for another one.
        Err(FormDenied::Refused(error)) if error.kind == WebErrorKind::BadRequest => ask_password(
            &app,
            refused,
            Some(sentence(&error.sentence)),
            name,
            fields.pending,
        ),
        Err(denied) => RefusedForm::of(denied, name, None).response(),
    }
}

/// Answers POST: signs the browser out. Without a sign-in, there is nothing to do.
async fn leave(State(app): State<Arc<WebApp>>, headers: HeaderMap) -> Result<Response, WebError> {
    if let Some(cookie) = cookies::session_cookie(&headers) {
        sign_in::sign_out(&app, &hash_of(cookie.as_bytes())).await?;
    }
    let mut response = see_other(LOGIN)?;
    response
        .headers_mut()
        .insert(header::SET_COOKIE, cookies::remove_session());
    Ok(response)
}

/// Signs out what the browser was signed in as before: its new cookie replaces the old one.
async fn forget_old(app: &WebApp, headers: &HeaderMap) {
    let Some(cookie) = cookies::session_cookie(headers) else {
        return;
    };
    // The new sign-in is in force all the same, and the log says what has failed.
    let _ = sign_in::sign_out(app, &hash_of(cookie.as_bytes())).await;
}

/// Gives the browser its cookie, and sends it on.
fn signed_in(cookie: &NewCookie, place: &str) -> Result<Response, WebError> {
    let cookie = session_header(cookie)?;
    let mut response = see_other(place)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

fn session_header(cookie: &NewCookie) -> Result<HeaderValue, WebError> {
    cookies::set_session(&cookie.value, LONGEST.unsigned_abs().as_secs())
        .ok_or_else(|| WebError::internal("cannot set a cookie", &"its value has other characters"))
}

/// Returns the form for a new password.
fn ask_password(
    app: &WebApp,
    status: StatusCode,
    error: Option<String>,
    name: String,
    pending: String,
) -> Result<Response, WebError> {
    let shortest = app.service.auth.settings().password.min_length;
    rendered_with(
        status,
        &NewPasswordPage {
            frame: PageFrame::for_anybody(),
            error,
            rules: format!("It needs at least {shortest} characters."),
            name,
            pending,
        },
    )
}

impl RefusedForm {
    fn of(denied: FormDenied, name: String, next: Option<NextPage>) -> Self {
        let wrong = (StatusCode::UNAUTHORIZED, WRONG.to_owned());
        let (status, error) = match denied {
            FormDenied::Wrong => wrong,
            // The record has changed while the form was judged.
            FormDenied::Refused(error) if error.kind == WebErrorKind::SignInRequired => wrong,
            FormDenied::Refused(error) => {
                let hint = error.hint.as_deref().map(|hint| format!(" {}", sentence(hint)));
                let why = sentence(&error.sentence) + &hint.unwrap_or_default();
                (error.kind.code().status, why)
            }
        };
        Self {
            status,
            error,
            name,
            next,
        }
    }

    fn response(self) -> Result<Response, WebError> {
        rendered_with(
            self.status,
            &LoginPage {
                frame: PageFrame::for_anybody(),
                error: Some(self.error),
                name: self.name,
                next: self.next.map(|next| next.0).unwrap_or_default(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_pages_of_this_site_alone() {
        for here in [
            "/",
            "/files/",
            "/files/a%20b/?sort=size&order=desc",
            "/admin/users",
            "/account#keys",
        ] {
            assert_eq!(NextPage::parse(here), Some(NextPage(here.to_owned())), "{here}");
        }
        for elsewhere in [
            "",
            "files/",
            "https://evil.example/",
            "//evil.example/",
            "///evil.example/",
            "/\\evil.example/",
            "\\\\evil.example/",
            "/\t/evil.example/",
            "/\n/evil.example/",
            " /files/",
            "/files/ x",
            "/é",
            "javascript:alert(1)",
            "/logout",
            "/login?next=/login",
        ] {
            assert_eq!(NextPage::parse(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn what_was_wrong_is_not_told() {
        let form = |denied| RefusedForm::of(denied, "anna".to_owned(), None);
        let wrong = form(FormDenied::Wrong);
        let changed = form(FormDenied::Refused(WebError::sign_in_required()));
        assert_eq!((wrong.status, &wrong.error), (changed.status, &changed.error));
        assert_eq!(wrong.status, 401);
        let busy = WebError::new(WebErrorKind::TooMany, "too many sessions").hint("end one");
        let refused = form(FormDenied::Refused(busy));
        assert_eq!(
            (refused.status.as_u16(), refused.error.as_str()),
            (429, "Too many sessions. End one.")
        );
    }
}
