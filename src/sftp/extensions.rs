//! The extensions, as one table: what VERSION announces is what is answered. Layouts as in OpenSSH's PROTOCOL file
//! and draft-ietf-secsh-filexfer-extensions-00 (copy-data, home-directory).

use bytes::Bytes;

use crate::event::Event;
use crate::path::VirtualPath;
use crate::vfs::{Links, Over, Space, Wait};

use super::attrs;
use super::packet::{Fields, MAX_DATA, MAX_PACKET};
use super::reply::Reply;
use super::session::{Answer, Sftp, ok, path_of};
use super::status::{Refusal, Status};

/// One EXTENDED request, its name aside.
pub struct Call<'a> {
    /// The request's id.
    pub id: u32,
    /// What follows the name.
    pub body: Fields<'a>,
    /// May it take long here?
    pub wait: Wait,
}

struct Extension {
    name: &'static str,
    /// What VERSION says about it: its own version, as a decimal number.
    data: &'static [u8],
    run: fn(&mut Sftp, Call<'_>) -> Answer,
}

const TABLE: [Extension; 11] = [
    Extension {
        name: "posix-rename@openssh.com",
        data: b"1",
        run: posix_rename,
    },
    Extension {
        name: "statvfs@openssh.com",
        data: b"2",
        run: statvfs,
    },
    Extension {
        name: "fstatvfs@openssh.com",
        data: b"2",
        run: fstatvfs,
    },
    Extension {
        name: "hardlink@openssh.com",
        data: b"1",
        run: hardlink,
    },
    Extension {
        name: "fsync@openssh.com",
        data: b"1",
        run: fsync,
    },
    Extension {
        name: "lsetstat@openssh.com",
        data: b"1",
        run: lsetstat,
    },
    Extension {
        name: "limits@openssh.com",
        data: b"1",
        run: limits,
    },
    Extension {
        name: "expand-path@openssh.com",
        data: b"1",
        run: expand_path,
    },
    Extension {
        name: "copy-data",
        data: b"1",
        run: copy_data,
    },
    Extension {
        name: "home-directory",
        data: b"1",
        run: home_directory,
    },
    Extension {
        name: "users-groups-by-id@openssh.com",
        data: b"1",
        run: users_groups_by_id,
    },
];

/// The answer to INIT.
pub fn version() -> Bytes {
    Reply::version(TABLE.iter().map(|extension| (extension.name, extension.data)))
}

/// Executes an EXTENDED request by its name.
pub fn run(sftp: &mut Sftp, name: &[u8], call: Call<'_>) -> Answer {
    match TABLE.iter().find(|extension| extension.name.as_bytes() == name) {
        Some(extension) => (extension.run)(sftp, call),
        None => Err(Status::UNSUPPORTED.into()),
    }
}

/// A field that must be there.
fn need<T>(field: Option<T>) -> Result<T, Refusal> {
    field.ok_or_else(|| Status::BAD_MESSAGE.into())
}

fn posix_rename(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let from = need(call.body.path())?;
    let to = need(call.body.path())?;
    sftp.rename(call.id, (from, to), Over::Replace, call.wait)
}

fn statvfs(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let path = path_of(need(call.body.path())?)?;
    let space = sftp.storage.space(&path)?;
    Ok(space_reply(call.id, &space))
}

fn fstatvfs(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let space = sftp.file(need(call.body.handle())?)?.file.space()?;
    Ok(space_reply(call.id, &space))
}

fn space_reply(id: u32, space: &Space) -> Bytes {
    const READ_ONLY: u64 = 1;
    const NO_SUID: u64 = 2;
    let flags = (u64::from(space.read_only) * READ_ONLY) | (u64::from(space.no_suid) * NO_SUID);
    let mut reply = Reply::extended(id);
    for number in [
        space.block_size,
        space.fragment_size,
        space.blocks,
        space.blocks_free,
        space.blocks_available,
        space.files,
        space.files_free,
        space.files_available,
        space.fsid,
        flags,
        space.name_max,
    ] {
        reply.u64(number);
    }
    reply.finish()
}

fn hardlink(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
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

fn fsync(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let handle = need(call.body.handle())?;
    // OpenSSH's answer to a handle that is no file.
    let file = sftp.handles.file(handle).ok_or(Status::NO_SUCH_FILE)?;
    let file = std::sync::Arc::clone(&file.file);
    sftp.not_in_callback(true, call.wait)?;
    file.sync()?;
    ok(call.id)
}

fn lsetstat(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let path = path_of(need(call.body.path())?)?;
    let attrs = need(attrs::read(&mut call.body))?;
    if attrs.size.is_some() {
        // A link has no size to set.
        return Err(Status::BAD_MESSAGE.into());
    }
    sftp.storage.set_attrs(&path, &attrs, Links::NoFollow)?;
    ok(call.id)
}

fn limits(sftp: &mut Sftp, call: Call<'_>) -> Answer {
    let mut reply = Reply::extended(call.id);
    reply.u64(u64::from(MAX_PACKET));
    reply.u64(u64::from(MAX_DATA));
    reply.u64(u64::from(MAX_DATA));
    reply.u64(sftp.handles.limit() as u64);
    Ok(reply.finish())
}

/// `~` and `~/x` are the home and what is in it, and so is `~NAME` for the user's own name.
fn expand_path(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let path = need(call.body.path())?;
    let expanded = match path.strip_prefix(b"~") {
        None => path,
        Some(rest) => {
            let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
            let (name, below) = rest.split_at(end);
            if !name.is_empty() && name != sftp.context.actor.user.as_str().as_bytes() {
                return Err(Refusal::with_sentence(Status::NO_SUCH_FILE, "no such user").into());
            }
            below
        }
    };
    let resolved = sftp.storage.real_path(&VirtualPath::parse(expanded)?)?;
    Ok(Reply::name(call.id, &resolved.absolute()))
}

fn home_directory(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let name = need(call.body.path())?;
    if name.is_empty() || name == sftp.context.actor.user.as_str().as_bytes() {
        return Ok(Reply::name(call.id, b"/"));
    }
    Err(Status::FAILURE.into())
}

/// The server's own ids show as the user's name; others have none here.
fn users_groups_by_id(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
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

/// Copies between two open files on the server; length 0: to the end.
fn copy_data(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let from = need(call.body.handle())?;
    let offset = need(call.body.u64())?;
    let length = need(call.body.u64())?;
    let to = need(call.body.handle())?;
    let to_offset = need(call.body.u64())?;
    let (source, source_path) = {
        let file = sftp.file(from)?;
        (std::sync::Arc::clone(&file.file), file.path.clone())
    };
    let (target, target_path) = {
        let file = sftp.file(to)?;
        (std::sync::Arc::clone(&file.file), file.path.clone())
    };
    if from == to || source_path == target_path {
        return Err(Status::FAILURE.into());
    }
    sftp.not_in_callback(true, call.wait)?;
    if i64::try_from(offset).is_err() || i64::try_from(to_offset).is_err() {
        // Where lseek(2) cannot go.
        return Err(Status::BAD_MESSAGE.into());
    }
    // The end is where it is now: a target that is the source by another name would never end.
    let rest = source.stat()?.size.saturating_sub(offset);
    let wanted = if length == 0 { rest } else { length };
    let mut copied = 0;
    let mut buffer = crate::buffer::Buffer::take();
    while copied < wanted {
        if sftp.context.gone.is_cancelled() {
            return Err(Status::FAILURE.into());
        }
        let step = usize::try_from(wanted - copied)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let chunk = buffer.get_mut(..step).unwrap_or_default();
        let at = offset.checked_add(copied).ok_or(Status::BAD_MESSAGE)?;
        let count = source.read_at(chunk, at, Wait::Allowed)?;
        if count == 0 {
            // Asked for more than there is.
            return if length == 0 {
                ok(call.id)
            } else {
                Err(Status::EOF.into())
            };
        }
        let to_at = to_offset.checked_add(copied).ok_or(Status::BAD_MESSAGE)?;
        if let Err(error) = target.write_at(chunk.get(..count).unwrap_or_default(), to_at, Wait::Allowed) {
            return sftp.file_refused(to, error);
        }
        copied += count as u64;
        if let Ok(file) = sftp.file(from) {
            file.bytes_read = file.bytes_read.saturating_add(count as u64);
        }
        if let Ok(file) = sftp.file(to) {
            file.bytes_written = file.bytes_written.saturating_add(count as u64);
        }
    }
    ok(call.id)
}
