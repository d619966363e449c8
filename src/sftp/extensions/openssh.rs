//! OpenSSH's small extensions, as its PROTOCOL file has them, and home-directory
//! (draft-ietf-secsh-filexfer-extensions-00).

use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::sftp::attrs;
use crate::sftp::outcome::Answer;
use crate::sftp::packet::{Fields, MAX_DATA, MAX_PACKET};
use crate::sftp::reply::Reply;
use crate::sftp::session::{Sftp, ok, path_of};
use crate::sftp::status::{Refusal, Status};
use crate::storage::{Links, Over};

use super::{Call, need};

pub(super) fn posix_rename(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let from = need(call.body.path())?;
    let to = need(call.body.path())?;
    sftp.rename(call.id, from, to, Over::Replace, call.wait)
}

pub(super) fn hardlink(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let from = path_of(need(call.body.path())?)?;
    let to = path_of(need(call.body.path())?)?;
    let done = sftp.storage.hard_link(&from, &to, call.wait);
    sftp.tell_refused(done, &to)?;
    let target = from.absolute();
    sftp.tell(|who| Event::Linked {
        who,
        target,
        link: to,
    });
    ok(call.id)
}

pub(super) fn fsync(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let handle = need(call.body.handle())?;
    // OpenSSH's answer to a handle that is no file.
    let file = sftp.handles.file(handle).ok_or(Status::NO_SUCH_FILE)?;
    let file = Arc::clone(&file.file);
    sftp.not_in_callback(true, call.wait)?;
    match file.sync() {
        Ok(()) => ok(call.id),
        Err(error) => sftp.file_refused(handle, error),
    }
}

pub(super) fn lsetstat(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let path = path_of(need(call.body.path())?)?;
    let attrs = need(attrs::read(&mut call.body))?;
    if attrs.size.is_some() {
        // A link has no size to set.
        return Err(Status::BAD_MESSAGE.into());
    }
    let done = sftp.storage.set_attrs(&path, &attrs, Links::NoFollow);
    sftp.tell_refused(done, &path)?;
    ok(call.id)
}

pub(super) fn limits(sftp: &mut Sftp, call: Call<'_>) -> Answer {
    let mut reply = Reply::extended(call.id);
    reply.u64(u64::from(MAX_PACKET));
    reply.u64(u64::from(MAX_DATA));
    reply.u64(u64::from(MAX_DATA));
    reply.u64(sftp.handles.limit() as u64);
    Ok(reply.finish())
}

/// `~` and `~/x` are the home and what is in it, and so is `~NAME` for the user's own name.
pub(super) fn expand_path(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let path = need(call.body.path())?;
    let expanded = match path.strip_prefix(b"~") {
        None => path,
        Some(rest) => {
            let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
            let (name, below) = rest.split_at(end);
            if !name.is_empty() && name != sftp.context.presence.actor.user.as_str().as_bytes() {
                return Err(Refusal::with_sentence(Status::NO_SUCH_FILE, "no such user").into());
            }
            below
        }
    };
    let resolved = sftp.storage.real_path(&VirtualPath::parse(expanded)?)?;
    Ok(Reply::name(call.id, &resolved.absolute()))
}

pub(super) fn home_directory(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let name = need(call.body.path())?;
    if name.is_empty() || name == sftp.context.presence.actor.user.as_str().as_bytes() {
        return Ok(Reply::name(call.id, b"/"));
    }
    Err(Status::FAILURE.into())
}

/// The server's own ids show as the user's name; others have none here.
pub(super) fn users_groups_by_id(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let uids = need(call.body.string())?;
    let gids = need(call.body.string())?;
    let lister = &sftp.context.lister;
    let names = |ids: &[u8], own: u32| -> Result<Vec<u8>, Refusal> {
        let mut ids = Fields(ids);
        let mut names = Vec::new();
        while !ids.is_empty() {
            let name = if need(ids.u32())? == own {
                lister.user.as_bytes()
            } else {
                b""
            };
            names.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_be_bytes());
            names.extend_from_slice(name);
            // An answer is at most as long as a packet may be.
            if names.len() > MAX_PACKET as usize / 2 - 64 {
                return Err(Status::BAD_MESSAGE.into());
            }
        }
        Ok(names)
    };
    let users = names(uids, lister.own_ids.0)?;
    let groups = names(gids, lister.own_ids.1)?;
    let mut reply = Reply::extended(call.id);
    reply.string(&users);
    reply.string(&groups);
    Ok(reply.finish())
}
