//! How much memory this process may use: that of the machine, or less where the kernel limits it, as in a container and
//! in a unit with `MemoryMax=`.

use std::path::Path;

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";
/// The most levels of control groups that are looked at, from the inside.
const MOST_LEVELS: usize = 64;

/// Returns the memory that this process may use, in bytes.
pub(super) fn usable_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = u128::from(info.totalram) * u128::from(info.mem_unit);
    let machine = u64::try_from(machine).unwrap_or(u64::MAX);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit_of(&groups, Path::new(GROUPS)).map_or(machine, |limit| limit.min(machine))
}

/// Returns the least limit on memory of a process's control groups, or `None` if there is none. `groups` is the content
/// of its `/proc/self/cgroup` (cgroups(7)).
fn limit_of(groups: &str, mounted: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        match controllers {
            "" => least_limit(mounted, group, "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                least_limit(&mounted.join("memory"), group, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// Returns the least number in the file of this name in a group and in those above it. A container may not see the
/// directory of its group, and finds its limit at the top.
fn least_limit(top: &Path, group: &str, file: &str) -> Option<u64> {
    let group = top.join(group.trim_start_matches('/'));
    let levels = group.ancestors().take_while(|level| level.starts_with(top));
    let limits = levels.take(MOST_LEVELS).filter_map(|level| {
        let text = std::fs::read_to_string(level.join(file)).ok()?;
        // Without a limit it is the word "max".
        text.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_groups_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let check = |groups: &str, expected: Option<u64>| {
            assert_eq!(limit_of(groups, dir.path()), expected, "{groups}");
        };
        check("", None);
        check("0::/a/b\n", None);
        write("a/memory.max", "max\n");
        check("0::/a/b\n", None);
        // A slice, and a unit in it.
        write("a/b/memory.max", "2000\n");
        check("0::/a/b\n", Some(2000));
        write("a/memory.max", "1000\n");
        check("0::/a/b\n", Some(1000));
        check("0::/a\n", Some(1000));
        check("0::/other\n", None);
        // In a container, the group is the top, or its directory is not seen.
        write("memory.max", "500\n");
        check("0::/\n", Some(500));
        check("0::/docker/x\n", Some(500));
        check("0::/../../x\n", Some(500));
        // The first version, alone and beside the second.
        write("memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/memory.limit_in_bytes", "400\n");
        check("4:memory:/docker\n3:cpu,cpuacct:/\n", Some(400));
        check("4:cpu,memory:/docker\n0::/\n", Some(400));
        check("nonsense\n\n::\n1:\n", Some(500));
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(usable_memory() > 1 << 20);
    }
}
