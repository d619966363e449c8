//! Whose the storage is: who may make a store, what a server does on storage that is not its own, and what survives
//! when a server's directory is moved or its disk is full.

mod full;
mod makers;
mod moved;
mod owners;

use std::path::{Path, PathBuf};
use std::process::Output;

use testkit::server::TestServer;

/// The sentence that a client hears where nothing may grow.
const NOT_OWNED: &str = "does not own the storage";

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A local file with these bytes, and its path.
fn local(sandbox: &TestServer, name: &str, bytes: &[u8]) -> PathBuf {
    let path = sandbox.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
