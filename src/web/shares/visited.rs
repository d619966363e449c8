//! The share of a request, and which paths of its owner its visitor may name.

use crate::auth::shares::scope_of;
use crate::domain::path::VirtualPath;
use crate::store::web::ShareRecord;
use crate::web::error::{WebError, WebErrorKind};

/// The share that a request is about, as it was in the store when the request came.
#[derive(Debug, Clone)]
pub struct VisitedShare {
    /// The record.
    pub record: ShareRecord,
    /// The path of the shared file or directory, as the owner sees it.
    base: VirtualPath,
}

impl VisitedShare {
    /// Takes a record.
    ///
    /// # Errors
    /// Returns an error if it is not one that this version has made.
    pub fn new(record: ShareRecord) -> Result<Self, WebError> {
        let scope =
            scope_of(&record).map_err(|error| WebError::internal("a share cannot be used", &error))?;
        Ok(Self {
            base: scope.path().clone(),
            record,
        })
    }

    /// Returns the path of the shared file or directory, as the owner sees it.
    pub fn base(&self) -> &VirtualPath {
        &self.base
    }

    /// Returns the name of what is shared; none for a whole home.
    pub fn name(&self) -> Vec<u8> {
        self.base.split().map_or_else(Vec::new, |(_, name)| name.to_vec())
    }

    /// Returns the owner's path of what a visitor names. In a shared directory, names begin there; beside a shared file
    /// there is nothing.
    ///
    /// # Errors
    /// Returns an error for a path with `..`, for one that is too long, and for another name than that of a shared file.
    pub fn path_of(&self, named: &VirtualPath) -> Result<VirtualPath, WebError> {
        if named.has_up() {
            return Err(WebError::not_found());
        }
        let named = named.without_dots();
        if !self.record.is_directory {
            let mut names = named.names();
            let is_it = names.next() == Some(&self.name()[..]) && names.next().is_none();
            return match is_it {
                true => Ok(self.base.clone()),
                false => Err(WebError::not_found()),
            };
        }
        let path = [self.base.absolute(), named.absolute()].concat();
        VirtualPath::parse(&path)
            .map(|path| path.without_dots())
            .map_err(|error| WebError::new(WebErrorKind::BadRequest, error.to_string()))
    }

    /// Returns the owner's path of a file that a visitor sends. Visitors who see nothing of what is there send files to
    /// the shared directory itself.
    ///
    /// # Errors
    /// Returns an error as [`VisitedShare::path_of`] does, and for a path in a directory that the visitor does not see.
    pub fn target_of(&self, named: &VirtualPath) -> Result<VirtualPath, WebError> {
        let depth = named.without_dots().names().count();
        if depth == 0 || (depth > 1 && !self.record.allows_download) {
            return Err(WebError::new(
                WebErrorKind::Forbidden,
                "files can be sent to the shared folder itself, and not below it",
            ));
        }
        self.path_of(named)
    }

    /// Returns the path of something in the share, as its visitors see it.
    pub fn shown(&self, path: &VirtualPath) -> VirtualPath {
        let depth = self.base.names().count();
        let names: Vec<&[u8]> = path.names().skip(depth).collect();
        VirtualPath::parse(&[&b"/"[..], &names.join(&b'/')[..]].concat())
            .unwrap_or_else(|_| VirtualPath::root())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(path: &str, is_directory: bool, allows_download: bool) -> VisitedShare {
        VisitedShare::new(ShareRecord {
            id: 1,
            hash: [7; 32],
            user: "alice".parse().unwrap(),
            incarnation: 1,
            title: String::new(),
            path: path.as_bytes().to_vec(),
            is_directory,
            allows_download,
            allows_upload: is_directory,
            password_hash: None,
            expires_at: None,
            uses_left: None,
            bytes_left: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            used: 0,
        })
        .unwrap()
    }

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn visitors_name_only_what_is_shared() {
        let check = |share: &VisitedShare, named: &str, expected: Option<&str>| {
            let found = share.path_of(&path(named)).ok().map(|path| path.absolute());
            assert_eq!(found, expected.map(|path| path.as_bytes().to_vec()), "{named}");
        };
        let directory = share("/docs/2026", true, true);
        check(&directory, "/", Some("/docs/2026"));
        check(&directory, "/a/b", Some("/docs/2026/a/b"));
        check(&directory, "a/./b", Some("/docs/2026/a/b"));
        check(&directory, "/../secret", None);
        check(&directory, "/a/../../secret", None);
        let file = share("/docs/a.txt", false, true);
        check(&file, "/a.txt", Some("/docs/a.txt"));
        check(&file, "/b.txt", None);
        check(&file, "/a.txt/b", None);
        check(&file, "/", None);
        let home = share("/", true, true);
        check(&home, "/a", Some("/a"));
    }

    #[test]
    fn who_sees_nothing_sends_to_the_shared_folder_itself() {
        let hidden = share("/in", true, false);
        assert_eq!(hidden.target_of(&path("/a")).unwrap(), path("/in/a"));
        assert!(hidden.target_of(&path("/a/b")).is_err());
        assert!(hidden.target_of(&path("/")).is_err());
        let seen = share("/in", true, true);
        assert_eq!(seen.target_of(&path("/a/b")).unwrap(), path("/in/a/b"));
        assert_eq!(seen.shown(&path("/in/a/b")).absolute(), b"/a/b");
        assert_eq!(seen.shown(&path("/in")).absolute(), b"/");
    }
}
