//! How much room there is: space-available, else statvfs@openssh.com.

use bytes::{Buf as _, Bytes};

use super::failed::Failed;
use super::files::string;
use crate::link::Link;
use crate::packets::Reply;

/// Room on the server, in bytes, as it holds for this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The quota, or the file system.
    pub total: u64,
    /// What may still be written.
    pub free: u64,
}

impl Space {
    /// What is used.
    pub fn used(&self) -> u64 {
        self.total.saturating_sub(self.free)
    }
}

impl Link {
    /// Room at this path; `None`: the server does not say.
    ///
    /// # Errors
    /// When it says that something is wrong with the path, or the connection is lost.
    pub async fn space(&self, path: &[u8]) -> Result<Option<Space>, Failed> {
        let mut body = Vec::new();
        string(&mut body, path);
        for (name, read) in [
            ("space-available", space_available as fn(Bytes) -> Option<Space>),
            ("statvfs@openssh.com", statvfs),
        ] {
            if self.extension(name).is_none() {
                continue;
            }
            match self.extended(name, &body).await? {
                Reply::Extended(reply) => return Ok(read(reply)),
                other => {
                    let failed = Failed::from_reply(other, "the room on the server");
                    if !failed.is_unsupported() {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(None)
    }
}

/// draft-ietf-secsh-filexfer-extensions, section 4: bytes on the device, unused; bytes for the user, unused; unit.
fn space_available(mut reply: Bytes) -> Option<Space> {
    let mut fields = [0; 4];
    for field in &mut fields {
        *field = reply.try_get_u64().ok()?;
    }
    let [device_total, device_free, user_total, user_free] = fields;
    // Zero: not known (mod_sftp).
    Some(match user_total {
        0 => Space {
            total: device_total,
            free: device_free,
        },
        total => Space {
            total,
            free: user_free,
        },
    })
}

/// OpenSSH's PROTOCOL file, section 4.5: f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, …
fn statvfs(mut reply: Bytes) -> Option<Space> {
    let mut fields = [0_u64; 5];
    for field in &mut fields {
        *field = reply.try_get_u64().ok()?;
    }
    let [_, unit, blocks, _, available] = fields;
    Some(Space {
        total: blocks.saturating_mul(unit),
        free: available.saturating_mul(unit),
    })
}
