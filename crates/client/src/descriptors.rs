//! The limit on files that this process may have open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many files are enough: a thousand that wait for their hashes, and those of everything else several times over.
/// Programs that are started inherit the limit, and some of them close each number below it.
const ENOUGH: u64 = 4096;

/// Raises the limit as far as it is worth it and as this process may. Many systems begin with 1,024, or 256.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit {
            current: Some(most),
            maximum: limit.maximum,
        };
        // Without it fewer files are transferred at once.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// How many files this process may have open at once.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
