//! The body of the fuzz target for ssh_config: no text makes it panic, and the first value of a keyword counts, also
//! when the file is read twice.

use std::path::{Path, PathBuf};

use super::settings::{Origin, SshSettings};
use super::{ConfigSource, HostQuery, IncludedFiles, read};
use base::error::Result;

/// Includes of files that are not there.
struct NoFiles;

impl IncludedFiles for NoFiles {
    fn included(&self, _argument: &str, _in_file: &Path) -> Result<Vec<(PathBuf, String)>> {
        Ok(Vec::new())
    }
}

/// Reads `data` as a file, twice, and asserts that the second time adds nothing where both times mean the same.
pub fn fuzz_ssh_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let question = HostQuery {
        host: "example.com",
        user: Some("alice"),
        local_user: "bob",
    };
    let read_into = |settings: &mut SshSettings| {
        let source = ConfigSource {
            path: Path::new("config"),
            text: &text,
            origin: Origin::User,
        };
        read(&[source], &question, &NoFiles, settings).map_err(|error| error.to_string())
    };
    let mut settings = SshSettings::default();
    let first = read_into(&mut settings);
    // `Match` looks at the host's name, the user and the tag that were found before, and so may not match again.
    if settings.host_name.is_some() || settings.user.is_some() || settings.tag.is_some() {
        return;
    }
    let before = settings.clone();
    assert_eq!(read_into(&mut settings), first);
    assert_eq!(settings, before);
}
