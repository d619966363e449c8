//! How this process sees a path through its mounts: a service manager gives a unit other ones than a shell has.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// How this process sees a path differently from the rest of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountView {
    /// It is read-only here, and its file system is not: systemd's `ProtectSystem=` and `ReadOnlyPaths=` do that, and
    /// so do containers.
    ReadOnlyHere,
    /// It is hidden: systemd's `ProtectHome=` and `InaccessiblePaths=` do that.
    Hidden,
}

/// Returns how this process sees a path, or the first directory above it that can be looked at, differently from the
/// rest of the machine; `None` if it does not, or if that cannot be found out.
pub fn view_of(path: &Path) -> Option<MountView> {
    let id = path.ancestors().find_map(mount_id)?;
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    view_in(&table, id)
}

fn mount_id(path: &Path) -> Option<u64> {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    // Linux 5.8 has it.
    let has_id = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    has_id.then_some(found.stx_mnt_id)
}

/// Looks a mount up in the kernel's table.
fn view_in(table: &[u8], id: u64) -> Option<MountView> {
    let id = id.to_string();
    let lines = table.split(|&byte| byte == b'\n');
    // The fields are id, parent, device, root, mount point, options, others up to "-", type, source and the options of
    // the file system; see proc(5).
    let fields =
        |line: &[u8]| -> Vec<Vec<u8>> { line.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect() };
    let mut found = lines
        .map(fields)
        .filter(|fields| fields.first().is_some_and(|first| first == id.as_bytes()));
    let line = found.next()?;
    if line
        .get(3)?
        .windows(INACCESSIBLE.len())
        .any(|part| part == INACCESSIBLE)
    {
        return Some(MountView::Hidden);
    }
    let is_read_only = |options: &[u8]| options.split(|&byte| byte == b',').any(|option| option == b"ro");
    let (here, file_system) = (line.get(5)?, line.last()?);
    (is_read_only(here) && !is_read_only(file_system)).then_some(MountView::ReadOnlyHere)
}

/// The directory from which systemd mounts an empty object over what a unit must not see.
const INACCESSIBLE: &[u8] = b"systemd/inaccessible/";

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:1 / / ro,relatime shared:2 - ext4 /dev/sda1 rw,errors=remount-ro
31 30 0:24 /systemd/inaccessible/dir /home ro,nosuid - tmpfs tmpfs rw,mode=755
32 30 8:2 / /mnt/cd ro - iso9660 /dev/sr0 ro
33 30 8:1 /srv /srv rw,relatime - ext4 /dev/sda1 rw
34 30";

    #[test]
    fn what_a_unit_is_kept_from_is_told_from_what_is_read_only_for_all() {
        let check = |id, expected| assert_eq!(view_in(TABLE.as_bytes(), id), expected, "{id}");
        check(22, None);
        check(30, Some(MountView::ReadOnlyHere));
        check(31, Some(MountView::Hidden));
        check(32, None);
        check(33, None);
        check(34, None);
        check(3, None);
    }

    #[test]
    fn this_machine_has_an_answer_for_each_path() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(view_of(dir.path()), None);
        assert_eq!(view_of(&dir.path().join("not/there")), None);
    }
}
