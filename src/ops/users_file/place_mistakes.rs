//! Finds homes and folders of a file that exclude each other or what the store has, and where the file says so.

use std::collections::BTreeMap;

use super::declaration::{Declaration, Mistake, Span};
use crate::domain::folder::Folder;
use crate::domain::user::User;
use crate::store::{DirectoryHolder, HomeOwner, place_conflicts};

/// The homes and folders as they will be, and where the file declares them.
pub(super) struct PlaceMistakes<'a> {
    users: Vec<User>,
    folders: Vec<Folder>,
    users_at: BTreeMap<&'a str, DeclaredPlace>,
    folders_at: BTreeMap<&'a str, DeclaredPlace>,
}

/// Where the file declares a home or a folder.
struct DeclaredPlace {
    span: Option<Span>,
    is_known: bool,
}

impl<'a> PlaceMistakes<'a> {
    /// Takes all users, with what they inherit, and all folders as they will be.
    pub(super) fn new(declaration: &'a Declaration, users: Vec<User>, folders: Vec<Folder>) -> Self {
        let place = |span: &Option<Span>, is_known| DeclaredPlace {
            span: span.clone(),
            is_known,
        };
        let declared_users = declaration.users.iter();
        let declared_folders = declaration.folders.iter();
        Self {
            users_at: declared_users
                .map(|user| (user.record.name.as_str(), place(&user.span, user.is_place_known)))
                .collect(),
            folders_at: declared_folders
                .map(|folder| {
                    (
                        folder.record.name.as_str(),
                        place(&folder.span, folder.is_place_known),
                    )
                })
                .collect(),
            users,
            folders,
        }
    }

    /// Returns a mistake for each conflict, at the later one of both records, if the file has both. Records with a
    /// mistake in their place are left out, since nobody knows where they are to lie; without `quotas_are_known`, quotas
    /// are not compared.
    pub(super) fn found(&self, quotas_are_known: bool) -> Vec<Mistake> {
        let is_known = |at: Option<&DeclaredPlace>| at.is_none_or(|at| at.is_known);
        let users = self.users.iter();
        let users = users.filter(|user| is_known(self.users_at.get(user.name.as_str())));
        let owners: Vec<HomeOwner<'_>> = users
            .map(|user| HomeOwner {
                user: &user.name,
                home: &user.home,
                quota: match quotas_are_known {
                    true => user.quota(),
                    false => Default::default(),
                },
            })
            .collect();
        let folders = self.folders.iter();
        let folders = folders.filter(|folder| is_known(self.folders_at.get(folder.name.as_str())));
        let folders: Vec<Folder> = folders.cloned().collect();
        let conflicts = place_conflicts(&owners, &folders).into_iter();
        let mistakes = conflicts.map(|conflict| {
            let (one, other) = (
                self.span_of(&conflict.one.holder),
                self.span_of(&conflict.other.holder),
            );
            let is_later =
                |span: &Span, than: &Option<Span>| than.as_ref().is_none_or(|than| than.start < span.start);
            let conflict = match &other {
                Some(span) if is_later(span, &one) => conflict.reversed(),
                _ => conflict,
            };
            Mistake {
                span: self.span_of(&conflict.one.holder),
                what: format!("{}: {}", conflict.what(), conflict.cause()),
                hint: Some(conflict.hint().to_owned()),
            }
        });
        mistakes.collect()
    }

    /// Returns where the file declares the directory of a user or a folder.
    fn span_of(&self, holder: &DirectoryHolder) -> Option<Span> {
        let declared = match holder {
            DirectoryHolder::User(name) => self.users_at.get(name.as_str()),
            DirectoryHolder::Folder(name) => self.folders_at.get(name.as_str()),
        };
        declared.and_then(|place| place.span.clone())
    }
}
