//! The extensions. VERSION announces exactly those that are answered, since both follow [`Extension`].
//! [`sftp_wire::extension`] defines the layouts of their packets.

mod continued;
mod copy;
mod hashes;
mod openssh;
mod space;

use bytes::Bytes;
use sftp_wire::extension::{Supported, VendorId};
use sftp_wire::frame::LARGEST_DATA;
use sftp_wire::{Announcement, ExtendedRequest, Extension, OpenFlags, Reply, StatusCode, VERSION};

use crate::storage::IfExists;

use super::attrs;
use super::outcome::{RequestInfo, RequestResult};
use super::requests::names::rename;
use super::session::Sftp;

/// Encodes the reply to INIT: version 3, and every extension with its data.
pub fn version() -> Bytes {
    let (supported, vendor) = (supported(), vendor_id());
    let answered = Extension::ALL
        .iter()
        .map(|extension| (extension.name(), extension.version().as_bytes()));
    let announced = [(Supported::NAME, &supported[..]), (VendorId::NAME, &vendor[..])];
    let extensions = answered
        .chain(announced)
        .map(|(name, data)| Announcement {
            name: name.as_bytes(),
            data,
        })
        .collect();
    let reply = Reply::Version {
        version: VERSION,
        extensions,
    };
    // The reply to INIT has no id.
    reply.to_bytes(0)
}

/// Encodes version 5's list of supported features, in which Apache MINA SSHD looks for md5-hash and check-file. WinSCP
/// disables what the attributes lack.
fn supported() -> Vec<u8> {
    /// The attributes: size, ids, permissions, both times as version 3 has them, and the time of modification as
    /// version 5 has it.
    const ATTRIBUTES: u32 = 0x01 | 0x02 | 0x04 | 0x08 | 0x20;
    Supported {
        attribute_mask: ATTRIBUTES,
        attribute_bits: 0,
        open_flags: OpenFlags::ALL,
        access_mask: 0,
        read_length: LARGEST_DATA,
        extensions: Extension::ALL
            .iter()
            .map(|extension| extension.name().as_bytes())
            .collect(),
    }
    .to_vec()
}

fn vendor_id() -> Vec<u8> {
    VendorId {
        vendor: b"Homeport",
        product: b"homeportd",
        version: env!("CARGO_PKG_VERSION").as_bytes(),
        // The server has no build numbers.
        build: 0,
    }
    .to_vec()
}

/// Returns how many bytes the reply to an EXTENDED request may take while it is in flight, or 0 if none need to be
/// reserved before the request is executed.
pub fn reply_bytes_needed(request: &ExtendedRequest<'_>) -> usize {
    match request {
        // A status, a name or a few numbers.
        ExtendedRequest::PosixRename { .. }
        | ExtendedRequest::Statvfs { .. }
        | ExtendedRequest::Fstatvfs { .. }
        | ExtendedRequest::Hardlink { .. }
        | ExtendedRequest::Fsync { .. }
        | ExtendedRequest::Lsetstat { .. }
        | ExtendedRequest::Limits
        | ExtendedRequest::ExpandPath { .. }
        | ExtendedRequest::CopyData { .. }
        | ExtendedRequest::HomeDirectory { .. }
        | ExtendedRequest::Md5Hash { .. }
        | ExtendedRequest::Md5HashHandle { .. }
        | ExtendedRequest::ContinueHash { .. }
        | ExtendedRequest::SpaceAvailable { .. }
        | ExtendedRequest::Unknown { .. } => 0,
        // At most one packet, of which a channel has one at a time. It is charged to the user's memory if it waits.
        ExtendedRequest::UsersGroupsById { .. }
        | ExtendedRequest::CheckFile { .. }
        | ExtendedRequest::CheckFileName { .. }
        | ExtendedRequest::CheckFileHandle { .. } => 0,
    }
}

/// Executes an EXTENDED request, or refuses one whose name is unknown.
pub fn answer(sftp: &mut Sftp, request: ExtendedRequest<'_>, info: RequestInfo) -> RequestResult {
    match request {
        ExtendedRequest::PosixRename { from, to } => rename(sftp, from, to, IfExists::Replace, info),
        ExtendedRequest::Statvfs { path } => space::statvfs(sftp, path, info),
        ExtendedRequest::Fstatvfs { handle } => space::fstatvfs(sftp, handle, info),
        ExtendedRequest::Hardlink { from, to } => openssh::hardlink(sftp, from, to, info),
        ExtendedRequest::Fsync { handle } => openssh::fsync(sftp, handle, info),
        ExtendedRequest::Lsetstat { path, attrs } => {
            openssh::lsetstat(sftp, path, &attrs::changes(&attrs), info)
        }
        ExtendedRequest::Limits => openssh::limits(sftp, info),
        ExtendedRequest::ExpandPath { path } => openssh::expand_path(sftp, path, info),
        ExtendedRequest::CopyData {
            from,
            from_offset,
            length,
            to,
            to_offset,
        } => {
            let source = copy::CopyPosition::new(from, from_offset);
            let target = copy::CopyPosition::new(to, to_offset);
            copy::copy_data(sftp, source, length, target, info)
        }
        ExtendedRequest::HomeDirectory { user } => openssh::home_directory(sftp, user, info),
        ExtendedRequest::UsersGroupsById { uids, gids } => {
            openssh::users_groups_by_id(sftp, uids, gids, info)
        }
        ExtendedRequest::Md5Hash { path, query } => hashes::md5_hash(sftp, path, query, info),
        ExtendedRequest::Md5HashHandle { handle, query } => {
            hashes::md5_hash_handle(sftp, handle, query, info)
        }
        ExtendedRequest::CheckFile { file, query } => hashes::check_file(sftp, file, query, info),
        ExtendedRequest::CheckFileName { path, query } => hashes::check_file_name(sftp, path, query, info),
        ExtendedRequest::CheckFileHandle { handle, query } => {
            hashes::check_file_handle(sftp, handle, query, info)
        }
        ExtendedRequest::ContinueHash { handle, query } => {
            continued::continue_hash(sftp, handle, query, info)
        }
        ExtendedRequest::SpaceAvailable { path } => space::space_available(sftp, path, info),
        ExtendedRequest::Unknown { .. } => Err(StatusCode::OpUnsupported.into()),
    }
}
