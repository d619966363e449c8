//! Where the certificates lie by which the addresses of hooks are verified: the sandbox lets the server read them.

use std::path::{Component, Path, PathBuf};

/// Where systems have the certificates by which the addresses of hooks are verified, and what the links there lead to.
/// Private keys lie elsewhere. What does not exist is left out.
pub(super) const OF_SYSTEM: [&str; 14] = [
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/trust",
    "/etc/ca-certificates",
    "/etc/openssl/certs",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    "/usr/local/share/certs",
];

/// The variables by which other certificates are named: one file, and directories with colons between them.
const CERTIFICATE_FILE: &str = "SSL_CERT_FILE";
const CERTIFICATE_DIRECTORIES: &str = "SSL_CERT_DIR";

/// The most links in a directory of certificates whose targets are granted. A system has some hundred certificates.
const MOST_LINKS: usize = 4096;

/// The certificates that the environment names in place of the system's.
#[derive(Debug, Default)]
pub(super) struct NamedCertificates {
    /// One file with all of them.
    pub(super) file: Option<PathBuf>,
    /// Directories with a file for each.
    pub(super) directories: Vec<PathBuf>,
}

impl NamedCertificates {
    /// Reads the variables. The root directory, under whatever name, is not a directory of certificates.
    pub(super) fn from_environment() -> Self {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            file: named(CERTIFICATE_FILE).map(PathBuf::from),
            directories: named(CERTIFICATE_DIRECTORIES)
                .map(|value| {
                    let paths = std::env::split_paths(&value);
                    let is_below_root =
                        |path: &PathBuf| path.canonicalize().is_ok_and(|path| path.parent().is_some());
                    paths.filter(is_below_root).collect()
                })
                .unwrap_or_default(),
        }
    }

    /// Returns the files outside of the directories that links in these lead to, except for those that are granted on all
    /// systems. Nothing else of where they lie is meant.
    pub(super) fn linked(&self) -> Vec<PathBuf> {
        let entries = self.directories.iter().filter_map(|path| path.read_dir().ok());
        let links = entries
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        links
            .take(MOST_LINKS)
            .map(|link| link.path())
            .filter(|link| !is_granted_anyway(link))
            .filter_map(|link| link.canonicalize().ok())
            .filter(|path| path.is_file() && !OF_SYSTEM.iter().any(|granted| path.starts_with(granted)))
            .collect()
    }
}

/// Whether a link leads to another entry of its directory, which is looked at itself, or straight to a file that is granted
/// on all systems. Nearly all of them do. To find that out takes two system calls, while following a link takes one for each
/// directory on its way, and a start would make thousands of them.
fn is_granted_anyway(link: &Path) -> bool {
    let Ok(target) = link.read_link() else {
        return false;
    };
    let mut parts = target.components();
    if let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) {
        return true;
    }
    let goes_up = target.components().any(|part| part == Component::ParentDir);
    !goes_up
        && OF_SYSTEM.iter().any(|granted| target.starts_with(granted))
        && target.symlink_metadata().is_ok_and(|meta| meta.is_file())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_to_files_are_followed_and_those_to_directories_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("ca")).unwrap();
        std::fs::write(dir.join("one.pem"), "").unwrap();
        symlink("../one.pem", dir.join("ca/01234567.0")).unwrap();
        symlink("01234567.0", dir.join("ca/name.pem")).unwrap();
        symlink("nowhere", dir.join("ca/broken")).unwrap();
        symlink("/", dir.join("ca/everything")).unwrap();
        let named = NamedCertificates {
            file: None,
            directories: vec![dir.join("ca"), dir.join("missing")],
        };
        assert_eq!(named.linked(), [dir.join("one.pem")]);
    }
}
