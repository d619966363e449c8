//! Finds the mount point of each home, so that homes on different file systems can be kept apart.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// The mount points of this machine, as the kernel's mount table lists them. No file system is accessed, since one
/// that hangs would block the caller. A path that leads elsewhere by a link belongs to the volume of the link.
pub(super) struct MountPoints(Vec<PathBuf>);

impl MountPoints {
    /// Reads the current mount table.
    pub(super) fn now() -> Self {
        let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        let points = table.split(|&b| b == b'\n').filter_map(|line| {
            // The fields are id, parent, device, root, mount point; see proc(5).
            let point = line.split(|&b| b == b' ').nth(4)?;
            Some(PathBuf::from(OsString::from_vec(unescaped(point))))
        });
        Self(points.collect())
    }

    /// Returns the mount point that holds a path. The root of a chroot need not be a mount point, so paths without
    /// one are grouped under `/`.
    pub(super) fn above(&self, path: &Path) -> &Path {
        let above = self.0.iter().filter(|point| path.starts_with(point));
        above
            .max_by_key(|point| point.as_os_str().len())
            .map_or(Path::new("/"), PathBuf::as_path)
    }
}

/// Decodes octal escapes: a space is `\040` there.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.first_chunk::<3>().filter(|_| byte == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                plain.push(escaped);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(byte);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_mount_point() {
        let mounts = MountPoints::now();
        assert_eq!(mounts.above(Path::new("/proc/self")), Path::new("/proc"));
        assert_eq!(mounts.above(Path::new("/no/such/path")), Path::new("/"));
        assert_eq!(unescaped(b"/srv/two\\040words\\134x\\9"), b"/srv/two words\\x\\9");
    }
}
