//! `/files/PATH/`: a directory, with the first part of its listing. `files.mjs` reads the rest; without scripts, links lead
//! to the other parts, to other orders, into directories and to files.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use base::size::Size;
use base::visible::printable;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::frame::{MenuPage, PageFrame};
use super::shown_time::{iso, minute};
use super::templates::{ColumnHead, Crumb, FilesPage, ListingRow};
use super::{rendered, see_other};
use crate::domain::path::VirtualPath;
use crate::storage::router::call_io::CallPath;
use crate::storage::{FileKind, Links};
use crate::web::api::files::listing::{self, ListedEntry, ListedPart, PartWanted};
use crate::web::api::files::rights::DirectoryRights;
use crate::web::api::files::sorting::{SortDirection, SortKey, SortOrder, SortPlace};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::query::{AskedFor, asked};
use crate::web::url_path::{UrlPath, href, href_name};
use crate::web::users::WebUser;

/// The entries of a part, as many as `directory.mjs` asks for at once.
const PART: usize = 500;

/// The columns, with the words of addresses for them.
const COLUMNS: [Column; 3] = [
    Column {
        key: SortKey::Name,
        word: "name",
        title: "Name",
    },
    Column {
        key: SortKey::Size,
        word: "size",
        title: "Size",
    },
    Column {
        key: SortKey::Mtime,
        word: "mtime",
        title: "Changed",
    },
];

/// A column of a listing.
struct Column {
    key: SortKey,
    word: &'static str,
    title: &'static str,
}

/// What stands behind the question mark.
#[derive(Debug, Clone, Default, Deserialize)]
struct ListingQuery {
    #[serde(default)]
    sort: SortKey,
    #[serde(default)]
    order: SortDirection,
    #[serde(default)]
    filter: String,
    #[serde(default)]
    after: String,
}

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/files", get(show))
        .route("/files/", get(show))
        .route("/files/{*path}", get(show))
}

