//! Homes on local disks, as the server itself uses them.

use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags, fstat, syncfs};
use rustix::io::Errno;

use super::volumes::MountPoints;
use super::walk;
use crate::storage::Result;
use crate::storage::backend::{Backend, MeasureError, Measurement, OpenFiles};
use crate::storage::location::{Location, Volume};

/// The local disks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisks;

impl Backend for LocalDisks {
    fn measure(
        &self,
        home: &Location,
        open_files: &dyn OpenFiles,
    ) -> std::result::Result<Measurement, MeasureError> {
        walk::measure(home.directory(), open_files)
    }

    /// Calls syncfs(2) once for each file system.
    fn sync_all(&self, homes: &[Location]) -> Result<()> {
        let mut done = Vec::new();
        for home in homes {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let directory = match rustix::fs::openat(CWD, home.directory(), flags, Mode::empty()) {
                Ok(directory) => directory,
                // A home that does not exist has nothing to flush.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let device = fstat(&directory)?.st_dev;
            if !done.contains(&device) {
                syncfs(&directory)?;
                done.push(device);
            }
        }
        Ok(())
    }

    fn volumes(&self, homes: &[&Location]) -> Vec<Volume> {
        let mounts = MountPoints::now();
        let volume = |home: &&Location| Volume(PathBuf::from(mounts.above(home.directory())));
        homes.iter().map(volume).collect()
    }
}
