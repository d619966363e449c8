//! The ways in which a server may hash its files, and which of them were found not to work on a connection.

/// The MD5 of some bytes.
pub type Md5 = [u8; 16];

/// A way to hash on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashMethod {
    /// The extension of draft-ietf-secsh-filexfer-extensions, section 3.2.
    Md5Hash,
    /// The extension of section 3 of the same draft, with a path.
    CheckFileName,
    /// The extension of section 3 with a handle, under the name that servers after that draft's first version have for
    /// it.
    CheckFile,
    /// The command `md5sum`, by exec.
    Command,
}

/// The hash methods that were found not to work on a connection, and whether commands run there.
#[derive(Debug, Default)]
pub struct FailedHashMethods {
    methods: parking_lot::Mutex<Vec<HashMethod>>,
    pub(super) runs_commands: tokio::sync::OnceCell<bool>,
}

impl FailedHashMethods {
    fn methods(&self) -> parking_lot::MutexGuard<'_, Vec<HashMethod>> {
        self.methods.lock()
    }

    pub(super) fn contains(&self, method: HashMethod) -> bool {
        self.methods().contains(&method)
    }

    pub(super) fn add(&self, method: HashMethod) {
        self.methods().push(method);
    }
}
