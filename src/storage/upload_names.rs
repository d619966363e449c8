//! The names of unfinished uploads over HTTP: `.homeport-upload-` and 32 hexadecimal digits. The server alone gives and uses
//! them; no client can name such a file, whatever its protocol.

use data_encoding::HEXLOWER;
use jiff::SignedDuration;

use crate::domain::path::VirtualPath;

/// What the names begin with.
const PREFIX: &[u8] = b".homeport-upload-";

/// The digits of a name: 128 bits.
const DIGITS: usize = 32;

/// Whether a name is reserved for parts of uploads.
pub fn is_reserved(name: &[u8]) -> bool {
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    name.strip_prefix(PREFIX)
        .is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(is_digit))
}

/// How long an upload may take before what has arrived is removed.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The right to name parts of uploads. Only what receives uploads over HTTP asks for it.
#[derive(Debug, Clone, Copy)]
pub struct PartAccess(());

impl PartAccess {
    /// Returns the right for what receives uploads over HTTP, which takes the names from [`part_of`] alone.
    pub fn of_uploads() -> Self {
        Self(())
    }
}

/// Whether a component of a path, or of the target of a link, is reserved.
pub fn names_a_part(raw: &[u8]) -> bool {
    raw.split(|&byte| byte == b'/').any(is_reserved)
}

/// Whether a path names the part of an upload.
pub fn is_part(path: &VirtualPath) -> bool {
    path.split().is_some_and(|(_, name)| is_reserved(name))
}

/// Returns the path of the part beside its target; `None` if the target is not a name, or the path becomes too long.
pub fn part_of(target: &VirtualPath, id: &[u8; 16]) -> Option<VirtualPath> {
    let (directory, _) = target.split()?;
    let name = [PREFIX, HEXLOWER.encode(id).as_bytes()].concat();
    VirtualPath::parse(&[directory.absolute(), name].join(&b'/')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_reserved() {
        let digits = "0123456789abcdef".repeat(2);
        let check = |name: &str, expected: bool| {
            assert_eq!(is_reserved(name.as_bytes()), expected, "{name}");
        };
        check(&format!(".homeport-upload-{digits}"), true);
        check(&format!("homeport-upload-{digits}"), false);
        check(&format!(".homeport-upload-{digits}0"), false);
        check(&format!(".homeport-upload-{}", digits.to_uppercase()), false);
        check(".homeport-upload-", false);
        check(".homeport-upload-x", false);
        check("", false);
    }

    #[test]
    fn a_reserved_name_is_found_anywhere_in_a_path() {
        let name = format!(".homeport-upload-{}", "0".repeat(32));
        let check = |path: String, expected: bool| {
            assert_eq!(names_a_part(path.as_bytes()), expected, "{path}");
        };
        check(name.clone(), true);
        check(format!("/d/{name}"), true);
        check(format!("../{name}/x"), true);
        check(format!("d/x{name}"), false);
        check(String::new(), false);
    }

    #[test]
    fn a_part_lies_beside_its_target() {
        let check = |target: &str, expected: Option<&str>| {
            let target = VirtualPath::parse(target.as_bytes()).unwrap();
            let part = part_of(&target, &[0x0f; 16]);
            let expected = expected.map(|path| VirtualPath::parse(path.as_bytes()).unwrap());
            assert_eq!(part, expected);
            assert!(part.is_none_or(|part| is_part(&part)));
        };
        let name = format!(".homeport-upload-{}", "0f".repeat(16));
        check("/f", Some(&format!("/{name}")));
        check("/d/e/f", Some(&format!("/d/e/{name}")));
        check("/", None);
        check(&format!("/{}f", "d/".repeat(2040)), None);
    }
}
