//! What `-vv` prints of SFTP: each request and each reply, in a line. The bytes of files are left out.

use sftp_wire::{Reply, Request};

use crate::verbose::{self, REQUESTS};
use base::visible::printable;

/// Prints a request that is sent, with `-vv`.
pub(super) fn request(id: u32, request: &Request<'_>) {
    verbose::say(REQUESTS, || format!("request {id}: {}", described(request)));
}

/// Prints a READ or WRITE.
pub(super) fn range(id: u32, what: &str, offset: u64, length: u32) {
    verbose::say(REQUESTS, || {
        format!("request {id}: {what} {length} bytes at {offset}")
    });
}

/// Prints a reply that has arrived, with `-vv`.
pub(super) fn reply<B: AsRef<[u8]>>(id: u32, reply: &Reply<B>) {
    verbose::say(REQUESTS, || {
        let what = match reply {
            Reply::Version { version, extensions } => {
                format!("version {version} with {} extensions", extensions.len())
            }
            Reply::Status { code, message, .. } => {
                format!("status {} \"{}\"", code.number(), printable(message.as_ref()))
            }
            Reply::Handle(_) => "a handle".to_owned(),
            Reply::Data(data) => format!("{} bytes", data.as_ref().len()),
            Reply::Names(names) => format!("{} names", names.len()),
            Reply::Attrs(_) => "attributes".to_owned(),
            Reply::Extended(_) => "what was asked for".to_owned(),
        };
        format!("reply {id}: {what}")
    });
}

fn described(request: &Request<'_>) -> String {
    let of_path = |what: &str, path: &[u8]| format!("{what} \"{}\"", printable(path));
    let of_two = |what: &str, one: &[u8], other: &[u8]| {
        format!("{what} \"{}\" \"{}\"", printable(one), printable(other))
    };
    match request {
        Request::Open { path, flags, .. } => format!("{} for {flags:?}", of_path("open", path)),
        Request::Close { .. } => "close".to_owned(),
        Request::Read { offset, length, .. } => format!("read {length} bytes at {offset}"),
        Request::Write { offset, data, .. } => format!("write {} bytes at {offset}", data.len()),
        Request::Stat { path } => of_path("stat", path),
        Request::Lstat { path } => of_path("lstat", path),
        Request::Fstat { .. } => "fstat".to_owned(),
        Request::Setstat { path, .. } => of_path("setstat", path),
        Request::Fsetstat { .. } => "fsetstat".to_owned(),
        Request::Opendir { path } => of_path("opendir", path),
        Request::Readdir { .. } => "readdir".to_owned(),
        Request::Remove { path } => of_path("remove", path),
        Request::Mkdir { path, .. } => of_path("mkdir", path),
        Request::Rmdir { path } => of_path("rmdir", path),
        Request::Realpath { path } => of_path("realpath", path),
        Request::Rename { from, to } => of_two("rename", from, to),
        Request::Readlink { path } => of_path("readlink", path),
        Request::Symlink { first, second } => of_two("symlink", first, second),
        Request::Extended(extended) => printable(extended.name()),
    }
}
