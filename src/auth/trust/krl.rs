//! Key revocation lists in the binary form of OpenSSH (PROTOCOL.krl), which `ssh-keygen -k` writes.
//!
//! Every section is understood or an error: a section that was skipped could revoke something. Signatures of lists are
//! not verified, as in OpenSSH since 9.4: the file is trusted because the configuration names it.

use super::position::ListFault;
use super::revoked::{KeyHash, RevokedKeys, sha256};

/// The bytes with which every such list begins.
pub(super) const MAGIC: &[u8] = b"SSHKRL\n\0";

/// The only version of the format.
const VERSION: u32 = 1;

/// The most bits of one bitmap. OpenSSH writes bitmaps of at most a few thousand.
const MOST_BITS: usize = 1 << 24;

/// The sections of a list.
mod section {
    pub(super) const CERTIFICATES: u8 = 1;
    pub(super) const KEYS: u8 = 2;
    pub(super) const SHA1: u8 = 3;
    pub(super) const SIGNATURE: u8 = 4;
    pub(super) const SHA256: u8 = 5;
    pub(super) const EXTENSION: u8 = 255;
}

/// The sections within a section of certificates.
mod certificates {
    pub(super) const SERIAL_LIST: u8 = 0x20;
    pub(super) const SERIAL_RANGE: u8 = 0x21;
    pub(super) const SERIAL_BITMAP: u8 = 0x22;
    pub(super) const KEY_ID: u8 = 0x23;
    pub(super) const EXTENSION: u8 = 0x39;
}

/// Parses a list, which begins with [`MAGIC`].
pub(super) fn parse(bytes: &[u8]) -> Result<RevokedKeys, ListFault> {
    let mut reader = KrlReader { rest: bytes };
    read_list(&mut reader).map_err(|what| {
        let at = bytes.len() - reader.rest.len();
        ListFault::of_binary(format!(
            "the revocation list cannot be read before byte {at}: {what}"
        ))
    })
}

fn read_list(reader: &mut KrlReader<'_>) -> Result<RevokedKeys, String> {
    let mut list = RevokedKeys::default();
    reader.take(MAGIC.len())?;
    let version = reader.u32()?;
    if version != VERSION {
        return Err(format!(
            "its format has version {version}, and only {VERSION} is known"
        ));
    }
    // The number of the list, the time at which it was made, and flags, which have no meaning yet.
    for _ in 0..3 {
        reader.u64()?;
    }
    // What is reserved, and a comment.
    reader.string()?;
    reader.string()?;
    while !reader.rest.is_empty() {
        let kind = reader.u8()?;
        let mut section = KrlReader {
            rest: reader.string()?,
        };
        match kind {
            section::CERTIFICATES => read_certificates(&mut section, &mut list)?,
            section::KEYS => section.each(|section| {
                list.revoke_blob(section.string()?);
                Ok(())
            })?,
            section::SHA1 => section.each(|section| {
                list.revoke_sha1(section.hash()?);
                Ok(())
            })?,
            section::SHA256 => section.each(|section| {
                list.revoke_sha256(section.hash()?);
                Ok(())
            })?,
            // The section is the key; the signature follows it.
            section::SIGNATURE => {
                reader.string()?;
            }
            section::EXTENSION => read_extension(&mut section)?,
            other => return Err(format!("its section of type {other} is not known")),
        }
    }
    Ok(list)
}

fn read_certificates(reader: &mut KrlReader<'_>, list: &mut RevokedKeys) -> Result<(), String> {
    // Without a key, the section is about the certificates of every authority.
    let authority = Some(reader.string()?).filter(|blob| !blob.is_empty()).map(sha256);
    reader.string()?;
    reader.each(|reader| {
        let kind = reader.u8()?;
        let mut section = KrlReader {
            rest: reader.string()?,
        };
        let section = &mut section;
        match kind {
            certificates::SERIAL_LIST => section.each(|section| {
                let serial = section.u64()?;
                list.revoke_serials(authority, serial..=serial)
            }),
            certificates::SERIAL_RANGE => {
                let (first, last) = (section.u64()?, section.u64()?);
                section.end()?;
                if last < first {
                    return Err("a range of serial numbers ends before it begins".to_owned());
                }
                list.revoke_serials(authority, first..=last)
            }
            certificates::SERIAL_BITMAP => read_bitmap(section, authority, list),
            certificates::KEY_ID => section.each(|section| {
                list.revoke_id(authority, section.string()?);
                Ok(())
            }),
            certificates::EXTENSION => read_extension(section),
            other => Err(format!(
                "its section of certificates of type {other:#x} is not known"
            )),
        }
    })
}

/// Reads serial numbers as the bits of a number, whose bit 0 stands for the first serial number.
fn read_bitmap(
    section: &mut KrlReader<'_>,
    authority: Option<KeyHash>,
    list: &mut RevokedKeys,
) -> Result<(), String> {
    let first = section.u64()?;
    let bitmap = section.string()?;
    section.end()?;
    if bitmap.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Err("a bitmap of serial numbers is a negative number".to_owned());
    }
    if bitmap.len() * 8 > MOST_BITS {
        return Err(format!("a bitmap has more than {MOST_BITS} bits"));
    }
    for (index, byte) in (0_u64..).zip(bitmap.iter().rev()) {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let serial = first.checked_add(index * 8 + bit);
            let serial = serial.ok_or("a bitmap has a serial number of more than 64 bits")?;
            list.revoke_serials(authority, serial..=serial)?;
        }
    }
    Ok(())
}

/// Reads an extension. None is known, so one that must be understood is an error.
fn read_extension(section: &mut KrlReader<'_>) -> Result<(), String> {
    let name = section.string()?;
    let is_critical = section.u8()? != 0;
    section.string()?;
    section.end()?;
    match is_critical {
        true => Err(format!(
            "its critical extension \"{}\" is not known",
            base::visible::sample(name, 64)
        )),
        false => Ok(()),
    }
}

/// Reads the data types of RFC 4251 from bytes.
struct KrlReader<'a> {
    rest: &'a [u8],
}

impl<'a> KrlReader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or("it ends too early, so it was cut off or is damaged")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, String> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_be_bytes)
    }

    fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.u32()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Reads a string with a hash of this length.
    fn hash<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let hash = self.string()?;
        hash.try_into()
            .map_err(|_| format!("a hash has {} bytes, and {N} were expected", hash.len()))
    }

    /// Reads until nothing is left.
    fn each(&mut self, mut read: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        while !self.rest.is_empty() {
            read(self)?;
        }
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err("a section has more bytes than its kind has".to_owned()),
        }
    }
}
