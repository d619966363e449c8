//! The addresses of listings: what stands behind the question mark, and the links to other parts and other orders.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::domain::path::VirtualPath;
use crate::web::api::files::listing::PartWanted;
use crate::web::api::files::sorting::{SortDirection, SortKey, SortOrder, SortPlace};
use crate::web::error::{WebError, WebErrorKind};
use crate::web::pages::templates::ColumnHead;
use crate::web::url_path::href;

/// The entries of a part, as many as `directory.mjs` asks for at once.
const PART: usize = 500;

/// The columns.
pub(super) const COLUMNS: [Column; 3] = [
    Column {
        key: SortKey::Name,
        title: "Name",
    },
    Column {
        key: SortKey::Size,
        title: "Size",
    },
    Column {
        key: SortKey::Mtime,
        title: "Changed",
    },
];

/// A column of a listing.
pub(super) struct Column {
    key: SortKey,
    title: &'static str,
}

/// What stands behind the question mark.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ListingQuery {
    #[serde(default)]
    pub(super) sort: SortKey,
    #[serde(default)]
    pub(super) order: SortDirection,
    #[serde(default)]
    pub(super) filter: String,
    #[serde(default)]
    pub(super) after: String,
}

/// Returns the path of a directory as addresses have it, without a slash at the end; that of the home is empty.
pub(super) fn prefix(path: &VirtualPath) -> String {
    match path.is_root() {
        true => String::new(),
        false => href(&path.without_slash()),
    }
}

pub(super) fn directory_href(path: &VirtualPath) -> String {
    format!("/files{}/", prefix(path))
}

pub(super) fn file_href(path: &VirtualPath) -> String {
    format!("/api/v1/files{}", prefix(path))
}

impl ListingQuery {
    /// Returns how the listing is sorted.
    pub(super) fn sorting(&self) -> SortOrder {
        SortOrder {
            key: self.sort,
            direction: self.order,
        }
    }

    /// Returns the part that is asked for.
    pub(super) fn wanted(&self) -> Result<PartWanted, WebError> {
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
            order: self.sorting(),
            after,
            limit: Some(PART),
            filter: self.filter.clone(),
        })
    }

    /// Returns the address of a directory with the same filter, as `files.mjs` writes it: what is usual is left out.
    pub(super) fn address(&self, directory: &str, order: SortOrder, after: &str) -> String {
        let mut pairs = Vec::new();
        if order != SortOrder::default() {
            pairs.push(format!("sort={}", order.key.name()));
            pairs.push(format!("order={}", order.direction.name()));
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
    pub(super) fn head(&self, directory: &str, column: &Column) -> ColumnHead {
        let is_sorted = column.key == self.sort;
        let direction = match is_sorted {
            true => reversed(self.order),
            false => SortDirection::Asc,
        };
        let order = SortOrder {
            key: column.key,
            direction,
        };
        ColumnHead {
            key: column.key.name(),
            name: column.title,
            href: self.address(directory, order, ""),
            direction: is_sorted.then(|| description(self.order)),
        }
    }
}

/// Returns the word of `aria-sort`.
fn description(direction: SortDirection) -> &'static str {
    match direction {
        SortDirection::Asc => "ascending",
        SortDirection::Desc => "descending",
    }
}

fn reversed(direction: SortDirection) -> SortDirection {
    match direction {
        SortDirection::Asc => SortDirection::Desc,
        SortDirection::Desc => SortDirection::Asc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
