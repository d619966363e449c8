//! Links on the server, and the names of owners: operations that only some servers have, or have in their own way.

use std::collections::{BTreeMap, BTreeSet};

use sftp_wire::extension::{IdList, UsersGroupsById};
use sftp_wire::{Attributes, ExtendedReply as _, ExtendedRequest, Extension, Reply, Request, StatusCode};

use super::Link;
use super::error::{RemoteError, done};

/// Makes a symbolic link at `path` that points to `target`. The arguments are sent in the order that the server takes.
///
/// # Errors
/// When the server refuses, or the connection is lost; so it is below.
pub async fn symlink(link: &Link, target: &[u8], path: &[u8]) -> Result<(), RemoteError> {
    let (first, second) = match link.transport.takes_link_names_first() {
        true => (path, target),
        false => (target, path),
    };
    let request = Request::Symlink { first, second };
    done(link.channel.ask(&request).await?)
}

/// Gives a file a second name.
///
/// # Errors
/// When the server cannot do that, or refuses.
pub async fn hardlink(link: &Link, from: &[u8], to: &[u8]) -> Result<(), RemoteError> {
    if !link.channel.offers(Extension::Hardlink) {
        return Err(RemoteError::Refused {
            code: StatusCode::OpUnsupported,
            message: Vec::new(),
        });
    }
    done(
        link.channel
            .ask(&Request::Extended(ExtendedRequest::Hardlink { from, to }))
            .await?,
    )
}

/// The names of users and groups of the server, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnerNames {
    /// The names of users. A user without a name is missing.
    pub users: BTreeMap<u32, Vec<u8>>,
    /// The names of groups, by their ids.
    pub groups: BTreeMap<u32, Vec<u8>>,
}

/// The most ids of one request, of users and of groups.
const IDS: usize = 256;

impl OwnerNames {
    /// Asks the server for the names of these ids. A server that does not say them gives none, and neither does one
    /// that refuses.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn of(link: &Link, ids: &OwnerIds) -> Result<Self, RemoteError> {
        let mut names = Self::default();
        if !link.channel.offers(Extension::UsersGroupsById) {
            return Ok(names);
        }
        let (uids, gids): (Vec<u32>, Vec<u32>) = (
            ids.users.iter().copied().collect(),
            ids.groups.iter().copied().collect(),
        );
        let most = uids.len().max(gids.len());
        for start in (0..most).step_by(IDS) {
            let part = |ids: &[u32]| -> Vec<u32> { ids.iter().skip(start).take(IDS).copied().collect() };
            let (users, groups) = (part(&uids), part(&gids));
            let (user_bytes, group_bytes) = (encoded(&users), encoded(&groups));
            let (Some(uids), Some(gids)) =
                (IdList::from_bytes(&user_bytes), IdList::from_bytes(&group_bytes))
            else {
                return Ok(names);
            };
            let request = Request::Extended(ExtendedRequest::UsersGroupsById { uids, gids });
            let Reply::Extended(reply) = link.channel.ask(&request).await? else {
                return Ok(names);
            };
            let Ok(reply) = UsersGroupsById::decode(&reply) else {
                return Ok(names);
            };
            let named = |name: &[u8]| (!name.is_empty()).then(|| name.to_vec());
            let pairs = users.iter().zip(reply.users.iter());
            names
                .users
                .extend(pairs.filter_map(|(id, name)| Some((*id, named(name)?))));
            let pairs = groups.iter().zip(reply.groups.iter());
            names
                .groups
                .extend(pairs.filter_map(|(id, name)| Some((*id, named(name)?))));
        }
        Ok(names)
    }
}

/// The ids of users and groups whose names are wanted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnerIds {
    /// The ids of users whose names are wanted.
    pub users: BTreeSet<u32>,
    /// The ids of groups whose names are wanted.
    pub groups: BTreeSet<u32>,
}

impl OwnerIds {
    /// Adds the owner of a file.
    pub fn add(&mut self, attrs: &Attributes) {
        if let Some(owner) = attrs.owner {
            self.users.insert(owner.uid);
            self.groups.insert(owner.gid);
        }
    }
}

fn encoded(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}
