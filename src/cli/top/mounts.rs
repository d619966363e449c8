//! Where file systems are mounted, by their device numbers, as the kernel tells it without asking the disks.

use std::collections::HashMap;

/// The first mount point of each device.
#[derive(Debug, Default)]
pub(super) struct DeviceMounts(HashMap<String, String>);

impl DeviceMounts {
    /// Reads them for this process. Without `/proc`, none is known.
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut points = HashMap::new();
        for line in text.lines() {
            // See proc_pid_mountinfo(5).
            let mut fields = line.split(' ').skip(2);
            if let (Some(device), Some(_root), Some(point)) = (fields.next(), fields.next(), fields.next()) {
                points
                    .entry(device.to_owned())
                    .or_insert_with(|| point.to_owned());
            }
        }
        Self(points)
    }

    /// Returns where a device such as `8:1` is mounted.
    pub fn of(&self, device: &str) -> Option<&str> {
        self.0.get(device).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mount_point_of_a_device_counts() {
        let points = DeviceMounts::parse(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n25 22 8:1 /a /b rw - ext4 /dev/sda1 rw\n30 22 0:25 / /srv\\040x rw - nfs h:/e rw\nbroken\n",
        );
        assert_eq!(points.of("8:1"), Some("/"));
        assert_eq!(points.of("0:25"), Some("/srv\\040x"));
        assert_eq!(points.of("9:9"), None);
    }
}
