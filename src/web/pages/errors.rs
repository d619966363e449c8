//! What browsers see of an error: a page that says what happened, and the form for signing in where that is what is
//! missing.

use axum::http::Method;
use axum::http::Uri;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::frame::PageFrame;
use super::rendering::{rendered_with, see_other};
use super::templates::ErrorPage;
use crate::web::error::{WebError, WebErrorKind};

/// The longest path that a sign-in leads back to, in bytes: with three bytes for each, it fits into a header.
const LONGEST_NEXT: usize = 8 * 1024;

/// The page that a browser has asked for.
pub(in crate::web) struct AskedPage {
    /// The path and the query.
    place: String,
    /// Whether asking again after a sign-in does the same.
    is_repeatable: bool,
}

impl AskedPage {
    /// Returns the page that a request is for.
    pub(in crate::web) fn of(method: &Method, uri: &Uri) -> Self {
        Self {
            place: uri
                .path_and_query()
                .map_or("/", |place| place.as_str())
                .to_owned(),
            is_repeatable: matches!(*method, Method::GET | Method::HEAD),
        }
    }

    /// Whether the page is for users: visitors of links have nothing to sign in with.
    fn is_of_users(&self) -> bool {
        !self.place.starts_with("/s/")
    }

    /// Returns the address of the form that leads to this page.
    fn sign_in(&self) -> String {
        let is_next = self.is_repeatable && self.place != "/files/" && self.place.len() <= LONGEST_NEXT;
        match is_next {
            true => format!(
                "/login?next={}",
                utf8_percent_encode(&self.place, NON_ALPHANUMERIC)
            ),
            false => "/login".to_owned(),
        }
    }
}

/// Returns the page of an error, or sends the browser to the form for signing in.
pub(in crate::web) fn error_page(error: &WebError, asked: &AskedPage) -> Response {
    let is_sign_in = error.kind == WebErrorKind::SignInRequired && asked.is_of_users();
    let shown = match is_sign_in {
        true => see_other(&asked.sign_in()),
        false => page_of(error),
    };
    shown.unwrap_or_else(|_| error.for_program())
}

fn page_of(error: &WebError) -> Result<Response, WebError> {
    let status = error.kind.code().status;
    let page = ErrorPage {
        frame: PageFrame::for_anybody(),
        status: status.as_u16(),
        title: title(error.kind).to_owned(),
        sentence: sentence(&error.sentence),
        hint: error.hint.as_deref().map(sentence),
    };
    let mut response = rendered_with(status, &page)?;
    error.add_headers(response.headers_mut());
    Ok(response)
}

/// Says in a few words what has happened.
fn title(kind: WebErrorKind) -> &'static str {
    match kind {
        WebErrorKind::NotFound | WebErrorKind::Gone => "Nothing here",
        WebErrorKind::SignInRequired => "Not signed in",
        WebErrorKind::Forbidden | WebErrorKind::PasswordRequired | WebErrorKind::Origin => "Not allowed",
        WebErrorKind::Busy | WebErrorKind::TooMany | WebErrorKind::Locked => "Not at the moment",
        WebErrorKind::OverQuota | WebErrorKind::DiskFull => "No room left",
        WebErrorKind::Internal => "Something went wrong",
        _ => "This did not work",
    }
}

/// Returns a sentence of an error as pages show it: with a capital at its beginning and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(characters).collect();
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', ':']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn asked(method: &Method, uri: &'static str) -> AskedPage {
        AskedPage::of(method, &Uri::from_static(uri))
    }

    #[test]
    fn sentences_are_sentences() {
        assert_eq!(sentence("there is no such page"), "There is no such page.");
        assert_eq!(sentence("Try again!"), "Try again!");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn whoever_must_sign_in_is_led_back() {
        let check = |method: &Method, uri: &'static str, expected: Option<&str>| {
            let response = error_page(&WebError::sign_in_required(), &asked(method, uri));
            let place = response.headers().get(header::LOCATION);
            assert_eq!(place.map(|place| place.to_str().unwrap()), expected, "{uri}");
            let status = if expected.is_some() { 303 } else { 401 };
            assert_eq!(response.status(), status, "{uri}");
        };
        check(&Method::GET, "/files/", Some("/login"));
        check(
            &Method::GET,
            "/files/a%20b/?sort=size&order=desc",
            Some("/login?next=%2Ffiles%2Fa%2520b%2F%3Fsort%3Dsize%26order%3Ddesc"),
        );
        check(&Method::POST, "/account", Some("/login"));
        check(&Method::GET, "/s/token", None);
    }

    #[test]
    fn an_error_has_its_status_and_its_words() {
        let error = WebError::new(WebErrorKind::Busy, "too many <b>").hint("wait");
        let response = error_page(&error, &asked(&Method::GET, "/files/"));
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
