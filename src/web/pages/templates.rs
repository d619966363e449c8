//! The templates of the pages for signing in and for files, as types: what each of them shows. The compiler reads the
//! templates (`src/web/templates/`) with these types, and escapes what is put into them.
//!
//! Nothing here asks anybody for anything: who makes a page fills these fields with texts that are ready to be shown.

use askama::Template;

use super::frame::PageFrame;

/// `/login`: the form for name, password and code.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// What surrounds the page, without a user.
    pub frame: PageFrame,
    /// Why the last form was refused, in one sentence that does not say what was wrong.
    pub error: Option<String>,
    /// The name that was typed last, or empty.
    pub name: String,
    /// Where to go afterwards: a path of this server, or empty.
    pub next: String,
}

/// `/login/password`: the form for a new password when the old one has expired.
#[derive(Template)]
#[template(path = "new_password.html")]
pub struct NewPasswordPage {
    /// What surrounds the page, without a user.
    pub frame: PageFrame,
    /// Why the last password was refused.
    pub error: Option<String>,
    /// What a password must have, in one sentence, or empty.
    pub rules: String,
    /// The user name, for password managers.
    pub name: String,
    /// The text that identifies the sign-in that waits.
    pub pending: String,
}

/// What went wrong.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What surrounds the page.
    pub frame: PageFrame,
    /// The status of the response.
    pub status: u16,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, in a sentence.
    pub sentence: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// `/files/PATH/`: a directory.
#[derive(Template)]
#[template(path = "files.html")]
pub struct FilesPage {
    /// What surrounds the page, with a user.
    pub frame: PageFrame,
    /// The name of the directory, as it is shown; that of the home is "Home".
    pub title: String,
    /// The path of the directory, percent-encoded, without a slash at the end: `/a/b`; that of the home is `/`.
    pub path: String,
    /// The directories from the home to this one.
    pub crumbs: Vec<Crumb>,
    /// The heads of the columns: name, size, time of change.
    pub heads: Vec<ColumnHead>,
    /// The entries, at most 500.
    pub rows: Vec<ListingRow>,
    /// What the listing is sorted by: `name`, `size` or `mtime`.
    pub sort: &'static str,
    /// `asc` or `desc`.
    pub order: &'static str,
    /// What the names must contain, or empty.
    pub filter: String,
    /// What the user may do here: some of the words `read create mkdir rename delete overwrite`, with spaces between.
    pub may: String,
    /// The cursor of the next part, or empty.
    pub next: String,
    /// The address of the page with the next part, or empty.
    pub next_href: String,
    /// The address of the page with the first part, or empty if this is it.
    pub first_href: String,
}

/// A directory of the path above a listing.
#[derive(Debug, Clone)]
pub struct Crumb {
    /// The name, as it is shown.
    pub name: String,
    /// The address: `/files/a/`.
    pub href: String,
}

/// The head of a column of a listing.
#[derive(Debug, Clone)]
pub struct ColumnHead {
    /// `name`, `size` or `mtime`.
    pub key: &'static str,
    /// The name of the column.
    pub name: &'static str,
    /// The address of the same directory, sorted by this column, or by it the other way round.
    pub href: String,
    /// `ascending` or `descending` if the listing is sorted by this column.
    pub direction: Option<&'static str>,
}

/// An entry of a listing.
#[derive(Debug, Clone)]
pub struct ListingRow {
    /// The name, as it is shown.
    pub name: String,
    /// The bytes of the name, percent-encoded.
    pub key: String,
    /// The address: of a directory `/files/a/b/`, of a file `/api/v1/files/a/b`, of a link `/files/a/b`, which leads on to
    /// either; empty if it cannot be opened.
    pub href: String,
    /// `directory`, `file`, `link` or `other`, as in the API.
    pub kind: &'static str,
    /// The size in bytes.
    pub bytes: u64,
    /// The size as it is shown; empty for directories.
    pub size: String,
    /// The time of the last change, in seconds since 1970.
    pub seconds: i64,
    /// The time as it is shown, in UTC: `2026-11-30 14:05`.
    pub changed: String,
    /// The time for programs: `2026-11-30T14:05:09Z`.
    pub changed_iso: String,
}

