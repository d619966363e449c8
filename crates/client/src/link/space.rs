//! The free space on the server, by space-available or else by statvfs@openssh.com.

use sftp_wire::extension::{SpaceAvailable, Statvfs};
use sftp_wire::{ExtendedReply as _, ExtendedRequest, Extension, Reply, Request};

use super::Link;
use super::error::RemoteError;

/// The space on the server for this user, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The quota, or the size of the file system.
    pub total: u64,
    /// The bytes that may still be written.
    pub free: u64,
}

impl Space {
    /// The space at this path of the server, or `None` if the server does not report it.
    ///
    /// # Errors
    /// When the server says that something is wrong with the path, or the connection is lost.
    pub async fn at(link: &Link, path: &[u8]) -> Result<Option<Self>, RemoteError> {
        for (extension, request, read) in [
            (
                Extension::SpaceAvailable,
                ExtendedRequest::SpaceAvailable { path },
                space_available as fn(&[u8]) -> Option<Space>,
            ),
            (Extension::Statvfs, ExtendedRequest::Statvfs { path }, statvfs),
        ] {
            if !link.channel.offers(extension) {
                continue;
            }
            match link.channel.ask(&Request::Extended(request)).await? {
                Reply::Extended(reply) => return Ok(read(&reply)),
                other => {
                    let failed = RemoteError::from_reply(other, "the room on the server");
                    if !failed.is_unsupported() {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(None)
    }

    /// How many bytes are used.
    pub fn used(&self) -> u64 {
        self.total.saturating_sub(self.free)
    }
}

fn space_available(reply: &[u8]) -> Option<Space> {
    let space = SpaceAvailable::decode(reply).ok()?;
    // Zero means that it is not known (mod_sftp).
    Some(match space.bytes_available_to_user {
        0 => Space {
            total: space.bytes_on_device,
            free: space.unused_bytes_on_device,
        },
        total => Space {
            total,
            free: space.unused_bytes_available_to_user,
        },
    })
}

fn statvfs(reply: &[u8]) -> Option<Space> {
    let space = Statvfs::decode(reply).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size);
    Some(Space {
        total: bytes(space.blocks),
        free: bytes(space.blocks_available),
    })
}
