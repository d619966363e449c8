//! `GET files/DIR/?list`: the entries of a directory, sorted and filtered here, a part at a time.
//!
//! Each part reads the whole directory, and keeps what it returns ([`super::sorting`]): with the number of entries, the time
//! of a part grows, and its memory does not.

use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::rights::DirectoryRights;
use super::sorting::{SortOrder, SortPlace, SortedEntries, SortedPart};
use super::target::FileRequest;
use crate::domain::path::VirtualPath;
use crate::exec::home_session::HomeSession;
use crate::session::memory::TOO_MUCH_HELD;
use crate::storage::{DirEntry, FileKind};
use crate::web::api::usage::{self, JsonUsage};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::url_path::{JsonName, JsonPath};
use crate::web::users::WebUser;

/// The entries of a part if the request does not say how many.
const USUAL_PART: usize = 1000;

/// The most entries of a part: about 1 MiB of JSON.
const LARGEST_PART: usize = 10_000;

/// The longest filter in bytes, which is that of names.
const LONGEST_FILTER: usize = 255;

/// The memory that a kept entry takes in bytes, with a long name.
const ENTRY_COST: usize = size_of::<DirEntry>() + 128;

/// Which part of a listing is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartWanted {
    /// The order.
    pub order: SortOrder,
    /// The entry behind which the part begins; `None` for the first part.
    pub after: Option<SortPlace>,
    /// The most entries; `None` for as many as are usual.
    pub limit: Option<usize>,
    /// What the names must contain, whatever the case of letters is.
    pub filter: String,
}

/// A part of a listing, as the API returns it.
#[derive(Debug, Serialize)]
pub struct ListedPart {
    /// The path of the directory.
    #[serde(flatten)]
    pub path: JsonPath,
    /// The entries.
    pub entries: Vec<ListedEntry>,
    /// The cursor of the next part; `None` if this is the last one.
    pub next: Option<String>,
    /// What the user may do here.
    pub may: DirectoryRights,
    /// The use of the account that pays for what is here; `None` if it is not known.
    pub usage: Option<JsonUsage>,
}

/// An entry of a listing.
#[derive(Debug, Serialize)]
pub struct ListedEntry {
    /// The name.
    #[serde(flatten)]
    pub name: JsonName,
    /// What it is.
    pub kind: &'static str,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// The permission bits.
    pub mode: u32,
}

impl From<DirEntry> for ListedEntry {
    fn from(entry: DirEntry) -> Self {
        Self {
            name: JsonName::of(&entry.name),
            kind: match entry.meta.kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Symlink => "link",
                FileKind::Special => "other",
            },
            size: entry.meta.size,
            mtime: entry.meta.mtime,
            mode: entry.meta.mode & 0o7777,
        }
    }
}

/// Answers GET.
pub(super) async fn get(request: &FileRequest) -> Result<Response, WebError> {
    let query = &request.query;
    let after = match query.after.as_deref() {
        None | Some("") => None,
        Some(cursor) => Some(SortPlace::parse(cursor).ok_or_else(|| {
            WebError::new(
                WebErrorKind::BadRequest,
                "after must be the \"next\" of another part",
            )
        })?),
    };
    let wanted = PartWanted {
        order: SortOrder {
            key: query.sort,
            direction: query.order,
        },
        after,
        limit: query.limit,
        filter: query.filter.clone().unwrap_or_default(),
    };
    let part = list(&request.app, &request.user, &request.path, wanted).await?;
    Ok(Versioned::new(part).into_response())
}

/// Reads a part of a directory, with what its user may do there.
///
/// # Errors
/// Returns why the directory cannot be listed.
pub async fn list(
    app: &WebApp,
    user: &WebUser,
    path: &VirtualPath,
    wanted: PartWanted,
) -> Result<ListedPart, WebError> {
    if wanted.filter.len() > LONGEST_FILTER {
        return Err(WebError::new(
            WebErrorKind::BadRequest,
            "the filter is longer than any name",
        ));
    }
    let home = user.session.home().await?;
    let SortedEntries { entries, next } = read(&home, path, wanted).await?;
    let login = user.login();
    Ok(ListedPart {
        path: JsonPath::of(path),
        entries: entries.into_iter().map(ListedEntry::from).collect(),
        next,
        may: DirectoryRights::at(login, path),
        usage: usage::at(app, login, path).await?,
    })
}

/// Reads the entries of a part.
async fn read(home: &HomeSession, path: &VirtualPath, wanted: PartWanted) -> Result<SortedEntries, WebError> {
    let limit = wanted.limit.unwrap_or(USUAL_PART).clamp(1, LARGEST_PART);
    let _descriptor = home.context.budget.descriptor().map_err(WebError::exhausted)?;
    // The charge lasts as long as this access to the home: that of this request.
    if !home.charge_memory(limit.saturating_mul(2).saturating_mul(ENTRY_COST)) {
        return Err(WebError::exhausted(TOO_MUCH_HELD));
    }
    let refused = |error| WebError::storage(error, home.refused(path, error));
    let filter = NameFilter::new(&wanted.filter);
    let mut part = SortedPart::new(wanted.order, wanted.after, limit);
    let mut listing = home.open_dir(path).await.map_err(refused)?;
    loop {
        let (rest, entries) = home.entries(listing).await.map_err(refused)?;
        if entries.is_empty() {
            return Ok(part.finish());
        }
        for entry in entries {
            if filter.matches(&entry.name) {
                part.push(entry);
            }
        }
        listing = rest;
    }
}

/// What names must contain.
struct NameFilter(String);

impl NameFilter {
    fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    fn matches(&self, name: &[u8]) -> bool {
        self.0.is_empty() || String::from_utf8_lossy(name).to_lowercase().contains(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_contain_the_filter_whatever_their_case() {
        let check = |filter: &str, name: &[u8], expected: bool| {
            assert_eq!(NameFilter::new(filter).matches(name), expected, "{filter}");
        };
        check("", b"\xff", true);
        check("Port", b"rePORT.pdf", true);
        check("É", "café".as_bytes(), true);
        check("pdf", b"caf\xe9.PDF", true);
        check("x", b"report", false);
    }
}
