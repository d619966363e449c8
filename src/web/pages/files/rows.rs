//! What a listing shows: the path above it, its rows, and what its user may do.

use base::size::Size;
use base::visible::printable;
use jiff::Timestamp;

use super::addresses::prefix;
use crate::domain::path::VirtualPath;
use crate::web::api::files::listing::ListedEntry;
use crate::web::api::files::rights::DirectoryRights;
use crate::web::pages::shown_time::{iso, minute};
use crate::web::pages::templates::{Crumb, ListingRow};
use crate::web::url_path::href_name;

/// Returns the directories from the home to this one.
pub(super) fn crumbs(path: &VirtualPath) -> Vec<Crumb> {
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
pub(super) fn row_of(directory: &VirtualPath, entry: &ListedEntry, may_read: bool) -> ListingRow {
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
pub(super) fn words_of(may: DirectoryRights) -> String {
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
