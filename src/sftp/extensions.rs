//! The extensions, as one table: what VERSION announces is what is answered. Layouts as in OpenSSH's PROTOCOL file
//! and in the drafts that each file names.

mod copy;
mod hashes;
mod openssh;
mod space;

use bytes::Bytes;

use crate::storage::Wait;

use super::outcome::Answer;
use super::packet::{Fields, MAX_DATA};
use super::reply::Reply;
use super::session::Sftp;
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

const TABLE: [Extension; 17] = [
    Extension {
        name: "posix-rename@openssh.com",
        data: b"1",
        run: openssh::posix_rename,
    },
    Extension {
        name: "statvfs@openssh.com",
        data: b"2",
        run: space::statvfs,
    },
    Extension {
        name: "fstatvfs@openssh.com",
        data: b"2",
        run: space::fstatvfs,
    },
    Extension {
        name: "hardlink@openssh.com",
        data: b"1",
        run: openssh::hardlink,
    },
    Extension {
        name: "fsync@openssh.com",
        data: b"1",
        run: openssh::fsync,
    },
    Extension {
        name: "lsetstat@openssh.com",
        data: b"1",
        run: openssh::lsetstat,
    },
    Extension {
        name: "limits@openssh.com",
        data: b"1",
        run: openssh::limits,
    },
    Extension {
        name: "expand-path@openssh.com",
        data: b"1",
        run: openssh::expand_path,
    },
    Extension {
        name: "copy-data",
        data: b"1",
        run: copy::copy_data,
    },
    Extension {
        name: "home-directory",
        data: b"1",
        run: openssh::home_directory,
    },
    Extension {
        name: "users-groups-by-id@openssh.com",
        data: b"1",
        run: openssh::users_groups_by_id,
    },
    Extension {
        name: "md5-hash",
        data: b"1",
        run: hashes::md5_hash,
    },
    Extension {
        name: "md5-hash-handle",
        data: b"1",
        run: hashes::md5_hash_handle,
    },
    Extension {
        name: "check-file",
        data: b"1",
        run: hashes::check_file,
    },
    Extension {
        name: "check-file-name",
        data: b"1",
        run: hashes::check_file_name,
    },
    Extension {
        name: "check-file-handle",
        data: b"1",
        run: hashes::check_file_handle,
    },
    Extension {
        name: "space-available",
        data: b"1",
        run: space::space_available,
    },
];

/// The answer to INIT.
pub fn version() -> Bytes {
    let (supported, vendor) = (supported(), vendor_id());
    let announced = [("supported", &supported[..]), ("vendor-id", &vendor[..])];
    let answered = TABLE.iter().map(|extension| (extension.name, extension.data));
    Reply::version(answered.chain(announced))
}

/// Version 5's list of what is supported, in which Apache MINA SSHD looks for md5-hash and check-file. WinSCP greys out
/// what the attributes lack.
fn supported() -> Vec<u8> {
    /// Size, ids, permissions, both times as version 3 has them, and the time of modification as version 5 has it.
    const ATTRIBUTES: u32 = 0x01 | 0x02 | 0x04 | 0x08 | 0x20;
    /// READ, WRITE, APPEND, CREAT, TRUNC and EXCL.
    const OPEN_FLAGS: u32 = 0x3f;
    let mut blob = Vec::new();
    for number in [ATTRIBUTES, 0, OPEN_FLAGS, 0, MAX_DATA] {
        blob.extend_from_slice(&number.to_be_bytes());
    }
    for extension in &TABLE {
        string(&mut blob, extension.name);
    }
    blob
}

/// draft-ietf-secsh-filexfer-13, section 4.4.
fn vendor_id() -> Vec<u8> {
    let mut blob = Vec::new();
    for text in ["Homeport", "homeportd", env!("CARGO_PKG_VERSION")] {
        string(&mut blob, text);
    }
    // No builds are counted.
    blob.extend_from_slice(&0u64.to_be_bytes());
    blob
}

fn string(blob: &mut Vec<u8>, text: &str) {
    blob.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
    blob.extend_from_slice(text.as_bytes());
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