impl ListingRow {
    /// Returns the icon, by its name in `icons.svg`.
    pub fn icon(&self) -> &'static str {
        match self.kind {
            "directory" => "folder",
            "link" => "link",
            _ => "file",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pages::frame::{MenuPage, SignedInUser, UsageBar};

    fn frame(user: Option<SignedInUser>) -> PageFrame {
        PageFrame {
            site: "Harbour <b>".to_owned(),
            assets: "/assets/1".to_owned(),
            page: MenuPage::Files,
            user,
        }
    }

    fn user(is_admin: bool) -> SignedInUser {
        SignedInUser {
            name: "anna".to_owned(),
            is_admin,
            usage: UsageBar {
                used: "1.0 GiB".to_owned(),
                quota: Some("4.0 GiB".to_owned()),
                fullness: Some(250),
            },
        }
    }

    fn files(rows: Vec<ListingRow>, filter: &str) -> FilesPage {
        FilesPage {
            frame: frame(Some(user(false))),
            title: "Home".to_owned(),
            path: "/".to_owned(),
            crumbs: vec![Crumb {
                name: "Home".to_owned(),
                href: "/files/".to_owned(),
            }],
            heads: vec![ColumnHead {
                key: "name",
                name: "Name",
                href: "/files/?sort=name&order=desc".to_owned(),
                direction: Some("ascending"),
            }],
            rows,
            sort: "name",
            order: "asc",
            filter: filter.to_owned(),
            may: "read create".to_owned(),
            next: String::new(),
            next_href: "/files/?after=MQ".to_owned(),
            first_href: String::new(),
        }
    }

    fn file(name: &str) -> ListingRow {
        ListingRow {
            name: name.to_owned(),
            key: "key".to_owned(),
            href: "/api/v1/files/key".to_owned(),
            kind: "file",
            bytes: 3,
            size: "3 B".to_owned(),
            seconds: 0,
            changed: "1970-01-01 00:00".to_owned(),
            changed_iso: "1970-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn names_are_text_wherever_they_stand() {
        let page = files(vec![file("<script>alert(1)</script>\"'")], "<i>\"");
        let html = page.render().unwrap();
        for forbidden in ["<script>alert", "<b>", "<i>", "\"'<", "style=", " onclick"] {
            assert!(!html.contains(forbidden), "{forbidden} in\n{html}");
        }
        assert!(html.contains("/api/v1/files/key"), "{html}");
        assert!(html.contains("rel=\"next\""), "the next part has a link: {html}");
    }

    #[test]
    fn the_menu_has_what_is_for_this_user() {
        let page = |user| ErrorPage {
            frame: frame(user),
            status: 404,
            title: "Nothing here".to_owned(),
            sentence: "There is nothing of this name.".to_owned(),
            hint: None,
        };
        let check = |html: &str, expected: [bool; 3]| {
            let found = [
                "href=\"/files/\" aria-current",
                "href=\"/admin\"",
                "action=\"/logout\"",
            ];
            assert_eq!(found.map(|part| html.contains(part)), expected, "{html}");
        };
        check(&page(None).render().unwrap(), [false, false, false]);
        check(&page(Some(user(false))).render().unwrap(), [true, false, true]);
        check(&page(Some(user(true))).render().unwrap(), [true, true, true]);
    }

    #[test]
    fn a_refused_form_shows_its_sentence_and_the_name() {
        let page = LoginPage {
            frame: frame(None),
            error: Some("Name, password or code is wrong.".to_owned()),
            name: "anna".to_owned(),
            next: "/files/a/".to_owned(),
        };
        let html = page.render().unwrap();
        for part in ["code is wrong.", "value=\"anna\"", "method=\"post\""] {
            assert!(html.contains(part), "{part} in\n{html}");
        }
        let page = NewPasswordPage {
            frame: frame(None),
            error: None,
            rules: "At least 12 characters.".to_owned(),
            name: "anna".to_owned(),
            pending: "waits".to_owned(),
        };
        assert!(page.render().unwrap().contains("value=\"waits\""));
    }
}
