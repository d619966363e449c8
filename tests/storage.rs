//! Ownership of the storage: which commands create a store, servers on storage that another one owns, moved
//! directories, and full disks.

mod creation;
pub mod full;
mod modes;
mod moved;
mod owners;

use std::path::{Path, PathBuf};
use std::process::Output;

use testkit::server::TestServer;

/// The message for clients on storage where nothing may grow.
const NOT_OWNED: &str = "does not own the storage";

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Creates a local file with these bytes, and returns its path.
fn local(sandbox: &TestServer, name: &str, bytes: &[u8]) -> PathBuf {
    let path = sandbox.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns the sorted names in a directory.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