/// Answers GET.
async fn show(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    OriginalUri(uri): OriginalUri,
    query: AskedFor<ListingQuery>,
) -> Result<Response, WebError> {
    user.require_browser()?;
    let raw = uri.path().strip_prefix("/files").unwrap_or_default();
    let UrlPath { path, has_slash } = UrlPath::parse(raw.as_bytes())
        .map_err(|error| WebError::worded(WebErrorKind::BadRequest, &error.to_string()))?;
    let query = asked(query)?;
    if !has_slash || raw.is_empty() {
        return elsewhere(&user, &path, &uri).await;
    }
    let part = listing::list(&app, &user, &path, query.wanted()?).await;
    match part {
        Ok(part) => {
            let frame = PageFrame::of_user(&app, &user, MenuPage::Files).await?;
            rendered(&page_of(frame, &path, &query, part))
        }
        // It may be a file, whose address was written like that of a directory.
        Err(error) if error.kind == WebErrorKind::WrongKind => match kind_of(&user, &path).await? {
            FileKind::File => see_other(&file_href(&path)),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Sends the browser from an address without a slash at its end to the page of the directory, or to the file.
async fn elsewhere(user: &WebUser, path: &VirtualPath, uri: &Uri) -> Result<Response, WebError> {
    let is_directory = path.is_root() || kind_of(user, path).await? == FileKind::Directory;
    if !is_directory {
        return see_other(&file_href(path));
    }
    let query = uri.query().map(|query| format!("?{query}"));
    see_other(&(directory_href(path) + &query.unwrap_or_default()))
}

/// Returns what a path leads to.
async fn kind_of(user: &WebUser, path: &VirtualPath) -> Result<FileKind, WebError> {
    let home = user.session.home().await?;
    let wanted = path.clone();
    let looking = home.call(CallPath::Name(path), move |storage, _wait| {
        storage.stat(&wanted, Links::Follow)
    });
    let meta = looking.await;
    let meta = meta.map_err(|error| WebError::storage(error, home.refused(path, error)))?;
    Ok(meta.kind)
}

/// Returns the path of a directory as addresses have it, without a slash at the end; that of the home is empty.
fn prefix(path: &VirtualPath) -> String {
    match path.is_root() {
        true => String::new(),
        false => href(&path.without_slash()),
    }
}

fn directory_href(path: &VirtualPath) -> String {
    format!("/files{}/", prefix(path))
}

fn file_href(path: &VirtualPath) -> String {
    format!("/api/v1/files{}", prefix(path))
}

impl SortKey {
    /// Returns the word of addresses.
    fn word(self) -> &'static str {
        let column = COLUMNS.iter().find(|column| column.key == self);
        column.map_or("name", |column| column.word)
    }
}

impl SortDirection {
    /// Returns the word of addresses.
    fn word(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }

    /// Returns the word of `aria-sort`.
    fn description(self) -> &'static str {
        match self {
            Self::Asc => "ascending",
            Self::Desc => "descending",
        }
    }

    fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

impl ListingQuery {
    /// Returns the part that is asked for.
    fn wanted(&self) -> Result<PartWanted, WebError> {
        let after = match self.after.as_str() {
            "" => None,
            cursor => Some(SortPlace::parse(cursor).ok_or_else(|| {
                WebError::new(
                    WebErrorKind::BadRequest,
                    "this part of the listing is not known any more",
                )
                .hint("begin with the first part")
            })?),
        };
        Ok(PartWanted {
            order: SortOrder {
                key: self.sort,
                direction: self.order,
            },
            after,
            limit: Some(PART),
            filter: self.filter.clone(),
        })
    }

    /// Returns the address of a directory with the same filter, as `files.mjs` writes it: what is usual is left out.
    fn address(&self, directory: &str, order: SortOrder, after: &str) -> String {
        let mut pairs = Vec::new();
        if order != SortOrder::default() {
            pairs.push(format!("sort={}", order.key.word()));
            pairs.push(format!("order={}", order.direction.word()));
        }
        if !self.filter.is_empty() {
            let filter = utf8_percent_encode(&self.filter, NON_ALPHANUMERIC);
            pairs.push(format!("filter={filter}"));
        }
        if !after.is_empty() {
            pairs.push(format!("after={after}"));
        }
        match pairs.is_empty() {
            true => directory.to_owned(),
            false => format!("{directory}?{}", pairs.join("&")),
        }
    }

    /// Returns the head of a column, which sorts by it, or the other way round.
    fn head(&self, directory: &str, column: &Column) -> ColumnHead {
        let is_sorted = column.key == self.sort;
        let direction = match is_sorted {
            true => self.order.reversed(),
            false => SortDirection::Asc,
        };
        let order = SortOrder {
            key: column.key,
            direction,
        };
        ColumnHead {
            key: column.word,
            name: column.title,
            href: self.address(directory, order, ""),
            direction: is_sorted.then(|| self.order.description()),
        }
    }
}

/// Puts a page together.
fn page_of(frame: PageFrame, path: &VirtualPath, query: &ListingQuery, part: ListedPart) -> FilesPage {
    let directory = directory_href(path);
    let order = SortOrder {
        key: query.sort,
        direction: query.order,
    };
    let next = part.next.unwrap_or_default();
    let crumbs = crumbs(path);
    let may_read = part.may.read;
    FilesPage {
        frame,
        title: crumbs.last().map(|crumb| crumb.name.clone()).unwrap_or_default(),
        path: href(&path.without_slash()),
        crumbs,
        heads: COLUMNS
            .iter()
            .map(|column| query.head(&directory, column))
            .collect(),
        rows: part
            .entries
            .iter()
            .map(|entry| row_of(path, entry, may_read))
            .collect(),
        sort: query.sort.word(),
        order: query.order.word(),
        filter: query.filter.clone(),
        may: words_of(part.may),
        next_href: match next.is_empty() {
            true => String::new(),
            false => query.address(&directory, order, &next),
        },
        first_href: match query.after.is_empty() {
            true => String::new(),
            false => query.address(&directory, order, ""),
        },
        next,
    }
}

/// Returns the directories from the home to this one.
fn crumbs(path: &VirtualPath) -> Vec<Crumb> {
    let mut href = "/files/".to_owned();
    let mut crumbs = vec![Crumb {
        name: "Home".to_owned(),
        href: href.clone(),
    }];
    for name in path.names() {
        href.push_str(&href_name(name));
        href.push('/');
        crumbs.push(Crumb {
            name: printable(name),
            href: href.clone(),
        });
    }
    crumbs
}

/// Returns the row of an entry of the directory.
fn row_of(directory: &VirtualPath, entry: &ListedEntry, may_read: bool) -> ListingRow {
    let key = href_name(&entry.name.bytes());
    let prefix = prefix(directory);
    let changed = Timestamp::from_second(entry.mtime).ok();
    ListingRow {
        name: entry.name.name.clone(),
        href: match entry.kind {
            "directory" => format!("/files{prefix}/{key}/"),
            // Where it leads to is looked up when somebody goes there.
            "link" => format!("/files{prefix}/{key}"),
            "file" if may_read => format!("/api/v1/files{prefix}/{key}"),
            _ => String::new(),
        },
        kind: entry.kind,
        bytes: entry.size,
        size: match entry.kind {
            "directory" => String::new(),
            _ => Size(entry.size).to_string(),
        },
        seconds: entry.mtime,
        changed: changed.map(minute).unwrap_or_default(),
        changed_iso: changed.map(iso).unwrap_or_default(),
        key,
    }
}

/// Returns the rights as words, with spaces between.
fn words_of(may: DirectoryRights) -> String {
    let words = [
        may.read.then_some("read"),
        may.create.then_some("create"),
        may.mkdir.then_some("mkdir"),
        may.rename.then_some("rename"),
        may.delete.then_some("delete"),
        may.overwrite.then_some("overwrite"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::url_path::JsonName;

    fn path(raw: &[u8]) -> VirtualPath {
        VirtualPath::parse(raw).unwrap()
    }

    fn entry(name: &[u8], kind: &'static str) -> ListedEntry {
        ListedEntry {
            name: JsonName::of(name),
            kind,
            size: 3,
            mtime: 0,
            mode: 0o644,
        }
    }

    #[test]
    fn every_entry_leads_where_it_can_be_opened() {
        let check = |directory: &[u8], name: &[u8], kind, expected: &str| {
            let row = row_of(&path(directory), &entry(name, kind), true);
            assert_eq!(row.href, expected);
        };
        check(b"/", b"a b", "directory", "/files/a%20b/");
        check(b"/", b"caf\xe9", "file", "/api/v1/files/caf%E9");
        check(b"/d/e", b"l", "link", "/files/d/e/l");
        check(b"/d", b"pipe", "other", "");
        let unreadable = row_of(&path(b"/"), &entry(b"f", "file"), false);
        assert_eq!(
            (unreadable.href.as_str(), unreadable.changed.as_str()),
            ("", "1970-01-01 00:00")
        );
        let strange = ListedEntry {
            mtime: i64::MAX,
            ..entry(b"f", "file")
        };
        assert_eq!(row_of(&path(b"/"), &strange, true).changed, "");
    }

    #[test]
    fn addresses_keep_the_filter_and_leave_out_what_is_usual() {
        let query = ListingQuery {
            filter: "a&b".to_owned(),
            ..ListingQuery::default()
        };
        let by_size = SortOrder {
            key: SortKey::Size,
            direction: SortDirection::Asc,
        };
        assert_eq!(
            query.address("/files/", SortOrder::default(), ""),
            "/files/?filter=a%26b"
        );
        assert_eq!(
            query.address("/files/", by_size, "MQ"),
            "/files/?sort=size&order=asc&filter=a%26b&after=MQ"
        );
        let plain = ListingQuery::default();
        assert_eq!(plain.address("/files/d/", SortOrder::default(), ""), "/files/d/");
        let [name, size, _] = &COLUMNS;
        let name = plain.head("/files/", name);
        assert_eq!(
            (name.direction, name.href.as_str()),
            (Some("ascending"), "/files/?sort=name&order=desc")
        );
        let size = plain.head("/files/", size);
        assert_eq!(
            (size.direction, size.href.as_str()),
            (None, "/files/?sort=size&order=asc")
        );
    }

    #[test]
    fn the_path_has_a_link_for_each_directory() {
        let crumbs = crumbs(&path(b"/a b/c\xff/"));
        let crumbs: Vec<String> = crumbs
            .into_iter()
            .map(|crumb| format!("{} {}", crumb.name, crumb.href))
            .collect();
        assert_eq!(
            crumbs,
            ["Home /files/", "a b /files/a%20b/", "c\\xff /files/a%20b/c%FF/"]
        );
    }
}
