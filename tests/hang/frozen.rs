//! A file system that can be made to hang: an image on a loop device, frozen with `fsfreeze`.

use parking_lot::MutexGuard;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use testkit::exclusive;
use testkit::is_root;

/// The file system is thawed after this time even if the test is killed.
const FROZEN_SECS: u64 = 240;

/// A mounted image, which is unmounted when this is dropped.
pub struct Mount {
    dir: tempfile::TempDir,
    _lock: MutexGuard<'static, ()>,
}

impl Mount {
    /// Creates and mounts the image, or returns why that is not possible.
    fn new() -> Result<Self, String> {
        if !is_root() {
            return Err("mounting needs root".into());
        }
        let dir = tempfile::Builder::new()
            .prefix("homeport-hang-")
            .tempdir()
            .unwrap();
        let mount = Self {
            dir,
            _lock: exclusive::lock(exclusive::Reason::FrozenFileSystem),
        };
        let image = mount.dir.path().join("image");
        fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
        fs::create_dir(mount.point()).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(mount.point()))?;
        Ok(mount)
    }

    pub fn point(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    /// Creates and mounts the image, or prints that the test is skipped.
    pub fn or_skip() -> Option<Self> {
        Self::new()
            .inspect_err(|reason| testkit::skipped("a file system that can be frozen", reason))
            .ok()
    }

    /// Freezes the file system. A child thaws it when its input ends, which also happens if the test is killed.
    pub fn freeze(&self) -> Result<Frozen, String> {
        let point = self.point();
        let thaw = format!("timeout {FROZEN_SECS} cat > /dev/null; exec fsfreeze -u \"$0\"");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(thaw)
            .arg(&point)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let frozen = Frozen {
            hold: child.stdin.take(),
            thawing: child,
        };
        run(Command::new("fsfreeze").arg("-f").arg(&point))?;
        Ok(frozen)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg(self.point()));
    }
}

/// A frozen file system, which is thawed when this is dropped.
pub struct Frozen {
    hold: Option<ChildStdin>,
    thawing: Child,
}

impl Frozen {
    /// Thaws the file system, and asserts that it was frozen until now.
    pub fn thaw(mut self) {
        let in_time = self.thawing.try_wait().unwrap().is_none();
        drop(self.hold.take());
        assert!(
            self.thawing.wait().unwrap().success() && in_time,
            "thawed too early"
        );
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.hold.take());
        let _ = self.thawing.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
